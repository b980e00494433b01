//! A server of a cluster that is cut off from the two others, while clients still reach it.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use parlor_common::drain::Drain;
use tokio::net::{TcpListener, TcpStream};

/// The ways from one server to the others' cluster ports. Dropping it ends them.
pub(crate) struct Isolation {
    cut: Arc<AtomicBool>,
    drain: Drain,
    /// The addresses by which the server reaches the others.
    pub(crate) routes: Vec<String>,
    /// Connections of before the cut end with this one.
    connections: Drain,
}

impl Isolation {
    pub(crate) async fn before(ports: &[u16]) -> Self {
        let mut isolation = Self {
            cut: Arc::default(),
            drain: Drain::new(),
            routes: Vec::new(),
            connections: Drain::new(),
        };
        for &port in ports {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            isolation.routes.push(listener.local_addr().unwrap().to_string());
            let (cut, connections) = (isolation.cut.clone(), isolation.connections.clone());
            let drain = isolation.drain.clone();
            let accepting = accept(listener, port, cut, connections, drain);
            drop(isolation.drain.spawn(accepting));
        }
        isolation
    }

    /// From here on nothing passes.
    pub(crate) fn cut(&self) {
        self.cut.store(true, Ordering::SeqCst);
        self.connections.begin();
    }
}

impl Drop for Isolation {
    fn drop(&mut self) {
        self.connections.begin();
        self.drain.begin();
    }
}

async fn accept(
    listener: TcpListener,
    port: u16,
    cut: Arc<AtomicBool>,
    connections: Drain,
    drain: Drain,
) {
    loop {
        let mut near = tokio::select! {
            () = drain.draining() => return,
            accepted = listener.accept() => accepted.unwrap().0,
        };
        if cut.load(Ordering::SeqCst) {
            continue;
        }
        let told = connections.clone();
        drop(connections.spawn(async move {
            let Ok(mut far) = TcpStream::connect(("127.0.0.1", port)).await else { return };
            tokio::select! {
                () = told.draining() => {}
                _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
            }
        }));
    }
}
