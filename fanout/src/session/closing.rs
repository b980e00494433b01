//! Closing: what is done with a connection whose end has been decided, and with what was taken from
//! it.

use parlor_common::{close::CloseCode, event::SocketIs};
use tokio::time::{Instant, sleep_until, timeout_at};
use tracing::debug;

use crate::{
    session::dialogue::Dialogue,
    socket::{Incoming, ReadEnd, Reader, wire, writer::Writer},
};

/// How a session ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The connection is gone, and nothing can be said.
    Gone,
    /// The peer has closed, and is answered with its own code.
    Echo(Option<u16>),
    /// The socket is closed from here.
    Close { code: CloseCode, flush: Flush, then: Then },
}

/// What is written before the close.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flush {
    /// Everything that waits.
    Waiting,
    /// Nothing but a frame that has been begun.
    Nothing,
}

/// What is done after the close has been said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Then {
    /// What the peer still says is accepted, until it closes.
    Accept,
    /// What the peer still says is dropped, until it closes.
    Wait,
    /// Nothing more is read.
    HangUp,
}

// === impl Ending ===

impl Ending {
    /// With a close of ours, after everything that waits.
    pub(crate) const fn with(code: CloseCode) -> Self {
        Self::Close { code, flush: Flush::Waiting, then: Then::Wait }
    }

    /// With a close of ours that nothing delays.
    pub(crate) const fn at_once(code: CloseCode) -> Self {
        Self::Close { code, flush: Flush::Nothing, then: Then::Wait }
    }

    /// With a close of ours to a peer that what it sends can no longer be understood, or is too
    /// much.
    pub(crate) const fn violated(code: CloseCode) -> Self {
        Self::Close { code, flush: Flush::Waiting, then: Then::HangUp }
    }

    /// What it is counted as; `None` without a close.
    pub(crate) const fn code(self) -> Option<CloseCode> {
        match self {
            Self::Gone => None,
            Self::Echo(_) => Some(CloseCode::Normal),
            Self::Close { code, .. } => Some(code),
        }
    }
}

impl From<ReadEnd> for Ending {
    fn from(end: ReadEnd) -> Self {
        match end {
            ReadEnd::Gone => Self::Gone,
            ReadEnd::Violation(code) => Self::violated(code),
        }
    }
}

/// Closes the connection as `ending` says, and finishes what was taken from it.
pub(crate) async fn close(
    mut dialogue: Dialogue,
    mut reader: Reader,
    mut writer: Writer,
    ending: Ending,
) {
    dialogue.unfollow();
    // The widget's page closes its socket when it is left, and for no other reason.
    let is = match ending {
        Ending::Echo(_) => SocketIs::Closed,
        Ending::Gone | Ending::Close { .. } => SocketIs::Lost,
    };
    dialogue.stand_up(is);
    let (close, flush, then) = match ending {
        Ending::Gone => {
            drop(writer);
            return finish(&mut dialogue, is).await;
        }
        Ending::Echo(code) => (wire::close_echo(code), Flush::Nothing, Then::HangUp),
        Ending::Close { code, flush, then } => (wire::close(code), flush, then),
    };
    match flush {
        Flush::Waiting => writer.load(dialogue.viewer.outbox().take().frames),
        Flush::Nothing => writer.discard(),
    }
    writer.load([close].into());
    let until = Instant::now() + dialogue.node.settings.close_within;
    part(&mut dialogue, &mut reader, &mut writer, then, until).await;
    // The peer may take its time to hang up: what it has said goes to the door meanwhile, as
    // always.
    let left = until.saturating_duration_since(Instant::now());
    tokio::join!(writer.shut(left), finish(&mut dialogue, is));
}

/// Writes the close and reads on until the peer's, or until it takes too long.
async fn part(
    dialogue: &mut Dialogue,
    reader: &mut Reader,
    writer: &mut Writer,
    mut then: Then,
    until: Instant,
) {
    while then != Then::HangUp || !writer.is_idle() {
        let look = dialogue.drafts.retry_at().unwrap_or(until).min(until);
        let reads = then != Then::HangUp && dialogue.drafts.take_more();
        tokio::select! {
            // What the peer still sends comes last: a flood of it must not keep the deadline from
            // being seen.
            biased;
            settled = dialogue.drafts.settled(), if !dialogue.drafts.is_empty() => {
                dialogue.settled(settled);
            }
            () = sleep_until(look) => if Instant::now() >= until { break },
            written = writer.write(), if !writer.is_idle() => if written.is_err() { break },
            incoming = reader.next(), if reads => match incoming {
                Ok(Incoming::Text(text)) if then == Then::Accept => {
                    // The close has been said; there is nothing to add to it.
                    if dialogue.text(&text).is_err() {
                        then = Then::HangUp;
                    }
                }
                Ok(Incoming::Pong(payload)) => {
                    if let Some(number) = wire::pinged(&payload) {
                        dialogue.answered(number);
                    }
                }
                Ok(Incoming::Text(_) | Incoming::Binary | Incoming::Ping(_)) => {}
                Ok(Incoming::Close(_)) | Err(_) => then = Then::HangUp,
            },
        }
    }
}

/// What was taken from a client that is gone goes to the door all the same, for a while.
async fn finish(dialogue: &mut Dialogue, is: SocketIs) {
    let until = Instant::now() + dialogue.node.settings.finish_within;
    let last_mark = dialogue.last_mark(is);
    tokio::join!(finish_drafts(dialogue, until), async {
        // It is no more than what a reader may be shown twice.
        drop(timeout_at(until, last_mark).await);
    });
}

async fn finish_drafts(dialogue: &mut Dialogue, until: Instant) {
    while !dialogue.drafts.is_empty() {
        let look = dialogue.drafts.retry_at().unwrap_or(until).min(until);
        tokio::select! {
            biased;
            settled = dialogue.drafts.settled() => dialogue.settled(settled),
            () = sleep_until(look) => if Instant::now() >= until { break },
        }
    }
    if !dialogue.drafts.is_empty() {
        let session = dialogue.viewer.session();
        debug!(%session, "drafts of a socket that is gone were not accepted in time");
    }
}
