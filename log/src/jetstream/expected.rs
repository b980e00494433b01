//! Appends that expect where the last entry of their conversation is, and what a refusal means.
//!
//! A server compares the expectation with the last sequence of the subject. With one replica it
//! does so before it looks for the id, and with several after that (nats-server 2.14.5): so a
//! publish that is repeated, because its acknowledgement was lost, may be refused for the sake of
//! its own first attempt. Whoever is refused therefore looks for the own id among what the leader
//! has of the conversation, before anybody is told of a conflict.

use std::time::{Duration, Instant};

use parlor_common::{deadline::in_time, position::Position};
use tracing::debug;

use super::{
    JetStreamLog,
    append::{ID, Publish, Published},
    entry::raw_header,
    names::StreamRef,
    shapes::{MessageRequest, RawMessage, from_nanos, read_time},
};
use crate::LogError;

/// The sequence of the subject's last message; 0 where there is none.
pub(super) const HEADER: &str = "Nats-Expected-Last-Subject-Sequence";

/// The pause before the leader is asked again.
const PAUSE: Duration = Duration::from_millis(100);

/// Publishes what expects the conversation's last entry there. Whoever is refused and has no
/// earlier entry of the same id has a conflict; where the leader does not say so until the
/// deadline, nobody can tell.
pub(super) async fn publish(
    log: &JetStreamLog,
    stream: &StreamRef,
    mut publish: Publish<'_>,
    expected: Position,
    until: Instant,
) -> Result<Published, LogError> {
    let refused = match sequence(stream, expected) {
        Some(sequence) => {
            publish.headers.push((HEADER, sequence.to_string()));
            match log.shared.appender.publish(&publish).await {
                Err(LogError::Conflict(why)) => why,
                answer => return answer,
            }
        }
        None => format!("{expected} is no position of an entry of epoch {}", stream.epoch),
    };
    let own = Own {
        log,
        stream,
        subject: &publish.subject,
        id: &publish.id,
        after: sequence(stream, expected).unwrap_or(0),
    };
    let left = until.saturating_duration_since(Instant::now());
    let found = in_time(left, LogError::Unavailable, async {
        loop {
            match own.find().await {
                Err(LogError::Unavailable(why)) => {
                    debug!(stream = stream.name, why, "an own entry is looked for again")
                }
                answer => return answer,
            }
            tokio::time::sleep(PAUSE).await;
        }
    })
    .await?;
    match found {
        Some(sequence) => Ok(Published { sequence, duplicate: true }),
        None => Err(LogError::Conflict(refused)),
    }
}

/// What the server is to compare; `None` where nothing of this stream is there.
fn sequence(stream: &StreamRef, expected: Position) -> Option<u64> {
    let is_entry = expected.epoch() == stream.epoch && expected.sequence() > 0;
    (expected == Position::ZERO || is_entry).then(|| expected.sequence())
}

/// An entry of ours that may be there.
struct Own<'a> {
    log: &'a JetStreamLog,
    stream: &'a StreamRef,
    subject: &'a str,
    id: &'a str,
    /// What was expected.
    after: u64,
}

// === impl Own ===

impl Own<'_> {
    /// Its sequence, as a leader knows it that most of the replicas are with.
    async fn find(&self) -> Result<Option<u64>, LogError> {
        let info = self.log.stream(self.stream).await?;
        // A repeat of the same append: what it expected was so then, and it came next.
        if let Some(next) = self.next(self.after).await?
            && self.is_own(&next)
        {
            return Ok(Some(next.seq));
        }
        // A repeat that expects something else than the first attempt did: that may lie anywhere
        // in the window in which the servers know an id.
        let last = MessageRequest { last_by_subj: Some(self.subject), ..MessageRequest::default() };
        let Some(last) = self.log.shared.api.message(&self.stream.name, &last).await? else {
            return Ok(None);
        };
        let window = from_nanos(info.config.duplicate_window).unwrap_or_default();
        let start = read_time(&last.time)?.minus(window).to_string();
        let first = MessageRequest {
            start_time: Some(&start),
            next_by_subj: Some(self.subject),
            ..MessageRequest::default()
        };
        let mut message = self.log.shared.api.message(&self.stream.name, &first).await?;
        // The caller's deadline bounds how many those are.
        while let Some(known) = message.filter(|message| message.seq <= last.seq) {
            if self.is_own(&known) {
                return Ok(Some(known.seq));
            }
            message = match known.seq < last.seq {
                true => self.next(known.seq).await?,
                false => None,
            };
        }
        Ok(None)
    }

    /// The conversation's next message, as the leader has it.
    async fn next(&self, after: u64) -> Result<Option<RawMessage>, LogError> {
        let next = MessageRequest {
            seq: Some(after + 1),
            next_by_subj: Some(self.subject),
            ..MessageRequest::default()
        };
        Ok(self.log.shared.api.message(&self.stream.name, &next).await?)
    }

    fn is_own(&self, message: &RawMessage) -> bool {
        raw_header(message, ID).as_deref() == Some(self.id)
    }
}

#[cfg(test)]
mod tests {
    use parlor_common::{position::Epoch, shard::Shard};

    use super::{super::names::Names, *};

    #[test]
    fn only_an_entry_of_the_streams_epoch_or_nothing_at_all_can_be_expected() {
        let epoch = |number| Epoch::new(number).unwrap();
        let at = |number, sequence| Position::new(epoch(number), sequence).unwrap();
        let stream = Names::new("").stream(Shard::ONLY, epoch(2));
        for (expected, compared) in [
            (Position::ZERO, Some(0)),
            (at(2, 7), Some(7)),
            (at(2, 0), None),
            (at(1, 7), None),
            (at(3, 7), None),
        ] {
            assert_eq!(sequence(&stream, expected), compared, "{expected}");
        }
    }
}
