//! What a shard's stream was when the log was tied to it: one that is made anew, or restored, under
//! its own name gives positions a second time.
//!
//! A stream is another one where it was made at another time, and it has lost its end where it ends
//! before what it has told: by an acknowledgement, or by its leader. Either is final for this log.
//! A node that starts anew is tied to what it finds, and compares that with what the store has
//! noted.

use std::{
    sync::{
        Mutex, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use parlor_common::clock::Timestamp;
use tracing::error;

use super::{
    append::Published,
    check,
    names::{Names, StreamRef},
    settings::JetStreamSettings,
    shapes::{StreamConfig, StreamInfo, read_time},
};
use crate::LogError;

/// How long a leader may tell less than was acknowledged: one that was elected just now may take
/// over the rest still.
const BEHIND_FOR: Duration = Duration::from_secs(3);

/// What is known of a stream.
#[derive(Debug)]
pub(super) struct Identity {
    created: Timestamp,
    /// As it was last found to honour everything that is relied on.
    config: Mutex<StreamConfig>,
    /// The highest sequence that it has told.
    seen: AtomicU64,
    /// Since when its leader tells less than that.
    behind_since: Mutex<Option<Instant>>,
    /// Why it is no longer the shard's.
    gone: OnceLock<String>,
}

// === impl Identity ===

impl Identity {
    pub(super) fn new(info: &StreamInfo) -> Result<Self, LogError> {
        Ok(Self {
            created: read_time(&info.created)?,
            config: Mutex::new(info.config.clone()),
            seen: AtomicU64::new(info.state.last_seq),
            behind_since: Mutex::new(None),
            gone: OnceLock::new(),
        })
    }

    /// The restore that it was made after; empty where there was none.
    pub(super) fn incarnation(&self) -> String {
        let config = self.config.lock().unwrap_or_else(PoisonError::into_inner);
        config.metadata.get(check::INCARNATION).cloned().unwrap_or_default()
    }

    /// The highest sequence that it has told so far, to be taken before it is asked.
    ///
    /// # Errors
    /// [`LogError::Rejected`] where it was found to be no longer the shard's.
    pub(super) fn seen(&self) -> Result<u64, LogError> {
        match self.gone.get() {
            Some(why) => Err(LogError::Rejected(why.clone())),
            None => Ok(self.seen.load(Ordering::SeqCst)),
        }
    }

    /// Compares what a publish was told with what had been `seen` before it was sent: a position is
    /// given after every earlier one.
    ///
    /// # Errors
    /// [`LogError::Rejected`] where the stream is no longer the shard's: the position is not valid.
    pub(super) fn compare_published(
        &self,
        stream: &StreamRef,
        published: &Published,
        seen: u64,
    ) -> Result<(), LogError> {
        if !published.duplicate && published.sequence <= seen {
            let Published { sequence, .. } = published;
            return Err(self.lose(format!(
                "stream {} gives sequence {sequence} after {seen}: it was made anew or restored; \
                 restart",
                stream.name
            )));
        }
        // An answer that was on its way when another one gave the stream away does not count.
        self.seen()?;
        self.seen.fetch_max(published.sequence, Ordering::SeqCst);
        Ok(())
    }

    /// Compares a look at the stream with what had been `seen` before.
    ///
    /// # Errors
    /// [`LogError::Rejected`] where the stream is no longer the shard's; [`LogError::Unavailable`]
    /// while its leader tells less than was acknowledged.
    pub(super) fn compare(
        &self,
        (names, settings): (&Names, &JetStreamSettings),
        stream: &StreamRef,
        info: &StreamInfo,
        seen: u64,
    ) -> Result<(), LogError> {
        if read_time(&info.created)? != self.created {
            return Err(self.lose(format!("stream {} was made anew: restart", stream.name)));
        }
        let mut config = self.config.lock().unwrap_or_else(PoisonError::into_inner);
        if info.config != *config {
            if info.config.subjects != [names.subjects(stream.shard)] {
                return Err(LogError::Rejected(format!(
                    "stream {} is no longer shard {}'s: restart",
                    stream.name, stream.shard
                )));
            }
            let wrong = check::stream_sentences(names, stream, &info.config, settings);
            if !wrong.is_empty() {
                // An operator may mend it, so it is not lost.
                return Err(LogError::Rejected(wrong.join("; ")));
            }
            *config = info.config.clone();
        }
        drop(config);
        let mut behind_since = self.behind_since.lock().unwrap_or_else(PoisonError::into_inner);
        let end = info.state.last_seq;
        if end >= seen {
            *behind_since = None;
            self.seen.fetch_max(end, Ordering::SeqCst);
            return Ok(());
        }
        if behind_since.get_or_insert_with(Instant::now).elapsed() < BEHIND_FOR {
            return Err(LogError::Unavailable(format!(
                "the leader of stream {} does not have sequence {seen} yet",
                stream.name
            )));
        }
        drop(behind_since);
        Err(self.lose(format!(
            "stream {} ends at sequence {end}, and had come to {seen}: it was restored or has lost \
             its end; restart",
            stream.name
        )))
    }

    fn lose(&self, why: String) -> LogError {
        let first = self.gone.set(why.clone()).is_ok();
        if first {
            error!(why, "a shard's stream is no longer what it was: its appends are refused");
        }
        LogError::Rejected(why)
    }
}

#[cfg(test)]
mod tests {
    use parlor_common::{position::Epoch, shard::Shard};
    use serde_json::json;

    use super::*;

    const MADE: &str = "2026-11-24T18:57:38.765885408Z";

    fn info(created: &str, last_seq: u64, max_age: u64) -> StreamInfo {
        let config = json!({
            "name": "CHAT_00_1", "subjects": ["chat.00.*.*"], "retention": "limits",
            "discard": "new", "storage": "file", "max_age": max_age, "num_replicas": 3,
            "duplicate_window": 120_000_000_000_i64, "allow_direct": true,
            "metadata": {"parlor.sync": "always", "parlor.shards": "16"}
        });
        let state = json!({ "first_seq": 1, "last_seq": last_seq });
        let info = json!({ "config": config, "state": state, "created": created });
        serde_json::from_value(info).unwrap()
    }

    fn compare(identity: &Identity, info: &StreamInfo, seen: u64) -> Result<(), LogError> {
        let names = Names::new("");
        let stream = names.stream(Shard::new(0), Epoch::FIRST);
        identity.compare((&names, &JetStreamSettings::default()), &stream, info, seen)
    }

    fn publish(identity: &Identity, sequence: u64, duplicate: bool) -> Result<(), LogError> {
        let stream = Names::new("").stream(Shard::new(0), Epoch::FIRST);
        let seen = identity.seen()?;
        identity.compare_published(&stream, &Published { sequence, duplicate }, seen)
    }

    #[test]
    fn a_stream_that_grows_and_is_provisioned_anew_stays_the_same() {
        let identity = Identity::new(&info(MADE, 4, 0)).unwrap();
        publish(&identity, 5, false).unwrap();
        publish(&identity, 2, true).unwrap();
        compare(&identity, &info(MADE, 9, 0), 5).unwrap();
        compare(&identity, &info(MADE, 9, 1_000_000_000_000), 9).unwrap();
        assert_eq!(identity.seen(), Ok(9));
    }

    #[test]
    fn an_acknowledgement_that_is_overtaken_by_a_later_one_counts() {
        let identity = Identity::new(&info(MADE, 4, 0)).unwrap();
        let stream = Names::new("").stream(Shard::new(0), Epoch::FIRST);
        let seen = identity.seen().unwrap();
        for sequence in [6, 5] {
            let published = Published { sequence, duplicate: false };
            identity.compare_published(&stream, &published, seen).unwrap();
        }
    }

    #[test]
    fn a_position_that_is_given_again_is_not_and_the_stream_is_gone_for_good() {
        let identity = Identity::new(&info(MADE, 4, 0)).unwrap();
        assert!(matches!(publish(&identity, 4, false), Err(LogError::Rejected(_))));
        assert!(matches!(publish(&identity, 5, false), Err(LogError::Rejected(_))));
        assert!(matches!(identity.seen(), Err(LogError::Rejected(_))));
    }

    #[test]
    fn a_stream_that_was_made_at_another_time_is_another() {
        let identity = Identity::new(&info(MADE, 4, 0)).unwrap();
        let anew = info("2026-11-24T18:57:39.000000001Z", 4, 0);
        assert!(matches!(compare(&identity, &anew, 4), Err(LogError::Rejected(_))));
        assert!(matches!(identity.seen(), Err(LogError::Rejected(_))));
    }

    #[test]
    fn what_is_no_longer_honoured_is_refused_until_it_is_again() {
        let identity = Identity::new(&info(MADE, 4, 0)).unwrap();
        let mut changed = info(MADE, 4, 0);
        changed.config.duplicate_window = 1;
        assert!(matches!(compare(&identity, &changed, 4), Err(LogError::Rejected(_))));
        compare(&identity, &info(MADE, 4, 0), 4).unwrap();
    }

    #[test]
    fn a_leader_that_is_behind_is_doubted_and_may_come_after() {
        let identity = Identity::new(&info(MADE, 4, 0)).unwrap();
        assert!(matches!(compare(&identity, &info(MADE, 3, 0), 4), Err(LogError::Unavailable(_))));
        compare(&identity, &info(MADE, 4, 0), 4).unwrap();
        *identity.behind_since.lock().unwrap() = Instant::now().checked_sub(BEHIND_FOR);
        assert!(matches!(compare(&identity, &info(MADE, 3, 0), 4), Err(LogError::Rejected(_))));
    }
}
