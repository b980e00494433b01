//! Frames as a client writes them (RFC 6455 §5.2), taken from the bytes that have come so far.
//! While nothing comes there is no buffer.

use std::{
    future::poll_fn,
    io,
    mem::MaybeUninit,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf, BytesMut};
use parlor_common::{close::CloseCode, frame::MAX_MESSAGE_BYTES};
use tokio::io::{AsyncRead, ReadBuf};

use super::{ReadEnd, stream::Stream, wire::MAX_CONTROL_BYTES};

/// How much is read at once. It lies on the stack, and only what came is kept.
const READ_BYTES: usize = 8 << 10;

/// The frames of a connection.
#[derive(Debug)]
pub(super) struct Frames {
    stream: Stream,
    /// What has come and was not taken.
    bytes: BytesMut,
}

/// A frame, unmasked.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) fin: bool,
    pub(super) opcode: Opcode,
    pub(super) payload: BytesMut,
}

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opcode {
    Continuation,
    Text,
    Binary,
    Close,
    Ping,
    Pong,
}

/// What comes before a payload.
struct Head {
    fin: bool,
    opcode: Opcode,
    mask: [u8; 4],
    /// Bytes of the head itself.
    own: usize,
    /// Bytes of the payload.
    length: usize,
}

// === impl Frames ===

impl Frames {
    pub(super) fn new(stream: Stream) -> Self {
        Self { stream, bytes: BytesMut::new() }
    }

    /// The next frame. Cancel safe: what has come is kept.
    pub(super) async fn next(&mut self) -> Result<Frame, ReadEnd> {
        loop {
            if let Some(frame) = self.take().map_err(ReadEnd::Violation)? {
                return Ok(frame);
            }
            match poll_fn(|cx| self.poll_more(cx)).await {
                Ok(1..) => {}
                Ok(0) | Err(_) => return Err(ReadEnd::Gone),
            }
        }
    }

    /// A frame that has come whole.
    fn take(&mut self) -> Result<Option<Frame>, CloseCode> {
        let Some(Head { fin, opcode, mask, own, length }) = Head::read(&self.bytes)? else {
            return Ok(None);
        };
        if self.bytes.len() < own + length {
            return Ok(None);
        }
        self.bytes.advance(own);
        let mut payload = self.bytes.split_to(length);
        if self.bytes.is_empty() {
            self.bytes = BytesMut::new();
        }
        for chunk in payload.chunks_mut(4) {
            chunk.iter_mut().zip(mask).for_each(|(byte, mask)| *byte ^= mask);
        }
        Ok(Some(Frame { fin, opcode, payload }))
    }

    /// Reads what is there; 0 bytes at the end of the connection.
    fn poll_more(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut space = [MaybeUninit::uninit(); READ_BYTES];
        let mut read = ReadBuf::uninit(&mut space);
        ready!(Pin::new(&mut self.stream).poll_read(cx, &mut read))?;
        self.bytes.extend_from_slice(read.filled());
        Poll::Ready(Ok(read.filled().len()))
    }
}

// === impl Head ===

impl Head {
    /// Reads a head from the first bytes of a frame; `None` where more must come.
    fn read(bytes: &[u8]) -> Result<Option<Self>, CloseCode> {
        let [first, second, rest @ ..] = bytes else { return Ok(None) };
        let fin = first & 0x80 != 0;
        let opcode = match first & 0x7f {
            0x0 => Opcode::Continuation,
            0x1 => Opcode::Text,
            0x2 => Opcode::Binary,
            0x8 => Opcode::Close,
            0x9 => Opcode::Ping,
            0xa => Opcode::Pong,
            // Reserved, or an extension that was not agreed on.
            _ => return Err(CloseCode::ProtocolError),
        };
        let (is_masked, said) = (second & 0x80 != 0, second & 0x7f);
        if !is_masked || opcode.is_control() && !fin {
            return Err(CloseCode::ProtocolError);
        }
        let (length, extended) = match said {
            126 => match rest.first_chunk() {
                Some(length) => (u64::from(u16::from_be_bytes(*length)), 2),
                None => return Ok(None),
            },
            127 => match rest.first_chunk() {
                Some(length) => (u64::from_be_bytes(*length), 8),
                None => return Ok(None),
            },
            length => (length.into(), 0),
        };
        let Some(length) = usize::try_from(length).ok().filter(|it| *it <= MAX_MESSAGE_BYTES)
        else {
            return Err(CloseCode::TooBig);
        };
        if opcode.is_control() && length > MAX_CONTROL_BYTES {
            return Err(CloseCode::ProtocolError);
        }
        let mask = rest[extended..].first_chunk();
        Ok(mask.map(|mask| Self { fin, opcode, mask: *mask, own: 6 + extended, length }))
    }
}

// === impl Opcode ===

impl Opcode {
    const fn is_control(self) -> bool {
        matches!(self, Self::Close | Self::Ping | Self::Pong)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What becomes of a head of these bytes, and a mask after it.
    fn head(bytes: &[u8]) -> Result<(usize, usize), CloseCode> {
        let whole = [bytes, &[0; 4]].concat();
        for cut in 0..whole.len() {
            // A part of it is refused as soon as it must be, or waited for.
            match Head::read(&whole[..cut]) {
                Ok(None) => {}
                Ok(Some(_)) => panic!("{cut} bytes of {whole:?}"),
                Err(code) => return Err(code),
            }
        }
        Head::read(&whole).map(|head| head.map(|head| (head.own, head.length)).unwrap())
    }

    #[test]
    fn a_head_is_read_whole_or_refused() {
        assert_eq!(head(&[0x81, 0x80]), Ok((6, 0)));
        assert_eq!(head(&[0x81, 0xfd]), Ok((6, 125)));
        assert_eq!(head(&[0x02, 0xfe, 1, 0]), Ok((8, 256)));
        assert_eq!(head(&[0x80, 0xff, 0, 0, 0, 0, 0, 1, 0, 0]), Ok((14, 65_536)));
        for (bytes, code) in [
            // One byte more than a message may have; a length of 2⁶³.
            (&[0x82, 0xff, 0, 0, 0, 0, 0, 1, 0, 1][..], CloseCode::TooBig),
            (&[0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0], CloseCode::TooBig),
            // Not masked; a reserved bit; a reserved opcode; a ping in parts; a ping of 126 bytes.
            (&[0x81, 0x05], CloseCode::ProtocolError),
            (&[0xc1, 0x85], CloseCode::ProtocolError),
            (&[0x83, 0x80], CloseCode::ProtocolError),
            (&[0x09, 0x80], CloseCode::ProtocolError),
            (&[0x89, 0xfe, 0, 126], CloseCode::ProtocolError),
        ] {
            assert_eq!(head(bytes), Err(code), "{bytes:?}");
        }
    }
}
