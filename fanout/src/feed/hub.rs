//! The hub: what the feeds bring goes to the outboxes of those who are to be shown it.
//!
//! There is a std mutex for each shard, and nothing is awaited under it. A session attaches under
//! the same lock under which events are published, so that nothing falls between what the ring
//! replayed and what comes live.

mod circle;
mod state;

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use parlor_common::{
    conversation::ConversationSet,
    cursor::Cursors,
    id::SessionId,
    planted::{self, Fault},
    position::Position,
    shard::{Shard, Shards},
    tenant::TenantId,
};
use parlor_history::Scope;
use parlor_log::Entry;
use tokio::{sync::watch, time::Instant};

use self::{
    circle::{Circle, Wake},
    state::{Crowd, State, Subscriber, wake},
};

use crate::{
    FeedSettings, Metrics,
    feed::{
        item::Item,
        ring::{Ring, RingBound},
        span::{Begin, Coverage},
    },
    session::{
        outbox::{Ended, Shown},
        viewer::Viewer,
    },
};

/// Decides who is shown what. One for each node.
#[derive(Debug)]
pub struct Hub {
    shards: Shards,
    bound: RingBound,
    cursors: Cursors,
    metrics: Metrics,
    shard_hubs: Vec<ShardHub>,
}

/// One shard's part of the hub.
#[derive(Debug)]
struct ShardHub {
    state: Mutex<State>,
    live: watch::Sender<bool>,
}

/// A subscription has begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Attached {
    /// The position up to which the ring has been copied: it is live from here.
    pub(crate) position: Position,
    /// How many messages the ring replayed.
    pub(crate) replayed: u64,
}

/// Why a subscription cannot begin there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Apart {
    /// The outbox has no room for all that lies between. These frames, which reach through that
    /// position, are to be shown first.
    Far(VecDeque<Shown>, Position),
    /// The position lies below the ring's floor: the log must be read first.
    Below,
    /// The position lies ahead of the ring, and nobody has proven it.
    Ahead,
    /// Nobody follows the shard just now, or it cannot be proven live.
    NotLive,
}

/// A subscription. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct Subscription {
    hub: Arc<Hub>,
    shard: Shard,
    subscriber: Arc<Subscriber>,
    /// The viewer has been shown everything of its scope after this position.
    from: Position,
}

// === impl Hub ===

impl Hub {
    /// A hub that keeps a ring for each shard that is followed.
    pub fn new(
        shards: Shards,
        settings: &FeedSettings,
        cursors: Cursors,
        metrics: Metrics,
    ) -> Arc<Self> {
        let hub = |_| ShardHub { state: Mutex::default(), live: watch::Sender::new(false) };
        let bound = RingBound { events: settings.ring_events, bytes: settings.ring_bytes };
        Arc::new(Self {
            shards,
            bound,
            cursors,
            metrics,
            shard_hubs: shards.all().map(hub).collect(),
        })
    }

    /// The shard of a tenant.
    pub(crate) fn shard_of(&self, tenant: &TenantId) -> Shard {
        self.shards.of(tenant)
    }

    /// A tail has begun after this position.
    ///
    /// A ring that ends there goes on, as live as it was. Where it ends elsewhere there is a hole:
    /// it begins anew, and the sessions of the shard are told to come back.
    pub(crate) fn begin(&self, shard: Shard, after: Position) {
        let hub = self.shard_hub(shard);
        let mut state = hub.lock();
        if state.ring.as_ref().is_none_or(|ring| ring.end() != after) {
            state.ring = Some(Ring::new(self.bound, after));
            self.send_back(&mut state);
            hub.live.send_replace(true);
        }
    }

    /// Whether anything was said after the ring's end nobody can tell any more: the sessions of the
    /// shard come back, and none is let in until it is [`fresh`](Self::fresh) again. The ring is
    /// kept, since its tail may go on where it ends.
    pub(crate) fn stale(&self, shard: Shard) {
        let hub = self.shard_hub(shard);
        let mut state = hub.lock();
        hub.live.send_replace(false);
        self.send_back(&mut state);
    }

    /// The ring is known to hold the present again.
    pub(crate) fn fresh(&self, shard: Shard) {
        let hub = self.shard_hub(shard);
        let state = hub.lock();
        hub.live.send_replace(state.ring.is_some());
    }

    /// Events may be missing after the ring's end: what it holds is let go of, and the shard's
    /// sessions come back.
    pub(crate) fn lost(&self, shard: Shard) {
        let hub = self.shard_hub(shard);
        let mut state = hub.lock();
        hub.live.send_replace(false);
        state.ring = None;
        self.send_back(&mut state);
    }

