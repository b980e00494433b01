//! A client that writes by REST, one request at a time: a visitor with or without ids, or a
//! tenant's agent.

use std::{sync::Arc, time::Duration};

use parlor_common::id::{ClientMessageId, EventId};
use serde_json::json;
use tokio::{
    sync::mpsc,
    time::{Instant, sleep},
};

use super::{Intent, Known, Visitor, World};
use crate::{
    frame::{Posted, TroubleAnswer},
    http::{Answer, Call, Http, NoAnswer},
    ledger::{Client, Outcome, Sending, Tag, Transport},
};

/// One client that writes.
#[derive(Debug)]
pub(crate) struct RestWriter {
    world: Arc<World>,
    client: Client,
    identity: Identity,
    intents: mpsc::Receiver<Intent>,
    http: Http,
}

/// As whom it writes.
#[derive(Debug)]
enum Identity {
    /// A visitor known by its token, with ids.
    Visitor,
    /// The widget: by cookie, without ids.
    Widget,
    /// The agent of the tenant with this name, with ids.
    Agent(String),
}

/// How long a request may take.
const DEADLINE: Duration = Duration::from_secs(15);
/// How long a draft with an id is sent again while no answer comes.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long it waits before it sends a draft again.
const PAUSE: Duration = Duration::from_millis(200);

// === impl RestWriter ===

impl RestWriter {
    /// Writes as a visitor, with ids.
    pub(crate) fn of_visitor(
        world: Arc<World>,
        client: Client,
        intents: mpsc::Receiver<Intent>,
        at: usize,
    ) -> Self {
        Self::new(world, client, Identity::Visitor, intents, at)
    }

    /// Writes as the widget, without ids.
    pub(crate) fn of_widget(
        world: Arc<World>,
        client: Client,
        intents: mpsc::Receiver<Intent>,
        at: usize,
    ) -> Self {
        Self::new(world, client, Identity::Widget, intents, at)
    }

    /// Writes as the tenant's agent, with ids.
    pub(crate) fn of_agent(
        world: Arc<World>,
        tenant: String,
        client: Client,
        intents: mpsc::Receiver<Intent>,
        at: usize,
    ) -> Self {
        Self::new(world, client, Identity::Agent(tenant), intents, at)
    }

    fn new(
        world: Arc<World>,
        client: Client,
        identity: Identity,
        intents: mpsc::Receiver<Intent>,
        at: usize,
    ) -> Self {
        let http = Http::new(&world.rest, at);
        Self { world, client, identity, intents, http }
    }

    /// Writes until the run is over.
    pub(crate) async fn run(mut self) {
        let world = self.world.clone();
        loop {
            let intent = tokio::select! {
                Some(intent) = self.intents.recv() => intent,
                () = world.drain.draining() => return,
                else => return,
            };
            tokio::select! {
                () = self.write(intent) => {}
                () = world.drain.draining() => return,
            }
        }
    }

    async fn write(&mut self, mut intent: Intent) {
        let Some((path, headers)) = self.where_to(&intent.visitor).await else {
            self.world.scores.unsent(1);
            self.world.scores.failed("no_token");
            return;
        };
        let has_id = !matches!(self.identity, Identity::Widget);
        let (tag, id) = match intent.known.clone() {
            Some(Known { tag, id }) => (tag, id),
            None => {
                let id = ClientMessageId::made(self.world.time.now(), &self.world.random);
                (self.sends(&intent, has_id), id)
            }
        };
        intent.noted();
        let text = self.world.ledger.texts().write(tag);
        let body = match has_id {
            true => json!({ "text": text, "clientMessageId": id }),
            false => json!({ "text": text, "tenantId": intent.visitor.tenant }),
        };
        let body = body.to_string();
        let started = Instant::now();
        loop {
            let call = Call {
                method: "POST",
                path: &path,
                headers: &headers,
                body: Some(body.clone()),
                deadline: DEADLINE,
            };
            let trouble = match self.http.call(call).await {
                Ok(answer) => return self.answered(tag, &intent, &answer),
                Err(trouble) => trouble,
            };
            let may_go_on = has_id || matches!(trouble, NoAnswer::Unsent(_));
            if !may_go_on || started.elapsed() > PATIENCE {
                self.world.scores.failed("no_answer");
                return;
            }
            sleep(PAUSE).await;
        }
    }

    fn sends(&self, intent: &Intent, has_id: bool) -> Tag {
        self.world.ledger.sends(Sending {
            author: self.client,
            conversation: intent.visitor.conversation,
            transport: if has_id { Transport::Identified } else { Transport::Post },
            // A widget that has given up its socket sent frames before, and those were of another
            // session.
            session: if has_id { 0 } else { u32::MAX },
            intended: intent.intended,
        })
    }

    async fn where_to(&self, visitor: &Visitor) -> Option<(String, Vec<(&'static str, String)>)> {
        let mut headers = vec![("X-Tenant-ID", visitor.tenant.clone())];
        let mut path = "/api/chat/messages".to_owned();
        match &self.identity {
            Identity::Visitor => {
                headers.push(("Authorization", format!("Bearer {}", visitor.token.get()?)))
            }
            Identity::Widget => {
                headers.push(("Origin", self.world.origin.clone()));
                headers.extend(visitor.jar.header().map(|cookie| ("Cookie", cookie)));
            }
            Identity::Agent(tenant) => {
                let token = self.world.tokens.of(tenant).await.ok()?;
                headers.push(("Authorization", format!("Bearer {token}")));
                path = format!("/api/agent/conversations/{}/messages", visitor.id.get()?);
            }
        }
        Some((path, headers))
    }

    fn answered(&self, tag: Tag, intent: &Intent, answer: &Answer) {
        let Self { world, .. } = self;
        intent.visitor.jar.keep(&answer.cookies);
        if answer.is_success() {
            // An answer that cannot be read is still an acceptance: "any 2xx with JSON".
            let posted = serde_json::from_slice::<Posted<'_>>(&answer.body).ok();
            intent.visitor.begun(posted.as_ref().and_then(|posted| posted.message.conversation_id));
            let is_duplicate = posted.as_ref().is_some_and(|posted| posted.duplicate);
            world.scores.duplicate(is_duplicate);
            let id: Option<EventId> = posted.map(|posted| posted.message.id);
            world.ledger.answered(tag, Outcome::Accepted(id));
            world.scores.accepted(intent.intended);
            return;
        }
        let trouble =
            serde_json::from_slice::<TroubleAnswer>(&answer.body).map(|answer| answer.error);
        let is_retryable =
            trouble.as_ref().map_or(answer.status >= 500, |trouble| trouble.retryable);
        world.ledger.answered(tag, if is_retryable { Outcome::Failed } else { Outcome::Refused });
        match trouble {
            Ok(trouble) => world.scores.failed(&trouble.code),
            Err(_) => world.scores.failed(&format!("status_{}", answer.status)),
        }
    }
}
