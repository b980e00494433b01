//! Scenarios' own options, their defaults for the shared ones, and the plans they make.

use std::time::Duration;

use anyhow::ensure;
use clap::{Arg, Args, value_parser};

use super::steady;
use crate::plan::{
    Climb, Flat, Hot, Load, Plan, Repeats, Stall, Storm,
    options::{Options, percent},
    rate::{Burst, Course, Rate, parse_duration},
};

#[derive(Clone, Debug, Args)]
pub(crate) struct Bursts {
    /// Drafts a second while a burst lasts
    #[arg(long, default_value = "500/s")]
    burst_rate: Rate,
    /// How long a burst lasts
    #[arg(long, value_name = "DURATION", default_value = "3s", value_parser = parse_duration)]
    burst_for: Duration,
    /// How often one comes; it is the end of each such period
    #[arg(long, value_name = "DURATION", default_value = "15s", value_parser = parse_duration)]
    burst_every: Duration,
    #[command(flatten)]
    options: Options,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct Storms {
    /// When the sockets are cut, from the load's beginning
    #[arg(long, value_name = "DURATION", default_value = "20s", value_parser = parse_duration)]
    storm_at: Duration,
    /// Again and again, so often [default: once]
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    storm_every: Option<Duration>,
    /// How many of 100 sockets, visitors' and agents'
    #[arg(long, value_name = "PERCENT", default_value_t = 100, value_parser = percent())]
    storm_percent: u32,
    #[command(flatten)]
    options: Options,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct SlowReaders {
    /// How many agents' sockets stop reading, beside those of --dashboards
    #[arg(long, default_value_t = 100, value_parser = value_parser!(u32).range(1..=100_000))]
    slow: u32,
    /// When they stop, from the load's beginning
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = parse_duration)]
    slow_at: Duration,
    /// How long they do not read. A node lets about a thousand messages, or a megabyte, wait for a
    /// socket: less than that closes nobody
    #[arg(long, value_name = "DURATION", default_value = "40s", value_parser = parse_duration)]
    slow_for: Duration,
    #[command(flatten)]
    options: Options,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct HotConversation {
    /// How many of 100 drafts are for the hot conversation
    #[arg(long, value_name = "PERCENT", default_value_t = 50, value_parser = percent())]
    hot: u32,
    /// How many sockets it has
    #[arg(long, default_value_t = 200, value_parser = value_parser!(u32).range(1..=100_000))]
    hot_sockets: u32,
    #[command(flatten)]
    options: Options,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct Soak {
    /// By so many percent may a node's memory and descriptors grow from the first third of the load
    /// to the last; needs --admin [default: 10 where --admin is given]
    #[arg(long, value_name = "PERCENT", value_parser = percent())]
    flat: Option<u32>,
    #[command(flatten)]
    options: Options,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct RepeatIds {
    /// How many client message ids
    #[arg(long, default_value_t = 100_000, value_parser = value_parser!(u32).range(1..=1_000_000))]
    ids: u32,
    /// How often an id is sent at most; each is sent once at least, and few are sent often
    #[arg(long, default_value_t = 50, value_parser = value_parser!(u32).range(1..=1000))]
    most: u32,
    #[command(flatten)]
    options: Options,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct Ceiling {
    /// The p99 of answers, and of showings to others, that a step may have
    #[arg(long, value_name = "DURATION", default_value = "500ms", value_parser = parse_duration)]
    p99: Duration,
    /// Each step's rate is so many times the last one's
    #[arg(long, default_value_t = 1.5)]
    factor: f64,
    /// How long a step lasts; its second half counts
    #[arg(long, value_name = "DURATION", default_value = "20s", value_parser = parse_duration)]
    step: Duration,
    /// It ends at this rate in any case
    #[arg(long, value_name = "RATE", default_value = "20000/s")]
    up_to: Rate,
    #[command(flatten)]
    options: Options,
}

// === the scenarios' own defaults for what all share ===

/// `defaults` are names of options and their values.
fn with(arg: Arg, defaults: &[(&str, &'static str)]) -> Arg {
    match defaults.iter().find(|(name, _)| *name == arg.get_id().as_str()) {
        Some((_, value)) => arg.default_value(*value),
        None => arg,
    }
}

/// These options mean nothing to the scenario.
fn without(arg: Arg, names: &[&str]) -> Arg {
    let is_one = names.contains(&arg.get_id().as_str());
    arg.hide(is_one)
}

pub(super) fn slow_readers(arg: Arg) -> Arg {
    let few = [("tenants", "2"), ("conversations", "100"), ("sockets", "100")];
    // Little enough for a visitor's limit of bytes, and much for a socket that is not read.
    let much = [("rate", "150/s"), ("bytes", "2048")];
    with(with(arg, &few), &much)
}

pub(super) fn hot_conversation(arg: Arg) -> Arg {
    // A visitor may write 20 messages a second, an agent more.
    with(arg, &[("rate", "100/s"), ("replies", "80"), ("tenants", "10"), ("conversations", "100")])
}

pub(super) fn many_tenants(arg: Arg) -> Arg {
    let many = [("tenants", "1000"), ("conversations", "1000"), ("sockets", "1000")];
    with(with(arg, &many), &[("rate", "100/s")])
}

pub(super) fn soak(arg: Arg) -> Arg {
    with(arg, &[("rate", "50/s"), ("load", "30m"), ("drain", "60s")])
}

pub(super) fn repeat_ids(arg: Arg) -> Arg {
    // The ids and their number say how much is written, and by whom.
    let arg = without(arg, &["rate", "replies"]);
    let sockets = [("sockets", "1000"), ("kinds", "parlor1=95,rest=5"), ("load", "10m")];
    with(with(arg, &sockets), &[("bytes", "64"), ("warm", "0s"), ("drain", "120s")])
}

pub(super) fn ceiling(arg: Arg) -> Arg {
    // Its steps say how long it lasts.
    let arg = match arg.get_id().as_str() {
        "rate" => arg.help("The first step's drafts a second"),
        _ => without(arg, &["load", "warm"]),
    };
    with(arg, &[("rate", "50/s"), ("bytes", "128"), ("warm", "0s")])
}

// === the plans ===

impl Bursts {
    pub(super) fn plan(self) -> anyhow::Result<Plan> {
        ensure!(self.burst_every > self.burst_for, "--burst-every must be longer than --burst-for");
        let burst = Burst { rate: self.burst_rate, lasts: self.burst_for, every: self.burst_every };
        let base = self.options.pace.rate;
        let load = Load::Offer(Course { base, burst: Some(burst) });
        Ok(Plan { load, ..steady("burst", self.options) })
    }
}

impl Storms {
    pub(super) fn plan(self) -> Plan {
        let (at, every, percent) = (self.storm_at, self.storm_every, self.storm_percent);
        let storm = Some(Storm { at, every, percent });
        Plan { storm, ..steady("reconnect-storm", self.options) }
    }
}

impl SlowReaders {
    pub(super) fn plan(self) -> Plan {
        let stall = Stall { sockets: self.slow, at: self.slow_at, lasts: self.slow_for };
        Plan { stall: Some(stall), ..steady("slow-readers", self.options) }
    }
}

impl HotConversation {
    pub(super) fn plan(self) -> Plan {
        let hot = Hot { percent: self.hot, sockets: self.hot_sockets };
        Plan { hot: Some(hot), ..steady("hot-conversation", self.options) }
    }
}

impl Soak {
    pub(super) fn plan(self) -> anyhow::Result<Plan> {
        let is_seen = !self.options.evidence.admin.is_empty();
        ensure!(is_seen || self.flat.is_none(), "--flat needs a node's --admin to look at");
        let flat = is_seen.then(|| Flat { percent: self.flat.unwrap_or(10) });
        Ok(Plan { flat, ..steady("soak", self.options) })
    }
}

impl RepeatIds {
    pub(super) fn plan(self) -> anyhow::Result<Plan> {
        ensure!(
            !self.options.cast.kinds.have_widgets(),
            "the widget has no ids to repeat: --kinds may name parlor1 and rest"
        );
        let pace = &self.options.pace;
        let repeats = Repeats { ids: self.ids, most: self.most, over: pace.warm + pace.load };
        Ok(Plan { load: Load::Repeat(repeats), ..steady("repeat-ids", self.options) })
    }
}

impl Ceiling {
    pub(super) fn plan(self) -> anyhow::Result<Plan> {
        ensure!((1.05..=10.0).contains(&self.factor), "--factor is between 1.05 and 10");
        let climb = Climb {
            from: self.options.pace.rate,
            factor: self.factor,
            step: self.step,
            p99: self.p99,
            to: self.up_to,
        };
        Ok(Plan { load: Load::Climb(climb), ..steady("ceiling", self.options) })
    }
}