    /// The last position that was published, while the shard is followed.
    pub(crate) fn end(&self, shard: Shard) -> Option<Position> {
        self.shard_hub(shard).lock().ring.as_ref().map(Ring::end)
    }

    /// The sessions of this node that follow one of these conversations.
    pub(crate) fn sessions(&self, set: &ConversationSet) -> Vec<SessionId> {
        let state = self.shard_hub(self.shards.of(set.tenant())).lock();
        let circles = set.keys().filter_map(|key| state.conversations.get(&key));
        let subscribers = circles.flat_map(Circle::members);
        subscribers.map(|subscriber| subscriber.viewer.session()).collect()
    }

    /// Waits until the shard is followed. Cancel safe.
    pub(crate) async fn live(&self, shard: Shard) {
        let mut live = self.shard_hub(shard).live.subscribe();
        // The sender lives as long as the hub, which is borrowed.
        drop(live.wait_for(|live| *live).await);
    }

    /// Shows an entry of the log to everyone whose scope it belongs to. A crowd may have to be
    /// [`wake`](Self::wake)d later.
    pub(crate) fn publish(&self, shard: Shard, entry: Entry) {
        let item = Item::new(entry);
        let mut state = self.shard_hub(shard).lock();
        let State { ring, conversations, tenants, crowds } = &mut *state;
        let Some(ring) = ring else { return };
        let position = item.position();
        if position <= ring.end() {
            return;
        }
        self.metrics.events.inc();
        let (key, tenant) = (item.conversation(), &item.conversation().tenant);
        if let Some(circle) = conversations.get_mut(key) {
            self.show(&item, circle, crowds, || Crowd::Conversation(key.clone()));
        }
        let all = tenants
            .iter_mut()
            .filter(|(of, _)| *of == tenant || planted::is(Fault::KeyWithoutTenant));
        for (tenant, circle) in all {
            self.show(&item, circle, crowds, || Crowd::Tenant(tenant.clone()));
        }
        let linked = conversations.get(item.conversation()).and_then(|_| item.linked());
        let conversation = item.conversation().clone();
        ring.push(position, item.cost(), item);
        if let Some(linked) = linked {
            state.link(&conversation, &linked);
        }
    }

    /// Puts an item into the outboxes of those who await it, and wakes them, or notes when they are
    /// to be woken.
    fn show(
        &self,
        item: &Item,
        circle: &mut Circle<Subscriber>,
        crowds: &mut Vec<(Instant, Crowd)>,
        key: impl FnOnce() -> Crowd,
    ) {
        let position = item.position();
        let mut shown = 0;
        let is_crowd = circle.is_crowd();
        for subscriber in circle.members().iter().filter(|member| member.awaits(position)) {
            let outbox = subscriber.viewer.outbox();
            if let Some(frame) = self.frame(item, &subscriber.viewer) {
                let fills = outbox.show(Shown { position, frame });
                shown += 1;
                if fills || !is_crowd {
                    outbox.wake();
                }
            }
        }
        self.metrics.deliveries.inc_by(shown);
        if !is_crowd || shown == 0 {
            return;
        }
        let now = Instant::now();
        match circle.gathers(now) {
            Wake::Now => {
                wake(circle, now);
                if !crowds.is_empty() {
                    let key = key();
                    crowds.retain(|(_, crowd)| *crowd != key);
                }
            }
            Wake::At(at) => crowds.push((at, key())),
            Wake::Later => {}
        }
    }

    /// Wakes the crowds whose time has come, and tells when the next one's does.
    pub(crate) fn wake(&self, shard: Shard) -> Option<Instant> {
        self.shard_hub(shard).lock().wake(Duration::ZERO)
    }

    /// Wakes every crowd for which something waits: nobody will say later that it is time.
    pub(crate) fn wake_all(&self, shard: Shard) {
        self.shard_hub(shard).lock().wake(circle::LONGEST);
    }

