//! Faults of a schedule, as they are written on the command line.

use std::{str::FromStr, time::Duration};

use super::rate::parse_duration;

/// Something is broken, such as `ingress-1@20s,for=5s,every=30s`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PlannedFault {
    pub(crate) name: String,
    /// When, from the beginning of the load.
    pub(crate) at: Duration,
    /// How much later it is mended; never where it is not given.
    pub(crate) lasts: Option<Duration>,
    /// Again and again, until the load ends.
    pub(crate) every: Option<Duration>,
}

/// A command for the fault of a name, such as `database=docker stop scylla`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NamedCommand {
    pub(crate) name: String,
    pub(crate) command: String,
}

// === impl PlannedFault ===

impl PlannedFault {
    /// Each of `names` in its turn: one every `every`, the first after one `every`, each for
    /// `lasts`.
    pub(crate) fn rotation(names: &[String], every: Duration, lasts: Duration) -> Vec<Self> {
        let count = u32::try_from(names.len()).unwrap_or(u32::MAX);
        let turns = names.iter().zip(1..);
        let planned = turns.map(|(name, turn)| Self {
            name: name.clone(),
            at: every.saturating_mul(turn),
            lasts: Some(lasts),
            every: Some(every.saturating_mul(count)),
        });
        planned.collect()
    }
}

impl FromStr for PlannedFault {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut parts = text.split(',');
        let (name, at) = parts
            .next()
            .and_then(|first| first.split_once('@'))
            .ok_or("a fault such as ingress-1@20s,for=5s is expected")?;
        let mut fault =
            Self { name: checked(name)?, at: parse_duration(at)?, lasts: None, every: None };
        for part in parts {
            match part.split_once('=') {
                Some(("for" | "back", after)) => fault.lasts = Some(parse_duration(after)?),
                Some(("every", period)) => fault.every = Some(parse_duration(period)?),
                _ => return Err(format!("{part:?} is neither for=… nor back=… nor every=…")),
            }
        }
        if fault.every.is_some_and(|every| every <= fault.lasts.unwrap_or_default()) {
            return Err("every=… must be longer than for=…".to_owned());
        }
        Ok(fault)
    }
}

// === impl NamedCommand ===

impl FromStr for NamedCommand {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=').map(|(name, command)| (name, command.trim())) {
            Some((name, command)) if !command.is_empty() => {
                Ok(Self { name: checked(name)?, command: command.to_owned() })
            }
            _ => {
                Err("a name and a command such as database=docker stop scylla are expected".into())
            }
        }
    }
}

/// A name that can stand in a command without being more than one word of it.
pub(crate) fn checked(name: &str) -> Result<String, String> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    match !name.is_empty() && name.chars().all(is_name) {
        true => Ok(name.to_owned()),
        false => Err(format!("{name:?} is no name: letters, digits, '-', '_' and '.' are allowed")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_fault_has_a_name_and_times() {
        let fault: PlannedFault = "ingress-1@20s,back=500ms,every=5s".parse().unwrap();
        assert_eq!((fault.name.as_str(), fault.at), ("ingress-1", 20 * SECOND));
        assert_eq!((fault.lasts, fault.every), (Some(SECOND / 2), Some(5 * SECOND)));
        assert_eq!("a@1s,for=2s".parse::<PlannedFault>().unwrap().lasts, Some(2 * SECOND));
        for text in ["", "x", "x@", "@1s", "a b@1s", "x@1s,later=2s", "x@1s,for=5s,every=5s"] {
            assert!(text.parse::<PlannedFault>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_command_has_a_name() {
        let named: NamedCommand = "cql=docker stop a=b".parse().unwrap();
        assert_eq!((named.name.as_str(), named.command.as_str()), ("cql", "docker stop a=b"));
        for text in ["", "cql", "cql=", "cql= ", "=x", "a b=x"] {
            assert!(text.parse::<NamedCommand>().is_err(), "{text}");
        }
    }

    #[test]
    fn faults_take_turns() {
        let names = ["a", "b", "c"].map(str::to_owned);
        let turns = PlannedFault::rotation(&names, 60 * SECOND, 5 * SECOND);
        let turns: Vec<_> = turns.iter().map(|turn| (turn.at, turn.every, turn.lasts)).collect();
        let turn = |at| (at * SECOND, Some(180 * SECOND), Some(5 * SECOND));
        assert_eq!(turns, [turn(60), turn(120), turn(180)]);
    }
}
