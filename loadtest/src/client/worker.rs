//! An agent who works: takes a conversation from the list, claims it, reads it, leaves a note,
//! answers, labels it, closes it or puts it off, and goes on.

use std::{sync::Arc, time::Duration};

use parlor_common::{
    id::{ClientMessageId, ConversationId},
    random::Random,
};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, sleep_until};

use super::{Visitor, World};
use crate::{
    frame::{
        ConversationAnswer, InboxAnswer, MarkAnswer, NoteAnswer, Posted, TimelineAnswer, Trouble,
    },
    http::{Answer, Call, Http},
    ledger::{self, Client, Conversation, Sending, Transport},
    work::{Asked, Kind, LABELS, Outcome},
};

/// One of them.
#[derive(Debug)]
pub(crate) struct Worker {
    pub(crate) world: Arc<World>,
    /// Its socket's client, as which it answers as well.
    pub(crate) client: Client,
    /// Its number in the book of work.
    pub(crate) number: usize,
    pub(crate) tenant: String,
    /// The `sub` of its tokens.
    pub(crate) name: String,
    /// The tenant's visitors, in order of their conversations' numbers.
    pub(crate) visitors: Vec<Arc<Visitor>>,
    pub(crate) http: Http,
    /// Chooses what it does when.
    pub(crate) choice: Random,
}

/// A conversation that it has taken up.
#[derive(Clone, Copy, Debug)]
struct Taken {
    id: ConversationId,
    of: Conversation,
    is_own: bool,
}

/// What became of a write.
enum Written {
    Done(Answer),
    /// The condition does not hold, or no longer at a later try.
    Conflict(Answer),
    LateConflict(Answer),
    Refused,
    /// The server said to try again until there was no patience left, or refused it then.
    Failed,
    /// There was no answer in the end.
    Unanswered,
}

const DEADLINE: Duration = Duration::from_secs(15);
/// How long a write is sent again, with the same id.
const PATIENCE: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// Claims are made at the same moments, so that workers who chose the same conversation race.
const BEAT: Duration = Duration::from_millis(250);
/// A short time to put a conversation off: it is over while the run goes on.
const NAP: Duration = Duration::from_secs(2);
const NIGHT: Duration = Duration::from_secs(12 * 3600);

// === impl Worker ===

impl Worker {
    /// Works while the run says so.
    pub(crate) async fn run(mut self) {
        let world = self.world.clone();
        tokio::select! {
            () = self.work() => {}
            () = world.drain.draining() => {}
        }
    }

    async fn work(&mut self) {
        loop {
            self.world.orders.works().await;
            self.breathe().await;
            // What cannot be read just now is tried again as any other conversation is.
            let Some(taken) = self.take().await else { continue };
            self.care(taken).await;
        }
    }

    /// Nobody works without a pause.
    async fn breathe(&self) {
        sleep(Duration::from_millis(40 + self.choice.below(200))).await;
    }

    /// A conversation of the run from one of the lists that an agent looks at, last active first.
    async fn take(&mut self) -> Option<Taken> {
        let lists = ["status=open", "status=open&list=none", "status=open&waiting=team"];
        let own = "status=open&list=mine";
        let list = match self.below(8) {
            0 => own,
            number => lists[number % lists.len()],
        };
        let body = self.get(&format!("/api/agent/conversations?{list}&limit=20")).await?;
        let page: InboxAnswer = serde_json::from_slice(&body).ok()?;
        let known = page.conversations.iter().filter_map(|listed| {
            let of = self.world.work.conversation(listed.id)?;
            let is_own = listed.assignee.as_ref() == Some(&self.name);
            Some(Taken { id: listed.id, of, is_own })
        });
        let known: Vec<_> = known.collect();
        // Half of the time the first one, which the others see there as well.
        let place = self.below(2) * self.below(known.len());
        known.get(place).copied()
    }

    /// All that is done for one conversation; ends where it cannot go on.
    async fn care(&mut self, taken: Taken) -> Option<()> {
        let address = format!("/api/agent/conversations/{}", taken.id);
        let read = self.open(&address).await?;
        if !taken.is_own {
            sleep_until(self.world.orders.next_beat(BEAT)).await;
            let claim = Asked {
                is_claim: true,
                assignee: Some(Some(self.name.clone())),
                ..Asked::default()
            };
            self.change(taken, &address, claim).await?;
        }
        if let Some(read) = read {
            self.mark(taken, &address, &read).await?;
        }
        self.breathe().await;
        self.note(taken, &address).await?;
        self.answer(taken, &address).await?;
        self.breathe().await;
        let label = self.below(LABELS.len());
        let other = LABELS[(label + 2) % LABELS.len()];
        let labels = Asked { add: vec![LABELS[label]], remove: vec![other], ..Asked::default() };
        self.change(taken, &address, labels).await?;
        self.breathe().await;
        let last = self.last_change();
        self.change(taken, &address, last).await
    }

