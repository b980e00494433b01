//! Who writes by REST, one request at a time: a visitor with or without ids, or a tenant's agent.

use std::{sync::Arc, time::Duration};

use parlor_common::id::{ClientMessageId, EventId};
use serde_json::json;
use tokio::{
    sync::mpsc,
    time::{Instant, sleep},
};

use super::{Intent, Visitor, World};
use crate::{
    frame::{Posted, TroubleAnswer},
    http::{Answer, Call, Http, NoAnswer},
    ledger::{Client, Outcome, Sending, Tag, Way},
};

/// One writer.
#[derive(Debug)]
pub(crate) struct Pen {
    world: Arc<World>,
    client: Client,
    hand: Hand,
    intents: mpsc::Receiver<Intent>,
    http: Http,
}

/// Who writes.
#[derive(Debug)]
enum Hand {
    /// A visitor known by its token, with ids.
    Visitor,
    /// The seed's widget: by cookie, without ids.
    Page,
    /// The agent of the tenant with this name, with ids.
    Agent(String),
}

const DEADLINE: Duration = Duration::from_secs(15);
/// A draft with an id is tried again for so long where no answer comes.
const PATIENCE: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_millis(200);

// === impl Pen ===

impl Pen {
    /// A visitor's, with ids.
    pub(crate) fn of_visitor(
        world: Arc<World>,
        client: Client,
        intents: mpsc::Receiver<Intent>,
        at: usize,
    ) -> Self {
        Self::new(world, client, Hand::Visitor, intents, at)
    }

    /// A page's, without ids.
    pub(crate) fn of_page(
        world: Arc<World>,
        client: Client,
        intents: mpsc::Receiver<Intent>,
        at: usize,
    ) -> Self {
        Self::new(world, client, Hand::Page, intents, at)
    }

    /// An agent's.
    pub(crate) fn of_agent(
        world: Arc<World>,
        tenant: String,
        client: Client,
        intents: mpsc::Receiver<Intent>,
        at: usize,
    ) -> Self {
        Self::new(world, client, Hand::Agent(tenant), intents, at)
    }

    fn new(
        world: Arc<World>,
        client: Client,
        hand: Hand,
        intents: mpsc::Receiver<Intent>,
        at: usize,
    ) -> Self {
        let http = Http::new(&world.rest, at);
        Self { world, client, hand, intents, http }
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
                () = self.write(&intent) => {}
                () = world.drain.draining() => return,
            }
        }
    }

    async fn write(&mut self, intent: &Intent) {
        let Some((path, headers)) = self.where_to(&intent.visitor).await else {
            self.world.scores.failed("no_token");
            return;
        };
        let has_id = !matches!(self.hand, Hand::Page);
        let tag = self.world.ledger.sends(Sending {
            author: self.client,
            conversation: intent.visitor.conversation,
            way: if has_id { Way::Identified } else { Way::Post },
            // A page that has given up its socket has sent frames before, which were another
            // session's.
            session: if has_id { 0 } else { u32::MAX },
            intended: intent.intended,
        });
        let text = self.world.ledger.texts().write(tag);
        let body = if has_id {
            let id = ClientMessageId::made(self.world.time.now(), &self.world.random);
            json!({ "text": text, "clientMessageId": id })
        } else {
            json!({ "text": text, "tenantId": intent.visitor.tenant })
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
                Ok(answer) => return self.answered(tag, intent, &answer),
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

    async fn where_to(&self, visitor: &Visitor) -> Option<(String, Vec<(&'static str, String)>)> {
        let mut headers = vec![("X-Tenant-ID", visitor.tenant.clone())];
        let mut path = "/api/chat/messages".to_owned();
        match &self.hand {
            Hand::Visitor => {
                headers.push(("Authorization", format!("Bearer {}", visitor.token.get()?)))
            }
            Hand::Page => {
                headers.push(("Origin", self.world.origin.clone()));
                headers.extend(visitor.jar.header().map(|cookie| ("Cookie", cookie)));
            }
            Hand::Agent(tenant) => {
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
