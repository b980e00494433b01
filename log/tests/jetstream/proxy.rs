//! A proxy before a server, which understands enough of the protocol to lose or to change an
//! answer.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use parlor_common::drain::Drain;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
};

/// A proxy. Dropping it ends it and its connections.
pub(crate) struct Proxy {
    port: u16,
    shared: Arc<Shared>,
    drain: Drain,
}

#[derive(Default)]
struct Shared {
    /// The server's messages that hold this are lost, for as long as it is there.
    loses: Mutex<Option<String>>,
    lost: AtomicUsize,
    /// In the server's messages this becomes that, which is as long.
    changes: Mutex<Option<(&'static str, &'static str)>>,
}

// === impl Proxy ===

impl Proxy {
    pub(crate) async fn start(url: &str) -> Self {
        let server = url.strip_prefix("nats://").unwrap().to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (shared, drain) = (Arc::<Shared>::default(), Drain::new());
        let accepting = accept(listener, server, shared.clone(), drain.clone());
        drop(drain.spawn(accepting));
        Self { port, shared, drain }
    }

    pub(crate) fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// From here on the server's messages that hold `text` are lost; `None` ends that.
    pub(crate) fn lose(&self, text: Option<&str>) {
        *self.shared.loses.lock().unwrap() = text.map(str::to_owned);
    }

    /// From here on `from` becomes `to` in the server's messages.
    pub(crate) fn change(&self, from: &'static str, to: &'static str) {
        assert_eq!(from.len(), to.len());
        *self.shared.changes.lock().unwrap() = Some((from, to));
    }

    pub(crate) fn lost(&self) -> usize {
        self.shared.lost.load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.drain.begin();
    }
}

impl Shared {
    fn is_lost(&self, message: &[u8]) -> bool {
        let loses = self.loses.lock().unwrap();
        let lost = loses.as_ref().is_some_and(|text| {
            message.windows(text.len()).any(|window| window == text.as_bytes())
        });
        self.lost.fetch_add(usize::from(lost), Ordering::SeqCst);
        lost
    }

    fn change(&self, message: &mut [u8]) {
        let Some((from, to)) = *self.changes.lock().unwrap() else { return };
        let found = message.windows(from.len()).position(|window| window == from.as_bytes());
        if let Some(at) = found {
            message[at..at + to.len()].copy_from_slice(to.as_bytes());
        }
    }
}

async fn accept(listener: TcpListener, server: String, shared: Arc<Shared>, drain: Drain) {
    loop {
        let client = tokio::select! {
            () = drain.draining() => return,
            accepted = listener.accept() => accepted.unwrap().0,
        };
        let (server, shared, told) = (server.clone(), shared.clone(), drain.clone());
        drop(drain.spawn(async move {
            let Ok(server) = TcpStream::connect(&server).await else { return };
            let (from_client, to_client) = client.into_split();
            let (from_server, to_server) = server.into_split();
            // Either side's end is the end of both.
            tokio::select! {
                () = told.draining() => {}
                () = copy(from_client, to_server) => {}
                () = pass(from_server, to_client, &shared) => {}
            }
        }));
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
            let size: usize = line.split_whitespace().next_back().unwrap().parse().unwrap();
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
