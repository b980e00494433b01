//! What a socket of an agent was shown of the work, and what it made of it.

use std::collections::{HashMap, HashSet};

use parlor_common::id::EventId;

use super::{
    called,
    deed::{Deed, DeedId, Tags},
    event::Event,
    fold::Fold,
};
use crate::ledger::{Conversation, Fault, FaultKind};

/// One socket over all its connections.
#[derive(Debug)]
pub(super) struct Listener {
    pub(super) tenant: u32,
    name: String,
    is_subscribed: bool,
    has_gap: bool,
    /// Deeds with a lower number need not be shown: the subscription started later.
    from: usize,
    deeds: HashSet<DeedId>,
    heard: HashMap<Conversation, Heard>,
}

/// One conversation.
#[derive(Debug, Default)]
struct Heard {
    ids: HashSet<EventId>,
    /// In the order of showing.
    order: Vec<EventId>,
    fold: Fold,
}

// === impl Listener ===

impl Listener {
    pub(super) fn new(tenant: u32, name: String) -> Self {
        Self {
            tenant,
            name,
            is_subscribed: false,
            has_gap: false,
            from: 0,
            deeds: HashSet::new(),
            heard: HashMap::new(),
        }
    }

    /// `done` is how many deeds there are so far.
    pub(super) fn subscribed(&mut self, recovered: bool, done: usize) {
        if self.is_subscribed && recovered {
            return;
        }
        // The first subscription is before the work, or what it has not seen is a gap as well.
        self.has_gap |= self.is_subscribed || done > 0;
        self.is_subscribed = true;
        self.from = done;
    }

    /// Notes an event; gives what is wrong with being shown it.
    pub(super) fn shown(
        &mut self,
        conversation: Conversation,
        event: &Event,
        tags: Tags,
    ) -> Option<Fault> {
        let deed = tags.of(event);
        let fault = |kind, detail: String| {
            Some(Fault { kind, place: self.name.clone(), tag: None, detail })
        };
        let of = || format!("{} of {conversation}", called(event.id));
        if conversation.tenant != self.tenant {
            // Messages are the ledger's, which says so of them.
            deed?;
            return fault(FaultKind::Foreign, format!("was shown another's event {}", of()));
        }
        let heard = self.heard.entry(conversation).or_default();
        if let Some(id) = event.id {
            if !heard.ids.insert(id) {
                deed?;
                return fault(FaultKind::Doubled, format!("was shown the event {} twice", of()));
            }
            heard.order.push(id);
        }
        heard.fold.apply(event);
        match deed? {
            // Two events for one deed have two ids.
            Some(deed) if self.deeds.insert(deed) => None,
            Some(_) => fault(FaultKind::Doubled, format!("was shown {} for the second time", of())),
            None => fault(FaultKind::Invented, format!("was shown {}, which nobody did", of())),
        }
    }

    /// Whether the deed with this number was accepted, is promised to it, and was not shown yet.
    pub(super) fn lacks(&self, number: usize, deed: &Deed) -> bool {
        deed.is_work()
            && deed.is_accepted()
            && self.is_promised(deed.conversation)
            && number >= self.from
            && !self.deeds.contains(&DeedId::of(number))
    }

    pub(super) const fn is_promised(&self, conversation: Conversation) -> bool {
        self.is_subscribed && self.tenant == conversation.tenant
    }

    pub(super) fn has(&self, deed: DeedId) -> bool {
        self.deeds.contains(&deed)
    }

    pub(super) const fn is_excused(&self, deed: DeedId) -> bool {
        deed.index() < self.from
    }

    /// Whether it was shown everything from the beginning.
    pub(super) const fn is_whole(&self) -> bool {
        self.is_subscribed && !self.has_gap
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn order(&self, conversation: Conversation) -> &[EventId] {
        self.heard.get(&conversation).map_or(&[], |heard| &heard.order)
    }

    pub(super) fn fold(&self, conversation: Conversation) -> Option<&Fold> {
        self.heard.get(&conversation).map(|heard| &heard.fold)
    }
}
