//! The socket: from the 101 to messages that are complete, checked and bounded. The only file that
//! knows how frames are read.

pub(crate) mod control_limit;
pub(crate) mod endpoint;
pub(crate) mod handshake;
pub(crate) mod headers;
pub(crate) mod heartbeat;
pub(crate) mod stream;
pub(crate) mod wire;
pub(crate) mod writer;

use std::{io, time::Duration};

use axum::body::Body;
use bytes::Bytes;
use fastwebsockets::{
    Frame, OpCode, Payload, Role, WebSocketError, WebSocketRead, after_handshake_split,
};
use http::{Request, Response};
use parlor_common::{
    close::CloseCode,
    frame::MAX_MESSAGE_BYTES,
    planted::{self, Fault},
};
use parlor_http::{ConnectionPermit, socket};
use tokio_util::sync::ReusableBoxFuture;
use tracing::error;

use self::{stream::Stream, wire::MAX_CONTROL_BYTES, writer::Writer};

/// What a peer sent: a complete message, or a control frame.
#[derive(Debug)]
pub(crate) enum Incoming {
    /// A message, its fragments put together.
    Text(String),
    /// A binary message. No dialect has a use for what it says.
    Binary,
    /// To be answered with a pong of the same payload.
    Ping(Bytes),
    /// The answer to a ping, or one that nobody asked for.
    Pong(Bytes),
    /// The peer is done; with its code, where it gave one.
    Close(Option<u16>),
}

/// Why nothing more can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReadEnd {
    /// The connection is gone.
    Gone,
    /// The peer broke RFC 6455 or a bound of ours.
    Violation(CloseCode),
}

/// A connection that has been upgraded.
#[derive(Debug)]
pub(crate) struct Socket {
    stream: Stream,
    place: Option<ConnectionPermit>,
}

/// The reading side. Keeps the future that reads across calls, for reading a frame is not cancel
/// safe.
#[derive(Debug)]
pub(crate) struct Reader {
    next: ReusableBoxFuture<'static, (Messages, Result<Incoming, ReadEnd>)>,
    ended: bool,
}

/// Frames put together to messages.
struct Messages {
    frames: WebSocketRead<Stream>,
    /// The fragments of a message so far.
    partial: Option<Partial>,
}

#[derive(Default)]
struct Partial {
    binary: bool,
    bytes: Vec<u8>,
    /// An empty fragment counts as a byte, so that there is no message without end.
    counted: usize,
}

// === impl Socket ===

impl Socket {
    /// The 101 that answers `request`, and the socket it becomes once that has been sent.
    ///
    /// Whether the request may be upgraded has been checked; `None` where its key or version is
    /// missing.
    pub(crate) fn accept(
        request: &mut Request<Body>,
    ) -> Option<(Response<Body>, impl Future<Output = Option<Self>> + Send + 'static)> {
        let (response, upgraded) = fastwebsockets::upgrade::upgrade(request).ok()?;
        let socket = async move {
            let upgraded = upgraded.await.ok()?.into_inner().into_inner();
            let Ok(socket) = socket(upgraded) else {
                error!("an upgraded connection is not one of the accept loop's");
                return None;
            };
            let stream = Stream::new(socket.stream, &socket.read_ahead);
            Some(Self { stream, place: Some(socket.permit) })
        };
        Some((response.map(Body::new), socket))
    }

    /// Over a connection that nobody counts.
    #[cfg(test)]
    pub(crate) fn over(connection: impl stream::Connection + 'static) -> Self {
        Self { stream: Stream::new(connection, &[]), place: None }
    }

    /// Its two sides; a write may take as long as `write_within`.
    pub(crate) fn split(self, write_within: Duration) -> (Reader, Writer) {
        let stream = self.stream.other_side();
        let (mut frames, _) = after_handshake_split(self.stream, tokio::io::sink(), Role::Server);
        frames.set_auto_close(false);
        frames.set_auto_pong(false);
        // It refuses a frame of exactly this length.
        frames.set_max_message_size(MAX_MESSAGE_BYTES + 1);
        let messages = Messages { frames, partial: None };
        let reader = Reader { next: ReusableBoxFuture::new(messages.next()), ended: false };
        (reader, Writer::new(stream, self.place, write_within))
    }
}

// === impl Reader ===

impl Reader {
    /// The next message or control frame; after an error, for ever. Cancel safe.
    pub(crate) async fn next(&mut self) -> Result<Incoming, ReadEnd> {
        if self.ended {
            return std::future::pending().await;
        }
        let (messages, incoming) = std::future::poll_fn(|cx| self.next.poll(cx)).await;
        if incoming.is_err() {
            self.ended = true;
        } else {
            self.next.set(messages.next());
        }
        incoming
    }
}

