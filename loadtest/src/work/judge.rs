//! The judgement of the work: what was accepted is in timelines once and in order, agents' sockets
//! were shown it once and in order, nobody won what another held, and every view of a conversation
//! tells the same.

use std::collections::HashMap;

use parlor_common::{
    clock::Timestamp,
    id::{ConversationId, EventId},
};
use serde::Serialize;
use tokio::time::Instant;

use super::{
    Book, called,
    deed::{Deed, DeedId, Kind, Outcome, Tags},
    event::{Event, What},
    fold::Fold,
    reading::Readings,
};
use crate::ledger::{Conversation, Fault, FaultKind, History, Tag, Verdict};

/// What the work came to, for the report.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct WorkScore {
    pub(crate) workers: u64,
    pub(crate) claims_won: u64,
    pub(crate) claims_lost: u64,
    /// Accepted, the claims that were won among them.
    pub(crate) changes: u64,
    pub(crate) notes: u64,
    pub(crate) answers: u64,
    /// Worker and conversation, where the worker has read it.
    pub(crate) marks: u64,
    /// Refused for good, which nothing should be.
    pub(crate) refused: u64,
    /// Nobody was told in the end what became of them.
    pub(crate) given_up: u64,
    /// Writes that were asked for again with the same id.
    pub(crate) retries: u64,
    /// Conversations' states and lists that were compared, at all nodes together.
    pub(crate) states: u64,
    pub(crate) lists: u64,
    /// Of both, those that agreed only at another look.
    pub(crate) late: u64,
}

struct Judge<'a> {
    book: &'a Book,
    tags: Tags,
    verdict: &'a mut Verdict,
}

/// A timeline, looked through.
#[derive(Default)]
struct Found {
    deeds: HashMap<DeedId, usize>,
    messages: HashMap<Tag, usize>,
    places: HashMap<EventId, usize>,
    fold: Fold,
    has_two_winners: bool,
}

/// Judges the whole book, with what was read back.
pub(super) fn judge(
    book: &Book,
    tags: Tags,
    readings: &Readings,
    histories: &HashMap<Conversation, History>,
    verdict: &mut Verdict,
) -> WorkScore {
    let mut judge = Judge { book, tags, verdict };
    for fault in &book.faults {
        judge.verdict.fault(fault.clone());
    }
    for (&conversation, timeline) in &readings.timelines {
        let events = match timeline {
            Ok(events) => events,
            Err(trouble) => {
                judge.verdict.unread.push(format!("{conversation}: timeline: {trouble}"));
                continue;
            }
        };
        let found = judge.timeline(conversation, events);
        judge.losses(conversation, &found);
        judge.orders(conversation, &found);
        judge.listeners(conversation, events, &found);
        judge.folds(conversation, &found);
        judge.marks(conversation);
        if !found.has_two_winners {
            judge.holders(conversation);
        }
        if let Some(History { entries: Ok(entries), .. }) = histories.get(&conversation) {
            let listed: Vec<_> = entries.iter().map(|entry| entry.id).collect();
            judge.messages(conversation, events, &listed);
        }
    }
    judge.readings(readings);
    score(book, readings)
}

// === impl Judge ===

