//! Panics: a task that panics ends the process, so that nothing goes on without a part of itself.

use std::{panic, process, thread, time::Duration};

use tracing::error;

use crate::{exit, lines::Lines};

/// How long a panic may take to be told.
const TELL_WITHIN: Duration = Duration::from_millis(700);

/// From now on a panic on any thread is told and ends the process with 70, within a second.
pub(crate) fn end_the_process(lines: Lines) {
    panic::set_hook(Box::new(move |panic| {
        // Telling may itself be what hangs: the panic may have come from it.
        let limit = thread::Builder::new().spawn(|| {
            thread::park_timeout(TELL_WITHIN);
            process::exit(exit::DEFECT.into());
        });
        let message = panic.payload_as_str().unwrap_or("a panic without a text");
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        error!(message, place, "a task panicked, which is a defect: the process ends");
        lines.flush(TELL_WITHIN / 2);
        drop(limit);
        process::exit(exit::DEFECT.into());
    }));
}

#[cfg(test)]
mod tests {
    use std::{process::Command, time::Instant};

    use super::*;
    use crate::metrics::Metrics;

    /// Runs this test program again as a process of which a task panics.
    #[test]
    fn a_task_that_panics_ends_the_process_within_a_second() {
        let child = ["--ignored", "--exact", "--nocapture", "panics::tests::panics_in_a_task"];
        let started = Instant::now();
        let ended = Command::new(std::env::current_exe().unwrap()).args(child).output().unwrap();
        assert_eq!(ended.status.code(), Some(70), "{ended:?}");
        // Half a second more for the start of a process on a busy machine.
        assert!(started.elapsed() < Duration::from_millis(1_500), "{:?}", started.elapsed());
    }

    #[tokio::test]
    #[ignore = "not a test: the process of a_task_that_panics_ends_the_process_within_a_second"]
    async fn panics_in_a_task() {
        let lines = Lines::start(Metrics::new().unwrap(), std::io::stderr()).unwrap();
        end_the_process(lines);
        let drain = parlor_common::drain::Drain::new();
        drop(drain.spawn(async { panic!("on purpose") }));
        std::future::pending::<()>().await;
    }
}
