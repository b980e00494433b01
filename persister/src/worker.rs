//! The worker of one shard: take a batch, store it, acknowledge it.

use std::{sync::Arc, time::Instant};

use parlor_common::{drain::Drain, event::Event, shard::Shard};
use parlor_log::{BatchLimit, Deliveries, Delivery, EventLog, LogError, PERSISTER};
use parlor_store::{HistoryStore, StoreError};
use tracing::{error, info, warn};

use crate::{Metrics, PersisterSettings, batch::Batch, health::ShardHealth};

const LOG_DOWN: &str = "the log does not answer";
const LOG_CHANGED: &str = "the log no longer has this group";
const STORE_DOWN: &str = "the store does not answer";

pub(crate) struct Worker {
    pub(crate) shard: Shard,
    pub(crate) log: Arc<dyn EventLog>,
    pub(crate) store: Arc<dyn HistoryStore>,
    pub(crate) settings: PersisterSettings,
    pub(crate) metrics: Metrics,
    pub(crate) health: ShardHealth,
    pub(crate) drain: Drain,
}

/// Why a batch was not stored.
enum Unstored {
    /// The process stops, and the store does not answer: what is not acknowledged comes again.
    Stopping,
    /// The log took no acknowledgement; the batch comes again.
    Log(LogError),
}

impl Worker {
    /// Works until the drain begins. Memory is bounded by one batch: while the store is down
    /// nothing more is taken.
    pub(crate) async fn run(self) {
        while !self.drain.is_draining() {
            match self.log.deliveries(self.shard, PERSISTER).await {
                Ok(deliveries) => {
                    let error = self.consume(deliveries).await;
                    self.log_failed(error).await;
                }
                Err(error) => self.log_failed(Some(error)).await,
            }
        }
    }

    /// Takes and stores batches until the drain begins (`None`) or the log fails.
    async fn consume(&self, mut deliveries: Box<dyn Deliveries>) -> Option<LogError> {
        let limit =
            BatchLimit { count: self.settings.batch_count, bytes: self.settings.batch_bytes };
        loop {
            let taken = tokio::select! {
                // A drop leaves what was taken unacknowledged, and it comes again.
                () = self.drain.draining() => return None,
                taken = deliveries.next(limit, self.settings.batch_age) => taken,
            };
            let kept = match taken {
                Ok(taken) => self.keep(deliveries.as_mut(), Batch::sort(taken)).await,
                Err(error) => return Some(error),
            };
            match kept {
                Ok(()) => self.recovered(),
                Err(Unstored::Stopping) => return None,
                Err(Unstored::Log(error)) => return Some(error),
            }
        }
    }

    async fn keep(
        &self,
        deliveries: &mut dyn Deliveries,
        mut batch: Batch,
    ) -> Result<(), Unstored> {
        for (delivery, reason) in std::mem::take(&mut batch.unreadable) {
            self.set_aside(deliveries, &delivery, &reason).await?;
        }
        if !batch.skipped.is_empty() {
            self.metrics.skipped.inc_by(batch.skipped.len() as u64);
            deliveries.ack(&batch.skipped).await.map_err(Unstored::Log)?;
        }
        if batch.events.is_empty() {
            return Ok(());
        }
        let started = Instant::now();
        match self.store(deliveries, &batch.events, &batch.deliveries).await? {
            Ok(()) => deliveries.ack(&batch.deliveries).await.map_err(Unstored::Log)?,
            Err(_) => self.keep_one_by_one(deliveries, &batch).await?,
        }
        self.metrics.batch_seconds.observe(started.elapsed().as_secs_f64());
        self.metrics.batch_events.observe(batch.events.len() as f64);
        self.metrics.stored.inc_by(batch.events.len() as u64);
        Ok(())
    }

    /// The store refuses the batch for good: find the event it refuses, and set that one aside.
    async fn keep_one_by_one(
        &self,
        deliveries: &mut dyn Deliveries,
        batch: &Batch,
    ) -> Result<(), Unstored> {
        for (event, delivery) in batch.events.iter().zip(&batch.deliveries) {
            match self.store(deliveries, std::slice::from_ref(event), &batch.deliveries).await? {
                Ok(()) => {
                    deliveries.ack(std::slice::from_ref(delivery)).await.map_err(Unstored::Log)?
                }
                Err(reason) => self.set_aside(deliveries, delivery, &reason).await?,
            }
        }
        Ok(())
    }

    #[expect(clippy::disallowed_methods, reason = "the persister is the one place that inserts")]
    async fn attempt(&self, events: &[Event]) -> Result<(), StoreError> {
        self.store.insert(events).await?;
        match events.iter().map(|event| event.position).max() {
            Some(highest) => self.store.raise_watermark(self.shard, highest).await,
            None => Ok(()),
        }
    }

    /// Tries until the store answers, telling the log meanwhile that what was `taken` is being
    /// worked on. The inner error is the store's refusal.
    async fn store(
        &self,
        deliveries: &mut dyn Deliveries,
        events: &[Event],
        taken: &[Delivery],
    ) -> Result<Result<(), String>, Unstored> {
        let mut progress = tokio::time::interval(self.settings.progress_every);
        progress.tick().await;
        loop {
            let answer = {
                let mut attempt = std::pin::pin!(self.attempt(events));
                loop {
                    tokio::select! {
                        answer = &mut attempt => break answer,
                        _ = progress.tick() => ask_for_time(deliveries, taken).await,
                    }
                }
            };
            match answer {
                Ok(()) => return Ok(Ok(())),
                Err(StoreError::Rejected(reason)) => return Ok(Err(reason)),
                Err(StoreError::Unavailable(reason)) => {
                    self.metrics.store_failures.inc();
                    if self.health.trouble(STORE_DOWN) {
                        warn!(
                            reason,
                            "the store does not answer: nothing more is taken until it does"
                        );
                    }
                }
            }
            tokio::select! {
                () = self.drain.draining() => return Err(Unstored::Stopping),
                () = tokio::time::sleep(self.settings.retry_every) => {}
            }
            ask_for_time(deliveries, taken).await;
        }
    }

    async fn set_aside(
        &self,
        deliveries: &mut dyn Deliveries,
        delivery: &Delivery,
        reason: &str,
    ) -> Result<(), Unstored> {
        let entry = &delivery.entry;
        error!(
            tenant.id = %entry.conversation.tenant,
            conversation.id = %entry.conversation.id,
            sequence = entry.position.sequence(),
            reason,
            "an entry cannot be stored and is set aside"
        );
        self.metrics.set_aside.inc();
        deliveries.set_aside(delivery, reason).await.map_err(Unstored::Log)
    }

    async fn log_failed(&self, error: Option<LogError>) {
        let Some(error) = error else { return };
        self.metrics.log_failures.inc();
        let trouble = if matches!(error, LogError::Rejected(_)) { LOG_CHANGED } else { LOG_DOWN };
        if self.health.trouble(trouble) {
            warn!(%error, "the log gives no deliveries: trying again");
        }
        tokio::select! {
            () = self.drain.draining() => {}
            () = tokio::time::sleep(self.settings.retry_every) => {}
        }
    }

    fn recovered(&self) {
        if self.health.well() {
            info!("the persister gets on again");
        }
    }
}

/// A request for time that gets lost only makes the batch come twice, which changes nothing.
async fn ask_for_time(deliveries: &mut dyn Deliveries, taken: &[Delivery]) {
    if let Err(error) = deliveries.progress(taken).await {
        tracing::debug!(%error, "the log was not told that a batch takes long");
    }
}