// === impl Messages ===

impl Messages {
    /// The next message or control frame. Not cancel safe.
    async fn next(mut self) -> (Self, Result<Incoming, ReadEnd>) {
        let incoming = loop {
            match self.frame().await {
                Ok(Some(incoming)) => break Ok(incoming),
                Ok(None) => {}
                Err(end) => break Err(end),
            }
        };
        (self, incoming)
    }

    /// Reads one frame; a fragment that completes nothing yet is `None`.
    async fn frame(&mut self) -> Result<Option<Incoming>, ReadEnd> {
        // Nothing is sent from here: answering pings and closes is turned off.
        let mut never = |_: Frame<'static>| std::future::ready(Ok::<(), io::Error>(()));
        let mut frame =
            self.frames.read_frame(&mut never).await.map_err(|error| read_end(&error))?;
        let (fin, opcode) = (frame.fin, frame.opcode);
        if !is_masked(&mut frame) {
            return Err(ReadEnd::Violation(CloseCode::ProtocolError));
        }
        let payload = match frame.payload {
            Payload::Bytes(bytes) => bytes.freeze(),
            other => Bytes::copy_from_slice(&other),
        };
        match opcode {
            OpCode::Text | OpCode::Binary | OpCode::Continuation => {
                self.fragment(fin, opcode, &payload)
            }
            OpCode::Ping | OpCode::Pong | OpCode::Close => control(opcode, &payload).map(Some),
        }
    }

    /// Adds a fragment; the last one completes a message.
    fn fragment(
        &mut self,
        fin: bool,
        opcode: OpCode,
        payload: &[u8],
    ) -> Result<Option<Incoming>, ReadEnd> {
        if (opcode == OpCode::Continuation) != self.partial.is_some() {
            return Err(ReadEnd::Violation(CloseCode::ProtocolError));
        }
        let mut message = self.partial.take().unwrap_or_default();
        message.binary |= opcode == OpCode::Binary;
        message.counted += if fin { payload.len() } else { payload.len().max(1) };
        if message.counted > MAX_MESSAGE_BYTES && !planted::is(Fault::UnboundedFragments) {
            return Err(ReadEnd::Violation(CloseCode::TooBig));
        }
        message.bytes.extend_from_slice(payload);
        if !fin {
            self.partial = Some(message);
            return Ok(None);
        }
        if message.binary {
            return Ok(Some(Incoming::Binary));
        }
        match String::from_utf8(message.bytes) {
            Ok(text) => Ok(Some(Incoming::Text(text))),
            Err(_) => Err(ReadEnd::Violation(CloseCode::BadPayload)),
        }
    }
}

fn control(opcode: OpCode, payload: &[u8]) -> Result<Incoming, ReadEnd> {
    if payload.len() > MAX_CONTROL_BYTES {
        return Err(ReadEnd::Violation(CloseCode::ProtocolError));
    }
    if opcode == OpCode::Close {
        return closed(payload).map(Incoming::Close);
    }
    let payload = Bytes::copy_from_slice(payload);
    Ok(if opcode == OpCode::Ping { Incoming::Ping(payload) } else { Incoming::Pong(payload) })
}

/// Whether the peer masked the frame. The frame keeps that to itself, but writes it into a header.
fn is_masked(frame: &mut Frame<'_>) -> bool {
    let mut head = [0; 16];
    frame.fmt_head(&mut head);
    head[1] & 0x80 != 0
}

/// The code within a close frame (RFC 6455 §7.4).
fn closed(payload: &[u8]) -> Result<Option<u16>, ReadEnd> {
    let Some((code, reason)) = payload.split_first_chunk::<2>() else {
        return if payload.is_empty() {
            Ok(None)
        } else {
            Err(ReadEnd::Violation(CloseCode::ProtocolError))
        };
    };
    match u16::from_be_bytes(*code) {
        code @ (1000..=1003 | 1007..=1014 | 3000..=4999) if std::str::from_utf8(reason).is_ok() => {
            Ok(Some(code))
        }
        1000..=1003 | 1007..=1014 | 3000..=4999 => Err(ReadEnd::Violation(CloseCode::BadPayload)),
        _ => Err(ReadEnd::Violation(CloseCode::ProtocolError)),
    }
}

fn read_end(error: &WebSocketError) -> ReadEnd {
    use WebSocketError as E;
    match error {
        E::FrameTooLarge => ReadEnd::Violation(CloseCode::TooBig),
        E::InvalidUTF8 => ReadEnd::Violation(CloseCode::BadPayload),
        E::IoError(_) | E::UnexpectedEOF | E::ConnectionClosed => ReadEnd::Gone,
        _ => ReadEnd::Violation(CloseCode::ProtocolError),
    }
}

#[cfg(test)]
mod tests;
