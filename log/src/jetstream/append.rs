//! Appending: a publish under an id, repeated until it is acknowledged or the deadline has passed.

mod acks;
mod usual;

use std::time::{Duration, Instant};

use async_nats::{HeaderMap, Message};
use bytes::Bytes;
use parlor_common::random::Random;
use tokio::sync::Semaphore;

use self::{acks::Acks, usual::Usual};
use super::{
    link::{Link, NoAnswer},
    metrics::Metrics,
    settings::JetStreamSettings,
    shapes::{ApiError, PublishAck},
};
use crate::LogError;

/// By which header the servers know a message again.
pub(super) const ID: &str = "Nats-Msg-Id";

/// How long one attempt waits for its acknowledgement at the least: the first is meant for a lost
/// message, the later ones for a server that is slow, which a fast repeat would only make slower.
/// Where answers usually take longer, every attempt waits for as long as they do.
const ATTEMPT_WAITS: [Duration; 3] =
    [Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(3)];

/// How long an attempt of a stream's scout waits: the stream may have no leader, and what is sent
/// then is never answered. One publish of a stream is repeated so fast, and the others follow as
/// soon as it gets through.
const SCOUT_WAIT: Duration = Duration::from_millis(400);

/// How much later than the answer to a later publish an answer may come.
const GRACE: Duration = Duration::from_millis(100);

/// The shortest and the longest pause after an attempt that was answered, but not by a leader.
const PAUSES: (u64, u64) = (50, 250);

/// Publishes into streams. Its connection does nothing else.
#[derive(Debug)]
pub(super) struct Appender {
    link: Link,
    in_flight: Semaphore,
    acks: Acks,
    usual: Usual,
    deadline: Duration,
    random: Random,
    metrics: Metrics,
}

/// What is published, and where it must arrive.
#[derive(Debug)]
pub(super) struct Publish<'a> {
    pub(super) stream: &'a str,
    pub(super) subject: String,
    /// The servers keep it for the duplicate window.
    pub(super) id: String,
    /// Further headers.
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) payload: Bytes,
}

/// Where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Published {
    pub(super) sequence: u64,
    pub(super) duplicate: bool,
}

/// What one attempt came to, where it is not published.
#[derive(Debug, PartialEq, Eq)]
enum Attempt {
    /// Nobody knows whether it was committed.
    Unknown(String),
    /// It was not committed, and may be later.
    NotNow(String),
    /// It was not committed: there is no room.
    Full(String),
    /// This attempt was not committed: the subject's last message is not where it was expected. An
    /// earlier one may have been, and be that message.
    Conflict(String),
    /// It will never be.
    Never(String),
}

// === impl Appender ===

impl Appender {
    pub(super) fn new(
        link: Link,
        settings: &JetStreamSettings,
        random: Random,
        metrics: Metrics,
    ) -> Self {
        let in_flight = Semaphore::new(settings.appends_in_flight.min(Semaphore::MAX_PERMITS));
        let (acks, usual) = (Acks::default(), Usual::default());
        let deadline = settings.append_deadline;
        Self { link, in_flight, acks, usual, deadline, random, metrics }
    }

    /// Publishes, and returns when it is committed. After a [`LogError::Conflict`] an earlier
    /// attempt may have been committed.
    ///
    /// # Cancel safety
    /// Not cancel safe, as an append.
    pub(super) async fn publish(&self, publish: &Publish<'_>) -> Result<Published, LogError> {
        let until = Instant::now() + self.deadline;
        let Ok(Ok(_permit)) = tokio::time::timeout_at(until.into(), self.in_flight.acquire()).await
        else {
            return Err(LogError::Unavailable("too many appends are waiting".to_owned()));
        };
        let mut unknown = false;
        let mut attempts = 0;
        let mut scout = None;
        loop {
            if attempts > 0 && scout.is_none() {
                scout = self.acks.scout(publish.stream);
            }
            let least = match scout {
                Some(_) => SCOUT_WAIT,
                None => ATTEMPT_WAITS[attempts.min(ATTEMPT_WAITS.len() - 1)],
            };
            let wait = least.max(self.usual.within());
            let left = until.saturating_duration_since(Instant::now());
            let failure = match self.attempt(publish, wait.min(left)).await {
                Ok(published) => return Ok(published),
                Err(Attempt::Conflict(why)) => return Err(LogError::Conflict(why)),
                Err(Attempt::Never(why)) => return Err(LogError::Rejected(why)),
                Err(Attempt::Full(why)) if !unknown => return Err(LogError::Full(why)),
                Err(Attempt::Unknown(why)) => {
                    unknown = true;
                    why
                }
                // An earlier attempt may have been committed before it became full: nobody can say
                // that it was not.
                Err(Attempt::NotNow(why) | Attempt::Full(why)) => why,
            };
            let pause = Duration::from_millis(PAUSES.0 + self.random.below(PAUSES.1 - PAUSES.0));
            if until.saturating_duration_since(Instant::now()) <= pause {
                return Err(LogError::Unavailable(failure));
            }
            // After an election everybody goes on at once.
            let (stream, now) = (publish.stream, Instant::now());
            drop(tokio::time::timeout(pause, self.acks.later_than(stream, now)).await);
            attempts += 1;
            self.metrics.append_retries.inc();
        }
    }

