//! A tail of the file: pages, and between them a wait for the committed end to move.

use std::{
    collections::VecDeque,
    fmt,
    sync::{Arc, PoisonError, RwLock},
};

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use parlor_common::position::Position;
use tokio::{sync::watch, time::Instant};

use super::{
    closed,
    readers::{Fits, Readers, Stretch},
    window::Window,
};
use crate::{Entry, LogError, Tail};

/// Entries and bytes that a tail reads ahead; one entry may exceed the bytes alone.
const AHEAD: (usize, usize) = (256, 1 << 20);

/// Live reading of the embedded log.
pub(super) struct SqliteTail {
    after: Position,
    window: Arc<RwLock<Window>>,
    readers: Readers,
    end: watch::Receiver<Position>,
    ahead: VecDeque<Entry>,
    /// Everything up to here was read.
    through: Position,
    /// A read on its way, kept here so that a dropped `next` neither loses it nor starts another.
    reading: Option<BoxFuture<'static, Result<Stretch, LogError>>>,
    /// When it had handed out everything that was committed.
    complete: Option<Instant>,
}

impl SqliteTail {
    pub(super) fn new(
        after: Position,
        window: Arc<RwLock<Window>>,
        readers: Readers,
        end: watch::Receiver<Position>,
    ) -> Self {
        let (ahead, through) = (VecDeque::new(), after);
        Self { after, window, readers, end, ahead, through, reading: None, complete: None }
    }

    /// Reads on in memory; tells whether what comes next is there.
    fn reads_recent(&mut self) -> bool {
        let window = self.window.read().unwrap_or_else(PoisonError::into_inner);
        let mut fits = Fits::new(AHEAD.0, AHEAD.1);
        let recent = window.recent(self.through, |record| fits.one_more(record));
        let Some((entries, through)) = recent else { return false };
        (self.ahead, self.through) = (entries.into(), through);
        true
    }

    /// Whether everything that is committed has been handed out.
    fn is_complete(&self) -> bool {
        self.ahead.is_empty() && self.through >= *self.end.borrow()
    }
}

#[async_trait]
impl Tail for SqliteTail {
    fn after(&self) -> Position {
        self.after
    }

    async fn next(&mut self) -> Result<Entry, LogError> {
        loop {
            if self.is_complete() {
                self.complete = Some(Instant::now());
            }
            if let Some(entry) = self.ahead.pop_front() {
                return Ok(entry);
            }
            let through = self.through;
            if self.reading.is_none() {
                self.end.wait_for(|end| *end > through).await.map_err(|_| closed())?;
                if self.reads_recent() {
                    continue;
                }
            }
            let reading = self.reading.get_or_insert_with(|| {
                let readers = self.readers.clone();
                Box::pin(async move {
                    readers.read(move |snapshot| snapshot.stretch(through, AHEAD.0, AHEAD.1)).await
                })
            });
            let stretch = reading.await;
            self.reading = None;
            let stretch = stretch?;
            if stretch.start > through {
                return Err(LogError::Rejected(format!(
                    "what follows {through} was forgotten before it was read"
                )));
            }
            self.through = stretch.through;
            self.ahead = stretch.entries.into();
        }
    }

    /// The committed end is in the same process, so that it is known at any moment.
    fn proven(&self) -> Option<Instant> {
        if self.is_complete() { Some(Instant::now()) } else { self.complete }
    }
}

impl fmt::Debug for SqliteTail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteTail")
            .field("after", &self.after)
            .field("through", &self.through)
            .finish_non_exhaustive()
    }
}
