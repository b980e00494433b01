//! Dialects: what clients speak on a socket. Each is one file below and a line in [`all`]; nothing
//! outside this folder knows which there are.
//!
//! A [`Dialect`] is what all sockets of a kind have in common. A [`Speaker`] is one client of it,
//! with what the client has said so far. Neither does anything: they say what frames mean and how
//! things are said, and the session acts on it.

pub(crate) mod all;
pub(crate) mod offer;
pub(crate) mod parlor1;
pub(crate) mod widget;

#[cfg(test)]
pub(crate) mod planned;
#[cfg(test)]
mod tests;

use std::{fmt::Debug, time::Duration};

use bytes::Bytes;
use parlor_common::{
    action::Action,
    clock::Timestamp,
    close::CloseCode,
    cursor::Cursors,
    event::{Audience, Event},
    id::SessionId,
    position::Position,
    problem::Problem,
    random::Random,
};
use tokio::time::Instant;

use crate::{
    SocketSettings,
    dialect::offer::Offer,
    feed::facts::Facts,
    login::{Known, Login},
    session::{drafts::Settled, outbox::Ended},
    signals::notice::{Notice, Saying},
    socket::wire,
};

/// What the clients of a kind speak.
pub(crate) trait Dialect: Debug + Send + Sync {
    /// Its label in metrics and logs.
    fn name(&self) -> &'static str;

    /// Where an item keeps its frame: its index in [`all::DIALECTS`].
    fn slot(&self) -> usize;

    /// Whether this upgrade asks for it. The first dialect that claims an upgrade has it.
    fn claims(&self, offer: &Offer<'_>) -> bool;

    /// The WebSocket subprotocol that the answer names where the client has asked for it.
    fn subprotocol(&self) -> Option<&'static str>;

    /// When its clients are known, and how one begins to speak.
    fn identity(&self) -> Identity;

    /// The complete frame that shows `event` to `audience`; `None` where it cannot be said. Encoded
    /// once for all viewers of a node.
    fn event(&self, event: &Event, audience: Audience, cursors: &Cursors) -> Option<Bytes>;

    /// Whether an event that is for this viewer's audience is shown to this viewer.
    fn shows(&self, facts: &Facts, viewer: &Recipient) -> bool;

    /// The frame that says that a subscription is live from `cursor`, after `replayed` events; not
    /// `recovered` is a gap. `None` where clients are told nothing of it.
    fn subscribed(&self, recovered: bool, cursor: String, replayed: u64) -> Option<Bytes>;

    /// The frame that asks the client for a sign of life: a WebSocket ping, or a text of its own.
    fn ping(&self, number: u64) -> Bytes {
        wire::ping(number)
    }

    /// Whether this text is the answer to a ping that is a text.
    fn is_pong(&self, _: &str) -> bool {
        false
    }

    /// Whether the answer to a ping acknowledges all that was sent before it: then a ping goes out
    /// as soon as the socket is open, and after each push.
    fn acknowledges_by_pong(&self) -> bool;

    /// How long an action that cannot be accepted at once is tried again, and with what the socket
    /// ends then; `None` where the client is told of each failure and tries again by itself.
    fn hold(&self, settings: &SocketSettings) -> Option<Hold>;

    /// A binary message came: it is ignored, or it ends the socket.
    fn binary(&self) -> Result<(), CloseCode>;

    /// How a client is invited back: after what it could not keep up with, or what the node missed.
    fn come_back(&self, why: Ended) -> CloseCode;

    /// The frame before a close of this code that asks the client to wait for `back_after` before
    /// it comes back; `None` where there is none.
    fn reconnect(&self, _code: CloseCode, _back_after: Duration) -> Option<Bytes> {
        None
    }

    /// The frame that tells a client of a signal; `None` where clients are told of none.
    fn signal(&self, _: &Notice) -> Option<Bytes> {
        None
    }

    /// How a client is told that the node stops; it should wait for `back_after` before it returns.
    fn goodbye(&self, back_after: Duration) -> Goodbye;
}

/// One client and what it has said so far.
pub(crate) trait Speaker: Debug + Send {
    /// A text came: what it means, in the order in which it is to be done.
    fn text(&mut self, text: &str, moment: &Moment<'_>) -> Vec<Means>;

    /// What the client is told of what became of the first of its actions that was not answered
    /// yet; `None` where it is told nothing.
    fn answer(&mut self, settled: Settled, session: SessionId) -> Option<Bytes>;

    /// When the socket ends by itself, and with what.
    fn ends(&self) -> Option<(Instant, CloseCode)>;
}

/// When the clients of a dialect are known, and how one begins to speak.
#[derive(Clone, Copy)]
pub(crate) enum Identity {
    /// At the upgrade, by a cookie. The socket follows its conversation before the 101 is sent.
    Upgrade(fn() -> Box<dyn Speaker>),
    /// By a frame, after the socket is open: its speaker uses the login and says [`Means::Enter`].
    Frame(fn(Login, &SocketSettings) -> Box<dyn Speaker>),
}

/// The moment at which a frame came, and where.
#[derive(Debug)]
pub(crate) struct Moment<'a> {
    pub(crate) session: SessionId,
    pub(crate) now: Timestamp,
    pub(crate) settings: &'a SocketSettings,
    pub(crate) random: &'a Random,
}

/// What a frame of a client means.
#[derive(Debug)]
pub(crate) enum Means {
    /// Nothing: it is counted and ignored.
    Nothing,
    /// The client has said who it is. What comes after this may write and subscribe.
    Enter(Known),
    /// It is to be shown what comes after this cursor, without one what comes from now on.
    Subscribe(Option<String>),
    /// It asks for this.
    Act(Action),
    /// It has read what lies up to this cursor.
    Read(String),
    /// It asks for something impossible. With the client's id of it, and what is answered when its
    /// turn comes.
    Refuse(Option<String>, Problem),
    /// It is answered at once.
    Say(Bytes),
    /// It ends the socket.
    Close(CloseCode),
    /// It is a signal.
    Signal(Saying),
}

/// Who is to be shown an event.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Recipient {
    pub(crate) session: SessionId,
    /// When the first ping was answered; `None` before.
    pub(crate) answered: Option<Timestamp>,
    /// Where its page has come back: what the visitor itself had sent by then is on it already.
    pub(crate) back: Option<Back>,
}

/// A page that had another socket before has come back.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Back {
    /// The end of its shard then.
    pub(crate) end: Position,
    /// When that was.
    pub(crate) at: Timestamp,
}

/// How long an action is tried again, and how the socket ends after that.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hold {
    pub(crate) within: Duration,
    pub(crate) or_else: CloseCode,
}

/// How a client is told that the node stops.
#[derive(Debug)]
pub(crate) enum Goodbye {
    /// At once, and what it still sends is accepted until it closes.
    Listening(CloseCode),
    /// Once its drafts are accepted: a last frame, then the close.
    Finished(Bytes, CloseCode),
}
