//! The envelope of a signal on its way: a letter for its class, eight bytes for the time at which
//! it was published in milliseconds since the Unix epoch, and what it says.

use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use parlor_common::clock::Timestamp;

use crate::signal::Class;

/// The most bytes of a signal on its way.
pub const MAX_BYTES: usize = 1_024;

/// How long a signal is worth something: one that is older when it is received is dropped.
pub const WORTH_FOR: Duration = Duration::from_secs(5);

const HEADER_BYTES: usize = 9;

/// The most bytes that a signal says.
pub const MAX_BODY_BYTES: usize = MAX_BYTES - HEADER_BYTES;

/// A signal without its address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Envelope {
    pub(crate) class: Class,
    pub(crate) at: Timestamp,
    pub(crate) body: Bytes,
}

// === impl Envelope ===

impl Envelope {
    pub(crate) fn write(&self) -> Bytes {
        let mut bytes = BytesMut::with_capacity(HEADER_BYTES + self.body.len());
        bytes.put_u8(self.class.letter());
        bytes.put_i64(self.at.as_millis());
        bytes.put_slice(&self.body);
        bytes.freeze()
    }

    /// Reads back what [`write`](Self::write) wrote; `None` where it is anything else, or of a
    /// class that a later version has.
    pub(crate) fn read(mut bytes: Bytes) -> Option<Self> {
        if !(HEADER_BYTES..=MAX_BYTES).contains(&bytes.len()) {
            return None;
        }
        let class = Class::of_letter(bytes.get_u8())?;
        let at = Timestamp::from_millis(bytes.get_i64());
        Some(Self { class, at, body: bytes })
    }

    /// Whether it is still worth something.
    pub(crate) fn is_fresh(&self, now: Timestamp) -> bool {
        now.since(self.at) <= WORTH_FOR
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_envelope_reads_back_and_anything_else_is_none() {
        let at = Timestamp::from_millis(1_700_000_000_000);
        let envelope = Envelope { class: Class::Typing, at, body: Bytes::from_static(b"{}") };
        let bytes = envelope.write();
        assert_eq!(Envelope::read(bytes.clone()), Some(envelope));
        assert_eq!(Envelope::read(bytes.slice(..HEADER_BYTES - 1)), None);
        assert_eq!(Envelope::read(Bytes::from_static(b"xxxxxxxxxx")), None);
        assert_eq!(Envelope::read(vec![b't'; MAX_BYTES + 1].into()), None);
    }
}
