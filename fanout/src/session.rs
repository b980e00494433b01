//! The session: one task for each connection. What a session is; what its client speaks is in the
//! files below.
//!
//! ```text
//! open ──told to leave──► leaving ──nothing waits, or too long──► closing ──peer's close, or too long──► finishing
//!   └───────────── a close of ours, of the peer's, or the connection is gone ──────►┘                       │
//!                                                       what was taken from the peer goes to the door ◄─────┘
//! ```

pub(crate) mod drafts;
pub(crate) mod following;
pub(crate) mod outbox;
pub(crate) mod viewer;

use std::{pin::pin, sync::Arc, time::Duration};

use bytes::Bytes;
use parlor_common::{clock::Timestamp, close::CloseCode, id::SessionId};
use tokio::time::{Instant, sleep_until};
use tracing::debug;

use crate::{
    feed::item::Dialect,
    node::{Node, Seat},
    session::drafts::{Drafts, DraftsBound, Settled},
    session::following::{ComeBack, Following, Since, Step},
    session::outbox::{Ended, Outbox, OutboxBound, Taken},
    session::viewer::Viewer,
    socket::heartbeat::{Controls, Pulse},
    socket::wire,
    socket::writer::Writer,
    socket::{Incoming, ReadEnd, Reader, Socket},
};

/// What a client speaks: makes drafts and subscriptions of its texts, and frames of what becomes of
/// them.
pub(crate) trait Speaks: Send {
    /// A text came.
    fn text(
        &mut self,
        session: &mut Session,
        text: &str,
        arrived: Timestamp,
    ) -> Result<(), CloseCode>;

    /// The first draft in line was accepted or refused.
    fn settled(&mut self, session: &mut Session, settled: Settled) -> Result<(), CloseCode>;

    /// Frames that show events are about to be written.
    fn shows(&mut self, session: &mut Session);

    /// When it wants to look at the time.
    fn deadline(&self, session: &Session) -> Option<Instant>;

    /// The time has come.
    fn tick(&mut self, session: &mut Session, now: Instant) -> Result<(), CloseCode>;

    /// How the client is invited back: after what it could not keep up with, or what the node
    /// missed.
    fn ended(&self, why: Ended) -> CloseCode;

    /// The node stops.
    fn leave(&self, session: &Session) -> Farewell;
}

/// How a client is told that the node stops.
pub(crate) enum Farewell {
    /// At once, and what it still sends is accepted until it closes.
    Listening(CloseCode),
    /// Once its drafts are accepted: a last frame, then the close.
    Finished(Bytes, CloseCode),
}

/// What every session has.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) node: Arc<Node>,
    pub(crate) viewer: Arc<Viewer>,
    pub(crate) drafts: Drafts,
    pub(crate) following: Option<Box<Following>>,
    pulse: Pulse,
    controls: Controls,
    _seat: Seat,
}

/// How a session ends.
struct Leave {
    /// What is written last, and counted.
    close: Option<(Bytes, Option<CloseCode>)>,
    /// Nothing that waits is written before it.
    discard: bool,
    /// The peer has closed or broken off: nothing more is read.
    deaf: bool,
    /// What is still read is accepted.
    listens: bool,
}

// === impl Session ===

impl Session {
    /// A session of a client that speaks `dialect`, whose socket is about to open.
    pub(crate) fn new(node: Arc<Node>, dialect: Dialect, seat: Seat) -> Self {
        let settings = &node.settings;
        let outbox = Outbox::new(OutboxBound {
            frames: settings.outbox_frames,
            bytes: settings.outbox_bytes,
        });
        let viewer = Viewer::new(SessionId::random(&node.random), dialect, outbox);
        let bound = DraftsBound { drafts: settings.drafts, bytes: settings.draft_bytes };
        let drafts = Drafts::new(node.door.clone(), bound);
        // The seed's widget is known by its first pong, so it is asked at once.
        let first = if dialect == Dialect::Contract { Duration::ZERO } else { settings.ping_every };
        let pulse = Pulse::new(settings.ping_every, settings.mute_for, first, Instant::now());
        let controls = Controls::new(settings.controls_per_second, Instant::now());
        node.metrics.open(dialect).inc();
        Self { viewer, drafts, following: None, pulse, controls, _seat: seat, node }
    }

