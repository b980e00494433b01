//! Dialects: what clients speak on a socket.

pub(crate) mod parlor1;
pub(crate) mod widget;
