//! The inbox: the store's rows, and what the log has after them, so that a conversation is in it as
//! soon as its first message was accepted.

use std::{collections::HashMap, time::Duration};

use parlor_common::{
    deadline::in_time, event::Event, id::ConversationId, position::Position, tenant::TenantId,
};
use parlor_log::{Filter, LogError};
use parlor_store::{InboxPage, InboxRow};
use tracing::debug;

use crate::{History, HistoryError, walk};

/// Of so many events that are not stored the inbox knows. Where more wait for the store, it lags as
/// the store does.
const MOST_UNSTORED: usize = 1_000;
/// Longer than that it does not wait for the log, which may be electing: what is stored is better
/// than nothing.
const LOG_WITHIN: Duration = Duration::from_secs(1);

impl History {
    /// The tenant's conversations that were last active before a position, the last active first;
    /// `limit` at most.
    ///
    /// # Errors
    /// [`HistoryError::Unavailable`] where the store does not answer.
    pub async fn inbox(
        &self,
        tenant: &TenantId,
        before: Position,
        limit: usize,
    ) -> Result<InboxPage, HistoryError> {
        // Taken first: what the store gets meanwhile is in both.
        let persisted = self.monitor.persisted(self.log.shards().of(tenant));
        let stored = self.ask_store(self.store.inbox(tenant, before, limit));
        let (stored, unstored) = tokio::join!(stored, self.unstored(tenant, persisted));
        Ok(merged(stored?, &unstored, before, limit))
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
}

/// The store's page, with what is later of the same conversations and of others.
fn merged(stored: InboxPage, unstored: &[Event], before: Position, limit: usize) -> InboxPage {
    let mut later: HashMap<ConversationId, InboxRow> = HashMap::new();
    for row in unstored.iter().filter_map(InboxRow::of) {
        let visitor = later.get(&row.conversation).and_then(|earlier| earlier.visitor);
        later.insert(row.conversation, InboxRow { visitor: row.visitor.or(visitor), ..row });
    }
    let InboxPage { mut rows, mut more } = stored;
    rows.retain(|row| match later.get_mut(&row.conversation) {
        Some(last) if last.position > row.position => {
            last.visitor = last.visitor.or(row.visitor);
            false
        }
        Some(_) => {
            later.remove(&row.conversation);
            true
        }
        None => true,
    });
    // What was active at or after `before` is on an earlier page.
    rows.extend(later.into_values().filter(|row| row.position < before));
    rows.sort_by_key(|row| std::cmp::Reverse(row.position));
    more |= rows.len() > limit;
    rows.truncate(limit);
    InboxPage { rows, more }
}
