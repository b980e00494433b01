//! Protocol 1: hello, subscribe, message; an answer for each draft, in order.

use std::time::Duration;

use bytes::Bytes;
use parlor_common::{
    action::Action,
    author::Author,
    clock::Timestamp,
    close::CloseCode,
    conversation::ConversationSet,
    door::Submission,
    event::Transport,
    frame::{ClientFrame, MAX_MESSAGE_BYTES, PROTOCOL, ServerFrame},
    id::ClientMessageId,
    message::{Draft, Text},
    problem::{Code, Problem},
};
use tokio::time::Instant;
use tracing::debug;

use crate::{
    login::{Entrance, Known},
    session::drafts::{Settled, Waiting},
    session::following::{Following, Since},
    session::outbox::Ended,
    session::{Farewell, Session, Speaks},
    socket::wire,
};

/// The most bytes of a client's id that an answer repeats; none that is accepted has more.
const MAX_ID_BYTES: usize = 64;

/// A client of protocol 1.
#[derive(Debug)]
pub(crate) struct Parlor1 {
    entrance: Entrance,
    state: State,
    /// Frames that meant nothing.
    nonsense: u32,
}

#[derive(Debug)]
enum State {
    /// The client has not said who it is.
    Waiting { hello_by: Instant },
    /// It is known.
    Greeted {
        /// Who writes and where; `None` for those who only listen.
        writer: Option<(ConversationSet, Author)>,
        /// When its token ends.
        ends: Option<Instant>,
    },
}

// === impl Parlor1 ===

impl Parlor1 {
    /// A client that has come in by `entrance` and is about to say hello.
    pub(crate) fn new(entrance: Entrance, hello_within: Duration) -> Self {
        Self {
            entrance,
            state: State::Waiting { hello_by: Instant::now() + hello_within },
            nonsense: 0,
        }
    }

    fn hello(
        &mut self,
        session: &mut Session,
        protocol: u32,
        token: Option<&str>,
    ) -> Result<(), CloseCode> {
        if protocol != PROTOCOL {
            return Err(CloseCode::ProtocolNotSpoken);
        }
        let now = session.node.clock.now();
        let Known { scope, writer, ends } = self.entrance.identify(token)?;
        let ends = ends.map(|ends| Instant::now() + ends.since(now));
        session.following = Some(Box::new(Following::of(&session.node, scope)));
        self.state = State::Greeted { writer, ends };
        let interval = session.node.settings.ping_every.as_millis();
        let hello = ServerFrame::Hello {
            protocol: PROTOCOL,
            session: session.viewer.session(),
            ping_interval_ms: u64::try_from(interval).unwrap_or(u64::MAX),
            max_message_bytes: MAX_MESSAGE_BYTES,
            server_time: now.to_string(),
        };
        say(session, &hello);
        Ok(())
    }

    fn subscribe(&self, session: &mut Session, since: Option<&str>) -> Result<(), CloseCode> {
        let tenant = session.following.as_ref().map(|following| following.tenant().clone());
        let since = match (since, tenant) {
            (None, _) => Since::Now,
            (Some(cursor), Some(tenant)) => {
                session.node.cursors.read(&tenant, cursor).map_or(Since::Unknown, Since::Cursor)
            }
            (Some(_), None) => Since::Unknown,
        };
        session.subscribe(since).map_err(|_| self.ended(Ended::Again))
    }

    /// Puts a draft in line, or what is wrong with it: each is answered when its turn comes.
    fn message(&self, session: &mut Session, id: Option<&str>, text: String, arrived: Timestamp) {
        let State::Greeted { writer, .. } = &self.state else { return };
        let bytes = text.len();
        let known_by = id.filter(|id| id.len() <= MAX_ID_BYTES).map(ToOwned::to_owned);
        let waiting = match (draft(id, text), writer) {
            (_, None) => {
                Waiting::Refused(known_by, Problem::new(Code::Forbidden, "agents write by REST"))
            }
            (Err(problem), _) => Waiting::Refused(known_by, problem),
            (Ok(draft), Some((conversations, author))) => Waiting::Draft(Box::new(Submission {
                conversations: conversations.clone(),
                author: author.clone(),
                session: Some(session.viewer.session()),
                transport: Transport::Socket,
                arrived,
                action: Action::Send(draft),
            })),
        };
        session.drafts.push(waiting, bytes, Instant::now());
    }