    /// Puts a frame of the session's own into the outbox.
    pub(crate) fn say(&self, frame: Bytes) {
        self.viewer.outbox().say(frame);
    }

    /// Begins, or begins anew, where the client says it is.
    pub(crate) fn subscribe(&mut self, since: Since) -> Result<(), ComeBack> {
        match &mut self.following {
            Some(following) => following.subscribe(&self.node, &self.viewer, since),
            None => Err(ComeBack),
        }
    }

    /// Pings so that the pong tells what the client has got, unless a ping is on its way.
    pub(crate) fn ping_behind(&mut self) {
        if let Some(ping) = self.pulse.shown(Instant::now()) {
            self.say(ping);
        }
    }

    /// Serves the client until one of the two is done.
    pub(crate) async fn run<S: Speaks>(mut self, mut speaks: S, socket: Socket) {
        let opened = Instant::now();
        let settings = &self.node.settings;
        let (mut reader, mut writer) = socket.split(settings.write_within);
        self.pulse.heard(opened);
        let leave = self.open(&mut speaks, &mut reader, &mut writer).await;
        let code = leave.close.as_ref().and_then(|(_, code)| *code);
        self.node.metrics.closed(code);
        debug!(
            code = code.map_or("gone", CloseCode::as_str),
            duration_ms = u64::try_from(opened.elapsed().as_millis()).unwrap_or(u64::MAX),
            "a session ends"
        );
        // Seldom, and larger than what an idle socket needs.
        Box::pin(self.close(&mut speaks, reader, writer, leave)).await;
    }

    async fn open(
        &mut self,
        speaks: &mut impl Speaks,
        reader: &mut Reader,
        writer: &mut Writer,
    ) -> Leave {
        let node = self.node.clone();
        let mut draining = pin!(node.drain.draining());
        let mut timer = pin!(sleep_until(Instant::now()));
        let mut told = false;
        let mut turn = None;
        let mut finish_by = None;
        loop {
            if let Some(leave) = self.turn(speaks, writer, turn, &mut finish_by) {
                return leave;
            }
            let reads = finish_by.is_none() && self.drafts.take_more();
            let now = Instant::now();
            if !reads {
                // Who is not read cannot be heard.
                self.pulse.heard(now);
            }
            let times = [
                speaks.deadline(self),
                Some(self.pulse.deadline()),
                writer.deadline(),
                self.drafts.retry_at(),
                turn.filter(|_| finish_by.is_none()),
                finish_by,
            ];
            let next = times.into_iter().flatten().min().unwrap_or(now);
            // Not by the timer alone: a busy socket may never come to it.
            if next <= now
                && let Err(leave) = self.tick(speaks, writer)
            {
                return leave;
            }
            // What stays overdue waits for something else, and must not spin.
            let next = next.max(now + TICK);
            if timer.deadline() != next {
                timer.as_mut().reset(next);
            }
            let outcome = tokio::select! {
                incoming = reader.next(), if reads => self.came(speaks, incoming),
                written = writer.write(), if !writer.is_idle() => written.map_err(|_| Leave::gone()),
                () = self.viewer.outbox().changed() => Ok(()),
                settled = self.drafts.settled(), if !self.drafts.is_empty() => {
                    speaks.settled(self, settled).map_err(Leave::with)
                }
                step = step(&mut self.following) => self.step(speaks, step),
                () = &mut timer => Ok(()),
                () = &mut draining, if !told => {
                    told = true;
                    turn = Some(Instant::now() + self.node.turn_to_leave());
                    Ok(())
                }
            };
            if let Err(leave) = outcome {
                return leave;
            }
        }
    }

