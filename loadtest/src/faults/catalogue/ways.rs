//! Networks that are cut, held, late and lossy.

use super::super::{
    bound::{Figure, most},
    row::{Deed, Phase, Play, Row, Script, Times},
};

pub(super) const ROWS: &[Row] = &[
    Row {
        id: "F09",
        name: "ingress cut off from NATS",
        play: Play::Here(Script {
            short: Times { lasts: 16, takes: 2, rounds: 1 },
            full: Times { lasts: 30, takes: 20, rounds: 1 },
            ..Script::of(
                &[
                    Phase {
                        what: "ingress-1 hears nothing of NATS",
                        breaks: &[Deed::Network("ingress-1", "nats", "held")],
                        mends: &[Deed::Network("ingress-1", "nats", "whole")],
                    },
                    Phase {
                        what: "no ingress hears anything of NATS",
                        breaks: &[Deed::Network("ingress", "nats", "held")],
                        mends: &[Deed::Network("ingress", "nats", "whole")],
                    },
                ],
                &[
                    most(Figure::FailedPercent, 80.0),
                    most(Figure::OddAnswers, 0.0),
                    most(Figure::Gone, 0.0),
                    most(Figure::ReadyAgain, 2.0).short(20.0),
                ],
            )
        }),
    },
    Row {
        id: "F10",
        name: "a node with agents' sockets cut off from NATS",
        play: Play::Here(Script {
            short: Times { lasts: 30, takes: 2, rounds: 1 },
            full: Times { lasts: 30, takes: 10, rounds: 1 },
            ..Script::of(
                &[Phase {
                    what: "fanout-1 hears nothing of NATS",
                    breaks: &[Deed::Network("fanout-1", "nats", "held")],
                    mends: &[Deed::Network("fanout-1", "nats", "whole")],
                }],
                &[
                    most(Figure::FailedPercent, 0.0),
                    most(Figure::Gone, 0.0),
                    // Told within 20 s, and then shown what was missed.
                    most(Figure::DeliverMax, 22_000.0).short(26_000.0),
                ],
            )
        }),
    },
    Row {
        id: "F19",
        name: "the NATS server that most nodes are connected to loses its cluster",
        play: Play::Here(Script {
            short: Times { lasts: 20, takes: 4, rounds: 1 },
            full: Times { lasts: 60, takes: 10, rounds: 1 },
            ..Script::of(
                &[Phase {
                    what: "a NATS server is cut off from the others",
                    breaks: &[
                        Deed::Network("busiest", "nats", "held"),
                        Deed::Network("nats", "busiest", "held"),
                    ],
                    mends: &[
                        Deed::Network("busiest", "nats", "whole"),
                        Deed::Network("nats", "busiest", "whole"),
                    ],
                }],
                &[
                    most(Figure::FailedPercent, 0.0).short(2.0),
                    most(Figure::Gone, 0.0),
                    most(Figure::AcceptMax, 12_000.0).full_only(),
                    most(Figure::DeliverMax, 22_000.0).full_only(),
                ],
            )
        }),
    },
    Row {
        id: "F28",
        name: "200 ms late and 1 % lost, between clients and the balancer, and tiers and NATS",
        play: Play::Here(Script {
            short: Times { lasts: 10, takes: 2, rounds: 1 },
            full: Times { lasts: 60, takes: 10, rounds: 1 },
            ..Script::of(
                &[Phase {
                    what: "every way is late and lossy",
                    breaks: &[
                        Deed::Network("clients", "haproxy", "lossy=200ms,1%"),
                        Deed::Network("ingress", "nats", "lossy=200ms,1%"),
                        Deed::Network("fanout", "nats", "lossy=200ms,1%"),
                        Deed::Network("persister", "nats", "lossy=200ms,1%"),
                    ],
                    mends: &[Deed::Network("all", "all", "whole")],
                }],
                &[
                    most(Figure::FailedPercent, 0.0).short(1.0),
                    most(Figure::Gone, 0.0),
                    most(Figure::Gaps, 0.0),
                    most(Figure::AppendRetries, 5.0).short(50.0),
                ],
            )
        }),
    },
];