    /// Answers a frame that means nothing; one too many ends the socket.
    fn nonsense(
        &mut self,
        session: &mut Session,
        text: &str,
        problem: Problem,
    ) -> Result<(), CloseCode> {
        self.nonsense += 1;
        let id = id_within(text);
        session.drafts.push(Waiting::Refused(id, problem), 0, Instant::now());
        if self.nonsense > session.node.settings.nonsense {
            Err(CloseCode::BadRequest)
        } else {
            Ok(())
        }
    }
}

impl Speaks for Parlor1 {
    fn text(
        &mut self,
        session: &mut Session,
        text: &str,
        arrived: Timestamp,
    ) -> Result<(), CloseCode> {
        let frame = serde_json::from_str::<ClientFrame>(text);
        if let State::Waiting { .. } = self.state {
            let Ok(ClientFrame::Hello { protocol, token, client }) = frame else {
                return Err(CloseCode::BadRequest);
            };
            debug!(client = client.as_deref().map(printable), "a client says hello");
            return self.hello(session, protocol, token.as_deref());
        }
        match frame {
            Ok(ClientFrame::Subscribe { since }) => self.subscribe(session, since.as_deref()),
            Ok(ClientFrame::Message { client_message_id, text }) => {
                self.message(session, client_message_id.as_deref(), text, arrived);
                Ok(())
            }
            Ok(ClientFrame::Hello { .. }) => self.nonsense(
                session,
                text,
                Problem::new(Code::BadRequest, "hello was said before"),
            ),
            Err(error) if error.is_data() => self.nonsense(
                session,
                text,
                Problem::new(Code::BadRequest, "not a frame of protocol 1"),
            ),
            Err(_) => self.nonsense(session, text, Problem::new(Code::BadJson, "not JSON")),
        }
    }

    fn settled(&mut self, session: &mut Session, settled: Settled) -> Result<(), CloseCode> {
        session.drafts.done();
        let frame = match &settled.outcome {
            Ok(receipt) => ServerFrame::Accepted {
                client_message_id: receipt
                    .event
                    .record
                    .body
                    .message()
                    .map(|message| message.client_message_id.to_string())
                    .or(settled.client_message_id)
                    .unwrap_or_default(),
                id: receipt.event.record.id,
                timestamp: receipt.event.record.at.to_string(),
                duplicate: receipt.duplicate,
            },
            Err(problem) => {
                let request_id = session.viewer.session().to_string();
                ServerFrame::error(settled.client_message_id, problem.body(&request_id))
            }
        };
        say(session, &frame);
        Ok(())
    }

    fn shows(&mut self, _: &mut Session) {}

    fn deadline(&self, _: &Session) -> Option<Instant> {
        match self.state {
            State::Waiting { hello_by } => Some(hello_by),
            State::Greeted { ends, .. } => ends,
        }
    }

    fn tick(&mut self, session: &mut Session, now: Instant) -> Result<(), CloseCode> {
        match self.deadline(session) {
            Some(deadline) if now >= deadline => Err(match self.state {
                State::Waiting { .. } => CloseCode::NoHello,
                State::Greeted { .. } => CloseCode::TokenEnded,
            }),
            _ => Ok(()),
        }
    }

    fn ended(&self, why: Ended) -> CloseCode {
        match why {
            Ended::Slow => CloseCode::Slow,
            Ended::Again => CloseCode::Again,
        }
    }

    fn leave(&self, session: &Session) -> Farewell {
        let after_ms = u64::try_from(session.node.back_after().as_millis()).unwrap_or(u64::MAX);
        let code = CloseCode::Draining;
        let reconnect = ServerFrame::Reconnect { after_ms, code: code.number() };
        Farewell::Finished(wire::text(&reconnect.encode()), code)
    }
}

/// The frame that says that a subscription is live from a cursor.
pub(crate) fn subscribed(recovered: bool, cursor: String, replayed: u64) -> Bytes {
    wire::text(&ServerFrame::Subscribed { recovered, cursor, replayed }.encode())
}

fn say(session: &Session, frame: &ServerFrame<'_>) {
    session.say(wire::text(&frame.encode()));
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
