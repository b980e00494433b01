//! Latencies and counts, and the two kinds of load: closed (a client waits) and open (time passes).

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    thread,
    time::{Duration, Instant},
};

use anyhow::{anyhow, bail};
use hdrhistogram::Histogram;
use tokio::{sync::mpsc, task::spawn_local};

/// What came back, and after how long.
#[derive(Debug)]
pub(crate) struct Tally {
    began: Instant,
    /// Before it, nothing counts.
    from: Cell<Instant>,
    latencies: RefCell<Histogram<u64>>,
    count: Cell<u64>,
    /// Why the first client that ended has ended.
    trouble: RefCell<Option<anyhow::Error>>,
}

/// How many drafts may be due and not begun; their times are those at which they were due.
const TOLD: usize = 100_000;
const MOST_MICROS: u64 = 600_000_000;

// === impl Tally ===

impl Tally {
    pub(crate) fn new() -> Self {
        let now = Instant::now();
        let latencies = Histogram::new_with_bounds(1, MOST_MICROS, 3).expect("bounds that it has");
        Self {
            began: now,
            from: Cell::new(now),
            latencies: RefCell::new(latencies),
            count: Cell::new(0),
            trouble: RefCell::new(None),
        }
    }

    /// Microseconds since the beginning: a time that fits into a message's text.
    pub(crate) fn now(&self) -> u64 {
        self.micros(Instant::now())
    }

    pub(crate) fn micros(&self, at: Instant) -> u64 {
        u64::try_from(at.duration_since(self.began).as_micros()).unwrap_or(u64::MAX)
    }

    /// Forgets what came before.
    pub(crate) fn start(&self) {
        self.from.set(Instant::now());
        self.latencies.borrow_mut().reset();
        self.count.set(0);
    }

    /// Something came of what was meant to be sent `intended` microseconds after the beginning.
    pub(crate) fn came(&self, intended: u64) {
        if intended >= self.micros(self.from.get()) {
            let latency = self.now().saturating_sub(intended);
            self.latencies.borrow_mut().saturating_record(latency);
        }
        self.count.set(self.count.get() + 1);
    }

    pub(crate) fn count(&self) -> u64 {
        self.count.get()
    }

    /// A client's task. Its end is trouble: it goes on until the measurement is over.
    pub(crate) fn client(
        self: &Rc<Self>,
        client: impl Future<Output = anyhow::Result<()>> + 'static,
    ) {
        let tally = self.clone();
        spawn_local(async move {
            let ended = client.await.err().unwrap_or_else(|| anyhow!("a client has ended"));
            tally.trouble.borrow_mut().get_or_insert(ended);
        });
    }

    /// Nothing counts where a client had trouble, or nothing came.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        match self.trouble.take() {
            Some(trouble) => Err(trouble),
            None if self.count() == 0 => bail!("nothing came"),
            None => Ok(()),
        }
    }

    /// A percentile, in milliseconds.
    pub(crate) fn at(&self, percentile: f64) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "microseconds of some minutes")]
        let micros = self.latencies.borrow().value_at_percentile(percentile) as f64;
        micros / 1000.0
    }
}

/// Calls `send` with each number and the time at which it is due, `rate` times a second, for so
/// long. A thread of its own tells when that is: the runtime's timers are late by up to 2 ms.
pub(crate) async fn open<F>(rate: f64, lasts: Duration, mut send: impl FnMut(usize, Instant) -> F)
where
    F: Future<Output = anyhow::Result<()>>,
{
    let (tells, mut told) = mpsc::channel(TOLD);
    let began = Instant::now();
    let due = move |number: u32| began + Duration::from_secs_f64(f64::from(number) / rate);
    thread::spawn(move || {
        for number in 0.. {
            let at = due(number);
            if at >= began + lasts {
                break;
            }
            while let Some(left) = at.checked_duration_since(Instant::now()) {
                thread::park_timeout(left);
            }
            if tells.blocking_send(number).is_err() {
                break;
            }
        }
    });
    while let Some(number) = told.recv().await {
        if send(number as usize, due(number)).await.is_err() {
            break;
        }
    }
}
