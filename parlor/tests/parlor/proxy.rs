//! A TCP proxy that breaks the network between the nodes and a server.

use std::net::SocketAddr;

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
};

/// Passes bytes on, until it is cut: then connections break, and new ones are accepted and broken
/// at once.
#[derive(Debug)]
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    cut: watch::Sender<bool>,
}

impl Proxy {
    /// A proxy before `server` (`host:port`), as long as the test's runtime lives.
    #[expect(clippy::disallowed_methods, reason = "the proxy ends with the test's runtime")]
    pub(crate) async fn before(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (cut, is_cut) = watch::channel(false);
        let server = server.to_owned();
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let (server, mut is_cut) = (server.clone(), is_cut.clone());
                tokio::spawn(async move {
                    let pass = async {
                        let mut server = TcpStream::connect(server).await?;
                        copy_bidirectional(&mut client, &mut server).await
                    };
                    tokio::select! {
                        _ = pass => {}
                        _ = is_cut.wait_for(|cut| *cut) => {}
                    }
                });
            }
        });
        Self { address, cut }
    }

    /// Breaks every connection, and every new one.
    pub(crate) fn cut(&self) {
        self.cut.send_replace(true);
    }

    /// Lets new connections through again.
    pub(crate) fn mend(&self) {
        self.cut.send_replace(false);
    }
}