    /// How it leaves the conversation.
    fn last_change(&self) -> Asked {
        let nobody = Some(None);
        let until = |time: Duration| Some(self.world.time.now().plus(time));
        let (status, until, assignee) = match self.below(6) {
            0 => (Some("closed"), None, nobody),
            // It is still its own, and so it is when the visitor writes again.
            1 => (Some("closed"), None, None),
            2 => (Some("snoozed"), until(NAP), nobody),
            3 => (Some("snoozed"), until(NIGHT), nobody),
            4 => (Some("open"), None, nobody),
            _ => (None, None, nobody),
        };
        Asked { status, until, assignee, ..Asked::default() }
    }

    // === what it does ===

    /// Opens the conversation; gives the cursor of the last event.
    async fn open(&mut self, address: &str) -> Option<Option<String>> {
        let body = self.get(&format!("{address}/timeline?limit=20")).await?;
        let page: TimelineAnswer<'_> = serde_json::from_slice(&body).ok()?;
        let texts = *self.world.ledger.texts();
        let last = page.events.iter().rev().find_map(|frame| frame.event(texts));
        Some(last.map(|event| event.cursor))
    }

    async fn change(&mut self, taken: Taken, address: &str, asked: Asked) -> Option<()> {
        let is_claim = asked.is_claim;
        let world = self.world.clone();
        let deed = world.work.begins(self.number, taken.of, Kind::Change(asked.clone()));
        let body = asked.body(&world.work.tags().write(deed), self.new_id().as_str());
        let intended = Instant::now();
        let written = self.write("PATCH", address, &body).await;
        let outcome = match &written {
            Written::Done(_) => Outcome::Accepted(None),
            Written::Conflict(_) => Outcome::Conflict,
            Written::LateConflict(_) => Outcome::LateConflict,
            Written::Refused => Outcome::Refused,
            Written::Failed | Written::Unanswered => Outcome::GivenUp,
        };
        world.work.answered(deed, outcome);
        let (answer, is_won) = match &written {
            Written::Done(answer) => (answer, true),
            Written::Conflict(answer) | Written::LateConflict(answer) => (answer, false),
            Written::Refused | Written::Failed | Written::Unanswered => return None,
        };
        world.scores.patched(intended);
        let told = serde_json::from_slice::<ConversationAnswer>(&answer.body).ok();
        let holder = told.and_then(|told| told.conversation.assignee);
        let is_mine = holder.as_ref() == Some(&self.name);
        // Nobody but the one who holds it gives it away.
        if is_claim && (is_won != is_mine || holder.is_none()) {
            let word = if is_won { "won" } else { "lost" };
            let detail = format!("{word} a claim and was told that {holder:?} holds it");
            world.work.contradicted(self.number, taken.of, &detail);
        }
        is_won.then_some(())
    }

    async fn mark(&mut self, taken: Taken, address: &str, read: &str) -> Option<()> {
        let world = self.world.clone();
        let deed = world.work.begins(self.number, taken.of, Kind::Mark);
        let body = json!({ "read": read });
        let written = self.write("PUT", &format!("{address}/mark"), &body).await;
        let (outcome, done) = match written {
            Written::Done(answer) => {
                if let Ok(MarkAnswer { read }) = serde_json::from_slice(&answer.body) {
                    world.work.marked(self.number, taken.of, read);
                }
                (Outcome::Accepted(None), Some(()))
            }
            Written::Failed | Written::Unanswered => (Outcome::GivenUp, None),
            _ => (Outcome::Refused, None),
        };
        world.work.answered(deed, outcome);
        done
    }

    async fn note(&mut self, taken: Taken, address: &str) -> Option<()> {
        let world = self.world.clone();
        let deed = world.work.begins(self.number, taken.of, Kind::Note);
        let text = world.work.tags().write(deed);
        let body = json!({ "text": text, "clientMessageId": self.new_id() });
        let (outcome, done) = match self.write("POST", &format!("{address}/notes"), &body).await {
            Written::Done(answer) => {
                let told = serde_json::from_slice::<NoteAnswer>(&answer.body).ok();
                (Outcome::Accepted(told.map(|told| told.id())), Some(()))
            }
            Written::Failed | Written::Unanswered => (Outcome::GivenUp, None),
            _ => (Outcome::Refused, None),
        };
        world.work.answered(deed, outcome);
        done
    }

