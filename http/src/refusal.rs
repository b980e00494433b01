//! Refusals: what a connection over a cap is told.

use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::{caps::Caps, request_id::RequestId};
use parlor_common::{
    drain::Drain,
    planted::{self, Fault},
    problem::Problem,
};

/// How long the client is given to send its request and read the answer.
const TOLD_WITHIN: Duration = Duration::from_secs(1);

/// Answers 503 without reading the request, then closes. Where too many are being told already,
/// only closes.
pub(crate) fn answer(mut tcp: TcpStream, id: &RequestId, caps: &Caps, drain: &Drain) {
    let Some(refusal) = caps.refuse() else { return };
    let problem = Problem::busy(Duration::from_secs(1), "there are too many connections");
    let body = serde_json::to_string(&problem.body(id.as_str()))
        .expect("a problem has string keys and no fallible field");
    let answer = format!(
        "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\ncontent-length: \
         {}\r\n\
         retry-after: 1\r\ncache-control: no-store\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    drain.spawn(async move {
        planted::panic_if(Fault::PanicInRefusal);
        let told = async {
            tcp.write_all(answer.as_bytes()).await?;
            tcp.shutdown().await?;
            // Closing with the request unread would reset the connection, and the answer with it.
            let mut scratch = [0; 512];
            let mut left: usize = 64;
            while left > 0 && tcp.read(&mut scratch).await? > 0 {
                left -= 1;
            }
            std::io::Result::Ok(())
        };
        if let Ok(Err(error)) = timeout(TOLD_WITHIN, told).await {
            let peer = tcp.peer_addr().ok().map(|peer: SocketAddr| peer.ip());
            tracing::debug!(%error, ?peer, "a refused connection broke off");
        }
        drop(refusal);
    });
}
