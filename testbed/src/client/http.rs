//! A small HTTP/1.1 client: one request, one connection, one answer. It sends what it is told, also
//! what no well-behaved client would.

use std::{io, net::SocketAddr, time::Duration};

use parlor_common::deadline::in_time;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// The origin that pages name; development mode allows it to every tenant.
pub const ORIGIN: &str = "http://localhost:3000";
/// Longer than any request may take, whatever is down.
const DEADLINE: Duration = Duration::from_secs(30);
const OPERATORS_DEADLINE: Duration = Duration::from_secs(2);

/// A request to be sent.
#[derive(Clone, Debug)]
pub struct Ask {
    head: Vec<u8>,
    body: Vec<u8>,
}

/// What came back, read whole.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status of HTTP.
    pub status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

// === impl Ask ===

impl Ask {
    /// A request with nothing but a host.
    pub fn bare(method: &str, path: &str) -> Self {
        let head =
            format!("{method} {path} HTTP/1.1\r\nHost: chat.test:8080\r\nConnection: close\r\n");
        Self { head: head.into_bytes(), body: Vec::new() }
    }

    /// A request of a page of tenant `a`.
    pub fn of_page(method: &str, path: &str) -> Self {
        Self::bare(method, path).header("Origin", ORIGIN).header("X-Tenant-ID", "a")
    }

    /// What the widget asks when a page loads.
    pub fn messages() -> Self {
        Self::of_page("GET", "/api/chat/messages")
    }

    /// What the widget posts.
    pub fn say(text: &str) -> Self {
        Self::of_page("POST", "/api/chat/messages").json(&json!({ "text": text, "tenantId": "a" }))
    }

    /// A draft with an id of the client's.
    pub fn draft(text: &str, id: &str) -> Self {
        let body = json!({ "text": text, "clientMessageId": id });
        Self::of_page("POST", "/api/chat/messages").json(&body)
    }

    /// What a client asks that wants to know who it is.
    pub fn session() -> Self {
        Self::of_page("POST", "/api/chat/session")
    }

    /// With this header, and no other of its name.
    pub fn header(self, name: &str, value: impl AsRef<[u8]>) -> Self {
        let mut asked = self.without(name);
        asked.head.extend_from_slice(name.as_bytes());
        asked.head.extend_from_slice(b": ");
        asked.head.extend_from_slice(value.as_ref());
        asked.head.extend_from_slice(b"\r\n");
        asked
    }

    /// With one more header, or what looks like one.
    pub fn line(mut self, line: &str) -> Self {
        self.head.extend_from_slice(line.as_bytes());
        self.head.extend_from_slice(b"\r\n");
        self
    }

    /// Without the headers of this name.
    pub fn without(mut self, name: &str) -> Self {
        let start = format!("{}:", name.to_ascii_lowercase()).into_bytes();
        let lines = self.head.split_inclusive(|&byte| byte == b'\n');
        self.head = lines
            .filter(|line| !line.to_ascii_lowercase().starts_with(&start))
            .flatten()
            .copied()
            .collect();
        self
    }

    /// Of this tenant.
    pub fn tenant(self, tenant: &str) -> Self {
        self.header("X-Tenant-ID", tenant)
    }

    /// With these cookies.
    pub fn cookie(self, cookie: &str) -> Self {
        self.header("Cookie", cookie)
    }

    /// With a token in its `Authorization`.
    pub fn bearer(self, token: &str) -> Self {
        self.header("Authorization", format!("Bearer {token}"))
    }

    /// With this body.
    pub fn json(self, body: &Value) -> Self {
        self.body(body.to_string())
    }

    /// With these bytes as a body that says it is JSON.
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        let length = self.body.len().to_string();
        self.header("Content-Type", "application/json").header("Content-Length", length)
    }

    /// Sends the request and reads nothing of the answer.
    ///
    /// # Errors
    /// The connection breaks.
    pub async fn begin(&self, to: impl Into<SocketAddr>) -> io::Result<TcpStream> {
        let mut stream = TcpStream::connect(to.into()).await?;
        stream.write_all(&self.bytes()).await?;
        Ok(stream)
    }

    /// Sends the request and reads its answer.
    ///
    /// # Errors
    /// The connection breaks, or there is no whole answer in 30 s.
    pub async fn try_send(&self, to: impl Into<SocketAddr>) -> io::Result<Answer> {
        let answer = exchange(to.into(), self.bytes());
        let answer = in_time(DEADLINE, io::Error::other, answer).await?;
        Answer::parse(&answer, self.head.starts_with(b"HEAD "))
    }

    /// Sends the request to a server that must answer it.
    ///
    /// # Panics
    /// There is no answer.
    pub async fn send(&self, to: impl Into<SocketAddr>) -> Answer {
        self.try_send(to).await.expect("an answer")
    }

    fn bytes(&self) -> Vec<u8> {
        [self.head.as_slice(), b"\r\n", &self.body].concat()
    }
}

