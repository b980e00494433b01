//! Reading back what agents worked on: timelines by REST, and at each node the states and lists.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use anyhow::{Context, bail};
use futures_util::{StreamExt, stream};
use parlor_common::id::ConversationId;
use tokio::time::{Instant, sleep, timeout_at};

use crate::{
    address::Address,
    client::{Visitor, World},
    frame::{ConversationAnswer, InboxAnswer, TimelineAnswer, Trouble},
    http::{Call, Http},
    ledger::Conversation,
    work::{Event, Fold, List, ListReading, Readings, StateReading, View},
};

/// So many things are read at once.
const READING: usize = 8;
const DEADLINE: Duration = Duration::from_secs(15);
const PAUSE: Duration = Duration::from_millis(500);

/// A conversation of a tenant with workers, and what its timeline comes to.
struct Worked {
    conversation: Conversation,
    tenant: String,
    id: ConversationId,
    timeline: Fold,
}

/// An agent who reads, at one address.
struct Reader<'a> {
    world: &'a World,
    tenant: &'a str,
    http: Http,
}

/// Reads back everything, each until it is as expected, or `end`: the database may lag.
pub(crate) async fn read_back(
    world: &World,
    visitors: impl Iterator<Item = Arc<Visitor>>,
    nodes: &[Address],
    end: Instant,
) -> Readings {
    let mut readings = Readings::default();
    let workers = world.work.workers();
    let is_worked = |of: &Conversation| workers.iter().any(|worker| worker.tenant == of.tenant);
    let visitors = visitors.filter(|visitor| is_worked(&visitor.conversation));
    let begun = visitors.filter_map(|visitor| Some((*visitor.id.get()?, visitor)));
    // No agent knows of a conversation in which nothing was said.
    let begun = begun.filter(|(_, visitor)| visitor.is_answerable());
    let timelines = begun.map(|(id, visitor)| async move {
        let mut reader = Reader::new(world, &visitor.tenant, &world.rest);
        let events = until(end, |_| true, async || reader.timeline(id).await).await;
        (visitor, id, events.map(|(events, _)| events))
    });
    let timelines: Vec<_> = stream::iter(timelines).buffer_unordered(READING).collect().await;
    let mut worked = Vec::new();
    for (visitor, id, events) in timelines {
        if let Ok(events) = &events {
            let mut timeline = Fold::default();
            events.iter().for_each(|event| timeline.apply(event));
            let (conversation, tenant) = (visitor.conversation, visitor.tenant.clone());
            worked.push(Worked { conversation, tenant, id, timeline });
        }
        readings.timelines.insert(visitor.conversation, events);
    }
    let pairs = worked.iter().flat_map(|of| nodes.iter().map(move |node| (of, node)));
    let states = pairs.map(|(of, node)| state(world, of, node, end));
    readings.states = stream::iter(states).buffer_unordered(READING).collect().await;
    let mut tenants: BTreeMap<u32, Vec<&Worked>> = BTreeMap::new();
    for of in &worked {
        tenants.entry(of.conversation.tenant).or_default().push(of);
    }
    for (tenant, worked) in &tenants {
        let own = workers.iter().filter(|worker| worker.tenant == *tenant);
        let all = List::all(own.map(|worker| &worker.name));
        let pairs = all.iter().flat_map(|list| nodes.iter().map(move |node| (list, node)));
        let reading = pairs.map(|(list, node)| one_list(world, (*tenant, worked), node, list, end));
        let read: Vec<_> = stream::iter(reading).buffer_unordered(READING).collect().await;
        readings.lists.extend(read);
    }
    readings
}

/// What the conversation must have come to by now: what agents' sockets say, or where they had gaps
/// what its timeline says, which tells no marks; `whole` tells which.
fn expected(world: &World, of: &Worked) -> (View, bool) {
    let now = world.time.now();
    let heard = world.work.expected(of.conversation, now);
    heard.map_or_else(|| (of.timeline.view(now).without_marks(), false), |view| (view, true))
}

async fn state(world: &World, of: &Worked, node: &Address, end: Instant) -> StateReading {
    let mut reader = Reader::new(world, &of.tenant, std::slice::from_ref(node));
    let agrees = |(expected, told): &(View, View)| expected == told;
    let look = async || {
        let told = reader.state(of.id).await?;
        let (expected, is_whole) = expected(world, of);
        Ok((expected, if is_whole { told } else { told.without_marks() }))
    };
    let (told, is_late) = split(until(end, agrees, look).await);
    StateReading { conversation: of.conversation, node: node.to_string(), told, is_late }
}

