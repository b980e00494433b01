//! The proof that a tail is live: its consumer may be hosted by a server that has lost its cluster,
//! where heartbeats go on and nothing comes any more.

use std::{sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use parlor_common::planted::{self, Fault};
use tokio::time::Instant;

use super::super::{JetStreamLog, names::StreamRef, shapes::MessageRequest};
use crate::LogError;

/// How often the stream's leader is asked how far it has come.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// How long the leader may not answer before another consumer is tried.
const UNPROVEN_AFTER: Duration = Duration::from_secs(5);

/// How long one question may take.
const LOOK_WAIT: Duration = Duration::from_secs(1);

/// What the leader says, look by look.
pub(super) struct Proof {
    log: JetStreamLog,
    stream: Arc<StreamRef>,
    next_look: Instant,
    /// A look on its way, kept here so that a dropped wait does not hinder it.
    looking: Option<BoxFuture<'static, Result<Told, LogError>>>,
    answered_at: Instant,
    /// Where the tail stood at the last look, and where the leader: between the two something had
    /// to come until the next look.
    last: (u64, u64),
    /// What proves the tail once it has come so far.
    due: Due,
    /// Everything that was acknowledged before this moment has come.
    proven: Option<Instant>,
}

/// What the leader had at a moment. A tail that has come to its end had everything then.
#[derive(Clone, Copy, Debug)]
pub(super) struct Due {
    pub(super) asked: Instant,
    pub(super) end: u64,
}

/// What the leader has told.
struct Told {
    due: Due,
    /// Whether it has something that had to come since the last look, where that was in doubt.
    more: Option<bool>,
}

/// What a look has shown.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// The leader has answered, or has been silent only for a moment.
    Well,
    Miss(&'static str),
    /// The stream is no longer what it was.
    Gone(LogError),
}

// === impl Proof ===

impl Proof {
    /// Of a consumer for which the leader had what is `due` when it was made.
    pub(super) fn new(log: &JetStreamLog, stream: &Arc<StreamRef>, due: Due) -> Self {
        let now = Instant::now();
        Self {
            log: log.clone(),
            stream: stream.clone(),
            next_look: now + LOOK_EVERY,
            looking: None,
            answered_at: now,
            last: (0, 0),
            due,
            proven: None,
        }
    }

    /// Up to which moment a tail that has come to `reached` is proven to have everything.
    pub(super) fn proven(&mut self, reached: u64) -> Option<Instant> {
        if reached >= self.due.end {
            self.proven = self.proven.max(Some(self.due.asked));
        }
        self.proven
    }

    /// Waits for the next look of a tail that has come to `reached`. Cancel safe.
    pub(super) async fn look(&mut self, reached: u64) -> Look {
        if planted::is(Fault::TailTrustsHeartbeats) {
            std::future::pending::<()>().await;
        }
        tokio::time::sleep_until(self.next_look).await;
        let looking = self.looking.get_or_insert_with(|| {
            let (log, stream, before) = (self.log.clone(), self.stream.clone(), self.last);
            Box::pin(async move { look(&log, &stream, before, reached).await })
        });
        let answer = looking.await;
        self.looking = None;
        self.next_look = Instant::now() + LOOK_EVERY;
        self.judge(answer, reached, Instant::now())
    }

    fn judge(&mut self, answer: Result<Told, LogError>, reached: u64, now: Instant) -> Look {
        match answer {
            Ok(Told { due, more }) => {
                let (stood, _) = std::mem::replace(&mut self.last, (reached, due.end));
                self.answered_at = now;
                match more {
                    Some(true) if reached == stood => {
                        return Look::Miss("it is behind the stream's leader");
                    }
                    // What lies between has been erased.
                    Some(false) => self.proven = self.proven.max(Some(due.asked)),
                    Some(true) | None => {}
                }
                // A tail that is behind is proven as far as it has come, so that one end is waited
                // for until it is reached.
                if self.proven(reached) >= Some(self.due.asked) {
                    self.due = due;
                    self.proven(reached);
                }
                Look::Well
            }
            Err(gone @ LogError::Rejected(_)) => Look::Gone(gone),
            Err(_) if now - self.answered_at >= UNPROVEN_AFTER => {
                Look::Miss("the stream's leader does not prove it")
            }
            Err(_) => Look::Well,
        }
    }
}

/// Asks the leader. Where the tail stands still before the leader's end of the last look, what is
/// missing may have been erased since: then it has nothing more.
async fn look(
    log: &JetStreamLog,
    stream: &StreamRef,
    (stood, due): (u64, u64),
    reached: u64,
) -> Result<Told, LogError> {
    let api = log.shared.api.patient(LOOK_WAIT);
    let asked = Instant::now();
    let end = log.stream_by(&api, stream).await?.state.last_seq;
    let mut more = None;
    if reached == stood && reached < due {
        let next = MessageRequest {
            seq: Some(reached + 1),
            next_by_subj: Some(">"),
            ..MessageRequest::default()
        };
        more = Some(api.message(&stream.name, &next).await?.is_some());
    }
    Ok(Told { due: Due { asked, end }, more })
}
