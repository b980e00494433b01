//! Disks, volumes, the database, and what the log's streams go through.

use super::super::{
    actors::Actor,
    bound::{Figure, least, most, told},
    row::{Deed, Phase, Play, Row, Script, Times},
};
use crate::plan::{Load, Repeats};

pub(super) const ROWS: &[Row] = &[
    Row {
        id: "F06",
        name: "power cut of all NATS disks, with fsync on every message",
        play: Play::Here(Script {
            prepare: &[Deed::MoveToVolumes],
            short: Times { lasts: 3, takes: 10, rounds: 1 },
            full: Times { lasts: 10, takes: 20, rounds: 2 },
            ruins: true,
            ..Script::of(
                &[Phase { what: "no power", breaks: &[Deed::CutPower], mends: &[Deed::StartNats] }],
                &[most(Figure::OddAnswers, 0.0), most(Figure::AcceptingAgain, 30.0).short(60.0)],
            )
        }),
    },
    Row {
        // The test of the test above: where nothing is synced, a cut must be found out.
        id: "F06-default",
        name: "the same with the fsync that NATS has by default: loss must be seen",
        play: Play::Here(Script {
            prepare: &[Deed::SyncByDefault, Deed::MoveToVolumes],
            short: Times { lasts: 3, takes: 10, rounds: 1 },
            full: Times { lasts: 10, takes: 20, rounds: 1 },
            ruins: true,
            ..Script::of(
                &[Phase {
                    what: "no power",
                    breaks: &[Deed::CutPower],
                    mends: &[Deed::SyncAlways, Deed::StartNats],
                }],
                &[
                    // Nodes refuse the streams that have lost their ends: what was accepted there
                    // cannot be read back.
                    least(Figure::Unread, 1.0),
                    told(Figure::Lost),
                    told(Figure::Missing),
                    told(Figure::Rows),
                    told(Figure::Reordered),
                    told(Figure::Doubled),
                ],
            )
        }),
    },
    Row {
        id: "F07",
        name: "the database is down",
        play: Play::Here(Script {
            short: Times { lasts: 8, takes: 8, rounds: 1 },
            full: Times { lasts: 60, takes: 15, rounds: 1 },
            ..Script::of(
                &[Phase {
                    what: "the database is down",
                    breaks: &[Deed::Stop("cql")],
                    mends: &[Deed::Start("cql")],
                }],
                &[
                    most(Figure::FailedPercent, 1.0),
                    most(Figure::BacklogGone, 20.0).short(30.0),
                    most(Figure::AcceptRatio, 1.1).full_only(),
                ],
            )
        }),
    },
    Row {
        id: "F08",
        name: "the database slow by 500 ms, 30 % of the writes applied and not answered",
        play: Play::Here(Script {
            short: Times { lasts: 10, takes: 2, rounds: 1 },
            full: Times { lasts: 60, takes: 2, rounds: 1 },
            ..Script::of(
                &[Phase {
                    what: "the database is slow and forgetful",
                    breaks: &[Deed::Network("all", "cql", "slow-and-forgetful=500ms,30%")],
                    mends: &[Deed::Network("all", "cql", "whole")],
                }],
                &[
                    most(Figure::FailedPercent, 0.0).short(0.5),
                    most(Figure::BacklogGone, 20.0).short(30.0),
                    most(Figure::DeliverRatio, 1.1).full_only(),
                ],
            )
        }),
    },
    Row {
        id: "F11",
        name: "the NATS volumes full, then freed",
        play: Play::Here(Script {
            prepare: &[Deed::MoveToVolumes],
            short: Times { lasts: 4, takes: 15, rounds: 1 },
            full: Times { lasts: 20, takes: 30, rounds: 1 },
            ruins: true,
            ..Script::of(
                &[Phase {
                    what: "the volumes are full",
                    breaks: &[Deed::FillVolumes],
                    mends: &[Deed::FreeVolumes],
                }],
                &[
                    most(Figure::OddAnswers, 0.0),
                    least(Figure::LogRefusals, 1.0),
                    most(Figure::AcceptingAgain, 30.0).short(60.0),
                ],
            )
        }),
    },
    Row {
        id: "F16",
        name: "one client message id again and again, over restarts and beyond the window",
        play: Play::Here(Script {
            options: &["--kinds", "parlor1=95,rest=5", "--bytes", "64", "--warm", "0s"],
            shape: |plan, form| {
                let ids = if form.is_short { 600 } else { 20_000 };
                let most = if form.is_short { 10 } else { 50 };
                plan.load = Load::Repeat(Repeats { ids, most, over: form.at + form.lasts });
            },
            short: Times { lasts: 4, takes: 8, rounds: 1 },
            full: Times { lasts: 10, takes: 80, rounds: 1 },
            ..Script::of(
                &[
                    Phase {
                        what: "kill -9 of ingress-1",
                        breaks: &[Deed::Kill("ingress-1")],
                        mends: &[Deed::Start("ingress-1")],
                    },
                    Phase {
                        what: "kill -9 of the leading NATS server",
                        breaks: &[Deed::Kill("leader")],
                        mends: &[Deed::Start("leader")],
                    },
                ],
                &[most(Figure::FailedPercent, 1.0).short(5.0), most(Figure::Gone, 0.0)],
            )
        }),
    },
    Row {
        id: "F17",
        name: "one client message id used by many tenants",
        play: Play::Here(Script {
            // A dashboard would be shown what the actors write.
            options: &["--dashboards", "0"],
            actors: &[Actor::Ids],
            short: Times { lasts: 3, takes: 6, rounds: 1 },
            full: Times { lasts: 20, takes: 10, rounds: 1 },
            ..Script::of(
                &[Phase {
                    what: "kill -9 of ingress-1",
                    breaks: &[Deed::Kill("ingress-1")],
                    mends: &[Deed::Start("ingress-1")],
                }],
                &[
                    most(Figure::IdsWrong, 0.0),
                    least(Figure::IdsRight, 1000.0).short(10.0),
                    most(Figure::FailedPercent, 1.0).short(3.0),
                ],
            )
        }),
    },
    Row {
        id: "F20",
        name: "a reply in the middle of a batched read is lost, or comes late",
        play: Play::Here(Script {
            actors: &[Actor::Reads],
            short: Times { lasts: 12, takes: 4, rounds: 1 },
            full: Times { lasts: 120, takes: 4, rounds: 1 },
            ..Script::of(
                &[Phase {
                    what: "1 % of what NATS says is lost",
                    breaks: &[Deed::Network("all", "nats", "forgetful=1%")],
                    mends: &[Deed::Network("all", "nats", "whole")],
                }],
                &[
                    most(Figure::ReadsWithHoles, 0.0),
                    least(Figure::ReadsWhole, 10_000.0).short(20.0),
                    most(Figure::FailedPercent, 1.0).short(5.0),
                    most(Figure::Gone, 0.0),
                ],
            )
        }),
    },
    Row {
        id: "F21",
        name: "a stream made anew, or restored from a copy, while nodes run",
        play: Play::Here(Script {
            // None of them has the shard of the one whose stream goes.
            options: &["--tenants", "10"],
            actors: &[Actor::Probe],
            short: Times { lasts: 6, takes: 45, rounds: 1 },
            full: Times { lasts: 30, takes: 60, rounds: 1 },
            ruins: true,
            ..Script::of(
                &[Phase {
                    what: "a stream is deleted",
                    breaks: &[Deed::ForgetStream],
                    // Nodes refuse the shard until they are started again: nothing tells them that
                    // what was lost is not missed.
                    mends: &[
                        Deed::Provision,
                        Deed::Roll("ingress"),
                        Deed::Roll("fanout"),
                        Deed::Roll("persister"),
                    ],
                }],
                &[
                    least(Figure::ProbeRefused, 1.0),
                    most(Figure::FailedPercent, 0.0),
                    most(Figure::Gone, 0.0),
                    least(Figure::ProbeAccepted, 1.0),
                ],
            )
        }),
    },
];
