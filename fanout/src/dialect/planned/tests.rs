//! A client of the third dialect over TCP, served by everything that serves the other two.

use std::{net::SocketAddr, sync::Arc};

use async_trait::async_trait;
use axum::Router;
use futures_util::{SinkExt, StreamExt};
use parlor_auth::{Agents, CookieSettings, LimitSettings, Limits, Tenants, VisitorTokens};
use parlor_common::{
    author::{Author, AuthorKind},
    clock::Clock,
    door::{Door, Receipt, Submission},
    drain::Drain,
    event::{Body, MessageBody, Record, Transport},
    id::EventId,
    keys::{InstallationKeys, Secret},
    metrics::Registry,
    problem::Problem,
    random::Random,
    tenant::TenantId,
};
use parlor_history::History;
use parlor_http::page_loads::PageLoads;
use parlor_http::{self as http, HttpSettings};
use parlor_log::{
    EventLog, NewEntry,
    monitor::{Monitor, MonitorMetrics},
    sqlite::{SqliteLog, SqliteLogSettings},
};
use parlor_store::SqliteStore;
use serde_json::Value;
use tempfile::TempDir;
use tokio::{
    net::{TcpListener, TcpStream},
    time::timeout,
};
use tokio_tungstenite::{WebSocketStream, client_async, tungstenite::Message};

use super::*;
use crate::{
    DrainSettings, FeedParts, FeedSettings, Feeds, Hub, Metrics, Parts, ResumeSettings, Sockets,
};

/// How long the test waits for what must come.
const SOON: Duration = Duration::from_secs(10);

/// Appends what it is asked to send.
#[derive(Debug)]
struct OpenDoor(Arc<dyn EventLog>);

#[async_trait]
impl Door for OpenDoor {
    #[expect(clippy::disallowed_methods, reason = "it stands for the door")]
    async fn accept(&self, submission: Submission) -> Result<Receipt, Problem> {
        let Submission { conversations, author, session, transport, arrived, action } = submission;
        let Action::Send(draft) = action else { return Err(Problem::unavailable("no message")) };
        let client_message_id = draft.client_message_id.clone().unwrap();
        let conversation = conversations.primary();
        let id =
            EventId::derive(&conversation.tenant, conversation.id, &author, &client_message_id);
        let text = draft.text.into_string();
        let body = Body::Message(MessageBody { text, client_message_id });
        let (at, acceptance) = (arrived, 1);
        let record = Record { id, author, session, transport, at, arrived, acceptance, body };
        let raw = record.encode().unwrap();
        let appended =
            self.0.append(&NewEntry::new(conversation.clone(), id, raw.clone())).await.unwrap();
        let event = Event { conversation, position: appended.position, record, raw };
        Ok(Receipt { event, duplicate: appended.duplicate })
    }
}

type Socket = WebSocketStream<TcpStream>;

async fn connect(address: SocketAddr) -> Socket {
    let request = format!("ws://{address}/planned?tenantId=shop");
    let stream = TcpStream::connect(address).await.unwrap();
    client_async(request, stream).await.unwrap().0
}

/// The next text; WebSocket's own pings must not come.
async fn next(socket: &mut Socket) -> String {
    let message = timeout(SOON, socket.next()).await.expect("a frame").unwrap().unwrap();
    message.into_text().unwrap().to_string()
}

async fn say(socket: &mut Socket, text: impl Into<String>) {
    socket.send(Message::text(text.into())).await.unwrap();
}

/// The next text that is no heartbeat, as JSON; heartbeats are answered.
async fn next_json(socket: &mut Socket) -> Value {
    loop {
        match next(socket).await.as_str() {
            "2" => say(socket, "3").await,
            text => return serde_json::from_str(text).unwrap(),
        }
    }
}

