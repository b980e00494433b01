//! Messages from one socket to others.

use std::{rc::Rc, time::Duration};

use tokio::{
    task::spawn_local,
    time::{Instant, sleep},
};

use super::{Drafts, Figures, Size, is_message, latencies, usage, visitor};
use crate::{
    load::{self, Tally},
    target::Target,
    wire::Connection,
};

/// Sockets of one conversation in `sparse`.
const TABS: usize = 3;
/// Messages a second of `sparse`, one after the other.
const SPARSE_RATES: [f64; 3] = [2_000.0, 4_000.0, 8_000.0];
/// Messages a second into the room, one after the other.
const ROOM_RATES: [f64; 4] = [100.0, 250.0, 500.0, 1_000.0];
const THROUGH_RATE: f64 = 1_000.0;
const THROUGH_CONVERSATIONS: usize = 100;
/// The most sockets of a conversation that write: each has one draft appended at a time.
const WRITERS: usize = 16;
/// How many sockets are opened at once.
const AT_ONCE: usize = 32;
/// How long the last messages may take, and how often to look for them.
const ARRIVED_WITHIN: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_millis(5);

/// Many conversations of few sockets.
pub(super) async fn sparse(target: &Target, size: Size) -> anyhow::Result<Figures> {
    let tally = Rc::new(Tally::new());
    let lines = lines(target, size.sockets / TABS, TABS, &tally).await?;
    let mut all = Vec::new();
    for rate in SPARSE_RATES {
        all.extend(said(target, &lines, &tally, rate, size.lasts, TABS).await?);
    }
    Ok(all)
}

/// One conversation of many sockets.
pub(super) async fn room(target: &Target, size: Size) -> anyhow::Result<Figures> {
    let tally = Rc::new(Tally::new());
    let lines = lines(target, 1, size.room, &tally).await?;
    let mut all = Vec::new();
    for rate in ROOM_RATES {
        all.extend(said(target, &lines, &tally, rate, size.lasts, size.room).await?);
    }
    Ok(all)
}

/// From end to end.
pub(super) async fn through(target: &Target, size: Size) -> anyhow::Result<Figures> {
    let tally = Rc::new(Tally::new());
    let lines = lines(target, THROUGH_CONVERSATIONS, 2, &tally).await?;
    said(target, &lines, &tally, THROUGH_RATE, size.lasts, 2).await
}

/// Opens the sockets of each conversation, and gives those that write. What all are shown is
/// counted.
async fn lines(
    target: &Target,
    conversations: usize,
    tabs: usize,
    tally: &Rc<Tally>,
) -> anyhow::Result<Vec<Rc<Connection>>> {
    let mut tokens = Vec::new();
    for _ in 0..conversations {
        tokens.push(visitor(target).await?);
    }
    let wanted = tokens.iter().flat_map(|token| std::iter::repeat_n(token, tabs));
    let sockets = opened(target, wanted).await?;
    for socket in &sockets {
        let (socket, tally) = (socket.clone(), tally.clone());
        tally.clone().client(async move {
            let take = |frame: &[u8]| {
                if let Some(intended) = is_message(frame).then(|| Drafts::intended(frame)).flatten()
                {
                    tally.came(intended);
                }
                Ok(())
            };
            loop {
                socket.read(take).await?;
            }
        });
    }
    let writers = sockets.chunks(tabs).flat_map(|tabs| &tabs[..tabs.len().min(WRITERS)]);
    Ok(writers.cloned().collect())
}

async fn opened<'a>(
    target: &Target,
    tokens: impl Iterator<Item = &'a String>,
) -> anyhow::Result<Vec<Rc<Connection>>> {
    let tokens: Vec<&String> = tokens.collect();
    let mut sockets = Vec::new();
    for some in tokens.chunks(AT_ONCE) {
        let opening: Vec<_> = some
            .iter()
            .map(|token| {
                let (address, token) = (target.address, (*token).clone());
                spawn_local(async move { Connection::subscribed(address, &token).await })
            })
            .collect();
        for socket in opening {
            sockets.push(Rc::new(socket.await??));
        }
    }
    Ok(sockets)
}

/// Says so many messages a second, in all lines in turns.
async fn said(
    target: &Target,
    lines: &[Rc<Connection>],
    tally: &Tally,
    rate: f64,
    lasts: Duration,
    tabs: usize,
) -> anyhow::Result<Figures> {
    let drafts = Drafts::new();
    let mut said = 0_u64;
    tally.start();
    let watch = target.watch()?;
    load::open(rate, lasts, |number, due| {
        said += 1;
        let (line, frame) = (&lines[number % lines.len()], drafts.frame(tally.micros(due)));
        async move { line.write(&frame).await }
    })
    .await;
    let due = said * tabs as u64;
    let until = Instant::now() + ARRIVED_WITHIN;
    while tally.count() < due && Instant::now() < until {
        sleep(LOOK).await;
    }
    let used = watch.end()?;
    tally.check()?;
    #[expect(clippy::cast_precision_loss, reason = "some millions")]
    let (delivered, due) = (tally.count() as f64, due as f64);
    let mut figures = vec![
        ("delivered a second".to_owned(), delivered / used.seconds),
        ("delivered for a CPU-second".to_owned(), delivered / used.servers() * 1e6),
        ("delivered of what was due".to_owned(), delivered / due),
    ];
    figures.extend(latencies(tally));
    let shares = usage(said, &used);
    figures.extend(shares.into_iter().filter(|(name, _)| name.contains("client")));
    let named = |(name, value): (String, f64)| (format!("{rate} messages a second: {name}"), value);
    Ok(figures.into_iter().map(named).collect())
}
