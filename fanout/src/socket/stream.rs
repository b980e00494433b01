//! The stream: one connection, read and written by the two sides of a socket.

use std::{
    fmt,
    io::{self, IoSlice},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Both directions of one connection, which are polled by one task.
pub(crate) struct Stream {
    /// TCP; in a simulation, a pipe.
    connection: Arc<Mutex<dyn Connection>>,
    /// What was read beyond the upgrade request.
    ahead: Bytes,
}

/// What carries bytes both ways.
pub(crate) trait Connection: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Connection for T {}

// === impl Stream ===

impl Stream {
    /// A connection of which this much was read already. It is copied: it is seldom anything, and
    /// even nothing would keep the buffer of 8 KiB that the request was read into.
    pub(crate) fn new(connection: impl Connection + 'static, ahead: &[u8]) -> Self {
        Self { connection: Arc::new(Mutex::new(connection)), ahead: Bytes::copy_from_slice(ahead) }
    }

    /// The same connection, for the other direction.
    pub(crate) fn other_side(&self) -> Self {
        Self { connection: self.connection.clone(), ahead: Bytes::new() }
    }

    fn lock(&self) -> MutexGuard<'_, dyn Connection + 'static> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.ahead.is_empty() {
            return Pin::new(&mut *self.lock()).poll_read(cx, buf);
        }
        let count = self.ahead.len().min(buf.remaining());
        buf.put_slice(&self.ahead.split_to(count));
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.lock()).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.lock()).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.lock().is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.lock()).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.lock()).poll_shutdown(cx)
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Stream")
    }
}
