//! The HTTP accept loop: hyper's HTTP/1.1 behind deadlines, caps and a drain.
//!
//! `axum::serve` sets no timer, so that a client that sends its head slowly holds a connection for
//! ever; it also neither counts connections nor ends them in order. This loop does all three, for
//! REST and sockets alike.

use std::{convert::Infallible, io, net::IpAddr, pin::pin, sync::Arc, time::Duration};

use axum::{Router, body::Body};
use http::{HeaderValue, Request, Response, StatusCode, header};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tower::ServiceExt;
use tracing::{debug, warn};

use parlor_common::{
    address::address_group,
    drain::Drain,
    planted::{self, Fault},
    random::Random,
};

mod address;
mod admin;
mod body;
mod caps;
mod framing;
mod head_timer;
mod listener;
mod metrics;
pub mod page_loads;
mod refusal;
mod reply;
mod request;
mod request_id;
mod settings;
mod stream;

#[cfg(test)]
mod tests;

pub use self::{
    address::ClientAddr,
    admin::{Readiness, admin},
    body::read_body,
    caps::ConnectionPermit,
    listener::Listener,
    metrics::Metrics,
    reply::problem_response,
    request_id::RequestId,
    settings::HttpSettings,
    stream::{Socket, Stream, socket},
};

use self::{
    caps::Caps,
    framing::Verdict,
    head_timer::{Activity, HeadTimer},
    request::Preparation,
};

/// How long to wait after an accept that failed for want of something: files, memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How many headers hyper accepts unless it is told otherwise.
const HYPER_HEADERS: usize = 100;

/// The most connections that the kernel queues for a listener of tokio's: no more than these can
/// wait when the listener is closed.
const BACKLOG: usize = 1024;

/// How long a connection without a request is kept when the drain begins.
const FIRST_REQUEST: Duration = Duration::from_millis(500);

/// Serves `app` on `listener` until the drain begins, then lets requests in flight finish. Who has
/// connected by then and was not accepted is served too, unless the listener is a service
/// manager's: then they are the next process's.
///
/// Returns when it has stopped accepting; the connections are tasks of `drain`. Each request's
/// extensions hold a [`ClientAddr`] and a [`RequestId`]. An upgraded connection is no longer a task
/// of this loop, but keeps its [`ConnectionPermit`] until that is dropped: see [`socket`].
pub async fn serve(
    listener: impl Into<Listener>,
    app: Router,
    settings: HttpSettings,
    random: Random,
    metrics: Metrics,
    drain: Drain,
) {
    let server = Arc::new(Server {
        preparation: Preparation::new(settings.trusted_proxies.clone(), random, metrics.clone()),
        caps: Caps::new(settings.max_connections, settings.max_connections_per_address),
        app,
        settings,
        metrics,
        drain,
    });
    let listener = listener.into();
    let mut failing = false;
    loop {
        let accepted = tokio::select! {
            biased;
            () = server.drain.draining() => break,
            accepted = listener.accept() => accepted,
        };
        planted::panic_if(Fault::PanicInAccept);
        match accepted {
            Ok((stream, peer)) => {
                failing = false;
                server.take(stream, peer.ip());
            }
            // The peer gave up before it was accepted, which is no fault of this node.
            Err(error) if is_peers(&error) => {
                debug!(%error, "a connection ended before it was accepted")
            }
            Err(error) => {
                if !failing {
                    warn!(%error, "cannot accept connections; trying again");
                }
                failing = true;
                server.metrics.accept_failures.inc();
                tokio::select! {
                    () = server.drain.draining() => break,
                    () = tokio::time::sleep(ACCEPT_PAUSE) => {}
                }
            }
        }
    }
    if let Listener::Own(listener) = listener {
        server.take_waiting(listener);
    }
}

/// What every connection shares.
#[derive(Debug)]
struct Server {
    app: Router,
    settings: HttpSettings,
    preparation: Preparation,
    caps: Caps,
    metrics: Metrics,
    drain: Drain,
}

// === impl Server ===

