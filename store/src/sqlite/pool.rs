//! A pool of connections to one database file, used on the runtime's blocking threads.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use parlor_common::planted::{self, Fault};
use rusqlite::Connection;
use tokio::{sync::Semaphore, time::Instant};

use crate::StoreError;

/// How long a caller waits for a connection and for its answer, both together.
const DEADLINE: Duration = Duration::from_secs(10);

/// So many connections, one caller each; who comes when all are taken waits, and is refused at the
/// deadline.
#[derive(Clone, Debug)]
pub(super) struct Pool {
    idle: Arc<Mutex<Vec<Connection>>>,
    free: Arc<Semaphore>,
}

impl Pool {
    pub(super) fn new(connections: Vec<Connection>) -> Self {
        let free = Arc::new(Semaphore::new(connections.len()));
        Self { idle: Arc::new(Mutex::new(connections)), free }
    }

    /// Does `work` with a connection. Work that was begun goes on to its end, also when nobody
    /// waits for it any more.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let deadline = Instant::now() + DEADLINE;
        let late = || StoreError::Unavailable("the database did not answer in time".to_owned());
        let free = tokio::time::timeout_at(deadline, Arc::clone(&self.free).acquire_owned()).await;
        let permit = free.map_err(|_| late())?.map_err(|_| late())?;
        let idle = Arc::clone(&self.idle);
        let answer = tokio::task::spawn_blocking(move || {
            planted::panic_if(Fault::PanicInStore);
            let _permit = permit;
            let mut connection = idle.lock().unwrap_or_else(PoisonError::into_inner).pop()?;
            let answer = work(&mut connection);
            idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
            Some(answer)
        });
        match tokio::time::timeout_at(deadline, answer).await {
            Ok(Ok(Some(answer))) => answer.map_err(unavailable),
            Ok(Ok(None) | Err(_)) => {
                Err(StoreError::Unavailable("a connection to the database was lost".to_owned()))
            }
            Err(_) => Err(late()),
        }
    }
}

/// Whatever SQLite says, the same call may succeed once the disk has room, or the file is whole
/// again.
#[expect(clippy::needless_pass_by_value, reason = "it is handed to map_err")]
pub(super) fn unavailable(error: rusqlite::Error) -> StoreError {
    StoreError::Unavailable(error.to_string())
}