    async fn attempt(&self, publish: &Publish<'_>, wait: Duration) -> Result<Published, Attempt> {
        self.metrics.append_attempts.inc();
        let asked = Instant::now();
        let mut headers = HeaderMap::new();
        headers.insert(ID, publish.id.as_str());
        // A publish that is late does not get into the stream of another epoch.
        headers.insert("Nats-Expected-Stream", publish.stream);
        for (name, value) in &publish.headers {
            headers.insert(*name, value.as_str());
        }
        let answer = self.link.request(
            publish.subject.clone(),
            Some(headers),
            publish.payload.clone(),
            wait,
        );
        let lost = async {
            self.acks.later_than(publish.stream, asked).await;
            tokio::time::sleep(GRACE).await;
        };
        let answer = tokio::select! {
            // What has come is taken.
            biased;
            answer = answer => answer,
            () = lost => return Err(Attempt::Unknown("its answer was lost".to_owned())),
        };
        let outcome = match answer {
            Ok(message) => read(publish.stream, &message),
            Err(none @ (NoAnswer::TimedOut | NoAnswer::Disconnected)) => {
                Err(Attempt::Unknown(none.to_string()))
            }
            Err(NoAnswer::NoResponders) => {
                Err(Attempt::NotNow("no stream takes it just now".to_owned()))
            }
            Err(none @ NoAnswer::Unsendable) => return Err(Attempt::Never(none.to_string())),
        };
        // What is refused for good, for want of room or for what it expects, is refused by the
        // stream's leader.
        let led = matches!(
            outcome,
            Ok(_) | Err(Attempt::Full(_) | Attempt::Conflict(_) | Attempt::Never(_))
        );
        self.link.led(led, asked);
        if outcome.is_ok() {
            self.acks.acknowledged(publish.stream, asked);
            self.usual.took(asked.elapsed());
        }
        outcome
    }
}

/// Only an acknowledgement of the right stream with a sequence counts.
fn read(stream: &str, answer: &Message) -> Result<Published, Attempt> {
    let Ok(ack) = serde_json::from_slice::<PublishAck>(&answer.payload) else {
        return Err(Attempt::Unknown("the acknowledgement cannot be read".to_owned()));
    };
    match ack.error {
        Some(error) if error.is_full() => Err(Attempt::Full(error.description)),
        Some(error) if error.is_unexpected() => Err(Attempt::Conflict(error.description)),
        Some(error) if error.err_code == ApiError::OTHER_STREAM => {
            Err(Attempt::Never(format!("the shard is in another stream than {stream} now")))
        }
        Some(error) if error.is_final() => Err(Attempt::Never(error.description)),
        // Whether a store that failed has it nobody knows; every other refusal comes before the
        // store.
        Some(error) if error.err_code == ApiError::STORE_FAILED => {
            Err(Attempt::Unknown(error.description))
        }
        Some(error) => Err(Attempt::NotNow(format!("{} ({})", error.description, error.err_code))),
        None if ack.stream == stream && ack.seq > 0 => {
            Ok(Published { sequence: ack.seq, duplicate: ack.duplicate })
        }
        None if ack.stream.is_empty() || ack.seq == 0 => {
            Err(Attempt::Unknown("the acknowledgement names no stream or no sequence".to_owned()))
        }
        None => Err(Attempt::Never(format!(
            "the shard is in another stream than {stream} now: {}",
            ack.stream
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(payload: &str) -> Result<Published, Attempt> {
        let message = Message {
            subject: "a".into(),
            reply: None,
            payload: Bytes::copy_from_slice(payload.as_bytes()),
            headers: None,
            status: None,
            description: None,
            length: 0,
        };
        read("CHAT_00_1", &message)
    }

    #[test]
    fn an_acknowledgement_counts_with_the_right_stream_and_a_sequence() {
        let published = Published { sequence: 7, duplicate: false };
        assert_eq!(answer(r#"{"stream":"CHAT_00_1","seq":7}"#), Ok(published));
        let again = Published { sequence: 7, duplicate: true };
        assert_eq!(
            answer(r#"{"stream":"CHAT_00_1","seq":7,"duplicate":true,"later":{}}"#),
            Ok(again)
        );
        assert!(matches!(answer(r#"{"stream":"CHAT_00_2","seq":7}"#), Err(Attempt::Never(_))));
        for payload in [
            "",
            "{}",
            "+ACK",
            r#"{"stream":"CHAT_00_1"}"#,
            r#"{"stream":"CHAT_00_1","seq":0}"#,
            r#"{"seq":7}"#,
        ] {
            assert!(matches!(answer(payload), Err(Attempt::Unknown(_))), "{payload}");
        }
    }

    #[test]
    fn a_refusal_tells_whether_it_is_worth_trying_again() {
        let refused = |code: u32, description: &str| {
            answer(&format!(
                r#"{{"error":{{"code":400,"err_code":{code},"description":"{description}"}},
                    "stream":"CHAT_00_1","seq":0}}"#
            ))
        };
        for (code, description) in [
            (10_077, "maximum bytes exceeded"),
            (10_077, "maximum messages exceeded"),
            (10_077, "write x: no space left on device"),
            (10_047, "insufficient storage resources available"),
            (10_023, "insufficient resources"),
            (10_002, "resource limits exceeded for account"),
        ] {
            assert!(
                matches!(refused(code, description), Err(Attempt::Full(_))),
                "{code} {description}"
            );
        }
        for code in [10_054, 10_060, 10_109] {
            assert!(matches!(refused(code, "no"), Err(Attempt::Never(_))), "{code}");
        }
        for code in [10_071, 10_164] {
            assert!(matches!(refused(code, "no"), Err(Attempt::Conflict(_))), "{code}");
        }
        for code in [10_008, 10_009, 10_118, 10_158, 10_167] {
            assert!(matches!(refused(code, "no"), Err(Attempt::NotNow(_))), "{code}");
        }
        assert!(matches!(refused(10_077, "store is closed"), Err(Attempt::Unknown(_))));
    }
}
