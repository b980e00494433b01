//! Tabs: how far each page of a visitor has got, as the marks in the log tell. Pure.
//!
//! A page that comes back does not say which one it is. So it is sent what the least informed of
//! the pages that may be missing does not have. Which may be missing: those whose socket was lost a
//! moment ago, and those whose last mark says that it is open, because the node of such a socket
//! may have been killed, and a killed node notes nothing.

use std::time::Duration;

use parlor_common::{
    clock::Timestamp,
    event::{Body, DeliveredBody, Event, SocketIs},
    id::SessionId,
    position::Position,
};

/// A page comes back within this time after it has lost its socket; the widget's last try is after
/// 57 s.
pub(crate) const BACK_WITHIN: Duration = Duration::from_secs(60);

/// The pages of a visitor.
#[derive(Debug, Default)]
pub(crate) struct Tabs {
    /// Those whose socket is known to be lost.
    lost: Group,
    /// Those whose socket is open, as far as is known.
    open: Group,
}

/// Pages of which some have come back as new ones, nobody knows which.
#[derive(Debug, Default)]
struct Group {
    /// Those that have been heard of since the last page came back.
    recent: Vec<Tab>,
    /// Those that have not: pages that came back since may be some of them.
    silent: Vec<Tab>,
    /// How many came back.
    back: usize,
}

/// One page, by its last socket.
#[derive(Clone, Copy, Debug)]
struct Tab {
    session: SessionId,
    up_to: Position,
    heard: Timestamp,
}

// === impl Tabs ===

impl Tabs {
    /// Takes the next event of the visitor's conversations.
    pub(crate) fn apply(&mut self, event: &Event) {
        let record = &event.record;
        match (&record.body, record.session) {
            (Body::Delivered(DeliveredBody { up_to, socket: Some(socket), .. }), _) => {
                let before = self.forget(socket.session);
                let up_to = before.map_or(*up_to, |tab| tab.up_to.max(*up_to));
                let tab = Tab { session: socket.session, up_to, heard: record.at };
                if socket.is == SocketIs::Back && before.is_none() {
                    self.came_back(record.at);
                }
                match socket.is {
                    SocketIs::Open | SocketIs::Back => self.open.recent.push(tab),
                    SocketIs::Lost => self.lost.recent.push(tab),
                    SocketIs::Closed => {}
                }
            }
            // A page that has written is there, and had been shown nothing before its first mark.
            (Body::Message(_), Some(session)) => {
                let up_to = self.forget(session).map_or(event.position, |tab| tab.up_to);
                self.open.recent.push(Tab { session, up_to, heard: record.at });
            }
            _ => {}
        }
    }

    /// Whether none is known.
    pub(crate) fn is_empty(&self) -> bool {
        self.lost.tabs().chain(self.open.tabs()).next().is_none()
    }

    /// How far the least informed page has got that may be missing at `now`. Those of `open` are
    /// known not to be.
    pub(crate) fn lowest_missing(
        &self,
        now: Timestamp,
        open: impl Fn(SessionId) -> bool,
    ) -> Option<Position> {
        let lost = self.lost.tabs().filter(|tab| now.since(tab.heard) <= BACK_WITHIN);
        let unheard = self.open.tabs().filter(|tab| !open(tab.session));
        lost.chain(unheard).map(|tab| tab.up_to).min()
    }

    /// A page that was there before has come back as another session: one that was lost, where one
    /// is known to be.
    fn came_back(&mut self, now: Timestamp) {
        let waited_for = |tab: &Tab| now.since(tab.heard) <= BACK_WITHIN;
        self.lost.recent.retain(waited_for);
        self.lost.silent.retain(waited_for);
        if self.lost.tabs().next().is_some() {
            self.lost.came_back();
        } else {
            self.open.came_back();
        }
    }

    fn forget(&mut self, session: SessionId) -> Option<Tab> {
        self.open.forget(session).or_else(|| self.lost.forget(session))
    }
}

// === impl Group ===

impl Group {
    fn tabs(&self) -> impl Iterator<Item = &Tab> {
        self.recent.iter().chain(&self.silent)
    }

    /// One of them has come back. Once as many have as there were, none of them is missing.
    fn came_back(&mut self) {
        self.silent.append(&mut self.recent);
        self.back += 1;
        self.settle();
    }

    fn settle(&mut self) {
        if self.back >= self.silent.len() {
            self.silent.clear();
            self.back = 0;
        }
    }

    fn forget(&mut self, session: SessionId) -> Option<Tab> {
        let is = |tab: &Tab| tab.session == session;
        if let Some(index) = self.recent.iter().position(is) {
            return Some(self.recent.swap_remove(index));
        }
        let index = self.silent.iter().position(is)?;
        let tab = self.silent.swap_remove(index);
        self.settle();
        Some(tab)
    }
}

#[cfg(test)]
mod tests;
