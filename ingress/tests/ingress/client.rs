//! A small HTTP client, so that a test can send what no well-behaved client would.

use std::time::Duration;

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::node::Node;

/// No answer may take longer, whatever is down.
const DEADLINE: Duration = Duration::from_secs(30);
pub(crate) const ORIGIN: &str = "http://localhost:3000";

/// A request to be sent.
#[derive(Clone)]
pub(crate) struct Ask {
    head: Vec<u8>,
    body: Vec<u8>,
}

/// What came back.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

// === impl Ask ===

impl Ask {
    /// A request with nothing but a host.
    pub(crate) fn bare(method: &str, path: &str) -> Self {
        let head =
            format!("{method} {path} HTTP/1.1\r\nHost: chat.test:8080\r\nConnection: close\r\n");
        Self { head: head.into_bytes(), body: Vec::new() }
    }

    /// A request of a page of tenant `a`.
    pub(crate) fn of_page(method: &str, path: &str) -> Self {
        Self::bare(method, path).header("Origin", ORIGIN).header("X-Tenant-ID", "a")
    }

    /// What the widget asks when a page loads.
    pub(crate) fn messages() -> Self {
        Self::of_page("GET", "/api/chat/messages")
    }

    /// What the widget posts.
    pub(crate) fn say(text: &str) -> Self {
        Self::of_page("POST", "/api/chat/messages")
            .json(&serde_json::json!({ "text": text, "tenantId": "a" }))
    }

    /// A draft with an id of the client's.
    pub(crate) fn draft(text: &str, id: &str) -> Self {
        let body = serde_json::json!({ "text": text, "clientMessageId": id });
        Self::of_page("POST", "/api/chat/messages").json(&body)
    }

    pub(crate) fn session() -> Self {
        Self::of_page("POST", "/api/chat/session")
    }

    pub(crate) fn header(self, name: &str, value: impl AsRef<[u8]>) -> Self {
        let mut asked = self.without(name);
        asked.head.extend_from_slice(name.as_bytes());
        asked.head.extend_from_slice(b": ");
        asked.head.extend_from_slice(value.as_ref());
        asked.head.extend_from_slice(b"\r\n");
        asked
    }

    /// One more header of this name, or what looks like one.
    pub(crate) fn line(mut self, line: &str) -> Self {
        self.head.extend_from_slice(line.as_bytes());
        self.head.extend_from_slice(b"\r\n");
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        let start = format!("{}:", name.to_ascii_lowercase()).into_bytes();
        let lines = self.head.split_inclusive(|&byte| byte == b'\n');
        self.head = lines
            .filter(|line| !line.to_ascii_lowercase().starts_with(&start))
            .flatten()
            .copied()
            .collect();
        self
    }

    pub(crate) fn tenant(self, tenant: &str) -> Self {
        self.header("X-Tenant-ID", tenant)
    }

    pub(crate) fn cookie(self, cookie: &str) -> Self {
        self.header("Cookie", cookie)
    }

    pub(crate) fn bearer(self, token: &str) -> Self {
        self.header("Authorization", format!("Bearer {token}"))
    }

    pub(crate) fn json(self, body: &Value) -> Self {
        self.body(body.to_string())
    }

    pub(crate) fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        let length = self.body.len().to_string();
        self.header("Content-Type", "application/json").header("Content-Length", length)
    }

    /// Sends the request and reads nothing of the answer.
    pub(crate) async fn begin(&self, node: &Node) -> TcpStream {
        let mut stream = TcpStream::connect(node.address()).await.unwrap();
        stream.write_all(&self.bytes()).await.unwrap();
        stream
    }

    fn bytes(&self) -> Vec<u8> {
        [self.head.as_slice(), b"\r\n", &self.body].concat()
    }

    pub(crate) async fn send(&self, node: &Node) -> Answer {
        let mut stream = TcpStream::connect(node.address()).await.unwrap();
        let request = self.bytes();
        let exchange = async {
            // The server may answer and close before it has read everything.
            let written = stream.write_all(&request).await;
            let mut answer = Vec::new();
            let read = stream.read_to_end(&mut answer).await;
            assert!(!answer.is_empty(), "no answer: {written:?} {read:?}");
            answer
        };
        let answer =
            tokio::time::timeout(DEADLINE, exchange).await.expect("an answer within the deadline");
        Answer::parse(&answer, self.head.starts_with(b"HEAD "))
    }
}

// === impl Answer ===

impl Answer {
    fn parse(bytes: &[u8], head_alone: bool) -> Self {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").expect("a head");
        let head = std::str::from_utf8(&bytes[..end]).unwrap();
        let mut lines = head.split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let pair = |line: &str| {
            let (name, value) = line.split_once(": ").unwrap();
            (name.to_ascii_lowercase(), value.to_owned())
        };
        let answer =
            Self { status, headers: lines.map(pair).collect(), body: bytes[end + 4..].to_vec() };
        if let Some(length) = answer.header("content-length").filter(|_| !head_alone) {
            assert_eq!(length, answer.body.len().to_string());
        }
        answer
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|(found, _)| found == name);
        let value = values.next();
        assert!(values.next().is_none(), "{name} is there twice");
        value.map(|(_, value)| value.as_str())
    }

    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", String::from_utf8_lossy(&self.body));
        self
    }

    pub(crate) fn json(&self) -> Value {
        assert_eq!(self.header("content-type"), Some("application/json"));
        assert_eq!(self.header("cache-control"), Some("no-store"));
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The error's code, once everything an error must have was found.
    #[track_caller]
    pub(crate) fn problem(&self) -> String {
        let body = self.json();
        let error = &body["error"];
        assert!(error["message"].is_string() && error["retryable"].is_boolean(), "{body}");
        assert_eq!(error["requestId"].as_str(), self.header("x-request-id"), "{body}");
        assert_eq!(error["retryAfterMs"].is_u64(), self.header("retry-after").is_some(), "{body}");
        error["code"].as_str().unwrap().to_owned()
    }

    /// Each value of a header that may be there several times.
    pub(crate) fn headers(&self, name: &str) -> impl Iterator<Item = &str> {
        let values = self.headers.iter().filter(move |(found, _)| found == name);
        values.map(|(_, value)| value.as_str())
    }

    /// What a browser would send back.
    pub(crate) fn cookie(&self) -> Option<String> {
        self.header("set-cookie").map(|cookie| cookie.split(';').next().unwrap().to_owned())
    }

    pub(crate) fn texts(&self) -> Vec<String> {
        let body = self.json();
        let messages = body["messages"].as_array().unwrap();
        messages.iter().map(|message| message["text"].as_str().unwrap().to_owned()).collect()
    }
}