async fn one_list(
    world: &World,
    (tenant, worked): (u32, &[&Worked]),
    node: &Address,
    list: &List,
    end: Instant,
) -> ListReading {
    let name = worked.first().map_or("", |of| of.tenant.as_str());
    let mut reader = Reader::new(world, name, std::slice::from_ref(node));
    let agrees = |(expected, told): &(Vec<ConversationId>, Vec<ConversationId>)| expected == told;
    let look = async || {
        let mut told = reader.list(list).await?;
        // What other runs left behind is not this one's.
        told.retain(|id| worked.iter().any(|of| of.id == *id));
        told.sort_unstable();
        let is_expected = |of: &&&Worked| list.has(&expected(world, of).0);
        let mut expected: Vec<_> = worked.iter().filter(is_expected).map(|of| of.id).collect();
        expected.sort_unstable();
        Ok((expected, told))
    };
    let (told, is_late) = split(until(end, agrees, look).await);
    ListReading { tenant, node: node.to_string(), list: list.clone(), told, is_late }
}

type Looked<T> = Result<(T, bool), String>;

fn split<T>(looked: Looked<T>) -> (Result<T, String>, bool) {
    match looked {
        Ok((told, is_late)) => (Ok(told), is_late),
        Err(trouble) => (Err(trouble), false),
    }
}

/// Looks until what is seen is `good`, or `end`; tells what was seen last, and whether it was good
/// only after it had not been.
async fn until<T>(
    end: Instant,
    good: impl Fn(&T) -> bool,
    mut look: impl AsyncFnMut() -> anyhow::Result<T>,
) -> Looked<T> {
    let mut is_late = false;
    loop {
        let seen = timeout_at(end, look()).await.context("there was no time").flatten();
        let is_over = Instant::now() + PAUSE > end;
        match seen {
            Ok(seen) if good(&seen) || is_over => return Ok((seen, is_late)),
            Ok(_) => is_late = true,
            Err(trouble) if is_over => return Err(format!("{trouble:#}")),
            Err(_) => {}
        }
        sleep(PAUSE).await;
    }
}

// === impl Reader ===

impl<'a> Reader<'a> {
    fn new(world: &'a World, tenant: &'a str, addresses: &[Address]) -> Self {
        Self { world, tenant, http: Http::new(addresses, 0) }
    }

    /// Every page, oldest first.
    async fn timeline(&mut self, id: ConversationId) -> anyhow::Result<Vec<Event>> {
        let texts = *self.world.ledger.texts();
        let mut newest_first = Vec::new();
        let mut before = String::new();
        loop {
            let address = format!("/api/agent/conversations/{id}/timeline?limit=100{before}");
            let body = self.get(&address).await?;
            let page: TimelineAnswer<'_> =
                serde_json::from_slice(&body).context("a page of a timeline")?;
            if page.incomplete {
                bail!("the timeline is incomplete just now");
            }
            let events = page.events.iter().filter_map(|frame| frame.event(texts));
            let events: Vec<_> = events.collect();
            if page.has_more {
                let oldest = events.first().context("an empty page says that there are more")?;
                before = format!("&before={}", oldest.cursor);
            }
            newest_first.extend(events.into_iter().rev());
            if !page.has_more {
                newest_first.reverse();
                return Ok(newest_first);
            }
        }
    }

    async fn state(&mut self, id: ConversationId) -> anyhow::Result<View> {
        let body = self.get(&format!("/api/agent/conversations/{id}")).await?;
        let answer: ConversationAnswer = serde_json::from_slice(&body).context("a conversation")?;
        if answer.conversation.id != id {
            bail!("another conversation was told: {}", answer.conversation.id);
        }
        Ok(answer.conversation.view())
    }

    async fn list(&mut self, list: &List) -> anyhow::Result<Vec<ConversationId>> {
        let mut all = Vec::new();
        let mut after = String::new();
        loop {
            let address = format!("/api/agent/conversations?{list}&limit=100{after}");
            let body = self.get(&address).await?;
            let page: InboxAnswer = serde_json::from_slice(&body).context("a list")?;
            all.extend(page.conversations.iter().map(|listed| listed.id));
            let Some(next) = page.next else { return Ok(all) };
            after = format!("&after={next}");
        }
    }

    async fn get(&mut self, path: &str) -> anyhow::Result<Vec<u8>> {
        let token = self.world.tokens.of(self.tenant).await?;
        let headers =
            [("X-Tenant-ID", self.tenant.to_owned()), ("Authorization", format!("Bearer {token}"))];
        let call = Call { method: "GET", path, headers: &headers, body: None, deadline: DEADLINE };
        let answer = self.http.call(call).await?;
        if !answer.is_success() {
            bail!("{path} was answered with {} {}", answer.status, Trouble::of(&answer).code);
        }
        Ok(answer.body)
    }
}
