//! Protocol 1: hello, subscribe, message; an answer for each draft, in order.

mod signals;

use std::time::Duration;

use bytes::Bytes;
use parlor_common::{
    action::Action,
    close::CloseCode,
    cursor::Cursors,
    event::{Audience, Event},
    frame::{ClientFrame, MAX_MESSAGE_BYTES, PROTOCOL, SUBPROTOCOL, ServerFrame},
    id::{ClientMessageId, SessionId},
    message::{Draft, Text},
    problem::{Code, Problem},
};
use tokio::time::Instant;
use tracing::debug;

use crate::{
    SocketSettings,
    dialect::{Dialect, Goodbye, Hold, Identity, Means, Moment, Recipient, Speaker, offer::Offer},
    feed::facts::Facts,
    login::Login,
    session::{drafts::Settled, outbox::Ended},
    signals::notice::Notice,
    socket::wire,
};

/// The most bytes of a client's id that an answer repeats; none that is accepted has more.
const MAX_ID_BYTES: usize = 64;

/// Protocol 1.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Parlor1;

/// A client of protocol 1.
#[derive(Debug)]
struct Client {
    login: Login,
    state: State,
    /// Frames that meant nothing.
    bad_frames: u32,
}

#[derive(Debug)]
enum State {
    /// The client has not said who it is.
    Waiting { hello_by: Instant },
    /// It is known.
    Greeted {
        /// Whether it may write here.
        writes: bool,
        /// When its token ends.
        ends: Option<Instant>,
    },
}

impl Dialect for Parlor1 {
    fn name(&self) -> &'static str {
        SUBPROTOCOL
    }

    fn slot(&self) -> usize {
        0
    }

    /// A visitor's client asks for it by the subprotocol; for an agent's it is enough to ask for no
    /// other.
    fn claims(&self, offer: &Offer<'_>) -> bool {
        offer.at_endpoint()
            && (offer.asks_for(SUBPROTOCOL)
                || offer.audience == Audience::Agents && offer.asks_for_none())
    }

    fn subprotocol(&self) -> Option<&'static str> {
        Some(SUBPROTOCOL)
    }

    fn identity(&self) -> Identity {
        Identity::Frame(|login, settings| {
            let hello_by = Instant::now() + settings.hello_within;
            Box::new(Client { login, state: State::Waiting { hello_by }, bad_frames: 0 })
        })
    }

    fn event(&self, event: &Event, audience: Audience, cursors: &Cursors) -> Option<Bytes> {
        ServerFrame::of(event, audience, cursors).map(|frame| encoded(&frame))
    }

    /// Everything, the client's own messages as well: they tell it where the stream is.
    fn shows(&self, _: &Facts, _: &Recipient) -> bool {
        true
    }

    fn subscribed(&self, recovered: bool, cursor: String, replayed: u64) -> Option<Bytes> {
        Some(encoded(&ServerFrame::Subscribed { recovered, cursor, replayed }))
    }

    fn acknowledges_by_pong(&self) -> bool {
        false
    }

    fn hold(&self, _: &SocketSettings) -> Option<Hold> {
        None
    }

    fn binary(&self) -> Result<(), CloseCode> {
        Err(CloseCode::Unsupported)
    }

    fn come_back(&self, why: Ended) -> CloseCode {
        match why {
            Ended::Slow => CloseCode::Slow,
            Ended::Again => CloseCode::Again,
        }
    }

    fn reconnect(&self, code: CloseCode, back_after: Duration) -> Option<Bytes> {
        Some(reconnect(code, back_after))
    }

    fn signal(&self, notice: &Notice) -> Option<Bytes> {
        Some(encoded(&signals::frame(notice)))
    }

    fn goodbye(&self, back_after: Duration) -> Goodbye {
        let code = CloseCode::Draining;
        Goodbye::Finished(reconnect(code, back_after), code)
    }
}

// === impl Client ===

impl Client {
    fn hello(&mut self, protocol: u32, token: Option<&str>, moment: &Moment<'_>) -> Vec<Means> {
        if protocol != PROTOCOL {
            return vec![Means::Close(CloseCode::ProtocolNotSpoken)];
        }
        let known = match self.login.identify(token) {
            Ok(known) => known,
            Err(code) => return vec![Means::Close(code)],
        };
        self.state = State::Greeted {
            writes: known.writer.is_some(),
            ends: known.ends.map(|ends| Instant::now() + ends.since(moment.now)),
        };
        let interval = moment.settings.ping_every.as_millis();
        let hello = ServerFrame::Hello {
            protocol: PROTOCOL,
            session: moment.session,
            ping_interval_ms: u64::try_from(interval).unwrap_or(u64::MAX),
            max_message_bytes: MAX_MESSAGE_BYTES,
            server_time: moment.now.to_string(),
        };
        vec![Means::Enter(known), Means::Say(encoded(&hello))]
    }