impl Server {
    /// Gives the connection a permit and a task, or answers that there are too many.
    fn take(self: &Arc<Self>, tcp: TcpStream, peer: IpAddr) {
        let peer = peer.to_canonical();
        // The clients of a trusted proxy share its address, so that the proxy must count them.
        let counted = (!self.preparation.is_trusted(peer)).then(|| address_group(peer));
        match self.caps.take(counted, &self.metrics) {
            Ok(permit) => {
                let server = self.clone();
                self.drain.spawn(async move { server.run(tcp, peer, permit).await });
            }
            Err(full) => {
                debug!(%peer, %full, "a connection is refused");
                refusal::answer(tcp, &self.preparation.request_id(), &self.caps, &self.drain);
            }
        }
    }

    /// Serves whoever connected before the end of accepting: closing the listener would reset them.
    /// Asks the kernel itself, since the runtime may not have heard of them yet.
    fn take_waiting(self: &Arc<Self>, listener: TcpListener) {
        let Ok(listener) = listener.into_std() else { return };
        for _ in 0..BACKLOG {
            let Ok((stream, peer)) = listener.accept() else { return };
            match stream.set_nonblocking(true).and_then(|()| TcpStream::from_std(stream)) {
                Ok(stream) => self.take(stream, peer.ip()),
                Err(error) => debug!(%error, "a connection ended before it was served"),
            }
        }
    }

    async fn run(self: Arc<Self>, tcp: TcpStream, peer: IpAddr, permit: ConnectionPermit) {
        planted::panic_if(Fault::PanicInConnection);
        if let Err(error) = tcp.set_nodelay(true) {
            debug!(%error, "a connection ended before it was served");
            return;
        }
        let HttpSettings {
            first_byte, head, idle, write_stall, max_head_bytes, max_headers, ..
        } = self.settings;
        let (timer, activity) = HeadTimer::new(first_byte, head, idle);
        let stream = Stream::new(tcp, permit, activity.clone(), write_stall);
        let service = {
            let (server, activity) = (self.clone(), activity.clone());
            service_fn(move |request: Request<Incoming>| {
                server.clone().answer(request, peer, activity.clone())
            })
        };
        let mut builder = http1::Builder::new();
        builder.timer(timer).header_read_timeout(first_byte).half_close(false).keep_alive(true);
        builder.max_buf_size(max_head_bytes.max(8192)).max_header_size(max_head_bytes);
        // hyper keeps its own number of headers on the stack, and any other on the heap.
        if max_headers != HYPER_HEADERS {
            builder.max_headers(max_headers);
        }
        let mut connection =
            pin!(builder.serve_connection(TokioIo::new(stream), service).with_upgrades());
        let ended = tokio::select! {
            biased;
            ended = connection.as_mut() => ended,
            () = self.close_is_due(&activity) => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            self.metrics.broken.inc();
            debug!(%error, "a connection ended early");
        }
    }

    /// Waits for the drain. The first request of a connection that has asked for nothing yet may be
    /// on the way, and hyper would close it at once, so that it is given a little longer. Cancel
    /// safe.
    async fn close_is_due(&self, activity: &Activity) {
        self.drain.draining().await;
        if activity.requests() == 0 {
            tokio::time::sleep(FIRST_REQUEST.min(self.settings.first_byte)).await;
        }
    }

    async fn answer(
        self: Arc<Self>,
        request: Request<Incoming>,
        peer: IpAddr,
        activity: Activity,
    ) -> Result<Response<Body>, Infallible> {
        let verdict = activity.next_request();
        let watch = self.metrics.watch(request.method());
        let mut response =
            match self.preparation.prepare(request, peer, verdict == Verdict::Ambiguous) {
                Ok((request, id)) => {
                    let Ok(response) = self.app.clone().oneshot(request).await;
                    request_id::finish(response, &id)
                }
                Err(response) => *response,
            };
        let last = verdict != Verdict::Plain || self.drain.is_draining();
        if last && response.status() != StatusCode::SWITCHING_PROTOCOLS {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        watch.answered(response.status());
        Ok(response)
    }
}

fn is_peers(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
    )
}
