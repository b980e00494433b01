//! The socket: from the 101 to messages that are complete, checked and bounded.

pub(crate) mod control_limit;
pub(crate) mod endpoint;
mod frames;
pub(crate) mod handshake;
pub(crate) mod headers;
pub(crate) mod heartbeat;
pub(crate) mod stream;
pub(crate) mod wire;
pub(crate) mod writer;

use std::time::Duration;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http::{Request, Response};
use parlor_common::{
    close::CloseCode,
    frame::MAX_MESSAGE_BYTES,
    planted::{self, Fault},
};
use parlor_http::{ConnectionPermit, socket};
use tracing::error;

use self::{
    frames::{Frame, Frames, Opcode},
    stream::Stream,
    writer::Writer,
};

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

/// The reading side: frames put together to messages.
#[derive(Debug)]
pub(crate) struct Reader {
    frames: Frames,
    /// The fragments of a message so far.
    partial: Option<Partial>,
    ended: bool,
}

#[derive(Debug, Default)]
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
        let writer = Writer::new(self.stream.other_side(), self.place, write_within);
        let frames = Frames::new(self.stream);
        (Reader { frames, partial: None, ended: false }, writer)
    }
}

// === impl Reader ===

impl Reader {
    /// The next message or control frame; after an error, for ever. Cancel safe.
    pub(crate) async fn next(&mut self) -> Result<Incoming, ReadEnd> {
        if self.ended {
            return std::future::pending().await;
        }
        let incoming = loop {
            let taken = match self.frames.next().await {
                Ok(frame) => self.take(frame),
                Err(end) => Err(end),
            };
            match taken {
                Ok(Some(incoming)) => break Ok(incoming),
                Ok(None) => {}
                Err(end) => break Err(end),
            }
        };
        self.ended = incoming.is_err();
        incoming
    }

    /// A fragment that completes nothing yet is `None`.
    fn take(&mut self, frame: Frame) -> Result<Option<Incoming>, ReadEnd> {
        let Frame { fin, opcode, payload } = frame;
        Ok(Some(match opcode {
            Opcode::Text | Opcode::Binary | Opcode::Continuation => {
                return self.fragment(fin, opcode, payload);
            }
            Opcode::Close => Incoming::Close(closed(&payload)?),
            Opcode::Ping => Incoming::Ping(payload.freeze()),
            Opcode::Pong => Incoming::Pong(payload.freeze()),
        }))
    }

    /// Adds a fragment; the last one completes a message.
    fn fragment(
        &mut self,
        fin: bool,
        opcode: Opcode,
        payload: BytesMut,
    ) -> Result<Option<Incoming>, ReadEnd> {
        if (opcode == Opcode::Continuation) != self.partial.is_some() {
            return Err(ReadEnd::Violation(CloseCode::ProtocolError));
        }
        let mut message = self.partial.take().unwrap_or_default();
        message.binary |= opcode == Opcode::Binary;
        message.counted += if fin { payload.len() } else { payload.len().max(1) };
        if message.counted > MAX_MESSAGE_BYTES && !planted::is(Fault::UnboundedFragments) {
            return Err(ReadEnd::Violation(CloseCode::TooBig));
        }
        if message.bytes.is_empty() {
            message.bytes = payload.into();
        } else {
            message.bytes.extend_from_slice(&payload);
        }
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

#[cfg(test)]
mod tests;