    /// What is done before each wait: frames go from the replay to the outbox, and from the outbox
    /// to the writer.
    fn turn(
        &mut self,
        speaks: &mut impl Speaks,
        writer: &mut Writer,
        turn: Option<Instant>,
        finish_by: &mut Option<Instant>,
    ) -> Option<Leave> {
        if let Some(ended) = self.viewer.outbox().ended() {
            let discard = ended == Ended::Slow;
            return Some(Leave { discard, ..Leave::with(speaks.ended(ended)) });
        }
        if let Some(following) = &mut self.following
            && following.refill(&self.node, &self.viewer).is_err()
        {
            return Some(Leave::with(speaks.ended(Ended::Again)));
        }
        if writer.is_idle() {
            let Taken { mut frames, events } = self.viewer.outbox().take();
            if events > 0 {
                speaks.shows(self);
                // What the session says of it goes out with it. What the hub has put in meanwhile
                // is told apart.
                let more = self.viewer.outbox().take();
                frames.extend(more.frames);
                if more.events > 0 {
                    speaks.shows(self);
                }
            }
            writer.load(frames);
        }
        let now = Instant::now();
        if turn.is_none_or(|turn| now < turn) {
            return None;
        }
        match speaks.leave(self) {
            Farewell::Listening(code) => Some(Leave { listens: true, ..Leave::with(code) }),
            Farewell::Finished(last, code) => {
                let by = *finish_by.get_or_insert(now + self.node.settings.finish_within);
                if !self.drafts.is_empty() && now < by {
                    return None;
                }
                self.say(last);
                Some(Leave::with(code))
            }
        }
    }

    fn came(
        &mut self,
        speaks: &mut impl Speaks,
        incoming: Result<Incoming, ReadEnd>,
    ) -> Result<(), Leave> {
        let now = Instant::now();
        match incoming {
            Ok(incoming) => {
                self.pulse.heard(now);
                match incoming {
                    Incoming::Text(text) => {
                        let arrived = self.node.clock.now();
                        speaks.text(self, &text, arrived).map_err(Leave::with)?;
                    }
                    Incoming::Ping(payload) => {
                        self.unasked(now)?;
                        self.say(wire::pong(&payload));
                    }
                    Incoming::Pong(payload) => self.pong(&payload, now)?,
                    Incoming::Close(code) => return Err(Leave::answering(code)),
                }
                Ok(())
            }
            Err(ReadEnd::Gone) => Err(Leave::gone()),
            Err(ReadEnd::Violation(code)) => Err(Leave { deaf: true, ..Leave::with(code) }),
        }
    }

    fn pong(&mut self, payload: &[u8], now: Instant) -> Result<(), Leave> {
        let (answers, follow) = self.pulse.pong(payload, now);
        if answers {
            self.viewer.answered(self.node.clock.now());
        } else {
            self.unasked(now)?;
        }
        if let Some(ping) = follow {
            self.say(ping);
        }
        Ok(())
    }

    /// A control frame that answers nothing of ours came: a peer may send so many in a second.
    fn unasked(&mut self, now: Instant) -> Result<(), Leave> {
        if self.controls.allow(now) {
            Ok(())
        } else {
            Err(Leave { deaf: true, ..Leave::with(CloseCode::Policy) })
        }
    }

    fn step(&mut self, speaks: &impl Speaks, step: Step) -> Result<(), Leave> {
        let Some(following) = &mut self.following else { return Ok(()) };
        following
            .advance(&self.node, &self.viewer, step)
            .map_err(|_| Leave::with(speaks.ended(Ended::Again)))
    }

    fn tick(&mut self, speaks: &mut impl Speaks, writer: &Writer) -> Result<(), Leave> {
        let now = Instant::now();
        if writer.deadline().is_some_and(|deadline| now >= deadline) {
            return Err(Leave { discard: true, ..Leave::with(speaks.ended(Ended::Slow)) });
        }
        if self.pulse.is_dead(now) {
            return Err(Leave { discard: true, ..Leave::with(speaks.ended(Ended::Again)) });
        }
        if let Some(ping) = self.pulse.due(now) {
            if self.is_suspended() {
                return Err(Leave::with(CloseCode::TenantSuspended));
            }
            self.say(ping);
        }
        speaks.tick(self, now).map_err(Leave::with)
    }

    /// Whether its tenant is served no more: the registry may have changed since the socket was
    /// opened.
    fn is_suspended(&self) -> bool {
        let Some(following) = &self.following else { return false };
        self.node.tenants.get(following.tenant()).is_none_or(|tenant| tenant.suspended)
    }

