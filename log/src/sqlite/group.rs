//! A group's deliveries: what is in flight is kept in memory, what is acknowledged in the file.
//!
//! ```text
//! waiting ──take──► in flight ──ack──► acknowledged
//!                    ▲      │
//!                    └ due ─┘   the acknowledgement wait is over: it is taken again
//! ```
//! After a restart nothing is in flight, so everything unacknowledged is delivered at once, with
//! attempts counted anew.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
    time::Duration,
};

use async_trait::async_trait;
use parlor_common::position::Position;
use tokio::{
    sync::watch,
    time::{Instant, timeout_at},
};

use super::{
    closed,
    job::Settled,
    readers::{Readers, Snapshot},
    window::Window,
    writer::WriterHandle,
};
use crate::{BatchLimit, Deliveries, Delivery, Entry, LogError};

/// Deliveries in flight at most, over all readers: what the memory is worth, and many batches.
const MAX_IN_FLIGHT: usize = 20_000;
/// How long `next` waits for a first delivery before it returns nothing.
const IDLE: Duration = Duration::from_secs(5);
/// How often `next` looks for room while too much is in flight.
const CROWDED: Duration = Duration::from_millis(100);

/// What a group's readers share.
#[derive(Debug)]
pub(super) struct Group {
    name: Arc<str>,
    ack_wait: Duration,
    flights: Mutex<Flights>,
}

#[derive(Debug)]
struct Flights {
    /// Everything up to here was taken at least once, or is acknowledged.
    next: Position,
    in_flight: BTreeMap<Position, Flight>,
}

#[derive(Debug)]
struct Flight {
    due: Instant,
    attempt: u64,
}

/// One reader.
#[derive(Debug)]
pub(super) struct SqliteDeliveries {
    group: Arc<Group>,
    window: Arc<RwLock<Window>>,
    readers: Readers,
    writer: WriterHandle,
    end: watch::Receiver<Position>,
}

/// A batch in the making.
#[derive(Debug)]
struct Batch {
    limit: BatchLimit,
    deliveries: Vec<Delivery>,
    /// Deliveries and bytes that room was made for.
    count: usize,
    bytes: usize,
    /// Nothing fits any more, or what comes next does not.
    full: bool,
}

/// What a take leaves behind.
#[derive(Debug)]
struct Left {
    /// From here on there may be more.
    next: Position,
    /// When something comes again.
    due: Option<Instant>,
    crowded: bool,
}

// === impl Group ===

impl Group {
    /// The group `name`, which has acknowledged everything `through`.
    pub(super) fn new(name: &str, through: Position, ack_wait: Duration) -> Self {
        Self {
            name: name.into(),
            ack_wait,
            flights: Mutex::new(Flights { next: through, in_flight: BTreeMap::new() }),
        }
    }

    /// Adds to `batch` what was never taken, where that is in memory and nothing is due again.
    fn take_recent(&self, window: &Window, batch: &mut Batch, now: Instant) -> Option<Left> {
        let mut flights = self.flights();
        let due = flights.first_due();
        if due.is_some_and(|due| due <= now) {
            return None;
        }
        let mut room = MAX_IN_FLIGHT.saturating_sub(flights.in_flight.len());
        let mut crowded = false;
        let (entries, through) = window.recent(flights.next, |record| {
            crowded = room == 0;
            room = room.saturating_sub(1);
            !crowded && batch.reserve(record)
        })?;
        flights.launch_all(entries, now + self.ack_wait, batch);
        flights.next = flights.next.max(through);
        Some(Left { next: flights.next, due: flights.first_due(), crowded })
    }

    /// Adds to `batch` what is due again, then what was never taken.
    fn take(
        &self,
        snapshot: &Snapshot<'_>,
        batch: &mut Batch,
        now: Instant,
    ) -> Result<Left, LogError> {
        let mut flights = self.flights();
        let due: Vec<_> = flights
            .in_flight
            .iter()
            .filter(|(_, flight)| flight.due <= now)
            .map(|(position, _)| *position)
            .collect();
        for position in due {
            let Some(entry) = snapshot.unacked_at(&self.name, position)? else {
                flights.in_flight.remove(&position);
                continue;
            };
            if !batch.reserve(entry.record.len()) {
                break;
            }
            let attempt = flights.launch(position, now + self.ack_wait);
            batch.add(entry, attempt);
        }
        let mut crowded = false;
        if !batch.full {
            let mut room = MAX_IN_FLIGHT.saturating_sub(flights.in_flight.len());
            let (entries, all) = snapshot.unacked_after(&self.name, flights.next, |record| {
                crowded = room == 0;
                room = room.saturating_sub(1);
                !crowded && batch.reserve(record)
            })?;
            flights.launch_all(entries, now + self.ack_wait, batch);
            if all {
                flights.next = flights.next.max(snapshot.extent()?.end);
            }
        }
        Ok(Left { next: flights.next, due: flights.first_due(), crowded })
    }

