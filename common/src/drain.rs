//! The drain: every task is spawned through one, is told when to stop, and is waited for.

use std::{future::Future, time::Duration};

use tokio::task::JoinHandle;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::Instrument;

/// One stage of a process's stop. Cheap to clone; clones are the same stage.
///
/// A process has several stages and stops them in the order in which messages flow: what takes
/// traffic first, what it hands to next. Dropping a clone does nothing; [`begin`](Self::begin)
/// tells the tasks, [`finished`](Self::finished) waits for them.
#[derive(Clone, Debug, Default)]
pub struct Drain {
    stop: CancellationToken,
    tasks: TaskTracker,
}

// === impl Drain ===

impl Drain {
    /// A stage with no task.
    pub fn new() -> Self {
        Self::default()
    }

    /// Spawns a task of this stage, within the caller's span. It must end soon after
    /// [`draining`](Self::draining).
    pub fn spawn<T: Send + 'static>(
        &self,
        task: impl Future<Output = T> + Send + 'static,
    ) -> JoinHandle<T> {
        self.tasks.spawn(task.in_current_span())
    }

    /// Tells every task of this stage to stop.
    pub fn begin(&self) {
        self.stop.cancel();
        self.tasks.close();
    }

    /// Whether the stage has been told to stop.
    pub fn is_draining(&self) -> bool {
        self.stop.is_cancelled()
    }

    /// Waits until the stage is told to stop. Cancel safe.
    pub async fn draining(&self) {
        self.stop.cancelled().await;
    }

    /// How many tasks of this stage have not ended.
    pub fn tasks(&self) -> usize {
        self.tasks.len()
    }

    /// Waits until every task has ended, for `grace` at most; tells whether they did. Cancel safe.
    pub async fn finished(&self, grace: Duration) -> bool {
        tokio::time::timeout(grace, self.tasks.wait()).await.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_stage_waits_for_its_tasks_within_the_grace() {
        let drain = Drain::new();
        let told = drain.clone();
        drain.spawn(async move { told.draining().await });
        drain.spawn(tokio::time::sleep(Duration::from_secs(5)));
        drain.begin();
        assert!(!drain.finished(Duration::from_secs(1)).await);
        assert_eq!(drain.tasks(), 1);
        assert!(drain.finished(Duration::from_secs(5)).await);
    }
}
