//! Networks that break: a TCP proxy between a client and a server.

mod frames;
pub mod links;
pub mod nats;
mod pump;
mod weather;

use std::{io, net::SocketAddr};

use parlor_common::drain::Drain;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
};

pub use self::{frames::Protocol, weather::Network};

/// Passes bytes on, as the network is. Dropping it ends every connection.
#[derive(Debug)]
pub struct Proxy {
    /// Where clients connect.
    pub address: SocketAddr,
    network: watch::Sender<Network>,
    drain: Drain,
}

// === impl Proxy ===

impl Proxy {
    /// A proxy before the server at `host:port`, on a free port of loopback.
    pub async fn before(server: &str) -> Self {
        let free = ([127, 0, 0, 1], 0).into();
        Self::at(free, server, Protocol::Any).await.expect("loopback has free ports")
    }

    /// The same at an address, between two that speak this protocol.
    ///
    /// # Errors
    /// The address is taken.
    pub async fn at(address: SocketAddr, server: &str, protocol: Protocol) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let network = watch::Sender::new(Network::Whole);
        let passing = network.clone();
        Ok(Self::start(listener, server, network, move |client, server| {
            pump::pass(client, server, protocol, passing.subscribe())
        }))
    }

    /// A proxy whose connections are each the task that `relay` makes of the client's stream and
    /// the server's, for tests that change what passes.
    pub async fn with<R>(
        server: &str,
        relay: impl Fn(TcpStream, TcpStream) -> R + Clone + Send + Sync + 'static,
    ) -> Self
    where
        R: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has free ports");
        Self::start(listener, server, watch::Sender::new(Network::Whole), relay)
    }

    fn start<R>(
        listener: TcpListener,
        server: &str,
        network: watch::Sender<Network>,
        relay: impl Fn(TcpStream, TcpStream) -> R + Clone + Send + Sync + 'static,
    ) -> Self
    where
        R: Future<Output = ()> + Send + 'static,
    {
        let address = listener.local_addr().expect("a bound listener has an address");
        let drain = Drain::new();
        let (server, state, connections) = (server.to_owned(), network.clone(), drain.clone());
        drain.spawn(async move {
            loop {
                let client = tokio::select! {
                    () = connections.draining() => return,
                    Ok((client, _)) = listener.accept() => client,
                    else => continue,
                };
                let (server, relay, end) = (server.clone(), relay.clone(), connections.clone());
                let mut state = state.subscribe();
                connections.spawn(async move {
                    let connection = async {
                        if let Ok(server) = TcpStream::connect(server).await {
                            // Only latency suffers where it cannot be set.
                            drop((client.set_nodelay(true), server.set_nodelay(true)));
                            relay(client, server).await;
                        }
                    };
                    tokio::select! {
                        () = end.draining() => {}
                        broken = state.wait_for(is_broken) => drop(broken),
                        () = connection => {}
                    }
                });
            }
        });
        Self { address, network, drain }
    }

    /// Changes the network, for the connections that stand and for new ones.
    pub fn turn(&self, network: Network) {
        self.network.send_replace(network);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.drain.begin();
    }
}

fn is_broken(network: &Network) -> bool {
    *network == Network::Broken
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        time::{Instant, timeout},
    };

    use super::*;

    const LONG: Duration = Duration::from_secs(5);

    /// A server that answers with what it is sent, behind a proxy.
    async fn echo() -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let drain = Drain::new();
        drain.clone().spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                drain.spawn(async move {
                    let (mut from, mut to) = client.split();
                    tokio::io::copy(&mut from, &mut to).await
                });
            }
        });
        Proxy::before(&address).await
    }

    /// What comes back of `said`, until it is all there or the connection ends.
    async fn answer(stream: &mut TcpStream, said: &str) -> String {
        stream.write_all(said.as_bytes()).await.unwrap();
        let mut heard = Vec::new();
        while heard.len() < said.len() && stream.read_buf(&mut heard).await.unwrap_or(0) > 0 {}
        String::from_utf8(heard).unwrap()
    }

    #[tokio::test]
    async fn a_whole_network_passes_everything_and_a_broken_one_ends_every_connection() {
        let proxy = echo().await;
        let mut stream = TcpStream::connect(proxy.address).await.unwrap();
        assert_eq!(answer(&mut stream, "hello").await, "hello");
        proxy.turn(Network::Broken);
        assert_eq!(timeout(LONG, answer(&mut stream, "hello")).await.unwrap(), "");
        let mut new = TcpStream::connect(proxy.address).await.unwrap();
        assert_eq!(timeout(LONG, new.read(&mut [0; 1])).await.unwrap().unwrap_or(0), 0);
        proxy.turn(Network::Whole);
        let mut new = TcpStream::connect(proxy.address).await.unwrap();
        assert_eq!(answer(&mut new, "hello").await, "hello");
    }

    #[tokio::test]
    async fn what_is_held_passes_once_the_network_is_whole() {
        let proxy = echo().await;
        for held in [Network::Held, Network::AnswersHeld] {
            let mut stream = TcpStream::connect(proxy.address).await.unwrap();
            assert_eq!(answer(&mut stream, "before").await, "before");
            proxy.turn(held);
            let mut waiting = Box::pin(answer(&mut stream, "hello"));
            let nothing = timeout(Duration::from_millis(100), &mut waiting).await;
            assert!(nothing.is_err(), "{held:?}: {nothing:?}");
            proxy.turn(Network::Whole);
            assert_eq!(timeout(LONG, waiting).await.unwrap(), "hello");
        }
    }
    #[tokio::test]
    async fn what_is_delayed_or_sent_again_comes_later_and_in_order() {
        let proxy = echo().await;
        let mut stream = TcpStream::connect(proxy.address).await.unwrap();
        let delay = Duration::from_millis(50);
        proxy.turn(Network::Lossy { delay, percent: 100 });
        let before = Instant::now();
        for said in ["one ", "two ", "three"] {
            assert_eq!(timeout(LONG, answer(&mut stream, said)).await.unwrap(), said);
        }
        // Each way of each text was delayed, lost, and sent again.
        assert!(before.elapsed() >= 6 * (delay + pump::SENT_AGAIN_AFTER));
    }
}
