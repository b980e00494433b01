//! A listener over NATS: a subscription to all subjects of a shard, and whether its connection
//! stands.

use std::{fmt, sync::Arc, time::Duration};

use async_nats::{Message, Subscriber};
use async_trait::async_trait;
use futures_util::StreamExt;
use parlor_common::shard::Shard;
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};

use super::Shared;
use crate::{
    Heard, Listener,
    envelope::Envelope,
    metrics::Direction,
    signal::{Address, Signal},
};

/// How long the connection's own queue may take to take a subscription.
const SUBSCRIBE_WITHIN: Duration = Duration::from_secs(2);
/// The pause after a subscription that could not be had, or has ended.
const PAUSE: Duration = Duration::from_secs(1);

pub(super) struct NatsListener {
    shared: Arc<Shared>,
    shard: Shard,
    up: watch::Receiver<bool>,
    messages: Option<Subscriber>,
    /// What was told last.
    hears: bool,
}

// === impl NatsListener ===

impl NatsListener {
    pub(super) fn new(shared: Arc<Shared>, shard: Shard) -> Self {
        let mut up = shared.up.clone();
        up.mark_changed();
        Self { shared, shard, up, messages: None, hears: false }
    }

    /// The signal in a message; `None` where it is none of ours, or is worth nothing any more.
    fn signal(&self, message: Message) -> Option<Signal> {
        let Shared { prefix, clock, metrics, .. } = &*self.shared;
        let address = Address::from_subject(message.subject.strip_prefix(prefix.as_str())?)?;
        let envelope = Envelope::read(message.payload)?;
        if !envelope.is_fresh(clock.now()) {
            metrics.dropped(envelope.class);
            return None;
        }
        let Envelope { class, body, .. } = envelope;
        metrics.passed(class, Direction::Heard);
        Some(Signal { address, class, body })
    }
}

#[async_trait]
impl Listener for NatsListener {
    async fn next(&mut self) -> Heard {
        loop {
            let Some(messages) = &mut self.messages else {
                let subjects = format!("{}{}", self.shared.prefix, Address::subjects(self.shard));
                let asked = self.shared.client.subscribe(subjects);
                match timeout(SUBSCRIBE_WITHIN, asked).await {
                    Ok(Ok(subscriber)) => self.messages = Some(subscriber),
                    Ok(Err(_)) | Err(_) => sleep(PAUSE).await,
                }
                continue;
            };
            tokio::select! {
                biased;
                Ok(()) = self.up.changed() => {
                    let up = *self.up.borrow_and_update();
                    if std::mem::replace(&mut self.hears, up) != up {
                        return if up { Heard::Hears } else { Heard::Deaf };
                    }
                }
                message = messages.next() => match message {
                    Some(message) => if let Some(signal) = self.signal(message) {
                        return Heard::Signal(signal);
                    },
                    None => {
                        self.messages = None;
                        self.up.mark_changed();
                        if std::mem::replace(&mut self.hears, false) {
                            return Heard::Deaf;
                        }
                        sleep(PAUSE).await;
                    }
                },
            }
        }
    }
}

impl fmt::Debug for NatsListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NatsListener").field("shard", &self.shard).finish_non_exhaustive()
    }
}
