//! Whether the views of a conversation's state agree: what agents' sockets came to, what its
//! timeline comes to, what each node tells of it, and the lists that it is in.

use parlor_common::{
    clock::Timestamp,
    id::{ConversationId, EventId},
};

use super::{
    super::{
        event::{Event, What},
        fold::Fold,
        reading::Readings,
    },
    Found, Judge,
};
use crate::ledger::{Conversation, FaultKind};

// === impl Judge ===

impl Judge<'_> {
    /// Checks that agents' sockets, and the timeline, come to the same state.
    pub(super) fn folds(&mut self, conversation: Conversation, found: &Found) {
        // Any moment does, as long as it is the same for all.
        let view = |fold: &Fold| fold.view(Timestamp::from_millis(0));
        let Some(first) = self.book.fold(conversation).map(view) else { return };
        let mut others: Vec<_> = self
            .book
            .whole(conversation.tenant)
            .filter_map(|(_, of)| Some((of.name().to_owned(), view(of.fold(conversation)?))))
            .map(|(name, of)| (name, first.differences(&of)))
            .collect();
        let listed = view(&found.fold).without_marks();
        let differences = first.without_marks().differences(&listed);
        others.push((format!("the timeline of {conversation}"), differences));
        for (place, differences) in others.into_iter().filter(|(_, words)| !words.is_empty()) {
            let detail =
                format!("comes to another state of {conversation} than a socket: {differences}");
            self.fault(FaultKind::States, place, detail);
        }
    }

    /// Checks that nobody has read less than an answer said.
    pub(super) fn marks(&mut self, conversation: Conversation) {
        let Some(fold) = self.book.fold(conversation) else { return };
        let marks = self.book.marks.iter().filter(|((_, of), _)| *of == conversation);
        let reads = fold.view(Timestamp::from_millis(0)).reads;
        let lost = marks.filter_map(|((worker, _), told)| {
            let name = self.name(*worker).to_owned();
            let shown = reads.get(&Some(name.clone())).map_or(0, |cursor| fold.place(cursor));
            (shown < fold.place(told)).then_some(name)
        });
        for name in lost.collect::<Vec<_>>() {
            let detail = format!("was told that it had read further in {conversation} than is so");
            self.fault(FaultKind::Lost, name, detail);
        }
    }

    /// Checks that the timeline has the messages that history has.
    pub(super) fn messages(
        &mut self,
        conversation: Conversation,
        events: &[Event],
        listed: &[EventId],
    ) {
        let is_message = |event: &&Event| matches!(event.what, What::Message { .. });
        let messages = events.iter().filter(is_message).filter_map(|event| event.id);
        let messages: Vec<_> = messages.collect();
        if messages != listed {
            let (timeline, history) = (messages.len(), listed.len());
            let detail = format!(
                "has {timeline} messages, and history {history}, and they are not the same"
            );
            self.fault(FaultKind::States, format!("the timeline of {conversation}"), detail);
        }
    }

    /// Checks what nodes told of states and of lists.
    pub(super) fn readings(&mut self, readings: &Readings) {
        for reading in &readings.states {
            let of = reading.conversation;
            match &reading.told {
                Ok((expected, told)) => {
                    let differences = expected.differences(told);
                    if !differences.is_empty() {
                        let detail =
                            format!("tells otherwise of {of} than agents' sockets: {differences}");
                        self.fault(FaultKind::States, reading.node.clone(), detail);
                    }
                }
                Err(trouble) => {
                    self.verdict.unread.push(format!("{of}: state at {}: {trouble}", reading.node));
                }
            }
        }
        for reading in &readings.lists {
            let (tenant, list) = (reading.tenant, &reading.list);
            match &reading.told {
                Ok((expected, told)) if expected != told => {
                    let not_in = |one: &[ConversationId], other: &[ConversationId]| {
                        let lacks = one.iter().filter(|id| !other.contains(id));
                        lacks.map(ToString::to_string).collect::<Vec<_>>().join(" ")
                    };
                    let detail = format!(
                        "lists of tenant {tenant} under {list} {} instead of {}; too many: [{}], \
                         too few: [{}]",
                        told.len(),
                        expected.len(),
                        not_in(told, expected),
                        not_in(expected, told)
                    );
                    self.fault(FaultKind::States, reading.node.clone(), detail);
                }
                Ok(_) => {}
                Err(trouble) => {
                    let which = format!("tenant {tenant}: {list} at {}", reading.node);
                    self.verdict.unread.push(format!("{which}: {trouble}"));
                }
            }
        }
    }
}
