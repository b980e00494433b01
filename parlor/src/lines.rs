//! The lines of the log on their way to standard error.
//!
//! A thread of their own writes them, so that nobody else waits for a standard error that is not
//! read, or fails with one that is full or closed. Lines that find no room, and those that cannot
//! be written, are lost and counted.

use std::{
    collections::VecDeque,
    io::{self, Write},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use parlor_common::planted::{self, Fault};
use tracing_subscriber::fmt::MakeWriter;

use crate::metrics::Metrics;

/// What may wait to be written.
const MAX_LINES: usize = 8_192;
const MAX_BYTES: usize = 8 << 20;

/// Where lines are put. Cheap to clone; never waits, and never fails.
#[derive(Clone, Debug)]
pub(crate) struct Lines(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    waiting: Mutex<Waiting>,
    changed: Condvar,
    metrics: Metrics,
}

#[derive(Debug, Default)]
struct Waiting {
    lines: VecDeque<Vec<u8>>,
    bytes: usize,
    /// One line is being written.
    writing: bool,
}

// === impl Lines ===

impl Lines {
    /// Starts the thread that writes them to `to`.
    ///
    /// # Errors
    /// Where there can be no thread more.
    pub(crate) fn start(metrics: Metrics, to: impl Write + Send + 'static) -> io::Result<Self> {
        let (waiting, changed) = (Mutex::default(), Condvar::new());
        let lines = Self(Arc::new(Shared { waiting, changed, metrics }));
        let shared = lines.0.clone();
        thread::Builder::new().name("log".to_owned()).spawn(move || shared.write(to))?;
        Ok(lines)
    }

    /// Waits until everything that was put here is written or lost, for `within` at most. Blocks.
    pub(crate) fn flush(&self, within: Duration) {
        let is_busy = |waiting: &mut Waiting| waiting.writing || !waiting.lines.is_empty();
        drop(self.0.changed.wait_timeout_while(self.0.lock(), within, is_busy));
    }

    fn put(&self, line: &[u8]) {
        let mut waiting = self.0.lock();
        if waiting.lines.len() >= MAX_LINES || waiting.bytes + line.len() > MAX_BYTES {
            self.0.metrics.lost_lines.inc();
            return;
        }
        waiting.bytes += line.len();
        waiting.lines.push_back(line.to_owned());
        self.0.changed.notify_all();
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// Takes whole lines: the subscriber writes each with one call.
impl Write for Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.put(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

// === impl Shared ===

impl Shared {
    /// Writes for as long as the process lives.
    fn write(&self, mut to: impl Write) {
        loop {
            let is_idle = |waiting: &mut Waiting| waiting.lines.is_empty();
            let waited = self.changed.wait_while(self.lock(), is_idle);
            let mut waiting = waited.unwrap_or_else(PoisonError::into_inner);
            let Some(line) = waiting.lines.pop_front() else { continue };
            planted::panic_if(Fault::PanicInLines);
            waiting.bytes -= line.len();
            waiting.writing = true;
            drop(waiting);
            if to.write_all(&line).is_err() {
                self.metrics.lost_lines.inc();
            }
            self.lock().writing = false;
            self.changed.notify_all();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// Takes each line when it is told to, and tells that it has begun.
    struct Slow {
        begun: mpsc::SyncSender<()>,
        go_on: mpsc::Receiver<io::Result<usize>>,
    }

    impl Write for Slow {
        fn write(&mut self, line: &[u8]) -> io::Result<usize> {
            self.begun.send(()).unwrap();
            self.go_on.recv().unwrap().map(|_| line.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_finds_no_room_and_what_cannot_be_written_is_counted() {
        let metrics = Metrics::new().unwrap();
        let (begun, has_begun) = mpsc::sync_channel(MAX_LINES + 1);
        let (tell, go_on) = mpsc::channel();
        let lines = Lines::start(metrics.clone(), Slow { begun, go_on }).unwrap();
        lines.put(b"first");
        has_begun.recv().unwrap();
        for _ in 0..MAX_LINES + 3 {
            lines.put(b"more");
        }
        assert_eq!(metrics.lost_lines.get(), 3, "the writer is busy, and the queue is full");
        tell.send(Err(io::ErrorKind::StorageFull.into())).unwrap();
        (0..MAX_LINES).for_each(|_| tell.send(Ok(0)).unwrap());
        lines.flush(Duration::from_secs(30));
        assert_eq!(metrics.lost_lines.get(), 4);
        assert_eq!(has_begun.try_iter().count(), MAX_LINES, "the others were written");
    }

    #[test]
    fn the_bytes_that_wait_are_bounded_too() {
        let metrics = Metrics::new().unwrap();
        let (begun, has_begun) = mpsc::sync_channel(3);
        let (_tell, go_on) = mpsc::channel();
        let lines = Lines::start(metrics.clone(), Slow { begun, go_on }).unwrap();
        lines.put(b"first");
        has_begun.recv().unwrap();
        lines.put(&vec![b'x'; MAX_BYTES]);
        lines.put(b"y");
        assert_eq!(metrics.lost_lines.get(), 1);
        lines.flush(Duration::from_millis(1));
    }
}
