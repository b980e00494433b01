//! What is to be played: a scenario's cast, load, faults and bounds as data.

pub(crate) mod fault;
pub(crate) mod kinds;
pub(crate) mod options;
pub(crate) mod rate;

use std::{fmt, time::Duration};

use self::{
    options::Options,
    rate::{Course, Rate},
};

/// One run.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// The scenario's name.
    pub(crate) scenario: &'static str,
    pub(crate) options: Options,
    pub(crate) load: Load,
    /// Sockets that are cut by the harness itself.
    pub(crate) storm: Option<Storm>,
    /// Sockets that stop reading.
    pub(crate) stall: Option<Stall>,
    /// A conversation that gets more than its share.
    pub(crate) hot: Option<Hot>,
    /// Whether nodes' memory and descriptors must stay flat.
    pub(crate) flat: Option<Flat>,
}

/// What is written.
#[derive(Clone, Debug)]
pub(crate) enum Load {
    /// Drafts at a rate.
    Offer(Course),
    /// The same drafts again and again.
    Repeat(Repeats),
    /// Drafts at a rate that rises until a bound is broken.
    Climb(Climb),
}

/// Sockets are cut without a goodbye.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Storm {
    /// When, from the beginning of the load.
    pub(crate) at: Duration,
    /// Again and again.
    pub(crate) every: Option<Duration>,
    /// How many of 100 sockets.
    pub(crate) percent: u32,
}

/// Agents' sockets that stop reading for a while.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stall {
    pub(crate) sockets: u32,
    /// From when, from the beginning of the load.
    pub(crate) at: Duration,
    pub(crate) lasts: Duration,
}

/// The first conversation is hot.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hot {
    /// How many of 100 drafts are its.
    pub(crate) percent: u32,
    /// How many sockets it has.
    pub(crate) sockets: u32,
}

/// Memory and descriptors at the end may be so many percent above those at the beginning.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Flat {
    pub(crate) percent: u32,
}

/// Each of so many ids is sent between once and `most` times, some at once, some much later.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Repeats {
    pub(crate) ids: u32,
    pub(crate) most: u32,
    pub(crate) over: Duration,
}

/// The rate rises step by step.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Climb {
    pub(crate) from: Rate,
    /// Each step is so many times the last one.
    pub(crate) factor: f64,
    /// How long a step lasts; its latencies count in the second half.
    pub(crate) step: Duration,
    /// The 99th percentile of answers that a step may have.
    pub(crate) p99: Duration,
    /// It ends there in any case.
    pub(crate) to: Rate,
}

// === impl Plan ===

impl Plan {
    /// How long the load lasts, at most.
    pub(crate) fn lasts(&self) -> Duration {
        match &self.load {
            Load::Offer(_) => self.options.pace.warm + self.options.pace.load,
            Load::Repeat(repeats) => repeats.over,
            Load::Climb(climb) => climb.step * climb.steps(),
        }
    }

    /// How many sockets there should be.
    pub(crate) fn sockets(&self) -> u32 {
        let cast = &self.options.cast;
        let stalled = self.stall.map_or(0, |stall| stall.sockets);
        let visitors: u32 = (0..cast.conversations).map(|number| self.tabs(number)).sum();
        visitors + cast.tenants * cast.dashboards + stalled + cast.workers
    }

    /// The tenant of the agent who works with this number, counted from 0.
    pub(crate) fn tenant_of_worker(&self, number: u32) -> u32 {
        /// So many share a tenant, so that they meet.
        const TOGETHER: u32 = 4;
        number / TOGETHER % self.options.cast.tenants + 1
    }

    /// How many sockets the conversation with this number has.
    pub(crate) fn tabs(&self, number: u32) -> u32 {
        let cast = &self.options.cast;
        let (each, rest) = (cast.sockets / cast.conversations, cast.sockets % cast.conversations);
        let tabs = (each + u32::from(number < rest)).max(1);
        match self.hot {
            Some(hot) if number == 0 => tabs.max(hot.sockets),
            _ => tabs,
        }
    }
}

// === impl Climb ===

impl Climb {
    /// How many steps there are, if none is bad; and the one that is played again.
    fn steps(self) -> u32 {
        let rates =
            std::iter::successors(Some(self.from.number()), |rate| Some(rate * self.factor));
        let count = rates.take_while(|rate| *rate <= self.to.number()).count();
        u32::try_from(count).unwrap_or(u32::MAX).saturating_add(1)
    }
}

// === impl Load ===

impl fmt::Display for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Offer(course) => course.fmt(f),
            Self::Repeat(Repeats { ids, most, .. }) => {
                write!(f, "{ids} ids, each sent 1 to {most} times")
            }
            Self::Climb(Climb { from, factor, p99, .. }) => {
                write!(f, "from {from} on, times {factor}, up to a p99 of {p99:?}")
            }
        }
    }
}
