//! The widget's contract: no hello, no answer, no error frame. What the widget says is accepted, or
//! the socket ends.

use std::time::Duration;

use bytes::Bytes;
use parlor_common::{
    action::Action,
    close::CloseCode,
    cursor::Cursors,
    event::{Audience, Event, Transport},
    id::{EventId, SessionId},
    message::{Draft, Message, Sender, Text},
};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::{
    SocketSettings,
    dialect::{
        Back, Dialect, Goodbye, Hold, Identity, Means, Moment, Recipient, Speaker, offer::Offer,
    },
    feed::facts::Facts,
    session::{drafts::Settled, outbox::Ended},
    socket::wire,
};

/// What the widget speaks; also one widget, for it says nothing that must be remembered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Widget;

/// What the widget sends; other fields are ignored.
#[derive(Debug, Deserialize)]
struct ClientFrame {
    #[serde(rename = "type")]
    kind: String,
    text: String,
}

/// What the widget is sent.
#[derive(Debug, Serialize)]
struct ServerFrame<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    message: Shown<'a>,
}

#[derive(Debug, Serialize)]
struct Shown<'a> {
    id: EventId,
    text: &'a str,
    sender: Sender,
    timestamp: &'a str,
}

/// Whether a visitor had sent this when its page came back. A frame that was held while the log was
/// away may be accepted long after its socket has ended.
fn came_before(facts: &Facts, back: Back) -> bool {
    let held = facts.transport == Transport::Socket && facts.arrived <= back.at;
    facts.position <= back.end || held
}

impl Dialect for Widget {
    fn name(&self) -> &'static str {
        "widget"
    }

    fn slot(&self) -> usize {
        1
    }

    fn claims(&self, offer: &Offer<'_>) -> bool {
        offer.at_endpoint() && offer.audience == Audience::Visitor && offer.asks_for_none()
    }

    fn subprotocol(&self) -> Option<&'static str> {
        None
    }

    fn identity(&self) -> Identity {
        Identity::Upgrade(|| Box::new(Self))
    }

    fn event(&self, event: &Event, _: Audience, cursors: &Cursors) -> Option<Bytes> {
        let message = Message::of(event, cursors)?;
        let Message { id, text, sender, timestamp, .. } = &message;
        let shown = Shown { id: *id, text, sender: *sender, timestamp };
        let frame = ServerFrame { kind: "message", message: shown };
        serde_json::to_string(&frame).ok().map(|json| wire::text(&json))
    }

    /// The widget shows by itself what it sent, and drops nothing twice: neither what came through
    /// this socket, nor a POST that its own page may have sent before the socket was open, nor what
    /// a page that comes back has sent through an earlier socket, also where that is accepted late.
    fn shows(&self, facts: &Facts, viewer: &Recipient) -> bool {
        let own_page = facts.by_visitor && viewer.back.is_some_and(|back| came_before(facts, back));
        let own_post = facts.by_visitor
            && facts.transport == Transport::Rest
            && viewer.answered.is_none_or(|answered| answered >= facts.arrived);
        facts.session != Some(viewer.session) && !own_page && !own_post
    }

    fn subscribed(&self, _: bool, _: String, _: u64) -> Option<Bytes> {
        None
    }

    fn acknowledges_by_pong(&self) -> bool {
        true
    }

    /// What cannot be appended now, or is over its rate, is held: the page shows it already, and
    /// only the socket's end tells the visitor that it is not there.
    fn hold(&self, settings: &SocketSettings) -> Option<Hold> {
        Some(Hold { within: settings.hold_for, or_else: CloseCode::Failed })
    }

    fn binary(&self) -> Result<(), CloseCode> {
        Ok(())
    }

    fn come_back(&self, _: Ended) -> CloseCode {
        CloseCode::Restart
    }

    fn goodbye(&self, _: Duration) -> Goodbye {
        Goodbye::Listening(CloseCode::GoingAway)
    }
}

impl Speaker for Widget {
    fn text(&mut self, text: &str, moment: &Moment<'_>) -> Vec<Means> {
        let draft = draft(text, moment);
        vec![draft.map_or(Means::Nothing, |draft| Means::Act(Action::Send(draft)))]
    }

    fn answer(&mut self, _: Settled, _: SessionId) -> Option<Bytes> {
        None
    }

    fn ends(&self) -> Option<(Instant, CloseCode)> {
        None
    }
}

/// The draft within a frame, with an id made now, which it keeps however often it is tried; `None`
/// for what can be no message.
fn draft(text: &str, moment: &Moment<'_>) -> Option<Draft> {
    let ClientFrame { kind, text } = serde_json::from_str(text).ok()?;
    if kind != "message" {
        return None;
    }
    let mut draft = Draft { text: Text::parse(text).ok()?, client_message_id: None };
    draft.keep_id(moment.now, moment.random);
    Some(draft)
}
