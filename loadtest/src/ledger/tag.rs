//! Tags: which draft a text is, written into the text itself.

use super::Conversation;

/// One draft of the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Tag {
    pub(crate) conversation: Conversation,
    /// Counted within the conversation, in the order of sending, from 0.
    pub(crate) number: u32,
}

/// Writes the texts of one run, and reads them again.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Texts {
    /// Tells this run's texts from those of others on the same tenants.
    run: u32,
    /// How many bytes a text has; more where its tag alone needs more.
    bytes: usize,
}

/// What a text is filled with: every length of UTF-8, markup, and both kinds of quote.
const FILLER: &str = " é🦀\u{202e}<b>\"a\\'b\"</b>&amp; lorem ipsum dolor sit amet";

// === impl Texts ===

impl Texts {
    /// Texts of `bytes` bytes, or the few more that the tag needs.
    pub(crate) const fn new(run: u32, bytes: usize) -> Self {
        Self { run, bytes }
    }

    /// The text of this draft.
    pub(crate) fn write(self, tag: Tag) -> String {
        let Tag { conversation: Conversation { tenant, number: conversation }, number } = tag;
        let mut text = format!("load {:08x} t{tenant} c{conversation} n{number}", self.run);
        for next in FILLER.chars().cycle() {
            if text.len() + next.len_utf8() > self.bytes {
                break;
            }
            text.push(next);
        }
        text
    }

    /// Which draft's text it is; `None` where it is none of this run's, or not as it was sent.
    pub(crate) fn read(self, text: &str) -> Option<Tag> {
        let mut words = text.split(' ');
        let (Some("load"), Some(_)) = (words.next(), words.next()) else { return None };
        let tenant = number(words.next()?.strip_prefix('t')?)?;
        let conversation = number(words.next()?.strip_prefix('c')?)?;
        let number = number(words.next()?.strip_prefix('n')?)?;
        let tag = Tag { conversation: Conversation { tenant, number: conversation }, number };
        (self.write(tag) == text).then_some(tag)
    }
}

/// The digits that `text` begins with; the filler may be cut off anywhere.
fn number(text: &str) -> Option<u32> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text[..digits].parse().ok()
}

// === impl Tag ===

impl Tag {
    pub(super) const fn index(self) -> usize {
        self.number as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TAG: Tag = Tag { conversation: Conversation { tenant: 3, number: 141 }, number: 59 };

    #[test]
    fn a_text_is_read_back_at_any_length() {
        for bytes in 0..300 {
            let texts = Texts::new(7, bytes);
            let text = texts.write(TAG);
            assert!(text.len() <= bytes.max(40), "{text}");
            assert_eq!(texts.read(&text), Some(TAG), "{text}");
        }
    }

    #[test]
    fn a_changed_text_or_another_runs_is_nobodys() {
        let texts = Texts::new(7, 100);
        let text = texts.write(TAG);
        assert_eq!(Texts::new(8, 100).read(&text), None);
        assert_eq!(texts.read(&text.replace('é', "e")), None);
        assert_eq!(texts.read(&text[..text.len() - 1]), None);
        assert_eq!(texts.read(&format!("{text} ")), None);
        assert_eq!(texts.read("hello"), None);
    }
}
