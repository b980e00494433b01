//! The session: one task for each connection.
//!
//! ```text
//! open ──── the node stops, in its turn ──► finishing: nothing more is read
//!   │           │ (widget: at once)            │ its drafts are accepted, or too long
//!   │ its shard is lost, in its turn           │
//!   ▼           ▼                              ▼
//! closing (`closing.rs`): the close is written and the peer's is awaited, and what was taken from
//! the client goes to the door
//! ```

pub(crate) mod closing;
pub(crate) mod dialogue;
pub(crate) mod drafts;
pub(crate) mod following;
pub(crate) mod marks;
pub(crate) mod outbox;
pub(crate) mod pace;
pub(crate) mod viewer;

#[cfg(test)]
mod simulation;

use std::{pin::pin, time::Duration};

use parlor_common::{
    close::CloseCode,
    planted::{self, Fault},
    position::Position,
};
use tokio::{
    task::yield_now,
    time::{Instant, sleep_until},
};
use tracing::debug;

use crate::{
    dialect::Goodbye,
    metrics::Shed,
    session::{
        closing::{Ending, Flush, Then},
        dialogue::{Dialogue, Next},
        outbox::{Ended, Taken},
    },
    socket::{
        Incoming, ReadEnd, Reader, Socket,
        control_limit::ControlLimit,
        heartbeat::{Heartbeat, HeartbeatSettings},
        wire,
        writer::Writer,
    },
};

/// The least that a timer waits.
const TICK: Duration = Duration::from_millis(1);

/// One open connection.
#[derive(Debug)]
pub(crate) struct Session {
    dialogue: Dialogue,
    heartbeat: Heartbeat,
    controls: ControlLimit,
    leaving: Leaving,
    /// The first ping after the last refusal: its answer tells that the client has heard of it.
    refusal: Option<u64>,
}

/// How far a session is with leaving the node, as others of it do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Leaving {
    /// It stays.
    No,
    /// Its shard is lost, and this session is told at this time.
    Lost(Instant),
    /// The node stops, and this session is told at this time.
    Stops(Instant),
    /// Nothing more is read; the close goes out when the drafts have been accepted, or at this
    /// time.
    Finishing { by: Instant },
}

// === impl Session ===

impl Session {
    /// A session whose socket is about to open.
    pub(crate) fn new(dialogue: Dialogue) -> Self {
        let settings = &dialogue.node.settings;
        let (every, silence_limit) = (settings.ping_every, settings.silence_limit);
        let first = if dialogue.dialect().acknowledges_by_pong() { Duration::ZERO } else { every };
        let now = Instant::now();
        Self {
            heartbeat: Heartbeat::new(HeartbeatSettings { every, silence_limit, first }, now),
            controls: ControlLimit::new(settings.controls_per_second, now),
            leaving: Leaving::No,
            refusal: None,
            dialogue,
        }
    }

    /// Serves the client until one of the two is done. It is boxed, because a future keeps each
    /// place that a value is moved through.
    pub(crate) async fn run(mut self: Box<Self>, socket: Socket) {
        planted::panic_if(Fault::PanicInSession);
        let opened = Instant::now();
        let (mut reader, mut writer) = socket.split(self.dialogue.node.settings.write_within);
        self.heartbeat.heard(opened);
        let ending = self.open(&mut reader, &mut writer).await;
        self.dialogue.node.metrics.closed(ending.code());
        debug!(
            code = ending.code().map_or("gone", CloseCode::as_str),
            duration_ms = u64::try_from(opened.elapsed().as_millis()).unwrap_or(u64::MAX),
            "a session ends"
        );
        // Seldom, and larger than what an idle socket needs.
        Box::pin(closing::close(self.dialogue, reader, writer, ending)).await;
    }