    /// Begins a subscription: what the ring holds after the position, then the frame that
    /// `announce` makes of it, then all that follows. What lies within `shown` has been shown
    /// before and is left out.
    pub(crate) fn attach(
        self: &Arc<Self>,
        viewer: &Arc<Viewer>,
        scope: &Scope,
        begin: Begin,
        shown: Option<Coverage>,
        announce: impl FnOnce(Attached) -> Option<Bytes>,
    ) -> Result<Subscription, Apart> {
        let shard = self.shards.of(scope.tenant());
        let hub = self.shard_hub(shard);
        let mut state = hub.lock();
        let live = *hub.live.borrow();
        let ring = state.ring.as_ref().filter(|_| live).ok_or(Apart::NotLive)?;
        let after = match begin {
            Begin::Now => ring.end(),
            Begin::Claimed(position) if position > ring.end() => return Err(Apart::Ahead),
            Begin::Claimed(position) | Begin::Proven(position) if position < ring.floor() => {
                return Err(Apart::Below);
            }
            Begin::Claimed(position) | Begin::Proven(position) => position,
        };
        let fresh = |position| !shown.is_some_and(|shown: Coverage| shown.contains(position));
        let mut capacity = viewer.outbox().capacity();
        let mut frames = VecDeque::new();
        let (mut through, mut scope) = (after, scope.clone());
        let first = if planted::is(Fault::AttachEarly) { after.before() } else { after };
        for (position, item) in ring.after(first).filter(|(position, _)| fresh(*position)) {
            let shown =
                scope.contains(item.conversation()).then(|| self.frame(item, viewer)).flatten();
            if let Some(frame) = shown {
                if !capacity.take(frame.len()) && !frames.is_empty() {
                    return Err(Apart::Far(frames, through));
                }
                frames.push_back(Shown { position, frame });
            }
            if let Scope::Conversations(set) = &scope
                && set.contains(item.conversation())
                && let Some(linked) = item.linked()
                && linked.extends(set)
            {
                scope = Scope::Conversations(set.linked(linked.visitor, &linked.absorbed));
                viewer.link(linked);
            }
            through = position;
        }
        let replayed = frames.len() as u64;
        for shown in frames {
            viewer.outbox().show(shown);
        }
        viewer.outbox().wake();
        let position = ring.end().max(after);
        if let Some(frame) = announce(Attached { position, replayed }) {
            viewer.outbox().say(frame);
        }
        let after = match planted::is(Fault::AttachLate) {
            true => Position::from_u64(position.as_u64() + 1).unwrap_or(position),
            false => position,
        };
        let subscriber =
            Arc::new(Subscriber { viewer: viewer.clone(), scope: Mutex::new(scope), after, shown });
        state.insert(&subscriber);
        let from = match begin {
            Begin::Now => position,
            Begin::Claimed(from) | Begin::Proven(from) => from,
        };
        Ok(Subscription { hub: self.clone(), shard, subscriber, from })
    }

    /// The frame by which `viewer` is shown `item`; `None` where it is not.
    fn frame(&self, item: &Item, viewer: &Viewer) -> Option<Bytes> {
        item.facts().filter(|facts| viewer.is_shown(facts))?;
        item.frame(viewer.dialect(), viewer.audience(), &self.cursors)
    }

    fn send_back(&self, state: &mut State) {
        state.crowds.clear();
        let conversations = state.conversations.drain().map(|(_, circle)| circle);
        for circle in conversations.chain(state.tenants.drain().map(|(_, circle)| circle)) {
            circle.members().iter().for_each(|member| member.viewer.outbox().end(Ended::Again));
        }
    }

    fn shard_hub(&self, shard: Shard) -> &ShardHub {
        &self.shard_hubs[usize::from(shard.number())]
    }
}

// === impl ShardHub ===

impl ShardHub {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Subscription ===

impl Subscription {
    /// Notes that a replay, which began after this position, has shown everything up to where this
    /// subscription begins.
    pub(crate) fn began_after(&mut self, position: Position) {
        self.from = self.from.min(position);
    }

    /// Replaces this subscription by one that begins at `begin`. If that lies within what this one
    /// has shown, this one goes on, and the frame is put in that `announce` makes of the position
    /// it has got to. Otherwise this one ends, and the error tells what it has shown.
    pub(crate) fn replace(
        self,
        begin: Begin,
        announce: impl FnOnce(Attached) -> Option<Bytes>,
    ) -> Result<Self, Coverage> {
        // Under one lock, so that nothing is published between the judgement and the end.
        let mut state = self.hub.shard_hub(self.shard).lock();
        let followed = state.ring.as_ref().map(Ring::end);
        let end = followed.unwrap_or(self.from).max(self.subscriber.after);
        let within = match begin {
            Begin::Now => true,
            Begin::Claimed(position) | Begin::Proven(position) => {
                (self.from..=end).contains(&position)
            }
        };
        if followed.is_some() && within {
            if let Some(frame) = announce(Attached { position: end, replayed: 0 }) {
                self.subscriber.viewer.outbox().say(frame);
            }
            drop(state);
            return Ok(self);
        }
        state.remove(&self.subscriber);
        drop(state);
        Err(Coverage::new(self.from, end))
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.hub.shard_hub(self.shard).lock().remove(&self.subscriber);
    }
}

#[cfg(test)]
mod tests;