#[tokio::test]
async fn a_third_dialect_needs_its_file_and_nothing_else() {
    let folder = TempDir::new().unwrap();
    let settings = SqliteLogSettings {
        max_bytes: 1 << 30,
        max_age: Duration::from_secs(86_400),
        ack_wait: Duration::from_secs(5),
        groups: Vec::new(),
    };
    let log_metrics = parlor_log::Metrics::new(&Registry::new()).unwrap();
    let (clock, random, registry) = (Clock::system(), Random::system(), Registry::new());
    let log = SqliteLog::open(folder.path(), settings, clock.clone(), None, log_metrics).unwrap();
    let log: Arc<dyn EventLog> = Arc::new(log);
    let store_metrics = parlor_store::Metrics::new(&registry).unwrap();
    let store = SqliteStore::open(folder.path(), store_metrics).await.unwrap();
    let monitor_metrics = MonitorMetrics::unregistered().unwrap();
    let monitor = Monitor::start(log.clone(), clock.clone(), monitor_metrics).await.unwrap();
    let keys = InstallationKeys::new(Secret::new(vec![7; 32]).unwrap(), None);
    let tenants = Tenants::development(&keys);
    let cookies = CookieSettings::default();
    let tokens = VisitorTokens::new(&keys, clock.clone(), random.clone(), cookies);
    let (metrics, cursors, drain) =
        (Metrics::new(&registry).unwrap(), Cursors::new(&keys), Drain::new());
    let feed = FeedSettings {
        ring_events: 100,
        ring_bytes: 1 << 20,
        linger: Duration::from_secs(30),
        live_within: Duration::from_secs(5),
        unwell_after: Duration::from_secs(15),
        stale_after: Duration::from_secs(16),
    };
    let hub = Hub::new(log.shards(), &feed, cursors.clone(), metrics.clone());
    let feeds = Feeds::new(FeedParts {
        log: log.clone(),
        hub: hub.clone(),
        settings: feed,
        random: random.clone(),
        metrics: metrics.clone(),
        drain: drain.clone(),
    });
    let history = History::new(
        log.clone(),
        Arc::new(store),
        monitor,
        Duration::from_secs(2),
        parlor_history::Metrics::new(&registry).unwrap(),
    );
    let parts = Parts {
        hub,
        feeds,
        history,
        cursors,
        limits: Limits::new(LimitSettings::default(), tenants.clone(), clock.clone()),
        tenants: tenants.clone(),
        clock: clock.clone(),
        random: random.clone(),
        page_loads: PageLoads::new(),
        signals: None,
        settings: sockets(),
        metrics: metrics.clone(),
        drain: drain.clone(),
    };
    let door = Arc::new(OpenDoor(log.clone()));
    let visitors = Sockets::visitors(parts.clone(), door.clone(), tokens.clone());
    let app = Sockets::agents(parts, Agents::new(tenants, clock.clone())).wrap(Router::new());
    let app = visitors.wrap(app);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let http_metrics = http::Metrics::new(&registry).unwrap();
    let settings = HttpSettings::default();
    let serve = http::serve(listener, app, settings, random, http_metrics, drain.clone());
    drain.spawn(serve);

    let visitor = tokens.issue();
    let said = |text: &str, timestamp: &str| {
        let visitor = tokens.write(&visitor);
        json!({"visitor": visitor, "text": text, "timestamp": timestamp}).to_string()
    };
    let (mut one, mut two) = (connect(address).await, connect(address).await);
    assert_eq!(next(&mut one).await, "2", "the socket is live before anybody is known");
    say(&mut one, "3").await;
    say(&mut one, said("hello", "client's time 1")).await;
    let own = json!({"own": "hello", "timestamp": "client's time 1"});
    assert_eq!(next_json(&mut one).await, own);

    say(&mut two, said("from the other tab", "client's time 2")).await;
    let own = json!({"own": "from the other tab", "timestamp": "client's time 2"});
    // The feed may bring the first message after this tab has begun to follow.
    while next_json(&mut two).await != own {}
    assert_eq!(next_json(&mut one).await, json!({"theirs": "from the other tab"}));
    assert_eq!(next(&mut one).await, "2", "a push is followed by a heartbeat");

    let agent = Author { kind: AuthorKind::Agent, id: "ann".to_owned(), name: None };
    let mut draft =
        Draft { text: Text::parse("how are you?".to_owned()).unwrap(), client_message_id: None };
    draft.keep_id(clock.now(), &Random::system());
    let submission = Submission {
        conversations: visitor.conversations(&TenantId::parse("shop").unwrap()),
        author: agent,
        session: None,
        transport: Transport::Rest,
        arrived: clock.now(),
        action: Action::Send(draft),
    };
    door.accept(submission).await.unwrap();
    for socket in [&mut one, &mut two] {
        assert_eq!(next_json(socket).await, json!({"theirs": "how are you?"}));
    }
    assert_eq!(metrics.open(&Planned).get(), 2);
    drain.begin();
    drop((one, two));
    assert!(drain.finished(SOON).await, "every task has ended");
}

fn sockets() -> SocketSettings {
    SocketSettings {
        max: 10,
        hello_within: SOON,
        load_within: Duration::ZERO,
        load_ahead: Duration::ZERO,
        ping_every: SOON,
        silence_limit: SOON * 2,
        write_within: SOON,
        close_within: Duration::from_secs(1),
        finish_within: SOON,
        controls_per_second: 50,
        bad_frames: 3,
        hold_for: SOON,
        outbox_frames: 100,
        outbox_bytes: 1 << 20,
        drafts: 32,
        draft_bytes: 1 << 18,
        resume: ResumeSettings { page: 100, pages: 100, parallel: 16, page_within: SOON },
        drain: DrainSettings {
            batch: 500,
            every: Duration::from_millis(50),
            back_after: Duration::from_millis(500),
            back_within: Duration::from_secs(5),
        },
    }
}