    async fn open(&mut self, reader: &mut Reader, writer: &mut Writer) -> Ending {
        let (node, viewer) = (self.dialogue.node.clone(), self.dialogue.viewer.clone());
        let mut told = pin!(node.drain.draining());
        let mut timer = pin!(sleep_until(Instant::now()));
        loop {
            if let Err(ending) = self.move_frames(writer).and_then(|()| self.leave()) {
                return ending;
            }
            let now = Instant::now();
            let reads = self.reads();
            if !reads {
                // Reading is paused, so silence is not the peer's fault.
                self.heartbeat.heard(now);
            }
            let next = self.deadline(writer).unwrap_or(now);
            // Not by the timer alone: a busy socket may never come to it.
            if next <= now
                && let Err(ending) = self.tick(writer)
            {
                return ending;
            }
            // What stays overdue waits for something else, and must not spin.
            let next = next.max(now + TICK);
            if timer.deadline() != next {
                timer.as_mut().reset(next);
            }
            let mut settled = false;
            let outcome = tokio::select! {
                incoming = reader.next(), if reads => self.came(incoming),
                written = writer.write(), if !writer.is_idle() => {
                    written.map_err(|_| Ending::Gone)
                }
                () = viewer.outbox().changed() => Ok(()),
                next = self.dialogue.next() => {
                    settled = matches!(next, Next::Settled(_));
                    self.dialogue.advance(next).map_err(|_| self.come_back())
                }
                () = &mut timer => Ok(()),
                () = &mut told, if self.leaving == Leaving::No => {
                    self.leaving = Leaving::Stops(node.pace.turn(Instant::now()));
                    Ok(())
                }
            };
            if let Err(ending) = outcome {
                return ending;
            }
            if settled && !self.dialogue.drafts.has_refused() {
                // The feed was woken by the same commit. What it shows of it goes out with the
                // answer, in one write.
                yield_now().await;
            }
        }
    }

    /// Whether the next frame of the client may be read.
    fn reads(&self) -> bool {
        !matches!(self.leaving, Leaving::Finishing { .. }) && self.dialogue.drafts.take_more()
    }

    /// When to look at the time again.
    fn deadline(&self, writer: &Writer) -> Option<Instant> {
        let leaves = match self.leaving {
            Leaving::No => None,
            Leaving::Lost(at) | Leaving::Stops(at) | Leaving::Finishing { by: at } => Some(at),
        };
        let times = [
            self.dialogue.deadline(),
            Some(self.heartbeat.deadline()),
            writer.deadline(),
            self.dialogue.drafts.retry_at(),
            leaves,
        ];
        times.into_iter().flatten().min()
    }

    /// Frames go from the replay to the outbox, and from the outbox to the writer.
    fn move_frames(&mut self, writer: &mut Writer) -> Result<(), Ending> {
        match self.dialogue.viewer.outbox().ended() {
            Some(Ended::Slow) => return Err(self.let_go(Shed::OutboxFull, Ended::Slow)),
            // Those of all its shard end at once.
            Some(Ended::Again) if self.leaving == Leaving::No => {
                self.leaving = Leaving::Lost(self.dialogue.node.pace.turn(Instant::now()));
            }
            Some(Ended::Again) | None => {}
        }
        self.ask_whether_heard();
        self.dialogue.link();
        self.dialogue.refill().map_err(|_| self.come_back())?;
        if writer.is_idle() {
            let Taken { mut frames, last_shown } = self.dialogue.viewer.outbox().take();
            if let Some(last) = last_shown {
                self.shown(last);
                // The ping after it goes out with it. What the hub has put in meanwhile is told
                // apart.
                let more = self.dialogue.viewer.outbox().take();
                frames.extend(more.frames);
                if let Some(last) = more.last_shown {
                    self.shown(last);
                }
            }
            writer.load(frames);
        }
        Ok(())
    }

    /// Frames that show events are about to be written: where a pong acknowledges them, a ping
    /// follows, unless one is on its way.
    fn shown(&mut self, through: Position) {
        if let Some(marks) = &mut self.dialogue.marks {
            marks.shown(through);
            if let Some(number) = self.heartbeat.shown(Instant::now()) {
                self.ping(number);
            }
        }
    }

    /// A ping follows a refusal; where one is on its way, the next does.
    fn ask_whether_heard(&mut self) {
        if !self.dialogue.drafts.asks() {
            return;
        }
        self.refusal = Some(self.heartbeat.next_number());
        if let Some(number) = self.heartbeat.shown(Instant::now()) {
            self.ping(number);
        }
    }

    /// Says goodbye when it is this session's time.
    fn leave(&mut self) -> Result<(), Ending> {
        let now = Instant::now();
        let finish_by = match self.leaving {
            Leaving::No => return Ok(()),
            Leaving::Lost(at) | Leaving::Stops(at) if now < at => return Ok(()),
            Leaving::Lost(_) => return Err(self.come_back_later()),
            Leaving::Stops(_) => now + self.dialogue.node.settings.finish_within,
            Leaving::Finishing { by } => by,
        };
        match self.dialogue.dialect().goodbye(self.dialogue.node.back_after()) {
            Goodbye::Listening(code) => {
                Err(Ending::Close { code, flush: Flush::Waiting, then: Then::Accept })
            }
            Goodbye::Finished(..) if !self.dialogue.drafts.is_empty() && now < finish_by => {
                self.leaving = Leaving::Finishing { by: finish_by };
                Ok(())
            }
            Goodbye::Finished(last, code) => {
                self.dialogue.say(last);
                Err(Ending::with(code))
            }
        }
    }