    /// A draft, or what is wrong with it: each is answered when its turn comes.
    fn message(id: Option<&str>, text: String, writes: bool) -> Means {
        let known_by = id.filter(|id| id.len() <= MAX_ID_BYTES).map(ToOwned::to_owned);
        if !writes {
            let problem = Problem::new(Code::Forbidden, "agents write by REST");
            return Means::Refuse(known_by, problem);
        }
        match draft(id, text) {
            Ok(draft) => Means::Act(Action::Send(draft)),
            Err(problem) => Means::Refuse(known_by, problem),
        }
    }

    /// Answers a frame that means nothing; one too many ends the socket.
    fn bad_frame(&mut self, text: &str, problem: Problem, settings: &SocketSettings) -> Vec<Means> {
        self.bad_frames += 1;
        let mut means = vec![Means::Refuse(id_within(text), problem)];
        if self.bad_frames > settings.bad_frames {
            means.push(Means::Close(CloseCode::BadRequest));
        }
        means
    }
}

impl Speaker for Client {
    fn text(&mut self, text: &str, moment: &Moment<'_>) -> Vec<Means> {
        let frame = serde_json::from_str::<ClientFrame>(text);
        let State::Greeted { writes, .. } = self.state else {
            let Ok(ClientFrame::Hello { protocol, token, client }) = frame else {
                return vec![Means::Close(CloseCode::BadRequest)];
            };
            debug!(client = client.as_deref().map(printable), "a client says hello");
            return self.hello(protocol, token.as_deref(), moment);
        };
        let (code, sentence) = match frame {
            Ok(ClientFrame::Subscribe { since }) => return vec![Means::Subscribe(since)],
            Ok(ClientFrame::Message { client_message_id, text }) => {
                return vec![Self::message(client_message_id.as_deref(), text, writes)];
            }
            Ok(ClientFrame::Mark { read }) if writes => return vec![Means::Read(read)],
            Ok(ClientFrame::Mark { .. }) => (Code::Forbidden, "agents mark by REST"),
            Ok(ClientFrame::Hello { .. }) => (Code::BadRequest, "hello was said before"),
            Ok(frame) => match signals::said(frame, writes) {
                Some(saying) => return vec![Means::Signal(saying)],
                None => (Code::BadRequest, "not a signal that this client may send"),
            },
            Err(error) if error.is_data() => (Code::BadRequest, "not a frame of protocol 1"),
            Err(_) => (Code::BadJson, "not JSON"),
        };
        self.bad_frame(text, Problem::new(code, sentence), moment.settings)
    }

    fn answer(&mut self, settled: Settled, session: SessionId) -> Option<Bytes> {
        let frame = match &settled.outcome {
            Ok(receipt) => ServerFrame::Accepted {
                // What is no draft is answered by nothing.
                client_message_id: receipt.event.record.body.client_message_id()?.to_string(),
                id: receipt.event.record.id,
                timestamp: receipt.event.record.at.to_string(),
                duplicate: receipt.duplicate,
            },
            Err(problem) => {
                ServerFrame::error(settled.client_message_id, problem.body(&session.to_string()))
            }
        };
        Some(encoded(&frame))
    }

    fn ends(&self) -> Option<(Instant, CloseCode)> {
        match self.state {
            State::Waiting { hello_by } => Some((hello_by, CloseCode::NoHello)),
            State::Greeted { ends, .. } => ends.map(|ends| (ends, CloseCode::TokenEnded)),
        }
    }
}

fn reconnect(code: CloseCode, back_after: Duration) -> Bytes {
    let after_ms = u64::try_from(back_after.as_millis()).unwrap_or(u64::MAX);
    encoded(&ServerFrame::Reconnect { after_ms, code: code.number() })
}

fn encoded(frame: &ServerFrame<'_>) -> Bytes {
    wire::text(&frame.encode())
}

fn draft(id: Option<&str>, text: String) -> Result<Draft, Problem> {
    let client_message_id = id
        .map(ClientMessageId::parse)
        .transpose()
        .map_err(|bad| Problem::field("clientMessageId", "malformed", bad.to_string()))?;
    Ok(Draft { text: Text::parse(text)?, client_message_id })
}

/// The client's id of what could have been a draft, so that it knows which one the error is about.
fn id_within(text: &str) -> Option<String> {
    let value: serde_json::Value = serde_json::from_str(text).ok()?;
    value
        .get("clientMessageId")?
        .as_str()
        .filter(|id| id.len() <= MAX_ID_BYTES)
        .map(ToOwned::to_owned)
}

/// What a stranger says of itself, fit for a log.
fn printable(client: &str) -> String {
    client.chars().filter(|c| c.is_ascii_graphic()).take(64).collect()
}
