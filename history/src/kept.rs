//! What was answered before, kept so that many who come back to a conversation do not ask the store
//! again, and pages are not written again.
//!
//! An answer is kept with the persisted position that was taken before it was asked for. What the
//! store has got since lies after that position, and so is in the log too: the answer and the log
//! after that position are as fresh as a new answer would be, for as long as the log still has all
//! of it. Nothing is kept by time.
//!
//! What must not be shown any more is forgotten by name. A read that was on its way meanwhile may
//! have seen it, so that whoever keeps an answer shows the [`Ticket`] that it took before it read.

use std::{
    hash::Hash,
    sync::{Mutex, MutexGuard, PoisonError},
};

use lru::LruCache;
use parlor_common::{
    conversation::ConversationKey, event::Audience, position::Position, state::ConversationState,
};
use parlor_store::Page;

use crate::{
    metrics::Bytes,
    written::{WrittenKey, WrittenPage},
};

/// The most bytes that the store's answers of a kind may take; the one that nobody has asked for
/// the longest is forgotten first.
const MOST_BYTES: usize = 16 << 20;
/// The most bytes that written pages may take: about a thousand pages of 50 short messages.
const MOST_WRITTEN_BYTES: usize = 32 << 20;
/// What an entry, and an event in it, take beside the texts.
const OVERHEAD_BYTES: usize = 512;
/// An answer is forgotten once the log has so many entries of the conversation after it: a new one
/// costs less from then on.
const MOST_SINCE: usize = 100;

/// What was answered.
#[derive(Debug)]
pub(crate) struct Kept {
    /// The store's newest rows, as `audience` reads them, as many as were asked for.
    pub(crate) newest: Answers<(ConversationKey, Audience, usize), Page>,
    /// The store's last values.
    pub(crate) states: Answers<ConversationKey, ConversationState>,
    /// Pages as readers are sent them. The position of one is that up to which it is proven.
    pub(crate) written: Answers<WrittenKey, WrittenPage>,
}

/// Answers of one kind.
#[derive(Debug)]
pub(crate) struct Answers<K: Eq + Hash, V>(Mutex<State<K, V>>);

#[derive(Debug)]
struct State<K: Eq + Hash, V> {
    kept: LruCache<K, (Answer<V>, usize)>,
    bytes: usize,
    most_bytes: usize,
    told_bytes: Bytes,
    /// How often something was forgotten by name.
    forgettings: u64,
}

/// What was answered: everything up to `persisted` is in it.
#[derive(Clone, Debug)]
pub(crate) struct Answer<V> {
    pub(crate) persisted: Position,
    pub(crate) value: V,
}

/// Taken before a read: what the read comes to may be kept if nothing was forgotten since.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ticket(u64);

/// What takes memory.
pub(crate) trait Cost {
    /// The bytes of it.
    fn bytes(&self) -> usize;
}

// === impl Kept ===

impl Kept {
    pub(crate) fn new(told: [Bytes; 3]) -> Self {
        let [newest, states, written] = told;
        Self {
            newest: Answers::new(MOST_BYTES, newest),
            states: Answers::new(MOST_BYTES, states),
            written: Answers::new(MOST_WRITTEN_BYTES, written),
        }
    }

    /// Forgets everything that was answered of a conversation, and what is being read of it now.
    pub(crate) fn forget(&self, key: &ConversationKey) {
        self.newest.forget_all(|(known, ..)| known == key);
        self.states.forget_all(|known| known == key);
        self.written.forget_all(|known| known.set.contains(key));
    }
}

// === impl Answers ===

impl<K: Clone + Eq + Hash, V: Clone + Cost> Answers<K, V> {
    fn new(most_bytes: usize, told_bytes: Bytes) -> Self {
        // The bound is one of bytes; a count given here would be allocated at once.
        let kept = LruCache::unbounded();
        Self(Mutex::new(State { kept, bytes: 0, most_bytes, told_bytes, forgettings: 0 }))
    }

    /// To be taken before anything is read for an answer, also from here.
    pub(crate) fn ticket(&self) -> Ticket {
        Ticket(self.lock().forgettings)
    }

    pub(crate) fn get(&self, key: &K) -> Option<Answer<V>> {
        self.lock().kept.get(key).map(|(answer, _)| answer.clone())
    }

    /// Keeps an answer after which the log has `since` entries of the conversation, or forgets it
    /// where those are many.
    pub(crate) fn keep(&self, key: &K, answer: &Answer<V>, since: usize, ticket: Ticket) {
        let mut state = self.lock();
        if state.forgettings != ticket.0 {
            return;
        }
        if since > MOST_SINCE {
            return state.forget(key);
        }
        if let Some((kept, _)) = state.kept.get(key)
            && kept.persisted >= answer.persisted
        {
            return;
        }
        state.forget(key);
        let bytes = answer.value.bytes() + OVERHEAD_BYTES;
        state.bytes += bytes;
        state.kept.put(key.clone(), (answer.clone(), bytes));
        while state.bytes > state.most_bytes
            && let Some((_, (_, bytes))) = state.kept.pop_lru()
        {
            state.bytes -= bytes;
        }
        state.told_bytes.set(state.bytes);
    }

