//! Sockets: feed, hub, session, outbox, resume.
