//! Drafts over sockets.

use std::{cell::RefCell, collections::VecDeque, rc::Rc, time::Duration};

use anyhow::ensure;
use tokio::time::sleep;

use super::{Drafts, Figures, Size, figures, is_accepted, visitor};
use crate::{
    load::{self, Tally},
    target::Target,
    wire::{self, Connection},
};

const SOCKETS: usize = 64;
const IN_FLIGHT: usize = 16;
const PACE: f64 = 5_000.0;
const WARM: Duration = Duration::from_secs(1);

/// A socket, and when what it sent was due. Answers of a session come in order.
struct Writer {
    socket: Connection,
    sent: RefCell<VecDeque<u64>>,
}

/// As many drafts in flight as there may be, always.
pub(super) async fn closed(target: &Target, size: Size) -> anyhow::Result<Figures> {
    let (tally, drafts) = (Rc::new(Tally::new()), Rc::new(Drafts::new()));
    let writers = writers(target).await?;
    for writer in &writers {
        let (writer, tally, drafts) = (writer.clone(), tally.clone(), drafts.clone());
        tally.clone().client(async move {
            writer.say(IN_FLIGHT, tally.now(), &drafts).await?;
            loop {
                let answered = writer.answered(&tally).await?;
                writer.say(answered, tally.now(), &drafts).await?;
            }
        });
    }
    sleep(WARM).await;
    tally.start();
    let watch = target.watch()?;
    sleep(size.lasts).await;
    figures(&tally, &watch.end()?)
}

/// Drafts as time passes.
pub(super) async fn open(target: &Target, size: Size) -> anyhow::Result<Figures> {
    let (tally, drafts) = (Rc::new(Tally::new()), Rc::new(Drafts::new()));
    let writers = writers(target).await?;
    for writer in &writers {
        let (writer, tally) = (writer.clone(), tally.clone());
        tally.clone().client(async move {
            loop {
                writer.answered(&tally).await?;
            }
        });
    }
    let send = |number: usize, due| {
        let writer = &writers[number % writers.len()];
        writer.say(1, tally.micros(due), &drafts)
    };
    load::open(PACE, WARM, send).await;
    tally.start();
    let watch = target.watch()?;
    load::open(PACE, size.lasts, send).await;
    figures(&tally, &watch.end()?)
}

async fn writers(target: &Target) -> anyhow::Result<Vec<Rc<Writer>>> {
    let mut writers = Vec::new();
    for _ in 0..SOCKETS {
        let token = visitor(target).await?;
        let socket = Connection::subscribed(target.address, &token).await?;
        writers.push(Rc::new(Writer { socket, sent: RefCell::default() }));
    }
    Ok(writers)
}

impl Writer {
    async fn say(&self, count: usize, intended: u64, drafts: &Drafts) -> anyhow::Result<()> {
        let mut bytes = Vec::new();
        for _ in 0..count {
            self.sent.borrow_mut().push_back(intended);
            bytes.extend(drafts.frame(intended));
        }
        self.socket.write(&bytes).await
    }

    /// Waits for something, and says how many drafts it answered.
    async fn answered(&self, tally: &Tally) -> anyhow::Result<usize> {
        let mut answered = 0;
        self.socket
            .read(|frame| {
                if is_accepted(frame) {
                    if let Some(intended) = self.sent.borrow_mut().pop_front() {
                        tally.came(intended);
                    }
                    answered += 1;
                }
                ensure!(!frame.starts_with(br#"{"type":"error""#), "{}", wire::text(frame));
                Ok(())
            })
            .await?;
        Ok(answered)
    }
}
