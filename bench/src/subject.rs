//! What can be measured. Each gives its figures by name.

mod accept;
mod fanout;
mod history;
mod idle;
mod rest;

use std::time::Duration;

use anyhow::{Context, ensure};
use parlor_common::{clock::Clock, id::ClientMessageId, random::Random};
use serde_json::Value;

use crate::{
    load::Tally,
    target::{Target, Topology, Used},
    wire::{self, Connection},
};

/// One thing that is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Subject {
    /// 64 sockets with 16 drafts in flight each
    Accept,
    /// 5,000 drafts a second over 64 sockets, whatever comes back
    Pace,
    /// 32 connections that POST, one request at a time each
    Rest,
    /// Three sockets for each conversation, thousands of them
    Sparse,
    /// One conversation with a thousand sockets
    Room,
    /// Sockets that are open and say nothing
    Idle,
    /// Sockets opened as fast as they are answered
    Opening,
    /// From one socket to another of its conversation, 1,000 messages a second
    Through,
    /// Pages of 50 of many conversations
    Pages,
    /// The newest page of one conversation, again and again
    HotPage,
}

/// How large, and for how long.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    pub(crate) lasts: Duration,
    /// Sockets of `sparse`, `idle` and `opening`.
    pub(crate) sockets: usize,
    /// Sockets of the room.
    pub(crate) room: usize,
    /// Conversations of `pages`.
    pub(crate) conversations: usize,
}

/// Names and values, in the order in which they are shown.
pub(crate) type Figures = Vec<(String, f64)>;

// === impl Subject ===

impl Subject {
    /// Where it makes sense.
    pub(crate) fn topologies(self) -> &'static [Topology] {
        use Topology::{Echo, Embedded, Tier, TierSynced};
        match self {
            Self::Accept | Self::Rest | Self::Pace => &[Embedded, Tier, TierSynced, Echo],
            Self::Opening => &[Embedded, Echo],
            Self::Sparse | Self::Through => &[Embedded, Tier],
            Self::Room | Self::Idle | Self::Pages | Self::HotPage => &[Embedded],
        }
    }

    /// Measures it once, on a target that is new.
    pub(crate) async fn measure(self, target: &Target, size: Size) -> anyhow::Result<Figures> {
        match self {
            Self::Accept => accept::closed(target, size).await,
            Self::Pace => accept::open(target, size).await,
            Self::Rest => rest::posts(target, size).await,
            Self::Sparse => fanout::sparse(target, size).await,
            Self::Room => fanout::room(target, size).await,
            Self::Through => fanout::through(target, size).await,
            Self::Idle => idle::idle(target, size).await,
            Self::Opening => idle::opening(target, size).await,
            Self::Pages => history::pages(target, size).await,
            Self::HotPage => history::hot(target, size).await,
        }
    }
}

/// A new visitor's token.
pub(super) async fn visitor(target: &Target) -> anyhow::Result<String> {
    let connection = Connection::open(target.address).await?;
    let body = r#"{"credential":"token"}"#;
    let request = wire::request("POST", "/api/chat/session", None, body);
    let answer = connection.call(&request).await?;
    ensure!(answer.status < 300, "no session: {}", wire::text(&answer.body));
    let answer: Value = serde_json::from_slice(&answer.body)?;
    Ok(answer["token"].as_str().context("no token")?.to_owned())
}

/// Makes drafts: 256 bytes of text that begins with the time at which it should be sent.
#[derive(Debug)]
pub(super) struct Drafts {
    clock: Clock,
    random: Random,
}

const TEXT_BYTES: usize = 256;
const STAMP: usize = 16;

impl Drafts {
    pub(super) fn new() -> Self {
        Self { clock: Clock::system(), random: Random::system() }
    }

    fn text(intended: u64) -> String {
        format!("{intended:0STAMP$x}{}", "x".repeat(TEXT_BYTES - STAMP))
    }

    fn id(&self) -> ClientMessageId {
        ClientMessageId::made(self.clock.now(), &self.random)
    }

    /// A frame of protocol 1, as bytes of the wire.
    pub(super) fn frame(&self, intended: u64) -> Vec<u8> {
        let (id, text) = (self.id(), Self::text(intended));
        let frame = format!(r#"{{"type":"message","clientMessageId":"{id}","text":"{text}"}}"#);
        wire::masked(1, frame.as_bytes())
    }

    /// The body of a POST.
    pub(super) fn body(&self, intended: u64) -> String {
        let (id, text) = (self.id(), Self::text(intended));
        format!(r#"{{"text":"{text}","clientMessageId":"{id}"}}"#)
    }

    /// The time that a message frame's text begins with.
    pub(super) fn intended(frame: &[u8]) -> Option<u64> {
        let frame = std::str::from_utf8(frame).ok()?;
        let at = frame.find(r#""text":""#)? + 8;
        u64::from_str_radix(frame.get(at..at + STAMP)?, 16).ok()
    }
}

pub(super) fn is_message(frame: &[u8]) -> bool {
    frame.starts_with(br#"{"type":"message""#)
}

pub(super) fn is_accepted(frame: &[u8]) -> bool {
    frame.starts_with(br#"{"type":"accepted""#)
}

/// Those of requests and their answers.
pub(super) fn figures(tally: &Tally, used: &Used) -> anyhow::Result<Figures> {
    tally.check()?;
    let mut figures = usage(tally.count(), used);
    figures.extend(latencies(tally));
    Ok(figures)
}

pub(super) fn latencies(tally: &Tally) -> [(String, f64); 2] {
    [("p50 ms".to_owned(), tally.at(50.0)), ("p99 ms".to_owned(), tally.at(99.0))]
}

/// The client is what is measured from this share of a core on.
const CLIENT_LIMIT: f64 = 0.95;

/// A rate, CPU for each of `count`, and the client's share.
pub(super) fn usage(count: u64, used: &Used) -> Figures {
    #[expect(clippy::cast_precision_loss, reason = "some millions")]
    let count = count as f64;
    let mut figures = vec![
        ("per second".to_owned(), count / used.seconds),
        ("CPU µs".to_owned(), used.servers() / count),
    ];
    if used.cpu.len() > 1 {
        let of = |(name, micros): &(&str, f64)| (format!("CPU µs of {name}"), micros / count);
        figures.extend(used.cpu.iter().map(of));
    }
    let client = used.client / used.seconds / 1e6;
    if client > CLIENT_LIMIT {
        figures.push(("the client is the limit".to_owned(), client));
    }
    figures.push(("client's cores".to_owned(), client));
    figures
}
