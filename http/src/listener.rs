//! Where connections come from.

use std::{io, net::SocketAddr};

use tokio::net::{TcpListener, TcpStream};

/// A listening socket, and whose the connections are that nobody has accepted when the node stops.
#[derive(Debug)]
pub enum Listener {
    /// The node's own: closing it would reset those connections, so that the node serves them.
    Own(TcpListener),
    /// A service manager's, which keeps it open: they wait in it for the next process.
    Handed(TcpListener),
}

// === impl Listener ===

impl Listener {
    /// The address that it listens on.
    ///
    /// # Errors
    /// The kernel does not tell.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.tcp().local_addr()
    }

    /// The next connection. Cancel safe.
    pub(crate) async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        self.tcp().accept().await
    }

    fn tcp(&self) -> &TcpListener {
        match self {
            Self::Own(tcp) | Self::Handed(tcp) => tcp,
        }
    }
}

impl From<TcpListener> for Listener {
    fn from(tcp: TcpListener) -> Self {
        Self::Own(tcp)
    }
}
