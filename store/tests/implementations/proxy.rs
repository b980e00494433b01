//! A TCP proxy that breaks the network between a store and its database.

use std::{net::SocketAddr, time::Duration};

use parlor_common::drain::Drain;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
};

/// Passes bytes on, as the weather is. Dropping it closes everything.
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    weather: watch::Sender<Weather>,
}

/// What becomes of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Weather {
    /// They pass.
    Fair,
    /// They pass later, in both directions.
    Slow(Duration),
    /// Requests pass; answers wait for fair weather.
    Deaf,
    /// Nothing passes before fair weather, and nobody is told.
    Silent,
    /// Connections end, and new ones end at once.
    Down,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Request,
    Answer,
}

impl Proxy {
    /// Stands before the server at `host:port`.
    pub(crate) async fn before(server: String, drain: &Drain) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let weather = watch::Sender::new(Weather::Fair);
        let (sky, connections) = (weather.subscribe(), drain.clone());
        drain.spawn(async move {
            let mut gone = sky.clone();
            loop {
                let client = tokio::select! {
                    client = listener.accept() => client.unwrap().0,
                    () = proxy_gone(&mut gone) => return,
                };
                if *sky.borrow() != Weather::Down {
                    connections.spawn(connection(client, server.clone(), sky.clone()));
                }
            }
        });
        Self { address, weather }
    }

    pub(crate) fn turn(&self, weather: Weather) {
        self.weather.send_replace(weather);
    }
}

async fn proxy_gone(sky: &mut watch::Receiver<Weather>) {
    while sky.changed().await.is_ok() {}
}

async fn connection(mut client: TcpStream, server: String, sky: watch::Receiver<Weather>) {
    let Ok(mut server) = TcpStream::connect(server).await else { return };
    let (from_client, to_client) = client.split();
    let (from_server, to_server) = server.split();
    tokio::select! {
        () = pump(Way::Request, from_client, to_server, sky.clone()) => {}
        () = pump(Way::Answer, from_server, to_client, sky) => {}
    }
}

/// Ends with either side, and with the connection.
async fn pump(
    way: Way,
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut sky: watch::Receiver<Weather>,
) {
    let mut bytes = vec![0; 65_536];
    loop {
        let count = tokio::select! {
            count = from.read(&mut bytes) => count.unwrap_or(0),
            ended = sky.wait_for(|weather| *weather == Weather::Down) => return drop(ended),
        };
        if count == 0 || !pass(way, &mut sky).await || to.write_all(&bytes[..count]).await.is_err()
        {
            return;
        }
    }
}

/// Waits until bytes may pass; tells whether the connection is still there.
async fn pass(way: Way, sky: &mut watch::Receiver<Weather>) -> bool {
    let waits = move |weather: &Weather| match weather {
        Weather::Silent => true,
        Weather::Deaf => way == Way::Answer,
        Weather::Fair | Weather::Slow(_) | Weather::Down => false,
    };
    let weather = sky.wait_for(|weather| !waits(weather)).await.map(|weather| *weather);
    match weather {
        Ok(Weather::Slow(delay)) => tokio::time::sleep(delay).await,
        Ok(Weather::Fair | Weather::Deaf | Weather::Silent) => {}
        Ok(Weather::Down) | Err(_) => return false,
    }
    true
}
