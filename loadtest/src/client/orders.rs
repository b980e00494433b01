//! What a scenario orders clients to do with their connections.

use std::time::Duration;

use tokio::{sync::watch, time::Instant};

use crate::ledger::Client;

/// Gives the orders.
#[derive(Debug)]
pub(crate) struct Orders {
    cut: watch::Sender<Cut>,
    stalled: watch::Sender<bool>,
    works: watch::Sender<bool>,
    began: Instant,
}

/// Waits for one client's orders to cut its connection.
#[derive(Debug)]
pub(crate) struct Cuts(watch::Receiver<Cut>);

/// So many of 100 clients cut their connections. Each cut hits others.
#[derive(Clone, Copy, Debug, Default)]
struct Cut {
    number: u32,
    percent: u32,
}

// === impl Orders ===

impl Orders {
    /// None yet.
    pub(crate) fn new() -> Self {
        Self {
            cut: watch::Sender::new(Cut::default()),
            stalled: watch::Sender::new(false),
            works: watch::Sender::new(false),
            began: Instant::now(),
        }
    }

    /// Orders so many of 100 clients to cut their connections without a goodbye.
    pub(crate) fn cut(&self, percent: u32) {
        self.cut.send_modify(|cut| *cut = Cut { number: cut.number.wrapping_add(1), percent });
    }

    /// The cuts from now on.
    pub(crate) fn cuts(&self) -> Cuts {
        Cuts(self.cut.subscribe())
    }

    /// Orders the slow readers to stop reading, or to read on.
    pub(crate) fn stall(&self, is_stalled: bool) {
        self.stalled.send_replace(is_stalled);
    }

    /// Waits until slow readers are to stop reading, or to read on. Cancel safe.
    pub(crate) async fn stalled(&self, is_stalled: bool) {
        // The sender is `self`, so that waiting cannot fail.
        self.stalled.subscribe().wait_for(|now| *now == is_stalled).await.ok();
    }

    /// Orders the agents who work to begin, or to take up nothing more.
    pub(crate) fn work(&self, is_on: bool) {
        self.works.send_replace(is_on);
    }

    /// Waits until agents are to work. Cancel safe.
    pub(crate) async fn works(&self) {
        // The sender is `self`, so that waiting cannot fail.
        self.works.subscribe().wait_for(|is_on| *is_on).await.ok();
    }

    /// The next of the moments, the same for all, that lie so far apart.
    pub(crate) fn next_beat(&self, apart: Duration) -> Instant {
        let past = self.began.elapsed().as_micros() / apart.as_micros().max(1);
        self.began + apart * u32::try_from(past + 1).unwrap_or(u32::MAX)
    }
}

// === impl Cuts ===

impl Cuts {
    /// Waits until this client is to cut its connection. Cancel safe.
    pub(crate) async fn hit(&mut self, client: Client) {
        // Orders that are gone cut nobody any more.
        while self.0.changed().await.is_ok() {
            if self.0.borrow_and_update().hits(client) {
                return;
            }
        }
        std::future::pending().await
    }
}

// === impl Cut ===

impl Cut {
    fn hits(self, client: Client) -> bool {
        // A step that shares no factor with 100, so that neighbours differ.
        let turn = client.number().wrapping_mul(37).wrapping_add(self.number.wrapping_mul(11));
        turn % 100 < self.percent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_hits_its_share_and_the_next_one_others() {
        let hit = |number, percent| {
            let cut = Cut { number, percent };
            (0..1000).filter(|&of| cut.hits(Client::of(of))).collect::<Vec<_>>()
        };
        assert_eq!(hit(1, 100).len(), 1000);
        assert_eq!((hit(1, 30).len(), hit(1, 0).len()), (300, 0));
        assert_ne!(hit(1, 30), hit(2, 30));
    }
}