    /// Answers the visitor: a draft like any other of the run.
    async fn answer(&mut self, taken: Taken, address: &str) -> Option<()> {
        let world = self.world.clone();
        let visitors = &self.visitors;
        let place = visitors.binary_search_by_key(&taken.of.number, |of| of.conversation.number);
        let visitor = visitors.get(place.ok()?)?.clone();
        let intended = Instant::now();
        world.scores.offered(true);
        let tag = world.ledger.sends(Sending {
            author: self.client,
            conversation: taken.of,
            transport: Transport::Identified,
            session: 0,
            intended,
        });
        let deed = world.work.begins(self.number, taken.of, Kind::Answer(tag));
        let text = world.ledger.texts().write(tag);
        let body = json!({ "text": text, "clientMessageId": self.new_id() });
        let (outcome, draft) = match self.write("POST", &format!("{address}/messages"), &body).await
        {
            Written::Done(answer) => {
                let posted = serde_json::from_slice::<Posted<'_>>(&answer.body).ok();
                world.scores.duplicate(posted.as_ref().is_some_and(|posted| posted.duplicate));
                let id = posted.map(|posted| posted.message.id);
                world.scores.accepted(intended);
                visitor.begun(Some(taken.id));
                (Outcome::Accepted(id), ledger::Outcome::Accepted(id))
            }
            Written::Failed => (Outcome::GivenUp, ledger::Outcome::Failed),
            Written::Unanswered => {
                world.scores.failed("no_answer");
                (Outcome::GivenUp, ledger::Outcome::Unknown)
            }
            _ => (Outcome::Refused, ledger::Outcome::Refused),
        };
        world.ledger.answered(tag, draft);
        world.work.answered(deed, outcome);
        matches!(outcome, Outcome::Accepted(_)).then_some(())
    }

    // === how ===

    fn below(&self, bound: usize) -> usize {
        usize::try_from(self.choice.below(bound as u64)).unwrap_or(0)
    }

    fn new_id(&self) -> ClientMessageId {
        ClientMessageId::made(self.world.time.now(), &self.world.random)
    }

    async fn get(&mut self, path: &str) -> Option<Vec<u8>> {
        let answer = self.call("GET", path, None).await?.ok()?;
        answer.is_success().then_some(answer.body)
    }

    /// Writes, and writes the same again while the answer says so or none comes.
    async fn write(&mut self, method: &'static str, path: &str, body: &Value) -> Written {
        let started = Instant::now();
        let mut is_later = false;
        loop {
            let mut pause = PAUSE;
            let is_answered = match self.call(method, path, Some(body.to_string())).await {
                Some(Ok(answer)) if answer.is_success() => return Written::Done(answer),
                Some(Ok(answer)) => {
                    let trouble = Trouble::of(&answer);
                    if !trouble.retryable {
                        return match answer.status {
                            409 if is_later => Written::LateConflict(answer),
                            409 => Written::Conflict(answer),
                            // An earlier try may be there all the same: it may be that only its
                            // time is over by now, such as that of a nap.
                            _ if is_later => Written::Failed,
                            _ => {
                                self.world.scores.failed(&trouble.code);
                                Written::Refused
                            }
                        };
                    }
                    self.world.scores.failed(&trouble.code);
                    let named = trouble.retry_after_ms.map(Duration::from_millis);
                    pause = named.unwrap_or(PAUSE).clamp(PAUSE, LONGEST_PAUSE);
                    true
                }
                Some(Err(())) | None => false,
            };
            is_later = true;
            if started.elapsed() > PATIENCE {
                return if is_answered { Written::Failed } else { Written::Unanswered };
            }
            self.world.work.tried_again();
            sleep(pause).await;
        }
    }

    /// One request: `None` where there is no token, an error where there is no answer.
    async fn call(
        &mut self,
        method: &'static str,
        path: &str,
        body: Option<String>,
    ) -> Option<Result<Answer, ()>> {
        let token = self.world.tokens.of_agent(&self.tenant, &self.name).await.ok()?;
        let headers =
            [("X-Tenant-ID", self.tenant.clone()), ("Authorization", format!("Bearer {token}"))];
        let call = Call { method, path, headers: &headers, body, deadline: DEADLINE };
        Some(self.http.call(call).await.map_err(drop))
    }
}
