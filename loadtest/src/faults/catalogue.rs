//! Every fault, in the order of its number.

mod clients;
mod processes;
mod storage;
mod ways;

use super::row::Row;

/// All of them.
pub(super) fn all() -> impl Iterator<Item = &'static Row> {
    let mut rows: Vec<_> =
        [processes::ROWS, storage::ROWS, ways::ROWS, clients::ROWS].into_iter().flatten().collect();
    rows.sort_by_key(|row| row.id);
    rows.into_iter()
}

#[cfg(test)]
mod tests {
    use parlor_testbed::{network::Network, tiers::node::Target};

    use super::*;
    use crate::faults::row::{Deed, Play};

    #[test]
    fn every_fault_is_there_once() {
        let ids: Vec<_> = all().map(|row| row.id).collect();
        let mut expected: Vec<_> =
            (1..=26).chain([28]).map(|number| format!("F{number:02}")).collect();
        expected.insert(6, "F06-default".to_owned());
        assert_eq!(ids, expected);
    }

    /// What a command would refuse when the load already runs.
    #[test]
    fn every_deed_names_parts_and_networks_that_there_are() {
        let is_part =
            |name: &str| matches!(name, "leader" | "busiest") || name.parse::<Target>().is_ok();
        let scripts = all().filter_map(|row| match &row.play {
            Play::Here(script) => Some((row.id, script)),
            Play::Tests(_) => None,
        });
        for (id, script) in scripts {
            assert!(!script.phases.is_empty(), "{id}");
            let phases =
                script.phases.iter().flat_map(|phase| phase.breaks.iter().chain(phase.mends));
            for deed in phases.chain(script.prepare) {
                match deed {
                    Deed::Kill(part) | Deed::Stop(part) | Deed::Start(part) => {
                        assert!(is_part(part), "{id}: {part}");
                    }
                    Deed::Pause(part) | Deed::Resume(part) => {
                        assert!(is_part(part), "{id}: {part}")
                    }
                    Deed::Ail(part, _) | Deed::Crowd(part, _) => {
                        assert!(Target::parse_node(part).is_some(), "{id}: {part}");
                    }
                    Deed::Network(_, _, state) => {
                        assert!(state.parse::<Network>().is_ok(), "{id}: {state}");
                    }
                    _ => {}
                }
            }
        }
    }
}
