//! The timer of a connection: how long it may be silent depends on what is awaited.
//!
//! hyper has one deadline for "the next head", which starts when the last answer is written, so
//! that a kept-alive connection would be cut as early as a slow head. hyper asks its timer for that
//! deadline; this timer waits long for the first byte, and from there as long as a head may take.

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::{Duration, Instant},
};

use hyper::rt::{Sleep, Timer};

use crate::framing::{Framing, Verdict};

/// What has happened on a connection; shared by its stream, its timer and its service, which are
/// one task.
#[derive(Clone, Debug, Default)]
pub(crate) struct Activity(Arc<Mutex<Seen>>);

#[derive(Debug, Default)]
struct Seen {
    framing: Framing,
    /// Bytes that came.
    bytes: u64,
    /// Requests that were given to the service.
    requests: u64,
}

/// The timer of one connection. hyper uses it for heads alone.
#[derive(Debug)]
pub(crate) struct HeadTimer {
    activity: Activity,
    first_byte: Duration,
    head: Duration,
    idle: Duration,
}

/// The wait for one head.
struct HeadWait {
    activity: Activity,
    /// How many bytes had come when it began.
    from: u64,
    head: Duration,
    begun: bool,
    sleep: Pin<Box<tokio::time::Sleep>>,
}

// === impl Activity ===

impl Activity {
    /// These bytes came.
    pub(crate) fn read(&self, bytes: &[u8]) {
        let mut seen = self.lock();
        seen.bytes += bytes.len() as u64;
        seen.framing.feed(bytes);
    }

    /// The next request is given to the service: what its head says of its framing.
    pub(crate) fn next_request(&self) -> Verdict {
        let mut seen = self.lock();
        let verdict = seen.framing.verdict(seen.requests);
        seen.requests += 1;
        verdict
    }

    /// How many requests were given to the service.
    pub(crate) fn requests(&self) -> u64 {
        self.lock().requests
    }

    fn bytes(&self) -> u64 {
        self.lock().bytes
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl HeadTimer ===

impl HeadTimer {
    /// The timer of a new connection, and what it watches.
    pub(crate) fn new(first_byte: Duration, head: Duration, idle: Duration) -> (Self, Activity) {
        let activity = Activity::default();
        (Self { activity: activity.clone(), first_byte, head, idle }, activity)
    }
}

impl Timer for HeadTimer {
    fn sleep(&self, _: Duration) -> Pin<Box<dyn Sleep>> {
        let from = self.activity.bytes();
        let wait = if from == 0 { self.first_byte } else { self.idle };
        let sleep = Box::pin(tokio::time::sleep(wait));
        Box::pin(HeadWait {
            activity: self.activity.clone(),
            from,
            head: self.head,
            begun: false,
            sleep,
        })
    }

    fn sleep_until(&self, _: Instant) -> Pin<Box<dyn Sleep>> {
        self.sleep(Duration::ZERO)
    }
}

// === impl HeadWait ===

impl Sleep for HeadWait {}

impl Future for HeadWait {
    type Output = ();

    /// hyper polls it after every attempt to read.
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if !self.begun && self.activity.bytes() > self.from {
            self.begun = true;
            let end = tokio::time::Instant::now() + self.head;
            self.sleep.as_mut().reset(end);
        }
        self.sleep.as_mut().poll(context)
    }
}
