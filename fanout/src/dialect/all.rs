//! All dialects there are: adding one is its file and a line here.

#[cfg(test)]
use crate::dialect::planned::Planned;
use crate::dialect::{Dialect, offer::Offer, parlor1::Parlor1, widget::Widget};

/// Each of them, at its slot.
pub(crate) const DIALECTS: &[&'static dyn Dialect] = &[
    &Parlor1,
    &Widget,
    #[cfg(test)]
    &Planned,
];

/// The dialect that an upgrade asks for; `None` where it is spoken by nobody here.
pub(crate) fn claiming(offer: &Offer<'_>) -> Option<&'static dyn Dialect> {
    DIALECTS.iter().copied().find(|dialect| dialect.claims(offer))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_dialect_has_a_slot_and_a_name_of_its_own() {
        for (slot, dialect) in DIALECTS.iter().enumerate() {
            assert_eq!(dialect.slot(), slot);
            let same = DIALECTS.iter().filter(|other| other.name() == dialect.name());
            assert_eq!(same.count(), 1);
        }
    }
}
