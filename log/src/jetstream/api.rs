//! Questions to JetStream's API, which the leader of the stream or consumer answers.

use std::time::{Duration, Instant};

use async_nats::Message;
use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};
use tracing::debug;

use super::{
    link::{Link, NoAnswer},
    shapes::{
        ApiError, ClusterInfo, ConsumerConfig, ConsumerInfo, ConsumerList, CreateConsumer,
        Envelope, MessageRequest, PeerInfo, Purged, RawMessage, StoredMessage, StreamConfig,
        StreamInfo, StreamNames,
    },
};
use crate::LogError;

/// How long ago a leader may have heard from its followers to count as their leader still: shorter
/// than the 4 s after which followers elect another at the earliest (nats-server 2.14,
/// `minElectionTimeout`), longer than the 1 s between heartbeats.
const FRESH: Duration = Duration::from_secs(3);

/// Names come in pages of 1024, consumers in pages of 256; nobody has so many streams or tails.
const MAX_PAGES: usize = 64;

/// The API over a link. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Api {
    pub(super) link: Link,
    pub(super) wait: Duration,
}

/// Why a question was not answered as hoped.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum ApiFailure {
    /// Worth asking again.
    #[error("{0}")]
    NoAnswer(#[from] NoAnswer),
    /// The answer makes no sense to us, or comes from somebody who may not know.
    #[error("{0}")]
    Doubtful(String),
    /// A refusal.
    #[error("{} ({})", .0.description, .0.err_code)]
    Refused(ApiError),
}

// === impl ApiFailure ===

impl ApiFailure {
    pub(super) fn is(&self, code: u32) -> bool {
        matches!(self, Self::Refused(error) if error.err_code == code)
    }
}

impl From<ApiFailure> for LogError {
    fn from(failure: ApiFailure) -> Self {
        match failure {
            ApiFailure::NoAnswer(none) => none.into(),
            ApiFailure::Doubtful(why) => Self::Unavailable(why),
            ApiFailure::Refused(error) if error.is_gone() => Self::Rejected(error.description),
            ApiFailure::Refused(error) if error.is_full() => Self::Full(error.description),
            ApiFailure::Refused(error) => {
                Self::Unavailable(format!("{} ({})", error.description, error.err_code))
            }
        }
    }
}

// === impl Api ===

impl Api {
    /// The same, which waits so long for one answer.
    pub(super) fn patient(&self, wait: Duration) -> Self {
        Self { link: self.link.clone(), wait }
    }

    /// A stream, as its leader knows it, which must have heard from most of the replicas just now.
    pub(super) async fn stream(&self, name: &str) -> Result<StreamInfo, ApiFailure> {
        let asked = Instant::now();
        let led = async {
            let info: StreamInfo =
                self.exchange(format!("$JS.API.STREAM.INFO.{name}"), &()).await?;
            leads(info.config.num_replicas, info.cluster.as_ref())?;
            Ok(info)
        };
        let answer = led.await;
        self.link.led(is_led(&answer), asked);
        answer
    }

    /// The names of all streams of the account.
    pub(super) async fn stream_names(&self) -> Result<Vec<String>, ApiFailure> {
        let mut names: Vec<String> = Vec::new();
        for _ in 0..MAX_PAGES {
            let page = serde_json::json!({ "offset": names.len() });
            let page: StreamNames = self.ask("$JS.API.STREAM.NAMES".to_owned(), &page).await?;
            let streams = page.streams.unwrap_or_default();
            let last = streams.is_empty();
            names.extend(streams);
            if last || names.len() >= page.total {
                break;
            }
        }
        Ok(names)
    }

    /// Makes a stream; one that is the same already is left alone.
    pub(super) async fn create_stream(&self, config: &StreamConfig) -> Result<(), ApiFailure> {
        self.ask::<serde_json::Value>(format!("$JS.API.STREAM.CREATE.{}", config.name), config)
            .await
            .map(drop)
    }

    pub(super) async fn update_stream(&self, config: &StreamConfig) -> Result<(), ApiFailure> {
        self.ask::<serde_json::Value>(format!("$JS.API.STREAM.UPDATE.{}", config.name), config)
            .await
            .map(drop)
    }

    pub(super) async fn consumer(
        &self,
        stream: &str,
        name: &str,
    ) -> Result<ConsumerInfo, ApiFailure> {
        self.ask(format!("$JS.API.CONSUMER.INFO.{stream}.{name}"), &()).await
    }

    /// Every consumer of a stream, as its own leader knows it.
    pub(super) async fn consumers(&self, stream: &str) -> Result<Vec<ConsumerInfo>, ApiFailure> {
        let mut consumers: Vec<ConsumerInfo> = Vec::new();
        for _ in 0..MAX_PAGES {
            let page = serde_json::json!({ "offset": consumers.len() });
            let page: ConsumerList =
                self.ask(format!("$JS.API.CONSUMER.LIST.{stream}"), &page).await?;
            if let Some(silent) = page.missing.iter().flatten().next() {
                let why = format!("consumer {silent} of {stream} has no leader that answers");
                return Err(ApiFailure::Doubtful(why));
            }
            let more = page.consumers.unwrap_or_default();
            let last = more.is_empty();
            consumers.extend(more);
            if last || consumers.len() >= page.total {
                break;
            }
        }
        Ok(consumers)
    }

    /// Removes everything of a stream `through` a sequence; returns how many messages that were.
    pub(super) async fn purge(&self, stream: &str, through: u64) -> Result<u64, ApiFailure> {
        let request = serde_json::json!({ "seq": through + 1 });
        let purged: Purged = self.ask(format!("$JS.API.STREAM.PURGE.{stream}"), &request).await?;
        Ok(purged.purged)
    }