    /// Closes the connection, then finishes what was taken from it.
    async fn close(
        mut self,
        speaks: &mut impl Speaks,
        mut reader: Reader,
        mut writer: Writer,
        leave: Leave,
    ) {
        self.following = None;
        let settings = self.node.settings.clone();
        if let Some((close, _)) = leave.close {
            if leave.discard {
                writer.discard();
            } else {
                writer.load(self.viewer.outbox().take().frames);
            }
            writer.load([close].into());
            let until = Instant::now() + settings.close_within;
            let mut deaf = leave.deaf;
            while !deaf || !writer.is_idle() {
                let look = self.drafts.retry_at().unwrap_or(until).min(until);
                tokio::select! {
                    written = writer.write(), if !writer.is_idle() => if written.is_err() { break },
                    incoming = reader.next(), if !deaf && self.drafts.take_more() => match incoming {
                        Ok(Incoming::Text(text)) if leave.listens => {
                            let arrived = self.node.clock.now();
                            // The close has been said; there is nothing to add to it.
                            deaf |= speaks.text(&mut self, &text, arrived).is_err();
                        }
                        Ok(Incoming::Text(_) | Incoming::Ping(_) | Incoming::Pong(_)) => {}
                        Ok(Incoming::Close(_)) | Err(_) => deaf = true,
                    },
                    settled = self.drafts.settled(), if !self.drafts.is_empty() => {
                        if speaks.settled(&mut self, settled).is_err() { break }
                    }
                    () = sleep_until(look) => {
                        if Instant::now() >= until { break }
                    }
                }
            }
            // The peer may take its time to hang up: what it has said goes to the door meanwhile,
            // as always.
            tokio::join!(
                writer.shut(until.saturating_duration_since(Instant::now())),
                self.finish(speaks)
            );
        } else {
            drop(writer);
            self.finish(speaks).await;
        }
        drop(reader);
    }

    /// What was taken from a client that is gone goes to the door all the same, for a while.
    async fn finish(&mut self, speaks: &mut impl Speaks) {
        let until = Instant::now() + self.node.settings.finish_within;
        while !self.drafts.is_empty() {
            let look = self.drafts.retry_at().unwrap_or(until).min(until);
            tokio::select! {
                settled = self.drafts.settled() => {
                    if speaks.settled(self, settled).is_err() { break }
                }
                () = sleep_until(look) => {
                    if Instant::now() >= until { break }
                }
            }
        }
        if !self.drafts.is_empty() {
            debug!(session = %self.viewer.session(), "drafts of a socket that is gone were not accepted in time");
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.node.metrics.open(self.viewer.dialect()).dec();
    }
}

/// The least that a timer waits.
const TICK: Duration = Duration::from_millis(1);

/// Waits for what the following needs; for ever where that is nothing. Cancel safe.
async fn step(following: &mut Option<Box<Following>>) -> Step {
    match following {
        Some(following) => following.step().await,
        None => std::future::pending().await,
    }
}

// === impl Leave ===

impl Leave {
    /// With a close of ours, after everything that waits.
    fn with(code: CloseCode) -> Self {
        Self {
            close: Some((wire::close(code), Some(code))),
            discard: false,
            deaf: false,
            listens: false,
        }
    }

    /// With the answer to the peer's close.
    fn answering(code: Option<u16>) -> Self {
        Self {
            close: Some((wire::close_echo(code), Some(CloseCode::Normal))),
            discard: true,
            deaf: true,
            listens: false,
        }
    }

    /// Without a word: there is nobody to hear it.
    const fn gone() -> Self {
        Self { close: None, discard: true, deaf: true, listens: false }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::{parlor1::Parlor1, widget::Contract};

    fn size<S, F: Future>(_: impl Fn(Session, S, Socket) -> F) -> usize {
        size_of::<F>()
    }

    /// Cold branches are boxed: a connection's future can quietly reach 20 KB.
    #[test]
    fn a_sessions_future_stays_small() {
        let (parlor1, contract) = (size(Session::run::<Parlor1>), size(Session::run::<Contract>));
        println!("a session's future: parlor.1 {parlor1} bytes, contract {contract} bytes");
        assert!(parlor1.max(contract) < 4_096);
    }
}
