//! Sockets as their clients know them: a real accept loop, a real log and store, WebSocket clients over TCP.

#![expect(clippy::missing_panics_doc, missing_docs, unreachable_pub, reason = "these are tests")]

mod fanout {
    mod client;
    mod contract;
    mod door;
    mod drain;
    mod feeds;
    mod frames;
    mod handshake;
    mod parlor1;
    mod raw;
    mod resume;
    mod slow;
    mod world;
}
