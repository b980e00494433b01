//! Consumers: what a group does with every event of the log, by one task for each shard.
//!
//! ```text
//! take ──► try ── kept ───► acknowledge ──► take the next batch
//!           ▲ ├── later ──► ask the log for time, wait, and try again, for ever
//!           └─┘
//!             └── never ──► try each event by itself; a dead letter of the one that is refused
//! ```
//! What a batch is worth to the group is its [`Sink`]'s to say; everything else is here, once for
//! all groups. Memory is bounded by one batch for each shard: while the sink does not answer,
//! nothing more is taken. Any number of nodes may run the same consumer, and share its work.

mod batch;
mod health;
mod metrics;
mod settings;
mod sink;

use std::{sync::Arc, time::Instant};

use parlor_common::{
    drain::Drain,
    event::Event,
    planted::{self, Fault},
    shard::Shard,
};
use tracing::{Instrument, debug, error, info, info_span, warn};

use self::{
    batch::Batch,
    health::{RunningTask, ShardHealth},
    metrics::GroupMetrics,
};
pub use self::{
    health::{Health, Trouble},
    metrics::ConsumerMetrics,
    settings::ConsumerSettings,
    sink::{Sink, SinkError},
};
use crate::{BatchLimit, Deliveries, Delivery, EventLog, LogError};

/// A group and what it does.
#[derive(Clone, Debug)]
pub struct Consumer {
    /// What it reads.
    pub log: Arc<dyn EventLog>,
    /// Whose progress it shares: a group that the log was provisioned with.
    pub group: &'static str,
    /// What keeps the events.
    pub sink: Arc<dyn Sink>,
    /// How batches are made, and how patient it is.
    pub settings: ConsumerSettings,
    /// What it tells the operator.
    pub metrics: ConsumerMetrics,
}

/// The task of one shard.
struct Worker {
    shard: Shard,
    consumer: Consumer,
    metrics: GroupMetrics,
    health: ShardHealth,
    drain: Drain,
}

/// Why a batch was not kept.
enum NotKept {
    /// The process stops, and the sink does not answer: what is not acknowledged comes again.
    Stopping,
    /// The log took no acknowledgement; the batch comes again.
    Log(LogError),
}

// === impl Consumer ===

impl Consumer {
    /// Starts a task for each shard of the log; they end with the drain, their batch kept where the
    /// sink takes it.
    pub fn start(&self, drain: &Drain) -> Health {
        let health = Health::default();
        let metrics = self.metrics.of(self.group);
        for shard in self.log.shards().all() {
            let worker = Worker {
                shard,
                consumer: self.clone(),
                metrics: metrics.clone(),
                health: health.of(shard),
                drain: drain.clone(),
            };
            let running = RunningTask::new(health.of(shard));
            let task = async move {
                worker.run().await;
                running.ended_in_order();
            };
            let span = info_span!("consumer", group = self.group, %shard);
            drop(drain.spawn(task.instrument(span)));
        }
        health
    }
}

// === impl Worker ===

impl Worker {
    /// Works until the drain begins.
    async fn run(self) {
        planted::panic_if(Fault::PanicInConsumer);
        let Consumer { log, group, .. } = &self.consumer;
        while !self.drain.is_draining() {
            match log.deliveries(self.shard, group).await {
                Ok(deliveries) => {
                    let error = self.consume(deliveries).await;
                    self.log_failed(error).await;
                }
                Err(error) => self.log_failed(Some(error)).await,
            }
        }
    }

    /// Takes and keeps batches until the drain begins (`None`) or the log fails.
    async fn consume(&self, mut deliveries: Box<dyn Deliveries>) -> Option<LogError> {
        let ConsumerSettings { batch_count, batch_bytes, batch_age, .. } = self.consumer.settings;
        let limit = BatchLimit { count: batch_count, bytes: batch_bytes };
        loop {
            let taken = tokio::select! {
                // A drop leaves what was taken unacknowledged, and it comes again.
                () = self.drain.draining() => return None,
                taken = deliveries.next(limit, batch_age) => taken,
            };
            let kept = match taken {
                Ok(taken) => self.keep(deliveries.as_mut(), Batch::decode(taken)).await,
                Err(error) => return Some(error),
            };
            match kept {
                Ok(()) => self.recovered(),
                Err(NotKept::Stopping) => return None,
                Err(NotKept::Log(error)) => return Some(error),
            }
        }
    }

