//! The command line: scenarios, each with defaults that make sense for it.

mod shape;

use clap::{Parser, Subcommand};

use self::shape::{Bursts, Ceiling, HotConversation, RepeatIds, SlowReaders, Soak, Storms};
use crate::{
    faults::Prove,
    plan::{Load, Plan, options::Options, rate::Course},
};

/// Judges Parlor from outside: virtual visitors and agents over the public protocols, a ledger of
/// what was sent, answered and seen, faults on a schedule, a report.
///
/// Each scenario has defaults of its own and takes the same options; `parlor-loadtest steady
/// --help` lists them. It only speaks to addresses that it is given, so it can load an installation
/// that somebody else runs, whose faults are played by commands (--fault, --break, --mend).
///
/// The exit status is 0 only where nothing was lost, doubled, reordered, foreign or invented and
/// nothing else was worse than allowed; 1 where the judgement says otherwise; 2 where there could
/// be none.
#[derive(Debug, Parser)]
#[command(name = "parlor-loadtest", version)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) scenario: Scenario,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Scenario {
    /// The same load all the time
    Steady(Box<Options>),
    /// A light load with bursts: does a burst cost more than waiting?
    #[command(mut_arg("rate", |arg| arg.default_value("50/s")))]
    Burst(Box<Bursts>),
    /// Sockets are cut all at once: does everybody come back, and is nothing missed?
    #[command(mut_arg("rate", |arg| arg.default_value("50/s")))]
    ReconnectStorm(Box<Storms>),
    /// Agents' sockets stop reading: are they closed, and does nobody else notice?
    #[command(mut_args(shape::slow_readers))]
    SlowReaders(Box<SlowReaders>),
    /// One conversation with many sockets gets half of the messages
    #[command(mut_args(shape::hot_conversation))]
    HotConversation(Box<HotConversation>),
    /// Many tenants with one conversation each: is everything kept apart?
    #[command(mut_args(shape::many_tenants))]
    ManyTenants(Box<Options>),
    /// A light load for half an hour, with faults in turns where they are given: do memory and
    /// descriptors stay flat?
    #[command(mut_args(shape::soak))]
    Soak(Box<Soak>),
    /// The same client message ids again and again, also long after the log's duplicate window: is
    /// each there once?
    #[command(mut_args(shape::repeat_ids))]
    RepeatIds(Box<RepeatIds>),
    /// A load that rises until a bound is broken: how much can be promised?
    #[command(mut_args(shape::ceiling))]
    Ceiling(Box<Ceiling>),
    /// The catalogue of faults, each broken, mended and judged on a topology of processes that this
    /// command starts
    Faults(Box<Prove>),
}

// === impl Scenario ===

impl Scenario {
    /// What is to be played.
    ///
    /// # Errors
    /// Options that contradict each other.
    pub(crate) fn plan(self) -> anyhow::Result<Plan> {
        match self {
            Self::Steady(options) => Ok(steady("steady", *options)),
            Self::ManyTenants(options) => Ok(steady("many-tenants", *options)),
            Self::Burst(bursts) => bursts.plan(),
            Self::ReconnectStorm(storms) => Ok(storms.plan()),
            Self::SlowReaders(slow) => Ok(slow.plan()),
            Self::HotConversation(hot) => Ok(hot.plan()),
            Self::Soak(soak) => soak.plan(),
            Self::RepeatIds(repeat) => repeat.plan(),
            Self::Ceiling(ceiling) => ceiling.plan(),
            Self::Faults(_) => anyhow::bail!("each fault has a plan of its own"),
        }
    }
}

/// The same load all the time.
fn steady(scenario: &'static str, options: Options) -> Plan {
    let load = Load::Offer(Course::steady(options.pace.rate));
    Plan { scenario, options, load, storm: None, stall: None, hot: None, flat: None }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn plan(arguments: &[&str]) -> anyhow::Result<Plan> {
        Cli::try_parse_from([&["parlor-loadtest"], arguments].concat())?.scenario.plan()
    }

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_scenario_has_defaults_of_its_own() {
        let commands = Cli::command();
        for command in commands.get_subcommands().filter(|command| command.get_name() != "faults") {
            let plan = plan(&[command.get_name()]).unwrap();
            assert_eq!(plan.scenario, command.get_name());
            assert!(plan.lasts() > std::time::Duration::ZERO, "{plan:?}");
        }
        assert_eq!(plan(&["burst"]).unwrap().options.pace.rate.to_string(), "50/s");
        assert_eq!(plan(&["many-tenants"]).unwrap().options.cast.tenants, 1000);
        let own = plan(&["many-tenants", "--tenants", "7"]).unwrap();
        assert_eq!(own.options.cast.tenants, 7, "what is said counts");
    }

    #[test]
    fn options_that_contradict_each_other_are_refused() {
        let refused = |arguments: &[&str]| plan(arguments).unwrap_err().to_string();
        assert!(
            refused(&["burst", "--burst-for", "10s", "--burst-every", "5s"]).contains("longer")
        );
        assert!(refused(&["repeat-ids", "--kinds", "widget=1,parlor1=1"]).contains("no ids"));
        assert!(refused(&["ceiling", "--factor", "1.0"]).contains("--factor"));
        assert!(refused(&["soak", "--flat", "10"]).contains("--admin"));
    }
}
