//! The bare protocol of NATS, for what a test does to the servers behind the log's back.

#![expect(
    clippy::unwrap_used,
    reason = "a test ends where a server answers what it did not expect"
)]

use std::time::Duration;

use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
};

use crate::wait::within;

const INBOX: &str = "_INBOX.raw";

/// A connection with one inbox.
#[derive(Debug)]
pub struct Raw {
    stream: BufReader<TcpStream>,
}

// === impl Raw ===

impl Raw {
    /// To the server at `url`.
    pub async fn connect(url: &str) -> Self {
        within("a connection", Self::try_connect(url)).await.unwrap()
    }

    /// Whether JetStream answers, and has a leader where it is a cluster.
    pub async fn is_healthy(url: &str) -> bool {
        let asked = async {
            let mut raw = Self::try_connect(url).await?;
            raw.try_request("$JS.API.STREAM.NAMES", "", "").await
        };
        match tokio::time::timeout(Duration::from_secs(2), asked).await {
            Ok(Ok(answer)) => answer.contains("\"streams\"") && !answer.contains("\"error\""),
            _ => false,
        }
    }

    /// Whether a stream takes what is published under `subject` by the server at `url`, just now.
    pub async fn is_taken(url: &str, subject: &str) -> bool {
        let asked = async {
            let mut raw = Self::try_connect(url).await?;
            raw.try_request(subject, "", "a probe").await
        };
        match tokio::time::timeout(Duration::from_millis(300), asked).await {
            Ok(Ok(answer)) => answer.contains("\"seq\"") && !answer.contains("\"error\""),
            _ => false,
        }
    }

    /// To the server at `url`, as a user.
    pub async fn connect_as(url: &str, user: &str, password: &str) -> std::io::Result<Self> {
        let login = format!("\"user\":\"{user}\",\"pass\":\"{password}\",");
        Self::log_in(url, &login).await
    }

    async fn try_connect(url: &str) -> std::io::Result<Self> {
        Self::log_in(url, "").await
    }

    async fn log_in(url: &str, login: &str) -> std::io::Result<Self> {
        let address = url.strip_prefix("nats://").expect("a plain address");
        let mut stream = BufReader::new(TcpStream::connect(address).await?);
        let mut info = String::new();
        stream.read_line(&mut info).await?;
        // Users of the tiers may listen to nothing but inboxes.
        let hello = format!(
            "CONNECT {{{login}\"verbose\":false,\"headers\":true,\"no_responders\":true}}\r\nSUB \
            {INBOX} 1\r\n"
        );
        stream.write_all(hello.as_bytes()).await?;
        Ok(Self { stream })
    }

    /// Asks JetStream's API, and takes no error for an answer.
    pub async fn api(&mut self, subject: &str, request: &str) -> Value {
        let answer =
            within("an answer", self.try_request(&format!("$JS.API.{subject}"), "", request))
                .await
                .unwrap();
        let answer: Value = serde_json::from_str(&answer).unwrap();
        assert!(answer.get("error").is_none(), "{subject}: {answer}");
        answer
    }

    /// Publishes into a stream, with headers such as `Nats-Msg-Id: x\r\n`, and returns the
    /// acknowledgement.
    pub async fn publish(&mut self, subject: &str, headers: &str, payload: &str) -> Value {
        let answer = within("an acknowledgement", self.try_request(subject, headers, payload))
            .await
            .unwrap();
        serde_json::from_str(&answer).unwrap()
    }

    /// Reads a stream's configuration, changes it, and updates the stream.
    pub async fn change_stream(&mut self, stream: &str, change: impl FnOnce(&mut Value)) {
        let mut config = self.api(&format!("STREAM.INFO.{stream}"), "").await["config"].take();
        change(&mut config);
        self.api(&format!("STREAM.UPDATE.{stream}"), &config.to_string()).await;
    }

    async fn try_request(
        &mut self,
        subject: &str,
        headers: &str,
        payload: &str,
    ) -> std::io::Result<String> {
        let headers =
            if headers.is_empty() { String::new() } else { format!("NATS/1.0\r\n{headers}\r\n") };
        let (verb, sizes) = if headers.is_empty() {
            ("PUB", payload.len().to_string())
        } else {
            ("HPUB", format!("{} {}", headers.len(), headers.len() + payload.len()))
        };
        let request = format!("{verb} {subject} {INBOX} {sizes}\r\n{headers}{payload}\r\n");
        self.stream.write_all(request.as_bytes()).await?;
        loop {
            let mut line = String::new();
            if self.stream.read_line(&mut line).await? == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            if line.starts_with("PING") {
                self.stream.write_all(b"PONG\r\n").await?;
            }
            if line.starts_with("MSG") || line.starts_with("HMSG") {
                let size: usize = line.split_whitespace().next_back().unwrap().parse().unwrap();
                let mut body = vec![0; size + 2];
                self.stream.read_exact(&mut body).await?;
                body.truncate(size);
                return Ok(String::from_utf8_lossy(&body).into_owned());
            }
        }
    }
}
