//! Sockets that say nothing.

use std::{cell::Cell, rc::Rc, time::Duration};

use anyhow::ensure;
use tokio::{task::spawn_local, time::sleep};

use super::{Figures, Size, usage};
use crate::{target::Target, wire::Connection};

/// How many are opened at once where the opening is measured.
const AT_ONCE: usize = 64;
/// The widget's 101 waits for its page's GET, which does not come here, so that many are opened at
/// once.
const WIDGETS_AT_ONCE: usize = 1_000;
const PARLOR1: &str = "Sec-WebSocket-Protocol: parlor.1\r\n";
/// The first pings are answered, and what the opening needed is given back.
const SETTLE: Duration = Duration::from_secs(3);

/// What open sockets of the widget cost.
pub(super) async fn idle(target: &Target, size: Size) -> anyhow::Result<Figures> {
    let before = target.memory()?;
    let sockets = opened(target, size.sockets, WIDGETS_AT_ONCE, "").await?;
    for socket in &sockets {
        let socket = socket.clone();
        spawn_local(async move { while socket.read(|_| Ok(())).await.is_ok() {} });
    }
    sleep(SETTLE).await;
    let watch = target.watch()?;
    sleep(size.lasts).await;
    let used = watch.end()?;
    #[expect(clippy::cast_precision_loss, reason = "some thousands")]
    let count = sockets.len() as f64;
    Ok(vec![
        ("bytes of a socket".to_owned(), (target.memory()? - before) / count),
        ("CPU µs of a socket and second".to_owned(), used.servers() / used.seconds / count),
    ])
}

/// What opening them costs, those of protocol 1.
pub(super) async fn opening(target: &Target, size: Size) -> anyhow::Result<Figures> {
    let watch = target.watch()?;
    let sockets = opened(target, size.sockets, AT_ONCE, PARLOR1).await?;
    let used = watch.end()?;
    Ok(usage(sockets.len() as u64, &used))
}

async fn opened(
    target: &Target,
    count: usize,
    at_once: usize,
    lines: &'static str,
) -> anyhow::Result<Vec<Rc<Connection>>> {
    let left = Rc::new(Cell::new(count));
    let openers: Vec<_> = (0..at_once)
        .map(|_| {
            let (left, address) = (left.clone(), target.address);
            spawn_local(async move {
                let mut sockets = Vec::new();
                while left.get() > 0 {
                    left.set(left.get() - 1);
                    let socket = Connection::upgrade(address, "/ws/chat?tenantId=demo", lines);
                    sockets.push(Rc::new(socket.await?));
                }
                anyhow::Ok(sockets)
            })
        })
        .collect();
    let mut sockets = Vec::new();
    for opener in openers {
        sockets.extend(opener.await??);
    }
    ensure!(sockets.len() == count, "{} of {count} are open", sockets.len());
    Ok(sockets)
}
