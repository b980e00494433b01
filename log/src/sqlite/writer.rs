//! The writer: one thread that commits whatever has gathered while the last commit was on its way
//! to the disk.

use std::{
    sync::{
        Arc, PoisonError, RwLock,
        mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    },
    thread,
    time::{Duration, Instant},
};

use parlor_common::{
    clock::Clock,
    deadline::in_time,
    planted::{self, Fault},
    position::Position,
};
use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot, watch};
use tracing::{info, warn};

use super::{
    closed,
    commit::{self, Fresh},
    extent::{Extent, acked_through},
    failed,
    job::{Append, Forget, Outcomes, Reply, Settle, Settled},
    row::Place,
    schema::Held,
    settings::SqliteLogSettings,
    window::Window,
};
use crate::{Appended, LogError, Metrics, NewEntry, Trim};

/// How long anybody waits for the writer: the trait's limit of an append.
const DEADLINE: Duration = Duration::from_secs(12);
/// Bytes that may wait for the writer, each command counted as its records and [`COMMAND_BYTES`].
const QUEUE_BYTES: usize = 16 << 20;
/// What a command counts for beside its records, so that the bytes bound the items too.
const COMMAND_BYTES: usize = 1 << 10;
const QUEUE_ITEMS: usize = QUEUE_BYTES / COMMAND_BYTES;
/// Records and other commands of one commit, so that the first of them need not wait long for the
/// last.
const COMMIT_ITEMS: usize = 1_024;
/// How often the writer looks for what is old enough to be forgotten.
const TIDY_EVERY: Duration = Duration::from_secs(1);

/// The way to the writer. Cheap to clone; the writer ends when it is told to, or when every clone
/// is gone.
#[derive(Clone, Debug)]
pub(super) struct WriterHandle {
    queue: SyncSender<Queued>,
    room: Arc<Semaphore>,
}

#[derive(Debug)]
struct Queued {
    command: Command,
    /// The command's part of the queue's bound, given back when it has been answered.
    room: OwnedSemaphorePermit,
}

#[derive(Debug)]
enum Command {
    Append(Append),
    Settle(Settle),
    Forget(Forget),
    Close(Reply<()>),
}

/// What gathered for one commit.
#[derive(Debug, Default)]
struct Gathered {
    appends: Vec<Append>,
    settles: Vec<Settle>,
    forgets: Vec<Forget>,
    closes: Vec<Reply<()>>,
    rooms: Vec<OwnedSemaphorePermit>,
    items: usize,
}

struct Writer {
    connection: Connection,
    queue: Receiver<Queued>,
    /// Raised after a commit, before the end is.
    window: Arc<RwLock<Window>>,
    /// The committed end: raised after the commit and before anybody is told of it.
    end: watch::Sender<Position>,
    settings: SqliteLogSettings,
    clock: Clock,
    metrics: Metrics,
    /// The last commit failed.
    failing: bool,
    tidied: Instant,
}

/// What a transaction came to.
struct Done {
    outcomes: Vec<Outcomes>,
    added: Fresh,
    gone: Vec<Place>,
    end: Position,
}

/// Starts the writer's thread; returns the way to it, and the committed end as it moves.
pub(super) fn start(
    (connection, held): (Connection, Held),
    window: Arc<RwLock<Window>>,
    settings: SqliteLogSettings,
    clock: Clock,
    metrics: Metrics,
) -> std::io::Result<(WriterHandle, watch::Receiver<Position>)> {
    let standing = Extent::read(&connection).map_err(std::io::Error::other)?;
    let (sender, queue) = sync_channel(QUEUE_ITEMS);
    let (end, watched) = watch::channel(standing.end);
    let writer = Writer {
        connection,
        queue,
        window,
        end,
        settings,
        clock,
        metrics,
        failing: false,
        tidied: Instant::now(),
    };
    thread::Builder::new().name("parlor-log".to_owned()).spawn(move || {
        let closes = writer.run();
        // The folder is free before anybody is told that the log is closed.
        drop(held);
        for reply in closes {
            answer(reply, Ok(()));
        }
    })?;
    Ok((WriterHandle { queue: sender, room: Arc::new(Semaphore::new(QUEUE_BYTES)) }, watched))
}

/// Whoever gave up waiting learns by asking again.
fn answer<T>(reply: Reply<T>, result: Result<T, LogError>) {
    drop(reply.send(result));
}

// === impl WriterHandle ===

impl WriterHandle {
    pub(super) async fn append(&self, run: Vec<NewEntry>) -> Result<Outcomes, LogError> {
        let bytes = run.iter().map(|new| new.record.len() + COMMAND_BYTES).sum();
        self.ask(bytes, |reply| Command::Append(Append { run, reply })).await
    }

