//! The judgement at the end: what was accepted, what each client saw, what history says, what the
//! database holds.

use std::collections::{BTreeMap, HashMap};

use tokio::time::Instant;

use super::{
    Book, Client, Conversation, Draft, Entry, Fault, FaultKind, History, Outcome, Tag, Transport,
    Verdict, index, seen::Seen,
};

/// For each draft of a conversation, where it lies in history.
type Places = Vec<Option<usize>>;

struct Judge<'a> {
    started: Instant,
    verdict: Verdict,
    clients: &'a [Seen],
}

/// Judges the whole book.
pub(super) fn judge(
    book: &Book,
    started: Instant,
    histories: &HashMap<Conversation, History>,
) -> Verdict {
    let mut judge = Judge { started, verdict: Verdict::default(), clients: &book.clients };
    for fault in &book.faults {
        judge.verdict.fault(fault.clone());
    }
    let mut places = HashMap::new();
    let sorted: BTreeMap<_, _> = histories.iter().collect();
    for (&conversation, history) in sorted {
        let drafts = book.drafts.get(&conversation).map_or(&[][..], Vec::as_slice);
        let entries = match &history.entries {
            Ok(entries) => entries,
            Err(trouble) => {
                judge.verdict.unread.push(format!("{conversation}: {trouble}"));
                continue;
            }
        };
        let found = judge.history(conversation, drafts, entries);
        judge.losses(conversation, drafts, &found);
        judge.authors(conversation, drafts, &found);
        judge.listeners(conversation, drafts, &found);
        match &history.rows {
            Some(Ok(rows)) => judge.rows(entries, rows),
            Some(Err(trouble)) => {
                judge.verdict.unread.push(format!("{conversation}: rows: {trouble}"))
            }
            None => {}
        }
        places.insert(conversation, found);
    }
    let unread = book.drafts.keys().filter(|conversation| !histories.contains_key(conversation));
    judge
        .verdict
        .unread
        .extend(unread.map(|conversation| format!("{conversation}: was not read back")));
    judge.orders(&places);
    for fault in &mut judge.verdict.faults {
        let history = fault.tag.and_then(|tag| histories.get(&tag.conversation));
        if let Some(id) = history.and_then(|history| history.id) {
            fault.detail.push_str(&format!("; the server calls the conversation {id}"));
        }
    }
    judge.verdict
}

// === impl Judge ===