    async fn keep(&self, deliveries: &mut dyn Deliveries, batch: Batch) -> Result<(), NotKept> {
        for (delivery, reason) in &batch.unreadable {
            self.dead_letter(deliveries, delivery, reason).await?;
        }
        if batch.events.is_empty() {
            return Ok(());
        }
        let started = Instant::now();
        if planted::is(Fault::AcknowledgeBeforeStore) {
            self.ack(deliveries, &batch.deliveries).await?;
            tokio::time::sleep(planted::WHILE).await;
        }
        match self.offer(deliveries, &batch.events, &batch.deliveries).await? {
            Ok(()) => self.ack(deliveries, &batch.deliveries).await?,
            Err(_) => self.keep_one_by_one(deliveries, &batch).await?,
        }
        self.metrics.batch_seconds.observe(started.elapsed().as_secs_f64());
        self.metrics.batch_events.observe(batch.events.len() as f64);
        Ok(())
    }

    /// The sink refuses the batch for good: each event is offered by itself, and the one that is
    /// refused becomes a dead letter.
    async fn keep_one_by_one(
        &self,
        deliveries: &mut dyn Deliveries,
        batch: &Batch,
    ) -> Result<(), NotKept> {
        for (index, event) in batch.events.iter().enumerate() {
            let left = &batch.deliveries[index..];
            match self.offer(deliveries, std::slice::from_ref(event), left).await? {
                Ok(()) => self.ack(deliveries, &left[..1]).await?,
                Err(reason) => self.dead_letter(deliveries, &left[0], &reason).await?,
            }
        }
        Ok(())
    }

    /// Tries until the sink answers, and asks the log for time meanwhile for what was `taken`. The
    /// inner error is the sink's refusal.
    async fn offer(
        &self,
        deliveries: &mut dyn Deliveries,
        events: &[Event],
        taken: &[Delivery],
    ) -> Result<Result<(), String>, NotKept> {
        let Consumer { sink, settings, .. } = &self.consumer;
        let mut progress = tokio::time::interval(settings.progress_every);
        progress.tick().await;
        loop {
            let answer = {
                let mut attempt = std::pin::pin!(sink.keep(self.shard, events));
                loop {
                    tokio::select! {
                        answer = &mut attempt => break answer,
                        _ = progress.tick() => ask_for_time(deliveries, taken).await,
                    }
                }
            };
            match answer {
                Ok(()) => return Ok(Ok(())),
                Err(SinkError::Never(reason)) => return Ok(Err(reason)),
                Err(SinkError::Later(reason)) => {
                    self.metrics.sink_failures.inc();
                    if self.health.trouble(Trouble::Sink(sink.name())) {
                        warn!(
                            reason,
                            "{} does not answer: nothing more is taken until it does",
                            sink.name()
                        );
                    }
                }
            }
            tokio::select! {
                () = self.drain.draining() => return Err(NotKept::Stopping),
                () = tokio::time::sleep(settings.retry_every) => {}
            }
            ask_for_time(deliveries, taken).await;
        }
    }

    async fn ack(&self, deliveries: &mut dyn Deliveries, kept: &[Delivery]) -> Result<(), NotKept> {
        deliveries.ack(kept).await.map_err(NotKept::Log)?;
        self.metrics.kept.inc_by(kept.len() as u64);
        Ok(())
    }

    async fn dead_letter(
        &self,
        deliveries: &mut dyn Deliveries,
        delivery: &Delivery,
        reason: &str,
    ) -> Result<(), NotKept> {
        let entry = &delivery.entry;
        error!(
            tenant.id = %entry.conversation.tenant,
            conversation.id = %entry.conversation.id,
            sequence = entry.position.sequence(),
            reason,
            "an entry can never be kept and becomes a dead letter"
        );
        deliveries.dead_letter(delivery, reason).await.map_err(NotKept::Log)?;
        self.metrics.dead_letters.inc();
        Ok(())
    }

    async fn log_failed(&self, error: Option<LogError>) {
        let Some(error) = error else { return };
        self.metrics.log_failures.inc();
        let rejected = matches!(error, LogError::Rejected(_));
        if self.health.trouble(if rejected { Trouble::Gone } else { Trouble::Log }) {
            warn!(%error, "the log gives no deliveries: trying again");
        }
        tokio::select! {
            () = self.drain.draining() => {}
            () = tokio::time::sleep(self.consumer.settings.retry_every) => {}
        }
    }

    fn recovered(&self) {
        if self.health.well() {
            info!("the {} is working again", self.consumer.group);
        }
    }
}

/// A request for time that gets lost only makes the batch come twice, which changes nothing.
async fn ask_for_time(deliveries: &mut dyn Deliveries, taken: &[Delivery]) {
    if let Err(error) = deliveries.progress(taken).await {
        debug!(%error, "the log was not told that a batch takes long");
    }
}
