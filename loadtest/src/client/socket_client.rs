//! A client of protocol 1: a visitor's tab, which also writes, or an agent's dashboard, which
//! listens to its tenant.

use std::{collections::VecDeque, pin::pin, sync::Arc, time::Duration};

use anyhow::{Context, bail};
use futures_util::{SinkExt, StreamExt};
use parlor_common::{
    frame::{ClientFrame, PROTOCOL, SUBPROTOCOL},
    id::{ClientMessageId, EventId},
};
use tokio::{
    sync::mpsc,
    time::{Instant, timeout},
};
use tokio_tungstenite::tungstenite::{Message, protocol::CloseFrame};

use super::{Connected, Intent, Known, Ready, Visitor, World};
use crate::{
    backoff,
    frame::Frame,
    ledger::{Client, Outcome, Sending, Tag, Transport},
    scores::Stalled,
    socket::{self, Socket, Window},
};

/// As whom it connects.
#[derive(Debug)]
pub(crate) enum Person {
    Visitor(Arc<Visitor>),
    /// With the tenant's name, and the tenant's visitors in order of their conversations' numbers.
    Agent {
        tenant: String,
        /// Whose token it is, where it is not that of all dashboards.
        name: Option<String>,
        visitors: Vec<Arc<Visitor>>,
    },
}

/// One client over all its connections.
#[derive(Debug)]
pub(crate) struct SocketClient {
    pub(crate) world: Arc<World>,
    pub(crate) person: Person,
    pub(crate) client: Client,
    /// The drafts it is to write; an agent's client gets none.
    pub(crate) intents: mpsc::Receiver<Intent>,
    pub(crate) ready: Option<Ready>,
    /// The number of the address that it connects to next.
    pub(crate) at: usize,
    /// Whether it stops reading when slow readers are told to.
    is_slow: bool,
    state: State,
}

/// What outlives a connection.
#[derive(Debug, Default)]
struct State {
    cursor: Option<String>,
    /// Sent and not answered, in order; sent again, with the same ids, on the next connection.
    unanswered: VecDeque<Unanswered>,
    /// When the last connection was lost.
    lost: Option<Instant>,
    /// The server named the time to come back.
    after: Option<Duration>,
    /// It has stopped reading, and what became of that connection is not known yet.
    has_stalled: bool,
}

#[derive(Debug)]
struct Unanswered {
    id: ClientMessageId,
    tag: Tag,
    intended: Instant,
}

/// How a connection ended.
enum End {
    /// The run is over.
    Over,
    /// The server says not to come back.
    Gone,
    /// The server says that this client reads too slowly.
    Slow,
    Lost,
}

/// A connection without a frame for so long is dead: the server pings at least once a minute.
const SILENCE: Duration = Duration::from_secs(60);
const ANSWER: Duration = Duration::from_secs(15);
/// A client with this many unanswered drafts takes no more.
const MOST_UNANSWERED: usize = 1024;

// === impl SocketClient ===

impl SocketClient {
    pub(crate) fn new(
        world: Arc<World>,
        person: Person,
        client: Client,
        intents: mpsc::Receiver<Intent>,
        ready: Ready,
        at: usize,
    ) -> Self {
        let state = State::default();
        Self { world, person, client, intents, ready: Some(ready), at, is_slow: false, state }
    }

    /// The same, as one that stops reading when slow readers are told to.
    pub(crate) fn slow(self) -> Self {
        Self { is_slow: true, ..self }
    }

    /// Connects, listens and writes until the run is over.
    pub(crate) async fn run(mut self) {
        let mut tries = 0;
        loop {
            let end = self.connection(&mut tries).await;
            if std::mem::take(&mut self.state.has_stalled) {
                self.world.scores.stall_ended(match end {
                    Ok(End::Over) => Stalled::Kept,
                    Ok(End::Slow) => Stalled::Told,
                    Ok(End::Gone | End::Lost) | Err(_) => Stalled::Cut,
                });
            }
            match end {
                Ok(End::Over) => return,
                Ok(End::Gone) => return self.world.scores.gone(),
                // Any error is a lost connection, and is counted as one.
                Ok(End::Slow | End::Lost) | Err(_) => {}
            }
            if self.ready.is_none() {
                self.state.lost.get_or_insert_with(Instant::now);
            }
            self.at += 1;
            let delay = backoff::protocol(tries, self.state.after.take(), &self.world.random);
            tries += 1;
            tokio::select! {
                () = tokio::time::sleep(delay) => {}
                () = self.world.drain.draining() => return,
            }
        }
    }