impl Judge<'_> {
    /// Checks that history holds nothing twice, nothing foreign, and nothing that nobody sent.
    fn history(
        &mut self,
        conversation: Conversation,
        drafts: &[Draft],
        entries: &[Entry],
    ) -> Places {
        let mut places: Places = vec![None; drafts.len()];
        for (place, entry) in entries.iter().enumerate() {
            self.verdict.in_history += 1;
            let foreign = entry.tag.is_some_and(|tag| tag.conversation != conversation);
            let draft = entry
                .tag
                .filter(|_| !foreign)
                .and_then(|tag| Some((tag, drafts.get(tag.index())?)));
            let mut fault = |kind, detail: String| {
                self.verdict.fault(Fault::in_history(kind, entry.tag, detail))
            };
            let Some((tag, draft)) = draft else {
                match foreign {
                    true => fault(
                        FaultKind::Foreign,
                        format!("of {conversation} holds another's message {}", entry.id),
                    ),
                    false => fault(
                        FaultKind::Invented,
                        format!("of {conversation} holds {}, which nobody sent", entry.id),
                    ),
                }
                continue;
            };
            if let Some(first) = places[tag.index()] {
                fault(
                    FaultKind::Doubled,
                    format!("holds it at {first} and again at {place}, the second as {}", entry.id),
                );
                continue;
            }
            places[tag.index()] = Some(place);
            match draft.outcome {
                Outcome::Refused => fault(FaultKind::Invented, "holds what was refused".to_owned()),
                Outcome::Accepted(Some(id)) if id != entry.id => {
                    fault(
                        FaultKind::Invented,
                        format!("holds it as {}, and it was accepted as {id}", entry.id),
                    );
                }
                Outcome::Unknown if !draft.seen => self.verdict.unknown_present += 1,
                Outcome::Unknown | Outcome::Accepted(_) | Outcome::Failed => {}
            }
        }
        places
    }

    /// Checks that history holds everything that was accepted.
    fn losses(&mut self, conversation: Conversation, drafts: &[Draft], places: &Places) {
        let present = ends(places.iter().map(Option::is_some));
        for (number, draft) in
            drafts.iter().enumerate().filter(|&(number, _)| places[number].is_none())
        {
            let Some(why) = self.promise(draft) else {
                self.verdict.unknown_absent += u64::from(draft.outcome == Outcome::Unknown);
                self.verdict.unanswered += u64::from(
                    draft.outcome == Outcome::Unknown && draft.transport != Transport::Frame,
                );
                continue;
            };
            let place = self.verdict.lost_at.note(number, present);
            let sent = draft.intended.saturating_duration_since(self.started).as_secs_f64();
            let detail = format!("does not hold it, which {why}; sent at {sent:.3} s; {place}");
            let tag = Tag { conversation, number: index(number) };
            self.verdict.fault(Fault::in_history(FaultKind::Lost, Some(tag), detail));
        }
    }

    /// Why a draft must be in history; `None` where it may be absent.
    fn promise(&self, draft: &Draft) -> Option<&'static str> {
        match draft.outcome {
            Outcome::Accepted(_) => Some("was accepted"),
            _ if draft.seen => Some("was shown to a client"),
            // The end of its socket, and nothing else, tells the widget that a frame was not kept.
            Outcome::Unknown if draft.transport == Transport::Frame => {
                let author = self.clients.get(draft.author.index())?;
                (author.losses() == draft.session).then_some("was sent on a socket that lived on")
            }
            Outcome::Unknown | Outcome::Refused | Outcome::Failed => None,
        }
    }

    /// Checks that history holds what one author sent through one session in the order of sending.
    fn authors(&mut self, conversation: Conversation, drafts: &[Draft], places: &Places) {
        let mut lasts: HashMap<(Client, u32), (usize, usize)> = HashMap::new();
        for (number, draft) in drafts.iter().enumerate() {
            let is_ordered = match draft.outcome {
                Outcome::Accepted(_) => true,
                // A request that was never answered may still be on its way when the next one is
                // sent.
                Outcome::Unknown => draft.transport == Transport::Frame,
                Outcome::Refused | Outcome::Failed => false,
            };
            let Some(place) = places[number].filter(|_| is_ordered) else { continue };
            let last = lasts.entry((draft.author, draft.session)).or_insert((number, place));
            if place < last.1 {
                let detail = format!(
                    "holds it at {place}, before draft {} at {}, sent earlier by the same",
                    last.0, last.1
                );
                let tag = Tag { conversation, number: index(number) };
                self.verdict.fault(Fault::in_history(FaultKind::Reordered, Some(tag), detail));
            } else {
                *last = (number, place);
            }
        }
    }

    /// Checks that every message in history was shown to every client that was promised it.
    fn listeners(&mut self, conversation: Conversation, drafts: &[Draft], places: &Places) {
        for (client, seen) in (0..).map(Client).zip(self.clients) {
            let is_widget = seen.is_widget_of(conversation);
            if !is_widget && !seen.is_promised(conversation) {
                continue;
            }
            let is_due = |number: usize| {
                places[number].is_some()
                    && !seen.is_excused(conversation, index(number))
                    && !(is_widget && drafts[number].author == client)
            };
            let due: Vec<_> = (0..drafts.len()).filter(|&number| is_due(number)).collect();
            let has = |number: usize| seen.has(conversation, index(number));
            let present = ends(due.iter().map(|&number| has(number)));
            if is_widget {
                self.verdict.widgets_of += due.len() as u64;
                self.verdict.widgets_shown +=
                    due.iter().filter(|&&number| has(number)).count() as u64;
                // History has what it misses while it is away, and its contract promises no more.
                if !seen.is_unbroken_widget(conversation) {
                    continue;
                }
            }
            for (nth, number) in due.into_iter().enumerate().filter(|&(_, number)| !has(number)) {
                let place = self.verdict.missing_at.note(nth, present);
                let tag = Tag { conversation, number: index(number) };
                let sent =
                    drafts[number].intended.saturating_duration_since(self.started).as_secs_f64();
                let detail = format!(
                    "was never shown it, and history holds it; sent at {sent:.3} s; {place}"
                );
                self.verdict.fault(Fault::at_client(
                    FaultKind::Missing,
                    seen.name(),
                    Some(tag),
                    detail,
                ));
            }
        }
    }

    /// Checks that each client was shown messages in history's order.
    fn orders(&mut self, histories: &HashMap<Conversation, Places>) {
        for seen in self.clients {
            let mut lasts: HashMap<Conversation, (u32, usize)> = HashMap::new();
            for &tag in seen.order() {
                let place =
                    histories.get(&tag.conversation).and_then(|places| *places.get(tag.index())?);
                let Some(place) = place else { continue };
                let last = lasts.entry(tag.conversation).or_insert((tag.number, place));
                if place < last.1 {
                    let detail = format!(
                        "was shown it after draft {}, which history holds behind it",
                        last.0
                    );
                    self.verdict.fault(Fault::at_client(
                        FaultKind::Reordered,
                        seen.name(),
                        Some(tag),
                        detail,
                    ));
                } else {
                    *last = (tag.number, place);
                }
            }
        }
    }

    /// Checks that the database holds what history says, in the same order.
    fn rows(&mut self, entries: &[Entry], rows: &[Entry]) {
        *self.verdict.in_rows.get_or_insert(0) += rows.len() as u64;
        let mut stored: HashMap<_, usize> = HashMap::new();
        for row in rows {
            *stored.entry(row.id).or_default() += 1;
        }
        for entry in entries {
            match stored.remove(&entry.id) {
                Some(1) => {}
                Some(count) => self
                    .verdict
                    .fault(Fault::in_rows(entry.tag, format!("hold {} {count} times", entry.id))),
                None => self
                    .verdict
                    .fault(Fault::in_rows(entry.tag, format!("do not hold {}", entry.id))),
            }
        }
        for row in rows.iter().filter(|row| stored.contains_key(&row.id)) {
            self.verdict
                .fault(Fault::in_rows(row.tag, format!("hold {}, which history does not", row.id)));
        }
        let is_swapped = |pair: &(&Entry, &Entry)| pair.0 != pair.1;
        if entries.len() == rows.len()
            && stored.is_empty()
            && let Some((entry, row)) = entries.iter().zip(rows).find(is_swapped)
        {
            let detail = format!("hold {} where history holds {}", row.id, entry.id);
            self.verdict.fault(Fault::in_rows(row.tag, detail));
        }
    }
}

/// The first and the last place at which something is there.
fn ends(present: impl Iterator<Item = bool>) -> Option<(usize, usize)> {
    let mut there = present.enumerate().filter(|&(_, is)| is).map(|(place, _)| place);
    let first = there.next()?;
    Some((first, there.last().unwrap_or(first)))
}
