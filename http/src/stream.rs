//! A connection's stream: TCP that is counted, watched, cut when it stalls, and closed so that the
//! answer arrives.

use std::{
    fmt,
    future::Future,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use hyper::upgrade::{Parts, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::Sleep,
};

use crate::{caps::ConnectionPermit, head_timer::Activity};

/// How long and for how many bytes a closed connection is read on: a kernel that closes with bytes
/// unread resets the connection, and the client may lose the answer it was sent.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES: usize = 256 * 1024;

/// The stream of a connection of the accept loop.
pub struct Stream {
    tcp: TcpStream,
    permit: ConnectionPermit,
    activity: Activity,
    write_stall: Duration,
    /// Runs while a write waits for the client.
    stalled: Option<Pin<Box<Sleep>>>,
    /// Runs while a closed connection is read on.
    linger: Option<Pin<Box<Sleep>>>,
    lingered: usize,
    ended: bool,
}

/// An upgraded connection.
#[derive(Debug)]
pub struct Socket {
    /// The connection, with `TCP_NODELAY`; no deadline watches it any more.
    pub stream: TcpStream,
    /// What was read beyond the upgrade request: the first bytes of the new protocol.
    pub read_ahead: Bytes,
    /// What counts it among the open connections: to be kept as long as the stream.
    pub permit: ConnectionPermit,
}

/// Takes the connection out of an upgrade.
///
/// # Errors
/// Gives it back where it is not one of [`serve`](crate::serve)'s.
pub fn socket(upgraded: Upgraded) -> Result<Socket, Upgraded> {
    let Parts { io, read_buf, .. } = upgraded.downcast::<TokioIo<Stream>>()?;
    let Stream { tcp, permit, .. } = io.into_inner();
    Ok(Socket { stream: tcp, read_ahead: read_buf, permit })
}

impl Stream {
    pub(crate) const fn new(
        tcp: TcpStream,
        permit: ConnectionPermit,
        activity: Activity,
        write_stall: Duration,
    ) -> Self {
        Self {
            tcp,
            permit,
            activity,
            write_stall,
            stalled: None,
            linger: None,
            lingered: 0,
            ended: false,
        }
    }

    /// Cuts the connection where a write has waited too long.
    fn watch<T>(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let stall = self.write_stall;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(tokio::time::sleep(stall)));
        ready!(stalled.as_mut().poll(context));
        Poll::Ready(Err(io::Error::new(
            io::ErrorKind::TimedOut,
            "the client takes nothing of its answer",
        )))
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.tcp).poll_read(context, buf))?;
        let read = &buf.filled()[before..];
        self.ended |= read.is_empty() && buf.remaining() > 0;
        self.activity.read(read);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.tcp).poll_write(context, bytes);
        self.watch(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.tcp).poll_write_vectored(context, slices);
        self.watch(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.tcp.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(context)
    }

    /// Ends the writing side, then reads on until the client has ended too, for a while.
    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.linger.is_none() {
            ready!(Pin::new(&mut self.tcp).poll_shutdown(context))?;
            self.linger = Some(Box::pin(tokio::time::sleep(LINGER)));
        }
        let mut scratch = [0; 2048];
        while !self.ended && self.lingered < LINGER_BYTES {
            let mut buf = ReadBuf::new(&mut scratch);
            match Pin::new(&mut self.tcp).poll_read(context, &mut buf) {
                Poll::Ready(Ok(())) if !buf.filled().is_empty() => {
                    self.lingered += buf.filled().len()
                }
                Poll::Ready(_) => self.ended = true,
                Poll::Pending => {
                    let linger = self.linger.as_mut().expect("it was made above");
                    ready!(linger.as_mut().poll(context));
                    self.ended = true;
                }
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream")
            .field("tcp", &self.tcp)
            .field("permit", &self.permit)
            .finish_non_exhaustive()
    }
}
