//! A proxy before a NATS server, which understands enough of the protocol to lose or to
//! change an answer.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicUsize, Ordering},
};

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
};

use super::Proxy;

/// A proxy before a NATS server. Dropping it ends it and its connections.
#[derive(Debug)]
pub struct NatsProxy {
    proxy: Proxy,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    /// The server's messages that hold this are lost, for as long as it is there.
    loses: Mutex<Option<String>>,
    lost: AtomicUsize,
    /// In the server's messages the first text becomes the second, which is as long.
    changes: Mutex<Option<(&'static str, &'static str)>>,
}

// === impl NatsProxy ===

impl NatsProxy {
    /// A proxy before the server at `url`.
    pub async fn before(url: &str) -> Self {
        let server = url.strip_prefix("nats://").unwrap_or(url);
        let shared = Arc::<Shared>::default();
        let relayed = shared.clone();
        let relay = move |client, server| relay(client, server, relayed.clone());
        Self { proxy: Proxy::with(server, relay).await, shared }
    }

    /// Where clients connect.
    pub fn url(&self) -> String {
        format!("nats://{}", self.proxy.address)
    }

    /// From here on the server's messages that hold `text` are lost; `None` ends that.
    pub fn lose(&self, text: Option<&str>) {
        *self.shared.loses.lock().unwrap_or_else(PoisonError::into_inner) = text.map(str::to_owned);
    }

    /// From here on `from` becomes `to`, which is as long, in the server's messages.
    pub fn change(&self, from: &'static str, to: &'static str) {
        assert_eq!(from.len(), to.len());
        *self.shared.changes.lock().unwrap_or_else(PoisonError::into_inner) = Some((from, to));
    }

    /// How many messages were lost.
    pub fn lost(&self) -> usize {
        self.shared.lost.load(Ordering::SeqCst)
    }
}

impl Shared {
    fn is_lost(&self, message: &[u8]) -> bool {
        let loses = self.loses.lock().unwrap_or_else(PoisonError::into_inner);
        let lost = loses.as_ref().is_some_and(|text| {
            message.windows(text.len()).any(|window| window == text.as_bytes())
        });
        self.lost.fetch_add(usize::from(lost), Ordering::SeqCst);
        lost
    }

    fn change(&self, message: &mut [u8]) {
        let changes = *self.changes.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((from, to)) = changes else { return };
        let found = message.windows(from.len()).position(|window| window == from.as_bytes());
        if let Some(at) = found {
            message[at..at + to.len()].copy_from_slice(to.as_bytes());
        }
    }
}

/// Either side's end is the end of both.
async fn relay(client: TcpStream, server: TcpStream, shared: Arc<Shared>) {
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    tokio::select! {
        () = copy(from_client, to_server) => {}
        () = pass(from_server, to_client, &shared) => {}
    }
}

async fn copy(mut from: OwnedReadHalf, mut to: OwnedWriteHalf) {
    drop(tokio::io::copy(&mut from, &mut to).await);
}

/// Passes what the server says on, message by message, but for what is to be lost.
async fn pass(from: OwnedReadHalf, mut to: OwnedWriteHalf, shared: &Shared) {
    let mut from = BufReader::new(from);
    loop {
        let mut whole = Vec::new();
        match from.read_until(b'\n', &mut whole).await {
            Ok(length) if length > 0 => {}
            _ => return,
        }
        if whole.starts_with(b"MSG") || whole.starts_with(b"HMSG") {
            let line = String::from_utf8_lossy(&whole).into_owned();
            let size = line.split_whitespace().next_back().and_then(|size| size.parse().ok());
            let size: usize = size.expect("a message's line ends with its size");
            let mut body = vec![0; size + 2];
            if from.read_exact(&mut body).await.is_err() {
                return;
            }
            whole.extend(body);
            if shared.is_lost(&whole) {
                continue;
            }
            shared.change(&mut whole);
        }
        if to.write_all(&whole).await.is_err() {
            return;
        }
    }
}