    pub(super) async fn settle(&self, group: Arc<str>, how: Settled) -> Result<(), LogError> {
        self.ask(0, |reply| Command::Settle(Settle { group, how, reply })).await
    }

    /// One transaction's part of a trim.
    pub(super) async fn forget(&self, trim: Trim) -> Result<usize, LogError> {
        self.ask(0, |reply| Command::Forget(Forget { trim, reply })).await
    }

    pub(super) async fn close(&self) -> Result<(), LogError> {
        self.ask(0, Command::Close).await
    }

    async fn ask<T>(
        &self,
        bytes: usize,
        command: impl FnOnce(Reply<T>) -> Command,
    ) -> Result<T, LogError> {
        let unavailable = |why: String| LogError::Unavailable(format!("its disk: {why}"));
        in_time(DEADLINE, unavailable, async {
            let bytes = u32::try_from(bytes + COMMAND_BYTES).unwrap_or(u32::MAX);
            let room = self.room.clone().acquire_many_owned(bytes).await.map_err(|_| closed())?;
            let (reply, answer) = oneshot::channel();
            // Never full: the room that was acquired is a place in it, too.
            self.queue.try_send(Queued { command: command(reply), room }).map_err(|_| closed())?;
            answer.await.map_err(|_| closed())?
        })
        .await
    }
}

// === impl Gathered ===

impl Gathered {
    fn add(&mut self, queued: Queued) {
        self.rooms.push(queued.room);
        self.items += match &queued.command {
            Command::Append(append) => append.run.len(),
            Command::Settle(_) | Command::Forget(_) | Command::Close(_) => 1,
        };
        match queued.command {
            Command::Append(append) => self.appends.push(append),
            Command::Settle(settle) => self.settles.push(settle),
            Command::Forget(forget) => self.forgets.push(forget),
            Command::Close(reply) => self.closes.push(reply),
        }
    }
}

// === impl Writer ===

impl Writer {
    /// Commits until it is told to close or nobody can ask any more; returns whom to tell that it
    /// has ended.
    fn run(mut self) -> Vec<Reply<()>> {
        planted::panic_if(Fault::PanicInWriter);
        let mut closes = Vec::new();
        loop {
            let mut gathered = Gathered::default();
            // Once it is to close, it commits what is there and waits for nothing.
            let wait = if closes.is_empty() { TIDY_EVERY } else { Duration::ZERO };
            match self.queue.recv_timeout(wait) {
                Ok(first) => gathered.add(first),
                Err(RecvTimeoutError::Timeout) if closes.is_empty() => {}
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => break,
            }
            while gathered.items < COMMIT_ITEMS {
                let Ok(next) = self.queue.try_recv() else { break };
                gathered.add(next);
            }
            closes.append(&mut gathered.closes);
            let forgets = std::mem::take(&mut gathered.forgets);
            self.commit(gathered);
            for Forget { trim, reply } in forgets {
                let forgotten = self.forget(trim);
                if let Err(error) = &forgotten {
                    self.failed(error);
                }
                answer(reply, forgotten.map_err(|error| failed(&error)));
            }
            self.tidy_when_due();
        }
        // Best effort: what is not moved into the file now is found in its WAL at the next start.
        if let Err(error) =
            self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
        {
            warn!(%error, "the log's WAL was not moved into its file; the next start does it");
        }
        closes
    }

    fn commit(&mut self, gathered: Gathered) {
        let Gathered { mut appends, settles, rooms, .. } = gathered;
        if appends.is_empty() && settles.is_empty() {
            return;
        }
        if planted::is(Fault::AcknowledgeBeforeAppend) {
            self.acknowledge_unseen(&mut appends);
        }
        match self.transact(&appends, &settles) {
            Ok(Done { outcomes, added, gone, end }) => {
                self.succeeded();
                self.change_window(|window| {
                    window.raise(added.places, added.entries);
                    window.cut(&gone);
                });
                self.end.send_if_modified(|known| std::mem::replace(known, end) != end);
                for (append, outcomes) in appends.into_iter().zip(outcomes) {
                    answer(append.reply, Ok(outcomes));
                }
                for settle in settles {
                    answer(settle.reply, Ok(()));
                }
            }
            Err(error) => {
                self.failed(&error);
                for append in appends {
                    answer(append.reply, Err(failed(&error)));
                }
                for settle in settles {
                    answer(settle.reply, Err(failed(&error)));
                }
            }
        }
        drop(rooms);
    }