impl Judge<'_> {
    fn fault(&mut self, kind: FaultKind, place: String, detail: String) {
        self.verdict.fault(Fault { kind, place, tag: None, detail });
    }

    fn deeds(&self, of: Conversation) -> impl Iterator<Item = (DeedId, &Deed)> {
        let all = self.book.deeds.iter().enumerate();
        all.filter(move |(_, deed)| deed.conversation == of)
            .map(|(at, deed)| (DeedId::of(at), deed))
    }

    fn name(&self, worker: usize) -> &str {
        self.book.workers.get(worker).map_or("", |worker| &worker.name)
    }

    /// Checks that a timeline holds nothing twice, nothing that nobody did, and nobody's claim of
    /// what another held.
    fn timeline(&mut self, conversation: Conversation, events: &[Event]) -> Found {
        let mut found = Found::default();
        for (place, event) in events.iter().enumerate() {
            if let Some(id) = event.id {
                found.places.insert(id, place);
            }
            if let What::Message { tag: Some(tag), .. } = event.what {
                found.messages.insert(tag, place);
            }
            if let Some(deed) = self.tags.of(event) {
                if let Some((kind, detail)) = self.wrong(conversation, event, deed, &found) {
                    found.has_two_winners |= kind == FaultKind::Winners;
                    let detail = format!("holds {} at {place}, {detail}", called(event.id));
                    self.fault(kind, format!("the timeline of {conversation}"), detail);
                }
                if let Some(deed) = deed {
                    found.deeds.entry(deed).or_insert(place);
                }
            }
            found.fold.apply(event);
        }
        found
    }

    /// What is wrong with a note or a change of a timeline; `found` is what lies before it.
    fn wrong(
        &self,
        conversation: Conversation,
        event: &Event,
        id: Option<DeedId>,
        found: &Found,
    ) -> Option<(FaultKind, String)> {
        let known = id.and_then(|id| Some((id, self.book.deeds.get(id.index())?)));
        let Some((id, deed)) = known else {
            return Some((FaultKind::Invented, "which nobody did".to_owned()));
        };
        let name = self.name(deed.worker);
        let what = self.tags.write(id);
        if deed.conversation != conversation {
            return Some((
                FaultKind::Foreign,
                format!("which {name} did in {}", deed.conversation),
            ));
        }
        if let Some(first) = found.deeds.get(&id) {
            return Some((FaultKind::Doubled, format!("and at {first} already: {name}'s {what}")));
        }
        let invented = |detail: String| Some((FaultKind::Invented, detail));
        match deed.outcome {
            Outcome::Conflict | Outcome::Refused => {
                return invented(format!("which was refused: {name}'s {what}"));
            }
            Outcome::Accepted(Some(first)) if Some(first) != event.id => {
                return invented(format!("which was accepted as {first}: {name}'s {what}"));
            }
            Outcome::Accepted(_) | Outcome::Pending | Outcome::GivenUp => {}
        }
        if event.author.as_deref() != Some(name) {
            return invented(format!("as done by {:?}: {name}'s {what}", event.author));
        }
        let asked = match (&deed.kind, &event.what) {
            (Kind::Note, What::Note(_)) => return None,
            (Kind::Change(asked), What::Change(change)) if asked.is(change) => asked,
            (Kind::Change(asked), What::Change(change)) => {
                return invented(format!("which is {change:?} and was asked for as {asked:?}"));
            }
            _ => return invented(format!("which is no such thing: {name}'s {what}")),
        };
        let holder = found.fold.assignee().filter(|_| asked.is_claim)?;
        Some((FaultKind::Winners, format!("where {name} claims what {holder} holds: {what}")))
    }

    /// Checks that a timeline holds everything that was accepted.
    fn losses(&mut self, conversation: Conversation, found: &Found) {
        let lost = self.deeds(conversation).filter(|(id, deed)| {
            let is_there = found.deeds.contains_key(id);
            deed.is_work() && deed.is_accepted() && !is_there && !self.is_told_again(*id, deed)
        });
        let lost: Vec<_> = lost.map(|(id, deed)| (id, deed.worker)).collect();
        for (id, worker) in lost {
            let detail = format!("does not hold {}, which was accepted", self.tags.write(id));
            let place = format!("the timeline of {conversation}, {}'s", self.name(worker));
            self.fault(FaultKind::Lost, place, detail);
        }
    }

    /// Who claims what is the own already is told so, and nothing happens. That may be where an
    /// earlier claim was won and its answer lost.
    fn is_told_again(&self, id: DeedId, deed: &Deed) -> bool {
        let is_claim = |deed: &Deed| deed.asked().is_some_and(|asked| asked.is_claim);
        is_claim(deed)
            && self.deeds(deed.conversation).any(|(earlier, other)| {
                let is_open = matches!(other.outcome, Outcome::GivenUp | Outcome::Pending);
                earlier < id && other.worker == deed.worker && is_open && is_claim(other)
            })
    }

    /// Checks that a timeline holds what one worker did in the order of doing: each waits for the
    /// answer before the next.
    fn orders(&mut self, conversation: Conversation, found: &Found) {
        let mut lasts: HashMap<usize, (DeedId, usize)> = HashMap::new();
        let mut swapped = Vec::new();
        for (id, deed) in self.deeds(conversation).filter(|(_, deed)| deed.is_accepted()) {
            let place = match &deed.kind {
                Kind::Answer(tag) => found.messages.get(tag),
                Kind::Note | Kind::Change(_) => found.deeds.get(&id),
            };
            let Some(&place) = place else { continue };
            let last = lasts.entry(deed.worker).or_insert((id, place));
            if place < last.1 {
                swapped.push((deed.worker, place, *last));
            } else {
                *last = (id, place);
            }
        }
        for (worker, place, (last, other)) in swapped {
            let detail = format!(
                "holds at {place} what was done after {}, which is at {other}",
                self.tags.write(last)
            );
            let place = format!("the timeline of {conversation}, {}'s", self.name(worker));
            self.fault(FaultKind::Reordered, place, detail);
        }
    }

    /// Checks that every note and change was shown to every agent's socket, in order.
    fn listeners(&mut self, conversation: Conversation, events: &[Event], found: &Found) {
        let listeners = self.book.listeners.values();
        let mut faults = Vec::new();
        for listener in listeners.filter(|listener| listener.is_promised(conversation)) {
            let mut fault = |kind, detail| faults.push((kind, listener.name().to_owned(), detail));
            for &deed in found.deeds.keys() {
                if !listener.has(deed) && !listener.is_excused(deed) {
                    let what = self.tags.write(deed);
                    fault(
                        FaultKind::Missing,
                        format!("was never shown {what}, which the timeline of {conversation} has"),
                    );
                }
            }
            let is_work = |place: usize| self.tags.of(&events[place]).is_some();
            let mut last = None;
            for id in listener.order(conversation) {
                let Some(&place) = found.places.get(id) else { continue };
                match last {
                    // Messages among each other are the ledger's.
                    Some(before) if place < before && (is_work(place) || is_work(before)) => fault(
                        FaultKind::Reordered,
                        format!("was shown {id} late: it is {place} of {conversation}'s timeline"),
                    ),
                    Some(before) if place < before => {}
                    _ => last = Some(place),
                }
            }
        }
        for (kind, place, detail) in faults {
            self.fault(kind, place, detail);
        }
    }

    /// Checks that agents' sockets, and the timeline, come to the same state.
    fn folds(&mut self, conversation: Conversation, found: &Found) {
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
    fn marks(&mut self, conversation: Conversation) {
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

    /// Checks by the answers alone that no two held it at once: who won holds it from the answer
    /// until the release is asked for.
    fn holders(&mut self, conversation: Conversation) {
        let mut holds: Vec<(usize, Instant, Option<Instant>)> = Vec::new();
        for (id, deed) in self.deeds(conversation) {
            let is_claim = deed.asked().is_some_and(|asked| asked.is_claim);
            let Some(answered) = deed.answered.filter(|_| is_claim && deed.is_accepted()) else {
                continue;
            };
            let release = self.deeds(conversation).find(|(later, other)| {
                let is_release = other.asked().is_some_and(|asked| asked.is_release());
                *later > id && other.worker == deed.worker && is_release
            });
            holds.push((deed.worker, answered, release.map(|(_, release)| release.began)));
        }
        let begins_within = |one: &(usize, Instant, Option<Instant>), other: Instant| {
            one.1 <= other && one.2.is_none_or(|end| other < end)
        };
        let mut both = Vec::new();
        for (at, one) in holds.iter().enumerate() {
            for other in holds[at + 1..].iter().filter(|other| other.0 != one.0) {
                if begins_within(one, other.1) || begins_within(other, one.1) {
                    both.push((one.0, other.0));
                }
            }
        }
        for (one, other) in both {
            let (one, other) = (self.name(one).to_owned(), self.name(other).to_owned());
            let detail = format!("and {other} were both told that they had won {conversation}");
            self.fault(FaultKind::Winners, one, detail);
        }
    }

    /// Checks that the timeline has the messages that history has.
    fn messages(&mut self, conversation: Conversation, events: &[Event], listed: &[EventId]) {
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
    fn readings(&mut self, readings: &Readings) {
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

fn score(book: &Book, readings: &Readings) -> WorkScore {
    let is_late = readings
        .states
        .iter()
        .map(|one| one.is_late)
        .chain(readings.lists.iter().map(|one| one.is_late));
    let mut score = WorkScore {
        workers: book.workers.len() as u64,
        marks: book.marks.len() as u64,
        retries: book.retries,
        states: readings.states.len() as u64,
        lists: readings.lists.len() as u64,
        late: is_late.filter(|is_late| *is_late).count() as u64,
        ..WorkScore::default()
    };
    for deed in &book.deeds {
        let is_claim = deed.asked().is_some_and(|asked| asked.is_claim);
        match (deed.outcome, &deed.kind) {
            (Outcome::Accepted(_), Kind::Note) => score.notes += 1,
            (Outcome::Accepted(_), Kind::Answer(_)) => score.answers += 1,
            (Outcome::Accepted(_), Kind::Change(_)) => {
                score.changes += 1;
                score.claims_won += u64::from(is_claim);
            }
            (Outcome::Conflict, _) => score.claims_lost += 1,
            (Outcome::Refused, _) => score.refused += 1,
            (Outcome::GivenUp | Outcome::Pending, _) => score.given_up += 1,
        }
    }
    score
}
