//! A tiny HTTP/1.1 client: one request, one connection, one answer.

use std::{collections::HashMap, net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

/// An answer, read whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Names in lower case; the last of equal ones.
    pub(crate) headers: HashMap<String, String>,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body)
            .unwrap_or_else(|error| panic!("{error} in {:?}", self.body))
    }

    /// The visitor's cookie, as the next request sends it back.
    pub(crate) fn cookie(&self) -> String {
        self.headers["set-cookie"].split(';').next().unwrap().to_owned()
    }
}

/// Sends a request and reads its answer; fails after 20 s, longer than any request may take.
pub(crate) async fn request(
    to: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> std::io::Result<Answer> {
    let exchange = async {
        let mut stream = TcpStream::connect(to).await?;
        let mut head = format!("{method} {path} HTTP/1.1\r\nHost: {to}\r\nConnection: close\r\n");
        for (name, value) in headers {
            head += &format!("{name}: {value}\r\n");
        }
        head += &format!("Content-Length: {}\r\n\r\n", body.len());
        stream.write_all((head + body).as_bytes()).await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        Ok(parse(&String::from_utf8_lossy(&answer)))
    };
    timeout(Duration::from_secs(20), exchange)
        .await
        .map_err(|_| std::io::Error::other("no answer in 20 s"))?
}

fn parse(answer: &str) -> Answer {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((answer, ""));
    let mut lines = head.lines();
    let status =
        lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|status| status.parse().ok());
    let pair = |line: &str| {
        line.split_once(": ").map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
    };
    Answer {
        status: status.unwrap_or(0),
        headers: lines.filter_map(pair).collect(),
        body: body.to_owned(),
    }
}

/// A visitor of `tenant`, as the widget's page is one.
#[derive(Clone, Debug)]
pub(crate) struct Visitor {
    pub(crate) tenant: String,
    pub(crate) cookie: Option<String>,
}

impl Visitor {
    pub(crate) fn new(tenant: &str) -> Self {
        Self { tenant: tenant.to_owned(), cookie: None }
    }

    /// POSTs a text; keeps the cookie it is given.
    pub(crate) async fn post(
        &mut self,
        to: SocketAddr,
        body: &serde_json::Value,
    ) -> std::io::Result<Answer> {
        let cookie = self.cookie.clone().unwrap_or_default();
        let headers = [
            ("X-Tenant-ID", self.tenant.as_str()),
            ("Origin", "http://localhost:3000"),
            ("Content-Type", "application/json"),
            ("Cookie", &cookie),
        ];
        let answer = request(to, "POST", "/api/chat/messages", &headers, &body.to_string()).await?;
        if answer.headers.contains_key("set-cookie") {
            self.cookie = Some(answer.cookie());
        }
        Ok(answer)
    }

    /// The texts of the newest page.
    pub(crate) async fn texts(&self, to: SocketAddr) -> std::io::Result<Vec<String>> {
        let cookie = self.cookie.clone().unwrap_or_default();
        let headers = [("X-Tenant-ID", self.tenant.as_str()), ("Cookie", &cookie)];
        let answer = request(to, "GET", "/api/chat/messages", &headers, "").await?;
        assert_eq!(answer.status, 200, "{}", answer.body);
        let page = answer.json();
        let text = |message: &serde_json::Value| message["text"].as_str().unwrap().to_owned();
        Ok(page["messages"].as_array().unwrap().iter().map(text).collect())
    }
}
