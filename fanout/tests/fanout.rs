//! Sockets as their clients know them: a real accept loop, a real log and store, WebSocket clients
//! over TCP.

#![expect(unreachable_pub, clippy::unwrap_used, reason = "these are tests, their helpers included")]

mod fanout {
    mod client;
    mod door;
    mod drain;
    mod feeds;
    mod frames;
    mod handshake;
    mod linked;
    mod marks;
    mod openings;
    mod parlor1;
    mod proven;
    mod raw;
    mod refusals;
    mod resume;
    mod signals;
    mod slow;
    mod storm;
    mod suspended;
    mod tabs;
    mod widget;
    mod world;
}
