//! Fetching an issuer's keys: one GET, with a bound on everything that the other side decides.

use std::{
    net::IpAddr,
    pin::pin,
    sync::{Arc, OnceLock},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Empty, LengthLimitError, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use parlor_common::deadline::in_time;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_rustls::{
    TlsConnector,
    rustls::{ClientConfig, RootCertStore, crypto::ring, pki_types::ServerName},
};

/// How long a fetch may take in all.
const WITHIN: Duration = Duration::from_secs(5);
/// The most bytes of an answer's body.
const MAX_BODY: usize = 256 << 10;
/// The most bytes of an answer's head.
const MAX_HEAD: usize = 64 << 10;

/// Opens connections to issuers. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Connector {
    tls: Arc<OnceLock<Option<Arc<ClientConfig>>>>,
    within: Duration,
}

/// Where an issuer's keys are: `https`, or `http` to this machine where that is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct JwksUrl {
    is_secure: bool,
    host: String,
    port: u16,
    authority: String,
    path: String,
}

/// How a fetch ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// There are keys.
    Fetched,
    /// No connection, no trust, or no HTTP.
    Unreachable,
    /// It took too long.
    Slow,
    /// Another status than 200.
    Status,
    /// The answer says to ask somebody else. Nobody but the operator says where keys are.
    Redirect,
    /// The body is too large.
    Large,
    /// The body is no set of keys, or has none that is of use.
    Malformed,
}

// === impl Connector ===

impl Connector {
    /// One that trusts whom the machine trusts. The machine's certificates are read at the first
    /// fetch.
    pub fn system() -> Self {
        Self { tls: Arc::default(), within: WITHIN }
    }

    /// One that trusts these roots alone, and waits for so long, for tests.
    #[cfg(test)]
    pub(crate) fn trusting(roots: RootCertStore, within: Duration) -> Self {
        Self { tls: Arc::new(OnceLock::from(configuration(roots))), within }
    }

    /// What the address answers to a GET.
    pub(crate) async fn get(&self, url: &JwksUrl) -> Result<Bytes, Outcome> {
        in_time(self.within, |_| Outcome::Slow, self.exchange(url)).await
    }

    async fn exchange(&self, url: &JwksUrl) -> Result<Bytes, Outcome> {
        let unreachable = |_| Outcome::Unreachable;
        let stream = TcpStream::connect((&*url.host, url.port)).await.map_err(unreachable)?;
        if !url.is_secure {
            let peer = stream.peer_addr().map_err(unreachable)?;
            // A name of this machine may be made to mean another one.
            return match peer.ip().is_loopback() {
                true => ask(url, stream).await,
                false => Err(Outcome::Unreachable),
            };
        }
        let tls = TlsConnector::from(self.tls().await.ok_or(Outcome::Unreachable)?);
        let name = ServerName::try_from(url.host.clone()).map_err(|_| Outcome::Unreachable)?;
        ask(url, tls.connect(name, stream).await.map_err(unreachable)?).await
    }

    async fn tls(&self) -> Option<Arc<ClientConfig>> {
        if let Some(known) = self.tls.get() {
            return known.clone();
        }
        let tls = self.tls.clone();
        let read = move || tls.get_or_init(|| configuration(system_roots())).clone();
        tokio::task::spawn_blocking(read).await.ok().flatten()
    }
}

fn system_roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    roots
}

fn configuration(roots: RootCertStore) -> Option<Arc<ClientConfig>> {
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().ok()?;
    let mut configuration = builder.with_root_certificates(roots).with_no_client_auth();
    configuration.alpn_protocols = vec![b"http/1.1".to_vec()];
    Some(Arc::new(configuration))
}

/// Asks over an open connection, which is closed afterwards.
async fn ask<S: AsyncRead + AsyncWrite + Unpin>(url: &JwksUrl, io: S) -> Result<Bytes, Outcome> {
    let mut builder = http1::Builder::new();
    builder.max_buf_size(MAX_HEAD);
    let handshake = builder.handshake(TokioIo::new(io)).await;
    let (mut sender, connection) = handshake.map_err(|_| Outcome::Unreachable)?;
    let request = Request::get(url.path.as_str())
        .header(header::HOST, url.authority.as_str())
        .header(header::ACCEPT, "application/jwk-set+json, application/json")
        .header(header::USER_AGENT, "parlor")
        .header(header::CONNECTION, "close")
        .body(Empty::<Bytes>::new())
        .map_err(|_| Outcome::Unreachable)?;
    let exchange = async {
        let answer = sender.send_request(request).await.map_err(|_| Outcome::Unreachable)?;
        match answer.status() {
            StatusCode::OK => {}
            status if status.is_redirection() => return Err(Outcome::Redirect),
            _ => return Err(Outcome::Status),
        }
        let body = Limited::new(answer.into_body(), MAX_BODY).collect().await;
        let body = body.map_err(|error| match error.is::<LengthLimitError>() {
            true => Outcome::Large,
            false => Outcome::Unreachable,
        })?;
        Ok(body.to_bytes())
    };
    // The connection makes progress only while it is polled, and may end before the body is read.
    let (mut exchange, mut connection) = (pin!(exchange), pin!(connection));
    let mut is_open = true;
    loop {
        tokio::select! {
            answer = &mut exchange => return answer,
            _ = &mut connection, if is_open => is_open = false,
        }
    }
}

// === impl JwksUrl ===

impl JwksUrl {
    /// Reads an address. `http` is taken for this machine alone, where `loopback_http` asks for
    /// it.
    ///
    /// # Errors
    /// A sentence that says what is wrong with it.
    pub(crate) fn parse(text: &str, loopback_http: bool) -> Result<Self, String> {
        let bad = |what: &str| format!("jwks_url {text:?} {what}");
        let uri: Uri = text.parse().map_err(|_| bad("is no address"))?;
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(bad("is https://, a host and a path"));
        };
        if authority.as_str().contains('@') || text.contains('#') {
            return Err(bad("has a user or a fragment"));
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let is_secure = match scheme {
            "https" => true,
            "http" if loopback_http && is_this_machine(&host) => false,
            "http" if loopback_http => return Err(bad("is http to another machine")),
            _ => return Err(bad("is not https")),
        };
        let port = authority.port_u16().unwrap_or(if is_secure { 443 } else { 80 });
        let path = uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
        Ok(Self { is_secure, host, port, authority: authority.to_string(), path })
    }
}

fn is_this_machine(host: &str) -> bool {
    host == "localhost" || host.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

// === impl Outcome ===

impl Outcome {
    /// Each of them.
    pub(crate) const ALL: [Self; 7] = [
        Self::Fetched,
        Self::Unreachable,
        Self::Slow,
        Self::Status,
        Self::Redirect,
        Self::Large,
        Self::Malformed,
    ];

    /// As the metric and the log spell it.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Fetched => "fetched",
            Self::Unreachable => "unreachable",
            Self::Slow => "slow",
            Self::Status => "status",
            Self::Redirect => "redirect",
            Self::Large => "large",
            Self::Malformed => "malformed",
        }
    }
}