    /// Makes or updates a consumer, by `action`: `create`, `update`.
    pub(super) async fn put_consumer(
        &self,
        stream: &str,
        config: &ConsumerConfig,
        action: &str,
    ) -> Result<(), ApiFailure> {
        let subject = format!("$JS.API.CONSUMER.CREATE.{stream}.{}", config.name);
        let request = CreateConsumer { stream_name: stream, config, action };
        self.ask::<serde_json::Value>(subject, &request).await.map(drop)
    }

    /// Moves a consumer that is stuck to another leader, where there is one; an attempt, no more.
    pub(super) async fn step_down(&self, stream: &str, name: &str) {
        let subject = format!("$JS.API.CONSUMER.LEADER.STEPDOWN.{stream}.{name}");
        if let Err(failure) = self.ask::<serde_json::Value>(subject, &()).await {
            debug!(stream, %failure, "a consumer could not be moved");
        }
    }

    /// A message, as the stream's leader has it; `None` where there is none.
    pub(super) async fn message(
        &self,
        stream: &str,
        request: &MessageRequest<'_>,
    ) -> Result<Option<RawMessage>, ApiFailure> {
        let found: Result<StoredMessage, _> =
            self.ask(format!("$JS.API.STREAM.MSG.GET.{stream}"), request).await;
        match found {
            Ok(found) => Ok(Some(found.message)),
            Err(failure) if failure.is(ApiError::NO_MESSAGE_FOUND) => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// Asks a question that a leader answers, and tells the link where none did. An answer proves
    /// nothing: a leader that was cut off from its followers goes on answering for some seconds.
    async fn ask<T: DeserializeOwned>(
        &self,
        subject: String,
        request: &impl Serialize,
    ) -> Result<T, ApiFailure> {
        let asked = Instant::now();
        let answer = self.exchange(subject, request).await;
        if !is_led(&answer) {
            self.link.led(false, asked);
        }
        answer
    }

    async fn exchange<T: DeserializeOwned>(
        &self,
        subject: String,
        request: &impl Serialize,
    ) -> Result<T, ApiFailure> {
        let request =
            serde_json::to_vec(request).map_err(|error| ApiFailure::Doubtful(error.to_string()))?;
        // `null` is the JSON of `()`, and an empty payload that of no question.
        let payload = if request == b"null" { Bytes::new() } else { request.into() };
        let answer = self.link.request(subject, None, payload, self.wait).await?;
        read(&answer)
    }
}

fn read<T: DeserializeOwned>(answer: &Message) -> Result<T, ApiFailure> {
    let unreadable = |error: serde_json::Error| {
        ApiFailure::Doubtful(format!("an answer cannot be read: {error}"))
    };
    let envelope: Envelope = serde_json::from_slice(&answer.payload).map_err(unreadable)?;
    match envelope.error {
        Some(error) => Err(ApiFailure::Refused(error)),
        None => serde_json::from_slice(&answer.payload).map_err(unreadable),
    }
}

/// Whether it is an answer that only servers with a leader give.
fn is_led<T>(answer: &Result<T, ApiFailure>) -> bool {
    match answer {
        Ok(_) => true,
        Err(ApiFailure::Refused(error)) => !error.is_passing(),
        Err(ApiFailure::NoAnswer(_) | ApiFailure::Doubtful(_)) => false,
    }
}

/// Whether the stream's leader has heard from most of the replicas just now. A leader that was cut
/// off from them goes on answering for some seconds, without what they have taken since.
fn leads(replicas: u8, cluster: Option<&ClusterInfo>) -> Result<(), ApiFailure> {
    if replicas <= 1 {
        return Ok(());
    }
    let doubtful = |why: &str| Err(ApiFailure::Doubtful(why.to_owned()));
    let Some(cluster) =
        cluster.filter(|cluster| cluster.leader.as_ref().is_some_and(|leader| !leader.is_empty()))
    else {
        return doubtful("the stream has no leader");
    };
    let fresh = |peer: &&PeerInfo| {
        !peer.offline && Duration::from_nanos(peer.active.unsigned_abs()) < FRESH
    };
    let followers = cluster.replicas.as_deref().unwrap_or_default().iter().filter(fresh).count();
    if followers + 1 > usize::from(replicas) / 2 {
        Ok(())
    } else {
        doubtful("the stream's leader is cut off from its replicas")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(seconds: u64, offline: bool) -> PeerInfo {
        let active = super::super::shapes::nanos(Duration::from_secs(seconds));
        PeerInfo { offline, active }
    }

    fn cluster(replicas: Vec<PeerInfo>) -> ClusterInfo {
        ClusterInfo { leader: Some("n1".to_owned()), replicas: Some(replicas) }
    }

    #[test]
    fn a_leader_is_believed_while_most_replicas_are_with_it() {
        assert_eq!(leads(1, None), Ok(()));
        assert_eq!(leads(3, Some(&cluster(vec![peer(1, false), peer(60, true)]))), Ok(()));
        assert!(leads(3, Some(&cluster(vec![peer(9, false), peer(60, true)]))).is_err());
        assert!(leads(3, Some(&cluster(vec![peer(0, true), peer(0, true)]))).is_err());
        assert!(leads(5, Some(&cluster(vec![peer(0, false)]))).is_err());
        assert!(leads(3, None).is_err());
        assert!(leads(3, Some(&ClusterInfo::default())).is_err());
    }
}
