//! What the store has answered before, kept so that many who come back to a conversation do not ask
//! it again.
//!
//! An answer is kept with the persisted position that was taken before it was asked for. What the
//! store has got since lies after that position, and so is in the log too: the answer and the log
//! after that position are as fresh as a new answer would be, for as long as the log still has all
//! of it. Nothing is kept by time.

use std::{
    hash::Hash,
    sync::{Mutex, MutexGuard, PoisonError},
};

use lru::LruCache;
use parlor_common::{
    conversation::ConversationKey, event::Audience, position::Position, state::ConversationState,
};
use parlor_store::Page;

/// The most bytes that answers of a kind may take; the one that nobody has asked for the longest is
/// forgotten first.
const MOST_BYTES: usize = 16 << 20;
/// What an entry, and an event in it, take beside the texts.
const OVERHEAD_BYTES: usize = 512;
/// An answer is forgotten once the log has so many entries of the conversation after it: a new one
/// costs less from then on.
const MOST_SINCE: usize = 100;

/// The answers of a store.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    /// The newest rows, as `audience` reads them, as many as were asked for.
    pub(crate) newest: Answers<(ConversationKey, Audience, usize), Page>,
    pub(crate) states: Answers<ConversationKey, ConversationState>,
}

/// Answers of one kind.
#[derive(Debug)]
pub(crate) struct Answers<K: Eq + Hash, V>(Mutex<State<K, V>>);

#[derive(Debug)]
struct State<K: Eq + Hash, V> {
    kept: LruCache<K, (Answer<V>, usize)>,
    bytes: usize,
}

/// What the store has answered: everything up to `persisted` is in it.
#[derive(Clone, Debug)]
pub(crate) struct Answer<V> {
    pub(crate) persisted: Position,
    pub(crate) value: V,
}

/// What takes memory.
pub(crate) trait Cost {
    /// The bytes of it.
    fn bytes(&self) -> usize;
}

// === impl Answers ===

impl<K: Clone + Eq + Hash, V: Clone + Cost> Answers<K, V> {
    pub(crate) fn get(&self, key: &K) -> Option<Answer<V>> {
        self.lock().kept.get(key).map(|(answer, _)| answer.clone())
    }

    /// Keeps an answer after which the log has `since` entries of the conversation, or forgets it
    /// where those are many.
    pub(crate) fn keep(&self, key: &K, answer: &Answer<V>, since: usize) {
        let mut state = self.lock();
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
        while state.bytes > MOST_BYTES
            && let Some((_, (_, bytes))) = state.kept.pop_lru()
        {
            state.bytes -= bytes;
        }
    }

    pub(crate) fn forget(&self, key: &K) {
        self.lock().forget(key);
    }
}

impl<K: Eq + Hash, V> Answers<K, V> {
    fn lock(&self) -> MutexGuard<'_, State<K, V>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Eq + Hash, V> Default for Answers<K, V> {
    fn default() -> Self {
        // The bound is one of bytes; a count given here would be allocated at once.
        Self(Mutex::new(State { kept: LruCache::unbounded(), bytes: 0 }))
    }
}

// === impl State ===

impl<K: Eq + Hash, V> State<K, V> {
    fn forget(&mut self, key: &K) {
        if let Some((_, bytes)) = self.kept.pop(key) {
            self.bytes -= bytes;
        }
    }
}

impl Cost for ConversationState {
    fn bytes(&self) -> usize {
        size_of::<Self>()
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

    #[test]
    fn the_later_answer_is_kept_and_one_that_the_log_has_left_behind_is_not() {
        let answers = Answers::default();
        answers.keep(&"a", &answer(5, 1), 0);
        answers.keep(&"a", &answer(4, 2), 0);
        assert_eq!(answers.get(&"a").unwrap().value, 1);
        answers.keep(&"a", &answer(6, 3), 0);
        assert_eq!(answers.get(&"a").unwrap().value, 3);
        answers.keep(&"a", &answer(6, 3), MOST_SINCE + 1);
        assert!(answers.get(&"a").is_none());
        assert_eq!(answers.lock().bytes, 0);
    }

    #[test]
    fn they_take_no_more_than_the_bound() {
        let answers = Answers::default();
        for key in 0..10 {
            answers.keep(&key, &answer(1, MOST_BYTES / 4), 0);
            answers.get(&0);
        }
        assert!(answers.lock().bytes <= MOST_BYTES);
        assert!(answers.get(&0).is_some() && answers.get(&9).is_some());
        assert!(answers.get(&1).is_none());
        answers.keep(&10, &answer(1, MOST_BYTES * 2), 0);
        let state = answers.lock();
        assert_eq!((state.bytes, state.kept.len()), (0, 0));
    }
}
