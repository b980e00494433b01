//! What one client was shown.

use std::collections::HashMap;

use super::{Client, Conversation, Expects, FaultKind, Tag};

/// One client: what it may expect, and what it was shown, in order.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) expects: Expects,
    tab: u32,
    is_subscribed: bool,
    /// How many connections it has lost.
    losses: u32,
    /// First showings, in order.
    order: Vec<Tag>,
    /// For each conversation, at which connection each draft was shown last.
    shown: HashMap<Conversation, Vec<Last>>,
    /// Drafts with a lower number need not be shown: the subscription started later.
    from: HashMap<Conversation, u32>,
    repeats: u64,
    gaps: u64,
}

/// The connection, counted from 0, at which a draft was shown last.
type Last = Option<u32>;

impl Seen {
    pub(super) fn new(expects: Expects, tab: u32) -> Self {
        Self {
            expects,
            tab,
            is_subscribed: false,
            losses: 0,
            order: Vec::new(),
            shown: HashMap::new(),
            from: HashMap::new(),
            repeats: 0,
            gaps: 0,
        }
    }

    pub(super) fn subscribed(
        &mut self,
        recovered: bool,
        sent: impl FnOnce() -> HashMap<Conversation, u32>,
    ) {
        if self.is_subscribed && !recovered {
            self.gaps += 1;
        }
        if !self.is_subscribed || !recovered {
            self.from = sent();
        }
        self.is_subscribed = true;
    }

    pub(super) fn lost(&mut self) -> u32 {
        self.losses += 1;
        self.losses
    }

    /// Notes that a draft was shown; returns what is wrong with that.
    pub(super) fn shown(
        &mut self,
        own: Client,
        tag: Tag,
        author: Client,
    ) -> Option<(FaultKind, &'static str)> {
        if !self.expects.covers(tag.conversation) {
            return Some((FaultKind::Foreign, "was shown another's message"));
        }
        let lasts = self.shown.entry(tag.conversation).or_default();
        if lasts.len() <= tag.index() {
            lasts.resize(tag.index() + 1, None);
        }
        let last = lasts[tag.index()].replace(self.losses);
        let is_widget = matches!(self.expects, Expects::Widget(_));
        match last {
            None => self.order.push(tag),
            // The widget cannot tell what it has, so that the new connection may be shown again
            // what the lost one was shown, and nothing older.
            Some(connection) if is_widget && connection + 1 == self.losses => {
                self.repeats += 1;
                return None;
            }
            Some(_) => return Some((FaultKind::Doubled, "was shown it twice")),
        }
        (is_widget && author == own)
            .then_some((FaultKind::Doubled, "was shown what it had sent itself"))
    }

    /// First showings, in order.
    pub(super) fn order(&self) -> &[Tag] {
        &self.order
    }

    /// Whether it was shown this draft.
    pub(super) fn has(&self, conversation: Conversation, number: u32) -> bool {
        self.shown
            .get(&conversation)
            .and_then(|lasts| lasts.get(number as usize))
            .is_some_and(Option::is_some)
    }

    /// Whether everything in `conversation` is promised to it.
    pub(super) fn is_promised(&self, conversation: Conversation) -> bool {
        self.is_subscribed
            && !matches!(self.expects, Expects::Widget(_))
            && self.expects.covers(conversation)
    }

    /// Whether it is a widget that never lost its connection, which should be shown everything that
    /// others write.
    pub(super) fn is_unbroken_widget(&self, conversation: Conversation) -> bool {
        self.is_subscribed && self.losses == 0 && self.is_widget_of(conversation)
    }

    pub(super) fn is_widget_of(&self, conversation: Conversation) -> bool {
        matches!(self.expects, Expects::Widget(own) if own == conversation)
    }

    /// Whether the draft was sent before its subscription.
    pub(super) fn is_excused(&self, conversation: Conversation, number: u32) -> bool {
        self.from.get(&conversation).is_some_and(|&from| number < from)
    }

    /// For a report.
    pub(super) fn name(&self) -> String {
        format!("{} (tab {})", self.expects, self.tab)
    }

    pub(super) fn count(&self) -> u64 {
        self.order.len() as u64
    }

    /// How many connections it has lost.
    pub(super) const fn losses(&self) -> u32 {
        self.losses
    }

    pub(super) const fn repeats(&self) -> u64 {
        self.repeats
    }

    pub(super) const fn gaps(&self) -> u64 {
        self.gaps
    }
}
