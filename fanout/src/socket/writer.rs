//! The writer: frames wait behind the one that is being written, and many go out with one write.

use std::{
    collections::VecDeque,
    io::{self, IoSlice},
    time::Duration,
};

use bytes::{Buf, Bytes};
use parlor_http::ConnectionPermit;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::Instant,
};

use crate::socket::stream::Stream;

/// The writing side: frames that wait their turn behind the one that is being written.
#[derive(Debug)]
pub(crate) struct Writer {
    stream: Stream,
    batch: Batch,
    within: Duration,
    /// When the batch must have been written.
    until: Option<Instant>,
    /// Is given back when the connection is closed. A simulation has none.
    _permit: Option<ConnectionPermit>,
}

#[derive(Debug, Default)]
struct Batch {
    frames: VecDeque<Bytes>,
    /// The first frame has been written in part.
    begun: bool,
}

// === impl Writer ===

impl Writer {
    /// Writes to `stream`; what is loaded must have been written `within` this time.
    pub(crate) fn new(stream: Stream, permit: Option<ConnectionPermit>, within: Duration) -> Self {
        Self { stream, batch: Batch::default(), within, until: None, _permit: permit }
    }

    /// Whether nothing waits to be written.
    pub(crate) fn is_idle(&self) -> bool {
        self.batch.frames.is_empty()
    }

    /// Adds frames. The deadline counts from the first ones that were added while nothing waited.
    pub(crate) fn load(&mut self, frames: VecDeque<Bytes>) {
        if frames.is_empty() {
            return;
        }
        self.until.get_or_insert_with(|| Instant::now() + self.within);
        if self.batch.frames.is_empty() {
            self.batch.frames = frames;
        } else {
            self.batch.frames.extend(frames);
        }
    }

    /// When what waits must have been written; `None` where nothing does.
    pub(crate) const fn deadline(&self) -> Option<Instant> {
        self.until
    }

    /// Writes what waits, as much of it as fits with each call of the system. Cancel safe.
    pub(crate) async fn write(&mut self) -> io::Result<()> {
        self.stream.write_all_buf(&mut self.batch).await?;
        self.stream.flush().await?;
        self.batch.frames = VecDeque::new();
        self.until = None;
        Ok(())
    }

    /// Drops every frame that has not been begun.
    pub(crate) fn discard(&mut self) {
        self.batch.frames.truncate(usize::from(self.batch.begun));
    }

    /// Says that nothing more will be written, then reads and drops what the peer still sends,
    /// until the peer is done or `within` has passed. Without that a reset could overtake what was
    /// written.
    pub(crate) async fn shut(mut self, within: Duration) {
        let shut = async {
            if self.stream.shutdown().await.is_err() {
                return;
            }
            let mut scrap = [0; 512];
            while self.stream.read(&mut scrap).await.is_ok_and(|read| read > 0) {}
        };
        // A peer that is not done by then is cut off.
        drop(tokio::time::timeout(within, shut).await);
    }
}

// === impl Batch ===

impl Buf for Batch {
    fn remaining(&self) -> usize {
        self.frames.iter().map(Bytes::len).sum()
    }

    fn has_remaining(&self) -> bool {
        !self.frames.is_empty()
    }

    fn chunk(&self) -> &[u8] {
        self.frames.front().map_or(&[], |frame| frame)
    }

    fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let filled =
            slices.iter_mut().zip(&self.frames).map(|(slice, frame)| *slice = IoSlice::new(frame));
        filled.count()
    }

    fn advance(&mut self, mut count: usize) {
        while let Some(frame) = self.frames.front_mut() {
            if count < frame.len() {
                frame.advance(count);
                self.begun |= count > 0;
                return;
            }
            count -= frame.len();
            self.frames.pop_front();
            self.begun = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_that_is_discarded_keeps_the_frame_that_has_been_begun() {
        let frames = || VecDeque::from([Bytes::from_static(b"abc"), Bytes::from_static(b"def")]);
        let mut batch = Batch { frames: frames(), begun: false };
        batch.advance(1);
        assert!(batch.begun);
        assert_eq!(batch.chunk(), b"bc");
        batch.advance(2);
        assert!(!batch.begun);
        assert_eq!((batch.chunk(), batch.remaining()), (&b"def"[..], 3));
        batch.advance(3);
        assert!(!batch.has_remaining());
    }
}
