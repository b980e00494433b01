//! Signals between the sessions of this node and those of others: who types, who is there, who
//! looks at what. All of it is apart from the way of messages, which waits for none of it.
//!
//! ```text
//! session ──► seat ──► switchboard ──► presence ──► other nodes (the room `signals`)
//! other nodes ──► the shard's task ──► presence ──► outboxes of the sessions, where there is room
//! ```
//!
//! There is a std mutex for each shard, and nothing is awaited under it. A shard's signals are
//! listened to while it has sessions here.

mod bucket;
pub(crate) mod notice;
pub(crate) mod presence;
pub(crate) mod said;
pub(crate) mod seat;

use std::{
    collections::{HashMap, hash_map::Entry},
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use parlor_common::{
    drain::Drain,
    random::Random,
    shard::{Shard, Shards},
    tenant::TenantId,
};
use parlor_signals::{Address, Heard, Metrics, Signal, Signals};
use tokio::time::{Instant, MissedTickBehavior, interval};
use tracing::{Instrument, info_span};

use self::{
    bucket::Bucket,
    notice::Notice,
    presence::{Effect, Effects, Presence, SeatId, TooMuch, Who},
    said::{NodeId, Said, What},
    seat::Seat,
};
use crate::{SignalSettings, session::viewer::Viewer};

/// How long somebody types who does not say so again.
pub(crate) const TYPING_FOR: Duration = Duration::from_secs(6);

/// How often it is looked whether something has faded or is due.
const TICK: Duration = Duration::from_millis(250);

/// Passes signals between sessions. One for each node. Cheap to clone; clones are the same one.
#[derive(Clone)]
pub struct Switchboard(Arc<Shared>);

/// What a switchboard is made of.
#[derive(Debug)]
pub struct SwitchboardParts {
    /// Passes signals between nodes.
    pub signals: Arc<dyn Signals>,
    /// How many shards there are.
    pub shards: Shards,
    /// Bounds, and how long what was said holds.
    pub settings: SignalSettings,
    /// Makes the node's id.
    pub random: Random,
    /// Shared with the signals'.
    pub metrics: Metrics,
    /// Spawns the tasks that listen. The stage must be one that stops after the sockets'.
    pub drain: Drain,
}

struct Shared {
    parts: SwitchboardParts,
    node: NodeId,
    last_seat: AtomicU64,
    /// What may still be sent by this node, and what it may still hear.
    sent: Mutex<Bucket>,
    heard: Mutex<Bucket>,
    /// By the shard's number.
    shards: Vec<Mutex<ShardState>>,
}

/// What is known of one shard.
#[derive(Debug, Default)]
struct ShardState {
    /// Its task runs.
    runs: bool,
    /// What the other nodes say is heard.
    hears: bool,
    tenants: HashMap<TenantId, Table>,
}

/// A tenant's sessions at this node.
#[derive(Debug)]
struct Table {
    presence: Presence,
    viewers: HashMap<SeatId, Arc<Viewer>>,
    sent: Bucket,
    heard: Bucket,
}

// === impl Switchboard ===

impl Switchboard {
    /// One at which nobody sits yet.
    pub fn new(parts: SwitchboardParts) -> Self {
        let (now, per_second) = (Instant::now(), parts.settings.node_per_second);
        let bucket = || Mutex::new(Bucket::new(per_second, now));
        Self(Arc::new(Shared {
            node: NodeId(parts.random.number()),
            last_seat: AtomicU64::new(0),
            sent: bucket(),
            heard: bucket(),
            shards: parts.shards.all().map(|_| Mutex::default()).collect(),
            parts,
        }))
    }

    /// A session of a tenant begins. It is there until the seat is left, or dropped.
    pub(crate) fn enter(&self, tenant: &TenantId, who: Who, viewer: &Arc<Viewer>) -> Seat {
        let id = SeatId(self.0.last_seat.fetch_add(1, Ordering::Relaxed));
        let shard = self.0.parts.shards.of(tenant);
        let now = Instant::now();
        let mut state = self.lock(shard);
        let hears = state.hears;
        let table = match state.tenants.entry(tenant.clone()) {
            Entry::Occupied(slot) => slot.into_mut(),
            Entry::Vacant(slot) => slot.insert(self.table(hears, now)),
        };
        table.viewers.insert(id, viewer.clone());
        let mut effects = Effects::new();
        table.presence.enter(id, who, now, &mut effects);
        self.perform(tenant, table, effects, now);
        if !std::mem::replace(&mut state.runs, true) {
            let task = self.clone().run(shard);
            let span = info_span!(parent: None, "signals", %shard);
            self.0.parts.drain.spawn(task.instrument(span));
        }
        drop(state);
        Seat::new(self.clone(), tenant.clone(), id)
    }

    /// Something happens to, or by, a session.
    pub(crate) fn with(
        &self,
        tenant: &TenantId,
        happens: impl FnOnce(&mut Presence, Instant, &mut Effects),
    ) {
        let now = Instant::now();
        let mut state = self.lock(self.0.parts.shards.of(tenant));
        let Some(table) = state.tenants.get_mut(tenant) else { return };
        let mut effects = Effects::new();
        happens(&mut table.presence, now, &mut effects);
        self.perform(tenant, table, effects, now);
    }

    /// Its client is told nothing more.
    pub(crate) fn hang_up(&self, tenant: &TenantId, seat: SeatId) {
        let mut state = self.lock(self.0.parts.shards.of(tenant));
        if let Some(table) = state.tenants.get_mut(tenant) {
            table.viewers.remove(&seat);
        }
    }

    /// A session's client types, or does no more. Too much of that is shed before it is told to
    /// anybody, here as elsewhere.
    pub(crate) fn types(
        &self,
        tenant: &TenantId,
        types: impl FnOnce(&mut Presence, Instant, &mut Effects) -> Result<(), TooMuch>,
    ) {
        let now = Instant::now();
        let mut state = self.lock(self.0.parts.shards.of(tenant));
        let Some(table) = state.tenants.get_mut(tenant) else { return };
        let mut effects = Effects::new();
        let class = parlor_signals::Class::Typing;
        match types(&mut table.presence, now, &mut effects) {
            Ok(()) if effects.is_empty() => {}
            Ok(()) if table.sent.take(class, now) && lock(&self.0.sent).take(class, now) => {
                self.perform(tenant, table, effects, now);
            }
            Ok(()) | Err(TooMuch) => self.0.parts.metrics.dropped(class),
        }
    }

    /// Listens to a shard until nobody of it is here.
    async fn run(self, shard: Shard) {
        let SwitchboardParts { signals, drain, .. } = &self.0.parts;
        let mut listener = signals.listen(shard);
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            tokio::select! {
                () = drain.draining() => break,
                heard = listener.next() => self.heard(shard, heard),
                _ = ticks.tick() => if !self.tick(shard) { break },
            }
        }
    }

    fn heard(&self, shard: Shard, heard: Heard) {
        let now = Instant::now();
        let mut state = self.lock(shard);
        let hears = match heard {
            Heard::Signal(Signal { address: Address { tenant, conversation }, class, body }) => {
                let Some(table) = state.tenants.get_mut(&tenant) else { return };
                let Some(said) = Said::decode(&body).filter(|said| said.node != self.0.node) else {
                    return;
                };
                if !table.heard.take(class, now) || !lock(&self.0.heard).take(class, now) {
                    self.0.parts.metrics.dropped(class);
                    return;
                }
                let mut effects = Effects::new();
                table.presence.heard(conversation, said, now, &mut effects);
                self.perform(&tenant, table, effects, now);
                return;
            }
            Heard::Hears => true,
            Heard::Deaf => false,
        };
        state.hears = hears;
        for (tenant, table) in &mut state.tenants {
            let mut effects = Effects::new();
            match hears {
                true => table.presence.hears(now, &mut effects),
                false => table.presence.deaf(now, &mut effects),
            }
            self.perform(tenant, table, effects, now);
        }
    }

    /// Tells whether anybody is here still.
    fn tick(&self, shard: Shard) -> bool {
        let now = Instant::now();
        let mut state = self.lock(shard);
        state.tenants.retain(|tenant, table| {
            let mut effects = Effects::new();
            table.presence.tick(now, &mut effects);
            self.perform(tenant, table, effects, now);
            !table.presence.is_empty()
        });
        if state.tenants.is_empty() {
            (state.runs, state.hears) = (false, false);
        }
        state.runs
    }

    fn table(&self, hears: bool, now: Instant) -> Table {
        let settings = &self.0.parts.settings;
        Table {
            presence: Presence::new(self.0.node, settings.clone(), hears, now),
            viewers: HashMap::new(),
            sent: Bucket::new(settings.tenant_per_second, now),
            heard: Bucket::new(settings.tenant_per_second, now),
        }
    }

    fn perform(&self, tenant: &TenantId, table: &mut Table, effects: Effects, now: Instant) {
        let SwitchboardParts { signals, metrics, .. } = &self.0.parts;
        for effect in effects {
            match effect {
                Effect::Say(conversation, said) => {
                    let class = said.what.class();
                    // Of typing, this was looked at before.
                    let passes = matches!(said.what, What::Typing { .. })
                        || table.sent.take(class, now) && lock(&self.0.sent).take(class, now);
                    if passes {
                        let address = Address { tenant: tenant.clone(), conversation };
                        signals.publish(Signal { address, class, body: said.encode() });
                    } else {
                        metrics.dropped(class);
                    }
                }
                Effect::Tell(seat, notice) => {
                    let Some(viewer) = table.viewers.get(&seat) else { continue };
                    if !tell(viewer, &notice) {
                        metrics.dropped(notice.class());
                        if notice.is_state() {
                            table.presence.untold(seat);
                        }
                    }
                }
            }
        }
    }

    fn lock(&self, shard: Shard) -> MutexGuard<'_, ShardState> {
        lock(&self.0.shards[usize::from(shard.number())])
    }
}

impl fmt::Debug for Switchboard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Switchboard").field(&self.0.node).finish()
    }
}

/// Puts a notice into the outbox where there is plenty of room; tells whether there was.
fn tell(viewer: &Viewer, notice: &Notice) -> bool {
    match viewer.dialect().signal(notice) {
        Some(frame) => viewer.outbox().hint(frame),
        None => true,
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
