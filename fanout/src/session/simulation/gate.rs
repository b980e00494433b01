//! The gate: calls to the log, the store or the door wait at it until the seed answers them, in
//! whatever order.

use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::oneshot;

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is answered as things stood when it was made.
    Early,
    /// It is answered as things stand now.
    Late,
    /// It fails, and nothing was done.
    Failed,
    /// It was done, and fails all the same.
    Lost,
    /// It is refused for good.
    Refused,
}

/// Where calls wait. Clones are the same gate.
#[derive(Clone, Debug, Default)]
pub(crate) struct Gate(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    open: bool,
    waiting: Vec<oneshot::Sender<Verdict>>,
}

// === impl Gate ===

impl Gate {
    /// Waits for the seed's verdict.
    pub(crate) async fn pass(&self) -> Verdict {
        let verdict = {
            let mut state = self.lock();
            if state.open {
                return Verdict::Late;
            }
            let (verdict, waits) = oneshot::channel();
            state.waiting.push(verdict);
            waits
        };
        verdict.await.unwrap_or(Verdict::Failed)
    }

    /// How many calls wait.
    pub(crate) fn waiting(&self) -> usize {
        let mut state = self.lock();
        // A call that was given up waits no more.
        state.waiting.retain(|waits| !waits.is_closed());
        state.waiting.len()
    }

    /// Answers one that waits.
    pub(crate) fn answer(&self, index: usize, verdict: Verdict) {
        let waits = self.lock().waiting.remove(index);
        waits.send(verdict).ok();
    }

    /// From now on every call is answered at once, or waits.
    pub(crate) fn open(&self, open: bool) {
        let mut state = self.lock();
        state.open = open;
        if open {
            state.waiting.drain(..).for_each(|waits| {
                waits.send(Verdict::Late).ok();
            });
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }
}
