//! What a scenario orders clients to do with their connections.

use tokio::sync::watch;

use crate::ledger::Client;

/// Gives the orders.
#[derive(Debug)]
pub(crate) struct Orders {
    cut: watch::Sender<Cut>,
    stalled: watch::Sender<bool>,
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
        Self { cut: watch::Sender::new(Cut::default()), stalled: watch::Sender::new(false) }
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