    async fn connection(&mut self, tries: &mut u32) -> anyhow::Result<End> {
        let world = self.world.clone();
        let mut socket = tokio::select! {
            opened = self.open() => opened?,
            () = world.drain.draining() => return Ok(End::Over),
        };
        let subscribe = ClientFrame::Subscribe { since: self.state.cursor.clone() };
        say(&mut socket, &subscribe).await?;
        for draft in &self.state.unanswered {
            say(&mut socket, &written(&world, draft)).await?;
        }
        let mut connected = None;
        let mut cuts = world.orders.cuts();
        let mut draining = pin!(world.drain.draining());
        loop {
            tokio::select! {
                () = &mut draining => {
                    if let Some(connected) = connected {
                        Connected::ends(connected);
                    }
                    // Nobody is left to be told of a failure to say goodbye.
                    timeout(Duration::from_secs(1), socket.close(None)).await.ok();
                    return Ok(End::Over);
                }
                () = cuts.hit(self.client) => return Ok(End::Lost),
                () = world.orders.stalled(true), if self.is_slow && connected.is_some() => {
                    self.state.has_stalled = true;
                    tokio::select! {
                        () = world.orders.stalled(false) => self.is_slow = false,
                        () = &mut draining => return Ok(End::Over),
                    }
                }
                frame = timeout(SILENCE, socket.next()) => {
                    let frame = frame.context("silence")?.context("the connection ended")??;
                    match frame {
                        Message::Text(text) => {
                            if self.said(&text)? {
                                *tries = 0;
                                connected.get_or_insert_with(|| {
                                    world.connected(self.client, self.state.lost.take())
                                });
                            }
                        }
                        Message::Close(close) => return Ok(ended(close.as_ref())),
                        Message::Binary(_) => bail!("a binary frame"),
                        Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
                    }
                }
                Some(intent) = self.intents.recv(), if connected.is_some() && self.has_room() => {
                    let draft = self.begin(&intent);
                    let said = say(&mut socket, &written(&world, &draft)).await;
                    self.state.unanswered.push_back(draft);
                    said?;
                }
            }
        }
    }

    /// Opens a socket and says hello.
    async fn open(&mut self) -> anyhow::Result<Socket> {
        let world = &self.world;
        let (addresses, path, token) = match &self.person {
            Person::Visitor(visitor) => {
                let path = format!("/ws/chat?tenantId={}", visitor.tenant);
                (
                    &world.rest,
                    path,
                    visitor.token.get().cloned().context("a visitor without a token")?,
                )
            }
            Person::Agent { tenant, name, .. } => {
                let token = match name {
                    Some(name) => world.tokens.of_agent(tenant, name).await?,
                    None => world.tokens.of(tenant).await?,
                };
                (&world.agents, format!("/ws/agent?tenantId={tenant}"), token.to_string())
            }
        };
        let headers =
            [("sec-websocket-protocol", SUBPROTOCOL.to_owned()), ("origin", world.origin.clone())];
        let address = &addresses[self.at % addresses.len()];
        let window = if self.is_slow { Window::Small } else { Window::Usual };
        let (mut socket, _) = socket::open(address, &path, &headers, window).await?;
        let client = Some("parlor-loadtest/1".to_owned());
        say(&mut socket, &ClientFrame::Hello { protocol: PROTOCOL, token: Some(token), client })
            .await?;
        let answer =
            timeout(ANSWER, socket.next()).await.context("no hello")?.context("no hello")??;
        let frame: Frame<'_> = serde_json::from_str(answer.to_text()?)?;
        if frame.kind != "hello" {
            bail!("a {} frame instead of a hello", frame.kind);
        }
        self.world.time.told(frame.server_time.as_deref().unwrap_or_default());
        Ok(socket)
    }

