//! Frames as the server writes them (RFC 6455 §5.2): header and payload in one piece, unmasked,
//! never fragmented.

use bytes::{BufMut, Bytes, BytesMut};
use parlor_common::close::CloseCode;

const FINAL: u8 = 0x80;
const TEXT: u8 = 0x1;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const PONG: u8 = 0xa;

/// The most bytes a control frame's payload may have (RFC 6455 §5.5).
pub(crate) const MAX_CONTROL_BYTES: usize = 125;

/// A text frame.
pub(crate) fn text(payload: &str) -> Bytes {
    frame(TEXT, payload.as_bytes())
}

/// A ping whose payload is a number, by which its pong is known.
pub(crate) fn ping(number: u64) -> Bytes {
    frame(PING, &number.to_be_bytes())
}

/// The number of the ping that a pong answers; `None` for a pong nobody asked for.
pub(crate) fn pinged(payload: &[u8]) -> Option<u64> {
    payload.try_into().ok().map(u64::from_be_bytes)
}

/// The answer to a ping.
pub(crate) fn pong(payload: &[u8]) -> Bytes {
    frame(PONG, &payload[..payload.len().min(MAX_CONTROL_BYTES)])
}

/// A close frame with the code and its word.
pub(crate) fn close(code: CloseCode) -> Bytes {
    let mut payload = code.number().to_be_bytes().to_vec();
    payload.extend_from_slice(code.as_str().as_bytes());
    frame(CLOSE, &payload)
}

/// The answer to a peer's close: the same code, or none where it sent none.
pub(crate) fn close_echo(code: Option<u16>) -> Bytes {
    match code {
        Some(code) => frame(CLOSE, &code.to_be_bytes()),
        None => frame(CLOSE, &[]),
    }
}

fn frame(opcode: u8, payload: &[u8]) -> Bytes {
    let mut bytes = BytesMut::with_capacity(payload.len() + 10);
    bytes.put_u8(FINAL | opcode);
    match payload.len() {
        length @ 0..=125 => bytes.put_u8(u8::try_from(length).unwrap_or_default()),
        length => match u16::try_from(length) {
            Ok(length) => {
                bytes.put_u8(126);
                bytes.put_u16(length);
            }
            Err(_) => {
                bytes.put_u8(127);
                bytes.put_u64(length as u64);
            }
        },
    }
    bytes.put_slice(payload);
    bytes.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_is_written_in_its_shortest_form() {
        for (length, header) in [
            (0, &[0x81, 0][..]),
            (125, &[0x81, 125]),
            (126, &[0x81, 126, 0, 126]),
            (65_535, &[0x81, 126, 0xff, 0xff]),
            (65_536, &[0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
        ] {
            let bytes = text(&"x".repeat(length));
            assert_eq!(&bytes[..header.len()], header);
            assert_eq!(bytes.len(), header.len() + length);
        }
    }

    #[test]
    fn a_close_names_its_code_and_a_pong_tells_its_ping() {
        assert_eq!(&close(CloseCode::Slow)[..], b"\x88\x06\x0f\xa2slow");
        assert_eq!(pinged(&ping(7)[2..]), Some(7));
        assert_eq!(pinged(b"hello"), None);
    }
}
