//! How bytes get from one side to the other: a line on which they wait as long as the network says.

use std::time::Duration;

use parlor_common::random::Random;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    sync::{mpsc, watch},
    time::{Instant, sleep_until},
};

use super::{
    Network,
    frames::{Frames, Protocol},
};

/// A lost piece arrives so much later: Linux sends again after 200 ms at the least.
pub(super) const SENT_AGAIN_AFTER: Duration = Duration::from_millis(200);
/// So many pieces are under way in one direction; the sender has to wait then.
const UNDER_WAY: usize = 16;
/// The most bytes of a piece.
const PIECE: usize = 65_536;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Direction {
    Request,
    Answer,
}

/// Passes bytes on. Ends with either side.
pub(super) async fn pass(
    mut client: TcpStream,
    mut server: TcpStream,
    protocol: Protocol,
    network: watch::Receiver<Network>,
) {
    let (from_client, to_client) = client.split();
    let (from_server, to_server) = server.split();
    let requests = Frames::new(Protocol::Any);
    tokio::select! {
        () = pump(Direction::Request, from_client, to_server, requests, network.clone()) => {}
        () = pump(Direction::Answer, from_server, to_client, Frames::new(protocol), network) => {}
    }
}

async fn pump(
    direction: Direction,
    from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    frames: Frames,
    network: watch::Receiver<Network>,
) {
    let (line, mut under_way) = mpsc::channel::<(Instant, Vec<u8>)>(UNDER_WAY);
    let mut seen = network.clone();
    let writing = async {
        while let Some((due, bytes)) = under_way.recv().await {
            sleep_until(due).await;
            hold(direction, &mut seen).await;
            if to.write_all(&bytes).await.is_err() {
                return;
            }
        }
        // Nobody hears of an end either while nothing passes.
        hold(direction, &mut seen).await;
    };
    tokio::select! {
        () = writing => {}
        never = read(from, line, frames, network) => match never {},
    }
}

/// Puts what comes on the line; when nothing more comes, what is under way still arrives.
async fn read(
    mut from: impl AsyncRead + Unpin,
    line: mpsc::Sender<(Instant, Vec<u8>)>,
    mut frames: Frames,
    network: watch::Receiver<Network>,
) -> std::convert::Infallible {
    let random = Random::system();
    let is_one_of = |percent: u8| percent > 0 && random.below(100) < u64::from(percent);
    let mut bytes = vec![0; PIECE];
    let mut last = Instant::now();
    loop {
        let count = from.read(&mut bytes).await.unwrap_or(0);
        if count == 0 {
            break;
        }
        let now = *network.borrow();
        let passing = frames.pass(&bytes[..count], || is_one_of(now.forgotten()));
        if passing.is_empty() {
            continue;
        }
        let mut due = Instant::now() + now.delay();
        if is_one_of(now.sent_again()) {
            due += SENT_AGAIN_AFTER;
        }
        // What comes after a lost piece waits for it.
        last = last.max(due);
        if line.send((last, passing)).await.is_err() {
            break;
        }
    }
    drop(line);
    std::future::pending().await
}

/// Waits until bytes of this direction may pass.
async fn hold(direction: Direction, network: &mut watch::Receiver<Network>) {
    let passes = move |network: &Network| match network {
        Network::Held => false,
        Network::AnswersHeld => direction == Direction::Request,
        _ => true,
    };
    // It fails where the proxy is gone, and then this connection ends too.
    drop(network.wait_for(passes).await);
}
