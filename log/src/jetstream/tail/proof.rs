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

/// How long the leader may not answer before the tail counts as unproven. With the time in which a
/// tail is made again it is 20 s until whoever follows is told.
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
    proven_at: Instant,
    /// Where the tail stood at the last look, and where the leader: between the two something had
    /// to come until the next look.
    last: (u64, u64),
}

/// What the leader has told.
struct Told {
    end: u64,
    /// It has something that had to come since the last look.
    more: bool,
}

/// What a look has shown.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Look {
    Proven,
    Miss(&'static str),
    /// The stream is no longer what it was.
    Gone(LogError),
}

// === impl Proof ===

impl Proof {
    pub(super) fn new(log: &JetStreamLog, stream: &Arc<StreamRef>) -> Self {
        let now = Instant::now();
        let (log, stream) = (log.clone(), stream.clone());
        let next_look = now + LOOK_EVERY;
        Self { log, stream, next_look, looking: None, proven_at: now, last: (0, 0) }
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
            Ok(Told { end, more }) => {
                let (stood, _) = std::mem::replace(&mut self.last, (reached, end));
                self.proven_at = now;
                if more && reached == stood {
                    Look::Miss("it is behind the stream's leader")
                } else {
                    Look::Proven
                }
            }
            Err(gone @ LogError::Rejected(_)) => Look::Gone(gone),
            Err(_) if now - self.proven_at >= UNPROVEN_AFTER => {
                Look::Miss("the stream's leader does not prove it")
            }
            Err(_) => Look::Proven,
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
    let end = log.stream_by(&api, stream).await?.state.last_seq;
    let mut more = false;
    if reached == stood && reached < due {
        let next = MessageRequest {
            seq: Some(reached + 1),
            next_by_subj: Some(">"),
            ..MessageRequest::default()
        };
        more = api.message(&stream.name, &next).await?.is_some();
    }
    Ok(Told { end, more })
}
