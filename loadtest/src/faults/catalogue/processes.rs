//! Processes that die, freeze, and are started again.

use super::super::{
    bound::{Figure, most},
    row::{Deed, Phase, Play, Row, Script, Times},
};

/// So many agents work while a node or a server dies, so that states are judged as well.
const WORKERS: u32 = 4;

const KILL_INGRESS: &[Phase] = &[Phase {
    what: "kill -9 of ingress-1",
    breaks: &[Deed::Kill("ingress-1")],
    mends: &[Deed::Start("ingress-1")],
}];

const KILL_SOCKETS: &[Phase] = &[
    Phase {
        what: "kill -9 of fanout-1",
        breaks: &[Deed::Kill("fanout-1")],
        mends: &[Deed::Start("fanout-1")],
    },
    Phase {
        what: "kill -9 of ingress-2",
        breaks: &[Deed::Kill("ingress-2")],
        mends: &[Deed::Start("ingress-2")],
    },
];

/// With the socket servers' nodes, the persisters, the database and a NATS server.
const FREEZE: &[Phase] = &[
    Phase {
        what: "ingress-1 frozen",
        breaks: &[Deed::Pause("ingress-1")],
        mends: &[Deed::Resume("ingress-1")],
    },
    Phase {
        what: "fanout-1 frozen",
        breaks: &[Deed::Pause("fanout-1")],
        mends: &[Deed::Resume("fanout-1")],
    },
    Phase {
        what: "persisters frozen",
        breaks: &[Deed::Pause("persister")],
        mends: &[Deed::Resume("persister")],
    },
    Phase {
        what: "a NATS server frozen",
        breaks: &[Deed::Pause("busiest")],
        mends: &[Deed::Resume("busiest")],
    },
    Phase {
        what: "the database frozen",
        breaks: &[Deed::Pause("cql")],
        mends: &[Deed::Resume("cql")],
    },
];

const ROLL: &[Phase] = &[
    Phase { what: "ingress rolled", breaks: &[Deed::Roll("ingress")], mends: &[] },
    Phase { what: "fanout rolled", breaks: &[Deed::Roll("fanout")], mends: &[] },
    Phase { what: "persisters rolled", breaks: &[Deed::Roll("persister")], mends: &[] },
    Phase { what: "NATS rolled", breaks: &[Deed::Roll("nats")], mends: &[] },
];

pub(super) const ROWS: &[Row] = &[
    Row {
        id: "F01",
        name: "kill -9 of one ingress of two, again and again",
        play: Play::Here(Script {
            short: Times { lasts: 2, takes: 4, rounds: 2 },
            full: Times { lasts: 5, takes: 10, rounds: 4 },
            workers: WORKERS,
            ..Script::of(
                KILL_INGRESS,
                &[
                    most(Figure::FailedPercent, 1.0).short(3.0),
                    most(Figure::Gone, 0.0),
                    most(Figure::AcceptP99, 1000.0).full_only(),
                ],
            )
        }),
    },
    Row {
        id: "F02",
        name: "kill -9 of the persisters",
        play: Play::Here(Script {
            short: Times { lasts: 4, takes: 4, rounds: 1 },
            full: Times { lasts: 10, takes: 10, rounds: 3 },
            ..Script::of(
                &[Phase {
                    what: "kill -9 of the persisters",
                    breaks: &[Deed::Kill("persister")],
                    mends: &[Deed::Start("persister")],
                }],
                &[
                    most(Figure::FailedPercent, 0.0).short(0.5),
                    most(Figure::BacklogGone, 5.0).short(30.0),
                ],
            )
        }),
    },
    Row {
        id: "F03",
        name: "kill -9 of a node with sockets",
        play: Play::Here(Script {
            short: Times { lasts: 3, takes: 4, rounds: 1 },
            full: Times { lasts: 10, takes: 10, rounds: 2 },
            workers: WORKERS,
            ..Script::of(
                KILL_SOCKETS,
                &[
                    most(Figure::FailedPercent, 1.0).short(3.0),
                    most(Figure::Gone, 0.0),
                    most(Figure::Gaps, 0.0),
                    most(Figure::BackP99, 2000.0).full_only(),
                ],
            )
        }),
    },
    Row {
        id: "F04",
        name: "kill -9 of the NATS server that leads the cluster",
        play: Play::Here(Script {
            short: Times { lasts: 6, takes: 6, rounds: 1 },
            full: Times { lasts: 20, takes: 10, rounds: 1 },
            workers: WORKERS,
            ..Script::of(
                &[Phase {
                    what: "kill -9 of the leading NATS server",
                    breaks: &[Deed::Kill("leader")],
                    mends: &[Deed::Start("leader")],
                }],
                &[
                    most(Figure::FailedPercent, 0.0).short(2.0),
                    most(Figure::Gaps, 0.0),
                    most(Figure::AcceptMax, 12_000.0).full_only(),
                    most(Figure::DeliverMax, 13_000.0).full_only(),
                ],
            )
        }),
    },
    Row {
        id: "F05",
        name: "kill -9 of all NATS servers",
        play: Play::Here(Script {
            short: Times { lasts: 4, takes: 10, rounds: 1 },
            full: Times { lasts: 20, takes: 15, rounds: 1 },
            ..Script::of(
                &[Phase {
                    what: "all NATS servers gone",
                    breaks: &[Deed::Kill("nats-1"), Deed::Kill("nats-2"), Deed::Kill("nats-3")],
                    mends: &[Deed::StartNats],
                }],
                &[
                    most(Figure::OddAnswers, 0.0),
                    most(Figure::Gone, 0.0),
                    most(Figure::AcceptingAgain, 15.0).short(30.0),
                ],
            )
        }),
    },
    Row {
        id: "F12",
        name: "each tier frozen",
        play: Play::Here(Script {
            short: Times { lasts: 4, takes: 2, rounds: 1 },
            full: Times { lasts: 30, takes: 10, rounds: 1 },
            ..Script::of(
                FREEZE,
                &[
                    most(Figure::FailedPercent, 5.0).short(20.0),
                    most(Figure::Gone, 0.0),
                    most(Figure::BacklogGone, 10.0).short(30.0),
                ],
            )
        }),
    },
    Row {
        id: "F13",
        name: "a rolling restart of everything",
        play: Play::Here(Script {
            short: Times { lasts: 1, takes: 16, rounds: 1 },
            full: Times { lasts: 5, takes: 25, rounds: 1 },
            workers: WORKERS,
            ..Script::of(
                ROLL,
                &[
                    // A request may find no answer within its 15 s on a machine that is busy.
                    most(Figure::FailedPercent, 0.0).short(0.5),
                    most(Figure::Gone, 0.0),
                    most(Figure::Gaps, 0.0),
                    most(Figure::BackP99, 5000.0).short(20_000.0),
                ],
            )
        }),
    },
    Row {
        id: "F18",
        name: "clocks ten minutes off",
        play: Play::Tests(
            "ingress/tests (the age rule by a clock that a test moves), auth/tests (tokens)",
        ),
    },
    Row {
        id: "F26",
        name: "any one task panics",
        play: Play::Tests(
            "parlor/tests: a planted panic in each kind of task ends the node with 70",
        ),
    },
];