    /// Takes in a frame; tells whether the client is subscribed now.
    fn said(&mut self, text: &str) -> anyhow::Result<bool> {
        let frame: Frame<'_> = serde_json::from_str(text)?;
        let world = &self.world;
        if let Some(event) = frame.event(*world.ledger.texts()) {
            if let (Person::Agent { .. }, Some(of)) = (&self.person, frame.conversation_id) {
                world.work.shown(self.client, of, &event);
            }
            self.state.cursor = Some(event.cursor);
        }
        match &*frame.kind {
            "message" => {
                let message = frame.message.context("a message frame without a message")?;
                let shown = world.ledger.shown(self.client, &message.text);
                world.scores.shown(shown.filter(|shown| !shown.is_own).map(|shown| shown.intended));
                if let (Person::Agent { visitors, .. }, Some(shown)) = (&self.person, shown) {
                    let of = |visitor: &Arc<Visitor>| visitor.conversation.number;
                    if let Ok(place) =
                        visitors.binary_search_by_key(&shown.tag.conversation.number, of)
                    {
                        visitors[place].begun(message.conversation_id);
                    }
                }
            }
            "subscribed" => {
                self.state.cursor = frame.cursor;
                world.scores.replayed(frame.replayed.unwrap_or(0));
                world.ledger.subscribed(self.client, frame.recovered == Some(true));
                world.work.subscribed(self.client, frame.recovered == Some(true));
                if let Some(ready) = self.ready.take() {
                    // The stage may have given up waiting.
                    ready.send(()).ok();
                }
                return Ok(true);
            }
            "accepted" => {
                if let Some(draft) = self.answered(frame.client_message_id.as_deref()) {
                    self.world.scores.duplicate(frame.duplicate == Some(true));
                    self.accepted(&draft, frame.id);
                }
            }
            "error" => {
                let trouble = frame.error.context("an error frame without an error")?;
                if let Some(draft) = self.answered(frame.client_message_id.as_deref()) {
                    let outcome =
                        if trouble.retryable { Outcome::Failed } else { Outcome::Refused };
                    self.world.ledger.answered(draft.tag, outcome);
                }
                self.world.scores.failed(&trouble.code);
            }
            "reconnect" => self.state.after = frame.after_ms.map(Duration::from_millis),
            // A kind of a later version is skipped.
            _ => {}
        }
        Ok(false)
    }

    /// The unanswered draft with this id.
    fn answered(&mut self, id: Option<&str>) -> Option<Unanswered> {
        let id = id?;
        let place = self.state.unanswered.iter().position(|draft| draft.id.as_str() == id)?;
        self.state.unanswered.remove(place)
    }

    fn accepted(&self, draft: &Unanswered, id: Option<EventId>) {
        self.world.ledger.answered(draft.tag, Outcome::Accepted(id));
        self.world.scores.accepted(draft.intended);
        if let Person::Visitor(visitor) = &self.person {
            visitor.begun(None);
        }
    }

    /// Whether one more draft may wait for its answer.
    fn has_room(&self) -> bool {
        self.state.unanswered.len() < MOST_UNANSWERED
    }

    fn begin(&self, intent: &Intent) -> Unanswered {
        self.world.scores.begun(intent.intended);
        if let Some(Known { tag, id }) = intent.known.clone() {
            return Unanswered { id, tag, intended: intent.intended };
        }
        let sending = Sending {
            author: self.client,
            conversation: intent.visitor.conversation,
            transport: Transport::Identified,
            session: 0,
            intended: intent.intended,
        };
        let tag = self.world.ledger.sends(sending);
        let id = ClientMessageId::made(self.world.time.now(), &self.world.random);
        Unanswered { id, tag, intended: intent.intended }
    }
}

fn written(world: &World, draft: &Unanswered) -> ClientFrame {
    let text = world.ledger.texts().write(draft.tag);
    ClientFrame::Message { client_message_id: Some(draft.id.to_string()), text }
}

async fn say(socket: &mut Socket, frame: &ClientFrame) -> anyhow::Result<()> {
    let text = serde_json::to_string(frame)?;
    timeout(ANSWER, socket.send(Message::text(text)))
        .await
        .context("a frame could not be sent")??;
    Ok(())
}

/// What a close code's range says.
fn ended(close: Option<&CloseFrame>) -> End {
    match close.map(|close| u16::from(close.code)) {
        Some(4002) => End::Slow,
        Some(4500..=4999) => End::Gone,
        _ => End::Lost,
    }
}
