//! Reading everything back at the end: each conversation's history by REST, and its rows.

pub(crate) mod work;

use std::{collections::HashMap, sync::Arc, time::Duration};

use anyhow::{Context, bail};
use futures_util::{StreamExt, stream};
use tokio::time::{Instant, sleep, timeout_at};

use crate::{
    client::{Visitor, World},
    frame::{PageAnswer, TroubleAnswer},
    http::{Call, Http},
    ledger::{Conversation, Entry, History},
    rows::Rows,
};

/// So many conversations are read at once.
const READING: usize = 16;
const DEADLINE: Duration = Duration::from_secs(15);
const PAUSE: Duration = Duration::from_millis(500);

/// Reads back these visitors' conversations, each until it can be read, or `end`.
pub(crate) async fn read_back(
    world: &World,
    visitors: impl Iterator<Item = Arc<Visitor>>,
    rows: Option<Arc<Rows>>,
    end: Instant,
) -> HashMap<Conversation, History> {
    let reading = visitors.map(|visitor| {
        let rows = rows.clone();
        async move { (visitor.conversation, one(world, &visitor, rows.as_deref(), end).await) }
    });
    stream::iter(reading).buffer_unordered(READING).collect().await
}

async fn one(world: &World, visitor: &Visitor, rows: Option<&Rows>, end: Instant) -> History {
    let mut reader = Reader {
        world,
        visitor,
        http: Http::new(&world.rest, visitor.conversation.number as usize),
    };
    let entries = reader.history(end).await.map_err(|trouble| format!("{trouble:#}"));
    let rows = match (rows, &entries) {
        (Some(rows), Ok(entries)) => Some(rows_of(world, visitor, rows, entries, end).await),
        _ => None,
    };
    History {
        id: visitor.id.get().copied(),
        entries,
        rows: rows.map(|rows| rows.map_err(|error| format!("{error:#}"))),
    }
}

/// The rows, once they are history's, or else as they are at `end`: the database may lag.
async fn rows_of(
    world: &World,
    visitor: &Visitor,
    rows: &Rows,
    entries: &[Entry],
    end: Instant,
) -> anyhow::Result<Vec<Entry>> {
    let Some(id) = visitor.id.get() else {
        // A conversation in which nothing was said has no id that anybody was told, and no rows.
        return if entries.is_empty() {
            Ok(Vec::new())
        } else {
            bail!("nobody was told the conversation's id")
        };
    };
    loop {
        let found = rows.of(world.ledger.texts(), &visitor.tenant, *id).await;
        let is_done = matches!(&found, Ok(found) if found == entries);
        if is_done || Instant::now() + PAUSE > end {
            return found;
        }
        sleep(PAUSE).await;
    }
}

struct Reader<'a> {
    world: &'a World,
    visitor: &'a Visitor,
    http: Http,
}

// === impl Reader ===

impl Reader<'_> {
    /// Every page, oldest first.
    async fn history(&mut self, end: Instant) -> anyhow::Result<Vec<Entry>> {
        let mut trouble = anyhow::anyhow!("there was no time");
        loop {
            match timeout_at(end, self.pages()).await {
                Ok(Ok(entries)) => return Ok(entries),
                Ok(Err(error)) => trouble = error,
                Err(_) => return Err(trouble.context("could not be read back in time")),
            }
            if Instant::now() + PAUSE > end {
                return Err(trouble);
            }
            sleep(PAUSE).await;
        }
    }

    async fn pages(&mut self) -> anyhow::Result<Vec<Entry>> {
        let mut newest_first = Vec::new();
        let mut before: Option<String> = None;
        loop {
            let path = match &before {
                Some(cursor) => format!("/api/chat/messages?limit=100&before={cursor}"),
                None => "/api/chat/messages?limit=100".to_owned(),
            };
            let body = self.page(&path).await?;
            let page: PageAnswer<'_> =
                serde_json::from_slice(&body).context("a page of history")?;
            if page.incomplete {
                bail!("history is incomplete just now");
            }
            if let Some(id) = page.messages.first().and_then(|message| message.conversation_id) {
                self.visitor.id.get_or_init(|| id);
            }
            for message in page.messages.iter().rev() {
                let tag = self.world.ledger.texts().read(&message.text);
                newest_first.push(Entry { tag, id: message.id });
            }
            if !page.has_more {
                newest_first.reverse();
                return Ok(newest_first);
            }
            let oldest = page.messages.first().context("an empty page says that there are more")?;
            before = Some(oldest.cursor.clone().context("a message without a cursor")?);
        }
    }

    async fn page(&mut self, path: &str) -> anyhow::Result<Vec<u8>> {
        let Visitor { tenant, token, jar, .. } = self.visitor;
        let mut headers = vec![("X-Tenant-ID", tenant.clone())];
        if let Some(token) = token.get() {
            headers.push(("Authorization", format!("Bearer {token}")));
        } else {
            headers.push(("Origin", self.world.origin.clone()));
            headers.push(("Cookie", jar.header().context("the visitor was never given a cookie")?));
        }
        let call = Call { method: "GET", path, headers: &headers, body: None, deadline: DEADLINE };
        let answer = self.http.call(call).await?;
        if !answer.is_success() {
            let trouble = serde_json::from_slice::<TroubleAnswer>(&answer.body)
                .map(|answer| answer.error.code);
            bail!("history was answered with {} {}", answer.status, trouble.unwrap_or_default());
        }
        Ok(answer.body)
    }
}
