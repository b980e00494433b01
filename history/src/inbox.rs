//! The inbox: the store's rows, and what the log has after them, so that a conversation is in it as
//! soon as its first message was accepted.

use std::{collections::BTreeMap, time::Duration};

use futures_util::{StreamExt, TryStreamExt, stream};
use parlor_common::{
    clock::Timestamp,
    conversation::ConversationKey,
    deadline::in_time,
    event::{Body, Event},
    position::Position,
    tenant::TenantId,
};
use parlor_log::{Filter, LogError};
use parlor_store::{InboxFilter, InboxPage, InboxRow};
use tracing::debug;

use crate::{History, HistoryError, walk};

/// Of so many events that are not stored the inbox knows. Where more wait for the store, it lags as
/// the store does.
const MOST_UNSTORED: usize = 1_000;
/// Longer than that it does not wait for the log, which may be electing: what is stored is better
/// than nothing.
const LOG_WITHIN: Duration = Duration::from_secs(1);
/// So many conversations with unstored events are asked for at once.
const AT_ONCE: usize = 32;

impl History {
    /// The tenant's conversations in a list at `now` that were last active before a position, the
    /// last active first; `limit` at most. What was accepted is in it at once, unless over 1,000 of
    /// the tenant's events wait for the store, or the log does not answer.
    ///
    /// # Errors
    /// [`HistoryError::Unavailable`] where the store does not answer.
    pub async fn inbox(
        &self,
        tenant: &TenantId,
        filter: &InboxFilter,
        now: Timestamp,
        before: Position,
        limit: usize,
    ) -> Result<InboxPage, HistoryError> {
        // Taken first: what the store gets meanwhile is in both.
        let persisted = self.monitor.persisted(self.log.shards().of(tenant));
        let stored = self.ask_store(self.store.inbox(tenant, filter, now, before, limit));
        let (stored, unstored) = tokio::join!(stored, self.unstored(tenant, persisted));
        let InboxPage { mut rows, next } = stored?;
        let moved = self.moved(unstored, &rows).await?;
        rows.retain(|row| moved.iter().all(|other| other.conversation != row.conversation));
        // What was active at or after `before` is on an earlier page, and what was active before
        // `next` on a later one.
        let is_here = |row: &InboxRow| {
            (next.unwrap_or_default()..before).contains(&row.position())
                && row.state.last.is_some()
                && filter.takes(&row.state, now)
        };
        rows.extend(moved.into_iter().filter(is_here));
        rows.sort_by_key(|row| std::cmp::Reverse(row.position()));
        Ok(InboxPage::first(rows, limit, next))
    }

    /// The tenant's first events after a position; none where the log does not answer.
    async fn unstored(&self, tenant: &TenantId, persisted: Position) -> Vec<Event> {
        let filter = Filter::Tenant(tenant.clone());
        let read = self.log.read(&filter, persisted, MOST_UNSTORED);
        match in_time(LOG_WITHIN, LogError::Unavailable, read).await {
            Ok(page) => page.entries.into_iter().filter_map(walk::decode).collect(),
            Err(error) => {
                debug!(%error, "the inbox is read without the log");
                Vec::new()
            }
        }
    }

    /// What these events make of their conversations, of which some are among the stored rows.
    async fn moved(
        &self,
        unstored: Vec<Event>,
        rows: &[InboxRow],
    ) -> Result<Vec<InboxRow>, HistoryError> {
        let mut events: BTreeMap<ConversationKey, Vec<Event>> = BTreeMap::new();
        // A delivered mark, the most frequent of all, changes nothing that a list shows.
        let counts = |event: &Event| !matches!(event.record.body, Body::Delivered(_));
        for event in unstored.into_iter().filter(counts) {
            events.entry(event.conversation.clone()).or_default().push(event);
        }
        let state = async |(key, events): (ConversationKey, Vec<Event>)| {
            let stored = rows.iter().find(|row| row.conversation == key.id);
            let mut state = match stored {
                Some(row) => row.state.clone(),
                None => self.ask_store(self.store.state(&key)).await?,
            };
            events.iter().for_each(|event| state.apply(event));
            Ok(InboxRow { conversation: key.id, state })
        };
        stream::iter(events).map(state).buffer_unordered(AT_ONCE).try_collect().await
    }
}
