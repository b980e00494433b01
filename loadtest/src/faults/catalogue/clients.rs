//! What clients do to it, and what is wrong around a node: descriptors, standard error, the tenants
//! file.

use parlor_testbed::tiers::ailing::Ailment;

use super::super::{
    actors::Actor,
    bound::{Figure, least, most},
    row::{Deed, Phase, Play, Row, Script, Tenants, Times},
};
use crate::plan::Stall;

const TENANTS: &[Phase] = &[
    Phase {
        what: "the tenants file is empty",
        breaks: &[Deed::Tenants(Tenants::Empty)],
        mends: &[Deed::Tenants(Tenants::Whole)],
    },
    Phase {
        what: "the tenants file is cut",
        breaks: &[Deed::Tenants(Tenants::Cut)],
        mends: &[Deed::Tenants(Tenants::Whole)],
    },
    Phase {
        what: "half of the tenants file is not written yet",
        breaks: &[Deed::Tenants(Tenants::Torn)],
        mends: &[Deed::Tenants(Tenants::Whole)],
    },
    Phase {
        what: "the tenants file is huge",
        breaks: &[Deed::Tenants(Tenants::Huge)],
        mends: &[Deed::Tenants(Tenants::Whole)],
    },
];

pub(super) const ROWS: &[Row] = &[
    Row {
        id: "F14",
        name: "all sockets drop at once",
        play: Play::Here(Script {
            short: Times { lasts: 1, takes: 8, rounds: 1 },
            full: Times { lasts: 1, takes: 30, rounds: 2 },
            ..Script::of(
                &[Phase {
                    what: "all sockets drop",
                    breaks: &[Deed::Network("clients", "haproxy", "broken")],
                    mends: &[Deed::Network("clients", "haproxy", "whole")],
                }],
                &[
                    most(Figure::FailedPercent, 5.0).short(10.0),
                    most(Figure::Gone, 0.0),
                    most(Figure::Gaps, 0.0),
                    most(Figure::StoreReadsPerResume, 0.05).full_only(),
                ],
            )
        }),
    },
    Row {
        id: "F15",
        name: "many sockets that stop reading",
        play: Play::Here(Script {
            // Few tenants and long texts, and no balancer in between: what is not read must fill
            // the buffers of kernels before it fills an outbox.
            options: &[
                "--tenants",
                "2",
                "--conversations",
                "60",
                "--bytes",
                "16000",
                "--replies",
                "60",
                "--agents",
                "{fanout-1}",
            ],
            shape: |plan, form| {
                let sockets = if form.is_short { 20 } else { 1000 };
                plan.stall = Some(Stall { sockets, at: form.at, lasts: form.lasts });
            },
            short: Times { lasts: 40, takes: 0, rounds: 1 },
            full: Times { lasts: 60, takes: 0, rounds: 1 },
            ..Script::of(
                &[Phase { what: "sockets that do not read", breaks: &[], mends: &[] }],
                &[
                    most(Figure::FailedPercent, 0.0),
                    least(Figure::SlowCloses, 1000.0).short(20.0),
                    most(Figure::DeliverRatio, 1.2).full_only(),
                ],
            )
        }),
    },
    Row {
        id: "F22",
        name: "one tenant fills its share of the log",
        play: Play::Here(Script {
            actors: &[Actor::Flood],
            short: Times { lasts: 8, takes: 0, rounds: 1 },
            full: Times { lasts: 60, takes: 0, rounds: 1 },
            ..Script::of(
                &[Phase { what: "one tenant floods", breaks: &[], mends: &[] }],
                &[
                    most(Figure::FailedPercent, 0.0).short(0.5),
                    least(Figure::FloodLimited, 1.0),
                    most(Figure::FloodOdd, 0.0),
                    most(Figure::DeliverRatio, 1.2).full_only(),
                ],
            )
        }),
    },
    Row {
        id: "F23",
        name: "standard error full, closed, and unread",
        play: Play::Here(Script {
            short: Times { lasts: 3, takes: 14, rounds: 1 },
            full: Times { lasts: 30, takes: 20, rounds: 1 },
            ..Script::of(
                &[
                    Phase {
                        what: "ingress-1's errors go to a full device",
                        breaks: &[Deed::Ail("ingress-1", Ailment::ErrorsFull)],
                        mends: &[Deed::Stop("ingress-1"), Deed::Start("ingress-1")],
                    },
                    Phase {
                        what: "fanout-1's errors go to a closed pipe",
                        breaks: &[Deed::Ail("fanout-1", Ailment::ErrorsClosed)],
                        mends: &[Deed::Stop("fanout-1"), Deed::Start("fanout-1")],
                    },
                    Phase {
                        what: "nobody reads persister-1's errors",
                        breaks: &[Deed::Ail("persister-1", Ailment::ErrorsUnread)],
                        mends: &[Deed::Stop("persister-1"), Deed::Start("persister-1")],
                    },
                ],
                &[
                    most(Figure::FailedPercent, 0.0),
                    most(Figure::Gone, 0.0),
                    least(Figure::LostLines, 1.0),
                ],
            )
        }),
    },
    Row {
        id: "F24",
        name: "clients use up a node's descriptors",
        play: Play::Here(Script {
            short: Times { lasts: 5, takes: 14, rounds: 1 },
            full: Times { lasts: 30, takes: 20, rounds: 1 },
            ..Script::of(
                &[Phase {
                    what: "700 descriptors and 1,000 silent connections at ingress-1",
                    breaks: &[
                        Deed::Ail("ingress-1", Ailment::FewFiles(700)),
                        Deed::Crowd("ingress-1", 1000),
                    ],
                    mends: &[
                        Deed::Crowd("ingress-1", 0),
                        Deed::Stop("ingress-1"),
                        Deed::Start("ingress-1"),
                    ],
                }],
                &[
                    most(Figure::FailedPercent, 50.0),
                    most(Figure::OddAnswers, 0.0),
                    most(Figure::Gone, 0.0),
                    most(Figure::AdminMax, 1000.0).full_only(),
                ],
            )
        }),
    },
    Row {
        id: "F25",
        name: "the tenants file emptied, cut, torn, and huge",
        play: Play::Here(Script {
            short: Times { lasts: 4, takes: 2, rounds: 1 },
            full: Times { lasts: 15, takes: 6, rounds: 1 },
            ..Script::of(
                TENANTS,
                &[
                    most(Figure::FailedPercent, 0.0),
                    most(Figure::Gone, 0.0),
                    most(Figure::Gaps, 0.0),
                ],
            )
        }),
    },
];
