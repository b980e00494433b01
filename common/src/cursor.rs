//! The cursor: a position as a client sees it, opaque, with a short MAC over (tenant, position).

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use subtle::ConstantTimeEq;

use crate::{
    keys::{DerivedKey, InstallationKeys},
    position::Position,
    tenant::TenantId,
};

/// Writes and reads cursors under the installation's keys.
#[derive(Clone, Debug)]
pub struct Cursors {
    keys: Vec<DerivedKey>,
}

/// The text is no cursor of this tenant: broken, forged, or another tenant's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a cursor")]
pub struct BadCursor;

/// 64 bits of MAC: a guess is a request, and requests are limited.
const MAC_BYTES: usize = 8;
/// The length of a cursor.
const TEXT_BYTES: usize = (8 + MAC_BYTES).div_ceil(3) * 4 - 2;

impl Cursors {
    /// Cursors under these keys.
    pub fn new(keys: &InstallationKeys) -> Self {
        Self { keys: keys.derive("parlor 2026 cursor") }
    }

    /// The same for one incarnation of the log: after a restore, positions that were given before
    /// are given again, and the cursors of the two must not be taken for each other. A log that was
    /// never restored has an empty one.
    #[must_use]
    pub fn of_incarnation(mut self, incarnation: &[u8]) -> Self {
        if !incarnation.is_empty() {
            self.keys.iter_mut().for_each(|key| *key = key.within(incarnation));
        }
        self
    }

    /// The cursor of `position` in `tenant`'s order: 22 characters of base64url.
    pub fn write(&self, tenant: &TenantId, position: Position) -> String {
        URL_SAFE_NO_PAD.encode(self.bytes(tenant, position))
    }

    /// Adds what [`write`](Self::write) gives to `out`.
    pub fn write_into(&self, tenant: &TenantId, position: Position, out: &mut Vec<u8>) {
        let mut text = [0; TEXT_BYTES];
        let written = URL_SAFE_NO_PAD.encode_slice(self.bytes(tenant, position), &mut text);
        out.extend_from_slice(&text[..written.expect("a cursor has the same length always")]);
    }

    fn bytes(&self, tenant: &TenantId, position: Position) -> [u8; 8 + MAC_BYTES] {
        let mut bytes = [0; 8 + MAC_BYTES];
        bytes[..8].copy_from_slice(&position.as_u64().to_be_bytes());
        bytes[8..].copy_from_slice(&mac(&self.keys[0], tenant, position));
        bytes
    }

    /// Reads a cursor of `tenant`.
    ///
    /// # Errors
    /// [`BadCursor`] where no live key made it for this tenant.
    pub fn read(&self, tenant: &TenantId, text: &str) -> Result<Position, BadCursor> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| BadCursor)?;
        let (packed, tag) = bytes.split_first_chunk::<8>().ok_or(BadCursor)?;
        let position = Position::from_u64(u64::from_be_bytes(*packed)).ok_or(BadCursor)?;
        let genuine =
            self.keys.iter().any(|key| bool::from(mac(key, tenant, position)[..].ct_eq(tag)));
        if genuine { Ok(position) } else { Err(BadCursor) }
    }
}

fn mac(key: &DerivedKey, tenant: &TenantId, position: Position) -> [u8; MAC_BYTES] {
    let tag = key.mac(&[tenant.as_str().as_bytes(), &position.as_u64().to_be_bytes()]);
    *tag.first_chunk().expect("a MAC has 32 bytes")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{keys::Secret, position::Epoch};

    fn cursors(current: u8, previous: Option<u8>) -> Cursors {
        let secret = |byte| Secret::new(vec![byte; 32]).unwrap();
        Cursors::new(&InstallationKeys::new(secret(current), previous.map(secret)))
    }

    #[test]
    fn a_cursor_is_read_by_its_own_tenant_alone() {
        let (a, b) = (TenantId::parse("a").unwrap(), TenantId::parse("b").unwrap());
        let position = Position::new(Epoch::FIRST, 42).unwrap();
        let text = cursors(1, None).write(&a, position);
        assert_eq!(text.len(), TEXT_BYTES);
        let mut written = b"x".to_vec();
        cursors(1, None).write_into(&a, position, &mut written);
        assert_eq!(written, format!("x{text}").into_bytes());
        assert_eq!(cursors(1, None).read(&a, &text), Ok(position));
        assert_eq!(cursors(1, None).read(&b, &text), Err(BadCursor));
        assert_eq!(
            cursors(2, Some(1)).read(&a, &text),
            Ok(position),
            "the previous key still verifies"
        );
        assert_eq!(cursors(2, None).read(&a, &text), Err(BadCursor));
    }

    #[test]
    fn a_cursor_of_another_incarnation_is_refused() {
        let a = TenantId::parse("a").unwrap();
        let position = Position::new(Epoch::FIRST, 42).unwrap();
        let of = |incarnation: &[u8]| cursors(1, Some(2)).of_incarnation(incarnation);
        let first = of(b"").write(&a, position);
        assert_eq!(first, cursors(1, None).write(&a, position));
        let second = of(b"second").write(&a, position);
        assert_eq!(of(b"second").read(&a, &second), Ok(position));
        assert_eq!(of(b"second").read(&a, &first), Err(BadCursor));
        for other in [&b""[..], b"third"] {
            assert_eq!(of(other).read(&a, &second), Err(BadCursor));
        }
    }

    #[test]
    fn a_changed_cursor_is_refused() {
        let a = TenantId::parse("a").unwrap();
        let text = cursors(1, None).write(&a, Position::new(Epoch::FIRST, 42).unwrap());
        for index in 0..text.len() {
            let mut changed = text.clone().into_bytes();
            changed[index] = if changed[index] == b'A' { b'B' } else { b'A' };
            assert_eq!(
                cursors(1, None).read(&a, std::str::from_utf8(&changed).unwrap()),
                Err(BadCursor)
            );
        }
        for text in ["", "AAAA", "§", &text[..21], &format!("{text}AA")] {
            assert_eq!(cursors(1, None).read(&a, text), Err(BadCursor), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_position_reads_back_and_no_bit_may_change(
            packed in any::<u64>(),
            bit in 0_usize..128,
        ) {
            let a = TenantId::parse("a").unwrap();
            let cursors = cursors(1, None);
            let Some(position) = Position::from_u64(packed) else { return Ok(()) };
            let text = cursors.write(&a, position);
            prop_assert_eq!(cursors.read(&a, &text), Ok(position));
            let mut bytes = URL_SAFE_NO_PAD.decode(text).unwrap();
            bytes[bit / 8] ^= 1 << (bit % 8);
            prop_assert_eq!(cursors.read(&a, &URL_SAFE_NO_PAD.encode(bytes)), Err(BadCursor));
        }

        #[test]
        fn what_anybody_writes_is_refused(text in any::<String>(), near in "[A-Za-z0-9_-]{20,24}") {
            let a = TenantId::parse("a").unwrap();
            prop_assert_eq!(cursors(1, Some(2)).read(&a, &text), Err(BadCursor));
            prop_assert_eq!(cursors(1, Some(2)).read(&a, &near), Err(BadCursor));
        }
    }
}