    pub(crate) fn forget(&self, key: &K) {
        self.lock().forget(key);
    }

    /// Forgets every answer whose key is one of those, and what is being read now.
    fn forget_all(&self, is_one: impl Fn(&K) -> bool) {
        let mut state = self.lock();
        state.forgettings += 1;
        let gone: Vec<K> =
            state.kept.iter().map(|(key, _)| key).filter(|key| is_one(key)).cloned().collect();
        gone.iter().for_each(|key| state.forget(key));
    }
}

impl<K: Eq + Hash, V> Answers<K, V> {
    fn lock(&self) -> MutexGuard<'_, State<K, V>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl State ===

impl<K: Eq + Hash, V> State<K, V> {
    fn forget(&mut self, key: &K) {
        if let Some((_, bytes)) = self.kept.pop(key) {
            self.bytes -= bytes;
            self.told_bytes.set(self.bytes);
        }
    }
}

impl Cost for ConversationState {
    fn bytes(&self) -> usize {
        let preview = self.last.as_ref().map_or(0, |last| last.preview.len());
        let registers = self.registers().iter();
        // A register's own name is part of its value's key, and as long as what was allowed.
        let values: usize = registers.map(|(_, written)| 128 + written.value.len()).sum();
        size_of::<Self>() + preview + values
    }
}

impl Cost for WrittenPage {
    fn bytes(&self) -> usize {
        self.bytes.len()
    }
}

impl Cost for Page {
    fn bytes(&self) -> usize {
        let text = |event: &parlor_common::event::Event| {
            let message = event.record.body.message();
            OVERHEAD_BYTES + message.map_or(0, |message| message.text.len())
        };
        self.events.iter().map(text).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Cost for usize {
        fn bytes(&self) -> usize {
            *self
        }
    }

    fn answer(persisted: u64, value: usize) -> Answer<usize> {
        Answer { persisted: Position::from_u64(persisted).unwrap(), value }
    }

    fn answers<K: Clone + Eq + Hash>() -> Answers<K, usize> {
        Answers::new(MOST_BYTES, Bytes::unregistered())
    }

    fn keep<K: Clone + Eq + Hash>(
        answers: &Answers<K, usize>,
        key: &K,
        answer: &Answer<usize>,
        since: usize,
    ) {
        answers.keep(key, answer, since, answers.ticket());
    }

    #[test]
    fn the_later_answer_is_kept_and_one_that_the_log_has_left_behind_is_not() {
        let answers = answers();
        keep(&answers, &"a", &answer(5, 1), 0);
        keep(&answers, &"a", &answer(4, 2), 0);
        assert_eq!(answers.get(&"a").unwrap().value, 1);
        keep(&answers, &"a", &answer(6, 3), 0);
        assert_eq!(answers.get(&"a").unwrap().value, 3);
        keep(&answers, &"a", &answer(6, 3), MOST_SINCE + 1);
        assert!(answers.get(&"a").is_none());
        assert_eq!(answers.lock().bytes, 0);
    }

    #[test]
    fn they_take_no_more_than_the_bound_and_tell_what_they_take() {
        let answers = answers();
        for key in 0..10 {
            keep(&answers, &key, &answer(1, MOST_BYTES / 4), 0);
            answers.get(&0);
        }
        let (bytes, told) = {
            let state = answers.lock();
            (state.bytes, state.told_bytes.get())
        };
        assert!(bytes <= MOST_BYTES);
        assert_eq!(told, bytes);
        assert!(answers.get(&0).is_some() && answers.get(&9).is_some());
        assert!(answers.get(&1).is_none());
        keep(&answers, &10, &answer(1, MOST_BYTES * 2), 0);
        let state = answers.lock();
        assert_eq!((state.bytes, state.kept.len(), state.told_bytes.get()), (0, 0, 0));
    }

    #[test]
    fn what_was_read_before_something_was_forgotten_is_not_kept_after_it() {
        let answers = answers();
        keep(&answers, &"a", &answer(5, 1), 0);
        keep(&answers, &"b", &answer(5, 2), 0);
        let before = answers.ticket();
        answers.forget_all(|key| *key == "a");
        assert!(answers.get(&"a").is_none() && answers.get(&"b").is_some());
        answers.keep(&"a", &answer(6, 1), 0, before);
        assert!(answers.get(&"a").is_none());
        keep(&answers, &"a", &answer(6, 3), 0);
        assert_eq!(answers.get(&"a").unwrap().value, 3);
    }
}