    fn came(&mut self, incoming: Result<Incoming, ReadEnd>) -> Result<(), Ending> {
        let incoming = incoming?;
        let now = Instant::now();
        self.heartbeat.heard(now);
        match incoming {
            Incoming::Text(text) if self.dialogue.dialect().is_pong(&text) => {
                self.pong(self.heartbeat.oldest_unanswered(), now)
            }
            Incoming::Text(text) => self.dialogue.text(&text).map_err(Ending::with),
            Incoming::Binary => self.dialogue.binary().map_err(Ending::violated),
            Incoming::Ping(payload) => {
                self.unasked(now)?;
                self.dialogue.say(wire::pong(&payload));
                Ok(())
            }
            Incoming::Pong(payload) => self.pong(wire::pinged(&payload), now),
            Incoming::Close(code) => Err(Ending::Echo(code)),
        }
    }

    /// An answer came to the ping of this number; `None` for one that can be no ping's.
    fn pong(&mut self, number: Option<u64>, now: Instant) -> Result<(), Ending> {
        let answer = number.map(|number| self.heartbeat.pong(number, now));
        let (Some(number), Some((true, follow))) = (number, answer) else {
            return self.unasked(now);
        };
        self.dialogue.answered(number);
        if self.refusal.is_some_and(|first| number >= first) {
            self.refusal = None;
            self.dialogue.drafts.heard();
        }
        if let Some(number) = follow {
            self.ping(number);
        }
        Ok(())
    }

    /// A control frame came that answers nothing of ours. A peer may send a limited number of them
    /// in a second.
    fn unasked(&mut self, now: Instant) -> Result<(), Ending> {
        if self.controls.allow(now) { Ok(()) } else { Err(Ending::violated(CloseCode::Policy)) }
    }

    fn tick(&mut self, writer: &Writer) -> Result<(), Ending> {
        let now = Instant::now();
        if writer.deadline().is_some_and(|deadline| now >= deadline) {
            return Err(self.let_go(Shed::WriteStalled, Ended::Slow));
        }
        if self.heartbeat.is_dead(now) {
            return Err(self.let_go(Shed::Silent, Ended::Again));
        }
        if let Some(number) = self.heartbeat.due(now) {
            if self.dialogue.is_suspended() {
                return Err(Ending::with(CloseCode::TenantSuspended));
            }
            self.ping(number);
        }
        self.dialogue.tick(now).map_err(Ending::with)
    }

    fn ping(&mut self, number: u64) {
        if let Some(marks) = &mut self.dialogue.marks {
            marks.pinged(number);
        }
        self.dialogue.say(self.dialogue.dialect().ping(number));
    }

    /// The client does not keep up, or is not there any more: nothing delays the end.
    fn let_go(&self, why: Shed, ended: Ended) -> Ending {
        self.dialogue.node.metrics.shed(why);
        Ending::at_once(self.dialogue.dialect().come_back(ended))
    }

    /// The session cannot go on, and its client is invited back.
    fn come_back(&self) -> Ending {
        self.dialogue.node.metrics.shed(Shed::Replay);
        Ending::with(self.dialogue.dialect().come_back(Ended::Again))
    }

    /// The same, where many are invited: each is named another time where that can be said.
    fn come_back_later(&self) -> Ending {
        let (node, dialect) = (&self.dialogue.node, self.dialogue.dialect());
        let code = dialect.come_back(Ended::Again);
        node.metrics.shed(Shed::ShardLost);
        if let Some(frame) = dialect.reconnect(code, node.back_after()) {
            self.dialogue.viewer.outbox().part(frame);
        }
        Ending::with(code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size<F: Future>(_: impl Fn(Box<Session>, Socket) -> F) -> usize {
        size_of::<F>()
    }

    /// Cold branches are boxed: a connection's future can quietly reach 20 KB.
    #[test]
    fn a_sessions_future_stays_small() {
        let bytes = size(Session::run) + size_of::<Session>();
        println!("a session and its future: {bytes} bytes");
        assert!(bytes < 2_048);
    }
}