// === impl Answer ===

impl Answer {
    fn parse(bytes: &[u8], head_alone: bool) -> io::Result<Self> {
        let broken = || io::Error::new(io::ErrorKind::InvalidData, "not an answer of HTTP");
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").ok_or_else(broken)?;
        let head = std::str::from_utf8(&bytes[..end]).map_err(|_| broken())?;
        let mut lines = head.split("\r\n");
        let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok());
        let pair = |line: &str| {
            let (name, value) = line.split_once(':')?;
            Some((name.to_ascii_lowercase(), value.trim().to_owned()))
        };
        let headers = lines.map(pair).collect::<Option<_>>().ok_or_else(broken)?;
        let status = status.ok_or_else(broken)?;
        let answer = Self { status, headers, body: bytes[end + 4..].to_vec() };
        let length = answer.headers("content-length").next().filter(|_| !head_alone);
        if length.is_some_and(|length| length != answer.body.len().to_string()) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(answer)
    }

    /// Each value of a header, whose name is in lower case.
    pub fn headers(&self, name: &str) -> impl Iterator<Item = &str> {
        let values = self.headers.iter().filter(move |(found, _)| found == name);
        values.map(|(_, value)| value.as_str())
    }

    /// A header that may be there once.
    ///
    /// # Panics
    /// It is there twice.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers(name);
        let value = values.next();
        assert!(values.next().is_none(), "{name} is there twice");
        value
    }

    /// The same answer, once its status has been found to be this.
    ///
    /// # Panics
    /// It is another.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text());
        self
    }

    /// The body as it came.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body of an answer of the REST contract.
    ///
    /// # Panics
    /// It is not JSON, or caches may keep it.
    #[track_caller]
    pub fn json(&self) -> Value {
        assert_eq!(self.header("content-type"), Some("application/json"));
        assert_eq!(self.header("cache-control"), Some("no-store"));
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error} in {:?}", self.text()))
    }

    /// The error's code, once everything an error must have was found.
    ///
    /// # Panics
    /// Something is missing.
    #[track_caller]
    pub fn problem(&self) -> String {
        let body = self.json();
        let error = &body["error"];
        assert!(error["message"].is_string() && error["retryable"].is_boolean(), "{body}");
        assert_eq!(error["requestId"].as_str(), self.header("x-request-id"), "{body}");
        assert_eq!(error["retryAfterMs"].is_u64(), self.header("retry-after").is_some(), "{body}");
        text_of(&error["code"])
    }

    /// What a browser would send back of the one cookie that is set.
    pub fn cookie(&self) -> Option<String> {
        self.header("set-cookie")?.split(';').next().map(str::to_owned)
    }

    /// The texts of a page of messages.
    ///
    /// # Panics
    /// It is no such page.
    #[track_caller]
    pub fn texts(&self) -> Vec<String> {
        let body = self.json();
        let messages = body["messages"].as_array().expect("a page has messages");
        messages.iter().map(|message| text_of(&message["text"])).collect()
    }
}

#[track_caller]
fn text_of(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text")).to_owned()
}

/// Asks an operators' port, as HTTP/1.0 because the answers of NATS would come in chunks
/// otherwise.
///
/// # Errors
/// The connection breaks, or there is no whole answer in 2 s.
pub async fn get(from: SocketAddr, path: &str) -> io::Result<Answer> {
    let request = format!("GET {path} HTTP/1.0\r\n\r\n").into_bytes();
    let answer = in_time(OPERATORS_DEADLINE, io::Error::other, exchange(from, request)).await?;
    Answer::parse(&answer, false)
}

async fn exchange(to: SocketAddr, request: Vec<u8>) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(to).await?;
    // The server may answer and close before it has read everything.
    let written = stream.write_all(&request).await;
    let mut answer = Vec::new();
    let read = stream.read_to_end(&mut answer).await;
    if answer.is_empty() {
        written?;
        read?;
    }
    Ok(answer)
}
