//! A third dialect, for the tests alone. It is as far from the other two as what is planned: its
//! heartbeat is a text, a visitor is known by its first message, after the socket is live, and the
//! sender is shown its own message with its own timestamp.

use std::{collections::VecDeque, time::Duration};

use bytes::Bytes;
use parlor_common::{
    action::Action,
    close::CloseCode,
    cursor::Cursors,
    event::{Audience, Event},
    id::SessionId,
    message::{Draft, Text},
};
use serde::Deserialize;
use serde_json::json;
use tokio::time::Instant;

use crate::{
    SocketSettings,
    dialect::{Dialect, Goodbye, Hold, Identity, Means, Moment, Recipient, Speaker, offer::Offer},
    feed::facts::Facts,
    login::Login,
    session::{drafts::Settled, outbox::Ended},
    socket::wire,
};

#[derive(Clone, Copy, Debug)]
pub(crate) struct Planned;

#[derive(Debug)]
struct Client {
    /// Until the first message tells who the client is.
    login: Option<Login>,
    /// The client's own times of what was not answered yet.
    timestamps: VecDeque<String>,
}

#[derive(Debug, Deserialize)]
struct Said {
    visitor: String,
    text: String,
    timestamp: String,
}

impl Dialect for Planned {
    fn name(&self) -> &'static str {
        "planned"
    }

    fn slot(&self) -> usize {
        2
    }

    fn claims(&self, offer: &Offer<'_>) -> bool {
        offer.audience == Audience::Visitor && offer.path() == "/planned"
    }

    fn subprotocol(&self) -> Option<&'static str> {
        None
    }

    fn identity(&self) -> Identity {
        Identity::Frame(|login, _| {
            Box::new(Client { login: Some(login), timestamps: VecDeque::new() })
        })
    }

    fn event(&self, event: &Event, _: Audience, _: &Cursors) -> Option<Bytes> {
        let message = event.record.body.message()?;
        Some(wire::text(&json!({"theirs": message.text}).to_string()))
    }

    fn shows(&self, facts: &Facts, viewer: &Recipient) -> bool {
        facts.session != Some(viewer.session)
    }

    fn subscribed(&self, _: bool, _: String, _: u64) -> Option<Bytes> {
        None
    }

    fn ping(&self, _: u64) -> Bytes {
        wire::text("2")
    }

    fn is_pong(&self, text: &str) -> bool {
        text == "3"
    }

    fn acknowledges_by_pong(&self) -> bool {
        true
    }

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

impl Speaker for Client {
    fn text(&mut self, text: &str, moment: &Moment<'_>) -> Vec<Means> {
        let Ok(Said { visitor, text, timestamp }) = serde_json::from_str(text) else {
            return vec![Means::Nothing];
        };
        let mut means = Vec::new();
        if let Some(login) = self.login.take() {
            match login.identify(Some(&visitor)) {
                Ok(known) => means.extend([Means::Enter(known), Means::Subscribe(None)]),
                Err(code) => return vec![Means::Close(code)],
            }
        }
        let Ok(text) = Text::parse(text) else { return vec![Means::Nothing] };
        self.timestamps.push_back(timestamp);
        let mut draft = Draft { text, client_message_id: None };
        draft.keep_id(moment.now, moment.random);
        means.push(Means::Act(Action::Send(draft)));
        means
    }

    fn answer(&mut self, settled: Settled, _: SessionId) -> Option<Bytes> {
        let timestamp = self.timestamps.pop_front();
        let event = settled.outcome.ok()?.event;
        let text = &event.record.body.message()?.text;
        Some(wire::text(&json!({"own": text, "timestamp": timestamp}).to_string()))
    }

    fn ends(&self) -> Option<(Instant, CloseCode)> {
        None
    }
}

#[cfg(test)]
mod tests;
