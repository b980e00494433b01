//! Writing pages: once, and the same bytes for all who ask for the same.
//!
//! Two kinds of pages are kept. One that is **settled** lies wholly in the store and is full, so
//! that no event can come into it any more: it is answered without asking anybody. The **newest**
//! one is kept with the position up to which it is proven: where the log has nothing of its
//! conversations after that, it is as fresh as a new one would be. What makes another page of an
//! old one (an erasure) forgets it: [`History::forget`].

use bytes::Bytes;
use parlor_common::{
    conversation::{ConversationKey, ConversationSet},
    event::{Audience, Event},
    position::Position,
};
use parlor_log::Filter;
use parlor_store::PageRange;

use crate::{
    History, HistoryError,
    kept::{Answer, Ticket},
    walk::{self, Wanted},
    written::{Form, WrittenKey, WrittenPage},
};

/// The newest page's range.
const NEWEST: PageRange = PageRange::Before(Position::MAX);

impl History {
    /// The same as [`page`](Self::page), written in a form. Many who ask for the same at once cost
    /// two reads, and a page in which nothing can have changed is not read at all.
    ///
    /// # Errors
    /// Those of [`page`](Self::page).
    pub async fn written_page(
        &self,
        set: &ConversationSet,
        audience: Audience,
        range: PageRange,
        limit: usize,
        form: Form<impl Fn(&[Event]) -> Bytes>,
    ) -> Result<WrittenPage, HistoryError> {
        let asked = WrittenKey { set: set.clone(), audience, range, limit, form: form.name };
        if let Some(page) = self.settled_page(&asked) {
            self.metrics.kept_pages.inc();
            return Ok(page);
        }
        let read = Box::pin(self.write_page(&asked, form.write));
        self.shared(self.written.take(asked.clone(), read)).await
    }

    /// Forgets what is kept of a conversation, and keeps nothing of what is being read of it now.
    /// To be called when something of it must not be shown any more, after the store has let go of
    /// it.
    pub fn forget(&self, key: &ConversationKey) {
        self.kept.forget(key);
    }

    /// A page that is kept and in which nothing can have changed.
    fn settled_page(&self, asked: &WrittenKey) -> Option<WrittenPage> {
        let persisted = self.persisted(&asked.set.primary());
        match asked.range {
            PageRange::Before(before) if before <= persisted => {
                let page = self.kept.written.get(asked)?.value;
                Some(WrittenPage { through: persisted, ..page })
            }
            PageRange::Before(_) | PageRange::After(_) => None,
        }
    }

    async fn write_page(
        &self,
        asked: &WrittenKey,
        write: impl Fn(&[Event]) -> Bytes,
    ) -> Result<WrittenPage, HistoryError> {
        let WrittenKey { set, audience, range, limit, .. } = asked;
        let ticket = self.kept.written.ticket();
        if *range == NEWEST
            && let Some(page) = self.unchanged_page(asked, ticket).await?
        {
            self.metrics.kept_pages.inc();
            return Ok(page);
        }
        let page = self.page(set, *audience, *range, *limit).await?;
        let written = WrittenPage::of(&page, write(&page.events));
        let is_newest = *range == NEWEST && !page.incomplete;
        let is_settled = page.settled && page.events.len() == *limit;
        if is_newest || is_settled {
            self.keep_written(asked, &written, ticket);
        }
        Ok(written)
    }

    /// The newest page that is kept, where the log proves that nothing has come into it since.
    async fn unchanged_page(
        &self,
        asked: &WrittenKey,
        ticket: Ticket,
    ) -> Result<Option<WrittenPage>, HistoryError> {
        let Some(kept) = self.kept.written.get(asked) else { return Ok(None) };
        let mut through = Position::MAX;
        for key in asked.set.keys() {
            let filter = Filter::Conversation(key);
            let since =
                walk::first(&*self.log, &filter, Wanted::Rows(asked.audience), kept.persisted, 1)
                    .await;
            match since {
                Ok(since) => {
                    // The log may have let go of something that came since.
                    let nothing = since.events.is_empty() && since.whole;
                    if since.start != kept.persisted || !nothing {
                        return Ok(None);
                    }
                    through = through.min(since.through);
                }
                Err(HistoryError::UnknownPosition) => return Ok(None),
                Err(error) => return Err(error),
            }
        }
        let page = WrittenPage { through, ..kept.value };
        if through > kept.persisted {
            self.keep_written(asked, &page, ticket);
        }
        Ok(Some(page))
    }

    fn keep_written(&self, asked: &WrittenKey, page: &WrittenPage, ticket: Ticket) {
        let answer = Answer { persisted: page.through, value: page.clone() };
        self.kept.written.keep(asked, &answer, 0, ticket);
    }
}