    fn land(&self, positions: &[Position]) {
        let mut flights = self.flights();
        for position in positions {
            flights.in_flight.remove(position);
        }
    }

    fn flights(&self) -> MutexGuard<'_, Flights> {
        self.flights.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Flights {
    /// When something comes again.
    fn first_due(&self) -> Option<Instant> {
        self.in_flight.values().map(|flight| flight.due).min()
    }

    /// Puts entries in flight that never were.
    fn launch_all(&mut self, entries: Vec<Entry>, due: Instant, batch: &mut Batch) {
        for entry in entries {
            self.next = entry.position;
            let attempt = self.launch(entry.position, due);
            batch.add(entry, attempt);
        }
    }

    /// Puts an entry in flight, once more perhaps; returns how often it was.
    fn launch(&mut self, position: Position, due: Instant) -> u64 {
        let flight = self.in_flight.entry(position).or_insert(Flight { due, attempt: 0 });
        flight.due = due;
        flight.attempt += 1;
        flight.attempt
    }
}

// === impl Batch ===

impl Batch {
    const fn new(limit: BatchLimit) -> Self {
        Self { limit, deliveries: Vec::new(), count: 0, bytes: 0, full: false }
    }

    /// Makes room for one more, unless that would exceed the limit.
    fn reserve(&mut self, record: usize) -> bool {
        let fits = self.count < self.limit.count
            && (self.count == 0 || self.bytes + record <= self.limit.bytes);
        if fits {
            self.count += 1;
            self.bytes += record;
        }
        self.full = !fits || self.count == self.limit.count;
        fits
    }

    /// Adds what room was made for.
    fn add(&mut self, entry: Entry, attempt: u64) {
        let token = entry.position.to_string();
        self.deliveries.push(Delivery { entry, token, attempt });
    }
}

// === impl SqliteDeliveries ===

impl SqliteDeliveries {
    pub(super) fn new(
        group: Arc<Group>,
        (window, readers): (Arc<RwLock<Window>>, Readers),
        writer: WriterHandle,
        end: watch::Receiver<Position>,
    ) -> Self {
        Self { group, window, readers, writer, end }
    }

    /// Takes what is there into `batch`.
    async fn take(&self, mut batch: Batch) -> Result<(Batch, Left), LogError> {
        let (group, now) = (self.group.clone(), Instant::now());
        let recent = {
            let window = self.window.read().unwrap_or_else(PoisonError::into_inner);
            group.take_recent(&window, &mut batch, now)
        };
        if let Some(left) = recent {
            return Ok((batch, left));
        }
        self.readers
            .read(move |snapshot| {
                let left = group.take(snapshot, &mut batch, now)?;
                Ok((batch, left))
            })
            .await
    }
}

#[async_trait]
impl Deliveries for SqliteDeliveries {
    async fn next(
        &mut self,
        limit: BatchLimit,
        linger: Duration,
    ) -> Result<Vec<Delivery>, LogError> {
        let mut batch = Batch::new(limit);
        let mut until = Instant::now() + IDLE;
        let mut lingers = false;
        loop {
            let last = Instant::now() >= until;
            let left;
            (batch, left) = self.take(batch).await?;
            if batch.full || last {
                return Ok(batch.deliveries);
            }
            if !batch.deliveries.is_empty() && !std::mem::replace(&mut lingers, true) {
                until = Instant::now() + linger;
            }
            // More is worth a look only when it would fill the batch, or when the linger is over.
            let wanted = if lingers { (limit.count - batch.count) as u64 } else { 1 };
            let wake = left.due.map_or(until, |due| due.min(until));
            if left.crowded {
                tokio::time::sleep_until(wake.min(Instant::now() + CROWDED)).await;
                continue;
            }
            let more =
                self.end.wait_for(|end| end.as_u64() >= left.next.as_u64().saturating_add(wanted));
            if let Ok(Err(_)) = timeout_at(wake, more).await {
                return if lingers { Ok(batch.deliveries) } else { Err(closed()) };
            }
        }
    }

    async fn ack(&mut self, deliveries: &[Delivery]) -> Result<(), LogError> {
        let positions: Vec<_> = deliveries.iter().map(|delivery| delivery.entry.position).collect();
        self.writer.settle(self.group.name.clone(), Settled::Acked(positions.clone())).await?;
        self.group.land(&positions);
        Ok(())
    }

    async fn progress(&mut self, deliveries: &[Delivery]) -> Result<(), LogError> {
        let due = Instant::now() + self.group.ack_wait;
        let mut flights = self.group.flights();
        for delivery in deliveries {
            if let Some(flight) = flights.in_flight.get_mut(&delivery.entry.position) {
                flight.due = due;
            }
        }
        Ok(())
    }

    async fn dead_letter(&mut self, delivery: &Delivery, reason: &str) -> Result<(), LogError> {
        let position = delivery.entry.position;
        let how = Settled::DeadLetter(position, reason.to_owned());
        self.writer.settle(self.group.name.clone(), how).await?;
        self.group.land(&[position]);
        Ok(())
    }
}