    /// The mistake [`Fault::AcknowledgeBeforeAppend`].
    fn acknowledge_unseen(&self, appends: &mut [Append]) {
        let mut end = *self.end.borrow();
        for append in &mut *appends {
            let reply = std::mem::replace(&mut append.reply, oneshot::channel().0);
            let lies = append.run.iter().map(|_| {
                end = Position::new(end.epoch(), end.sequence() + 1).unwrap_or(end);
                Ok(Appended { position: end, duplicate: false })
            });
            answer(reply, Ok(lies.collect()));
        }
        if !appends.is_empty() {
            thread::park_timeout(planted::WHILE);
        }
    }

    fn change_window(&self, change: impl FnOnce(&mut Window)) {
        let mut window = self.window.write().unwrap_or_else(PoisonError::into_inner);
        change(&mut window);
        self.metrics.window_entries.set(i64::try_from(window.len()).unwrap_or(i64::MAX));
    }

    /// One transaction; what it says holds once it has returned.
    fn transact(&mut self, appends: &[Append], settles: &[Settle]) -> rusqlite::Result<Done> {
        let now = self.clock.now();
        let max_bytes = self.settings.max_bytes;
        let window = self.window.read().unwrap_or_else(PoisonError::into_inner);
        let transaction =
            self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        commit::settle_all(&transaction, settles, now)?;
        let (mut fresh, mut gone) = (Fresh::default(), Vec::new());
        let append = |fresh: &mut Fresh| {
            commit::append_all(&transaction, (&window, fresh), appends, max_bytes, now)
        };
        let mut outcomes = append(&mut fresh)?;
        if outcomes.iter().flatten().any(|outcome| matches!(outcome, Err(LogError::Full(_)))) {
            // What was committed a line above is now a duplicate of itself: only what was refused
            // and what follows it are tried again.
            gone = commit::forget(&transaction, now.minus(self.settings.max_age))?;
            if !gone.is_empty() {
                self.metrics.forgotten.inc_by(gone.len() as u64);
                fresh.gone = gone.last().map_or(fresh.gone, |place| place.position);
                for (outcomes, mut again) in outcomes.iter_mut().zip(append(&mut fresh)?) {
                    let taken = outcomes.iter().take_while(|outcome| outcome.is_ok()).count();
                    outcomes.splice(taken.., again.drain(taken..));
                }
            }
        }
        let end = Extent::read(&transaction)?.end;
        transaction.commit()?;
        let records = outcomes.iter().map(Vec::len).sum::<usize>();
        if records > 0 {
            #[expect(clippy::cast_precision_loss, reason = "some thousands")]
            self.metrics.commit_appends.observe(records as f64);
        }
        Ok(Done { outcomes, added: fresh, gone, end })
    }

    /// Forgets what is old and acknowledged, a part at a time.
    fn tidy_when_due(&mut self) {
        if self.tidied.elapsed() < TIDY_EVERY {
            return;
        }
        match self.tidy() {
            // More than one transaction should forget at once: the next one comes right after the
            // next commit.
            Ok(forgotten) if forgotten >= commit::FORGET_AT_ONCE => {}
            Ok(_) => self.tidied = Instant::now(),
            Err(error) => {
                self.tidied = Instant::now();
                self.failed(&error);
            }
        }
    }

    fn tidy(&mut self) -> rusqlite::Result<usize> {
        let used = commit::used_bytes(&self.connection)?;
        self.metrics.used_bytes.set(i64::try_from(used).unwrap_or(i64::MAX));
        let before = self.clock.now().minus(self.settings.max_age);
        if !commit::has_aged(&self.connection, before)? {
            return Ok(0);
        }
        let transaction =
            self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let gone = commit::forget(&transaction, before)?;
        transaction.commit()?;
        self.change_window(|window| window.cut(&gone));
        self.metrics.forgotten.inc_by(gone.len() as u64);
        Ok(gone.len())
    }

    fn forget(&mut self, trim: Trim) -> rusqlite::Result<usize> {
        let before = trim.keeps_from(self.clock.now());
        let transaction =
            self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut through = trim.through;
        for group in self.settings.group_names() {
            through = through.min(acked_through(&transaction, group)?);
        }
        let gone = commit::trim(&transaction, through, before, trim.down_to)?;
        transaction.commit()?;
        self.change_window(|window| window.cut(&gone));
        Ok(gone.len())
    }

    /// Whoever asked gets the error; the operator is told once.
    fn failed(&mut self, error: &rusqlite::Error) {
        if !std::mem::replace(&mut self.failing, true) {
            warn!(%error, "the log cannot commit: appends are refused until it can");
        }
    }

    fn succeeded(&mut self) {
        if std::mem::replace(&mut self.failing, false) {
            info!("the log commits again");
        }
    }
}
