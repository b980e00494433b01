//! What the catalogue is made of: a fault, how it is broken and mended, and what must be seen.

use std::time::Duration;

use parlor_testbed::tiers::ailing::Ailment;

use super::{actors::Actor, bound::Bound};
use crate::plan::Plan;

/// One fault.
#[derive(Debug)]
pub(crate) struct Row {
    /// Such as `F01`.
    pub(crate) id: &'static str,
    /// What is broken, in a few words.
    pub(crate) name: &'static str,
    pub(crate) play: Play,
}

/// Where it is played.
#[derive(Debug)]
pub(crate) enum Play {
    /// On the topology.
    Here(Script),
    /// By tests, which are named: processes would prove less.
    Tests(&'static str),
}

/// How it is played on the topology.
#[derive(Debug)]
pub(crate) struct Script {
    /// Options of the load test that differ from those of all faults; `{fanout-1}` is that node's
    /// own address.
    pub(crate) options: &'static [&'static str],
    /// Makes another load than a steady one of the plan.
    pub(crate) shape: fn(&mut Plan, Form),
    /// What is done before the load.
    pub(crate) prepare: &'static [Deed],
    /// One after another.
    pub(crate) phases: &'static [Phase],
    /// Who acts beside the load, from when the first phase begins until the last one ends.
    pub(crate) actors: &'static [Actor],
    pub(crate) short: Times,
    pub(crate) full: Times,
    /// How many agents work, in both forms.
    pub(crate) workers: u32,
    /// What must be seen, besides that nothing is lost, doubled or out of order.
    pub(crate) bounds: &'static [Bound],
    /// The topology is not whole afterwards, and is started anew.
    pub(crate) ruins: bool,
}

/// What a load is made for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Form {
    pub(crate) is_short: bool,
    /// When the fault begins, from the load's beginning, and how long it takes.
    pub(crate) at: Duration,
    pub(crate) lasts: Duration,
}

/// Something is broken, and mended again.
#[derive(Debug)]
pub(crate) struct Phase {
    /// What the time line says.
    pub(crate) what: &'static str,
    pub(crate) breaks: &'static [Deed],
    pub(crate) mends: &'static [Deed],
}

/// How long and how often, in seconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Times {
    /// How long each phase stays broken.
    pub(crate) lasts: u64,
    /// How long breaking and mending may take: the load goes on meanwhile.
    pub(crate) takes: u64,
    /// How often all phases are played.
    pub(crate) rounds: u64,
}

/// Something that is done to the topology. Parts have the names of `scripts/tiers`; `leader` is the
/// NATS node that leads the cluster, and `busiest` the one with the most clients, when they are
/// first named in a run.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Deed {
    Kill(&'static str),
    Stop(&'static str),
    Start(&'static str),
    /// Starts the NATS nodes that do not run, all at once.
    StartNats,
    /// Stops and starts a tier's nodes, or the NATS nodes, one after another.
    Roll(&'static str),
    Pause(&'static str),
    Resume(&'static str),
    /// From whom, to whom, and what becomes of bytes.
    Network(&'static str, &'static str, &'static str),
    /// A node is started with something wrong.
    Ail(&'static str, Ailment),
    /// So many connections that say nothing stand at a node until the phase ends.
    Crowd(&'static str, usize),
    /// The tenants file.
    Tenants(Tenants),
    /// From their next start on, the NATS servers sync every two minutes, as is their default.
    SyncByDefault,
    /// They sync again before they acknowledge.
    SyncAlways,
    MoveToVolumes,
    FillVolumes,
    FreeVolumes,
    CutPower,
    /// The stream of the actors' tenant is deleted.
    ForgetStream,
    /// `parlor provision` again.
    Provision,
}

/// What becomes of the tenants file.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Tenants {
    /// Nothing is in it.
    Empty,
    /// It ends in the middle of a tenant's entry.
    Cut,
    /// The second half is what an editor had not written yet.
    Torn,
    /// 64 MiB of it.
    Huge,
    /// As it was.
    Whole,
}

// === impl Script ===

impl Script {
    /// A fault under the steady load, of these phases; the rest is said with `..`.
    pub(crate) const fn of(phases: &'static [Phase], bounds: &'static [Bound]) -> Self {
        Self {
            options: &[],
            shape: |_, _| {},
            prepare: &[],
            phases,
            actors: &[],
            short: Times { lasts: 5, takes: 5, rounds: 1 },
            full: Times { lasts: 30, takes: 10, rounds: 1 },
            workers: 0,
            bounds,
            ruins: false,
        }
    }

    /// How long and how often in this form.
    pub(crate) const fn times(&self, is_short: bool) -> Times {
        if is_short { self.short } else { self.full }
    }
}

// === impl Times ===

impl Times {
    /// How many seconds so many phases take.
    pub(crate) const fn total(self, phases: usize) -> u64 {
        self.rounds * phases as u64 * (self.lasts + self.takes)
    }
}
