//! A tiny HTTP/1.1 client: one request, one connection, one answer.

use std::{collections::HashMap, io, net::SocketAddr, time::Duration};

use parlor_common::deadline::in_time;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// An answer, read whole.
#[derive(Debug)]
pub struct Answer {
    /// 0 where there is none.
    pub status: u16,
    /// Names in lower case; the last of equal ones.
    pub headers: HashMap<String, String>,
    /// All of it.
    pub body: String,
}

impl Answer {
    /// The body as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body)
            .unwrap_or_else(|error| panic!("{error} in {:?}", self.body))
    }

    /// The visitor's cookie, as the next request sends it back.
    pub fn cookie(&self) -> String {
        self.headers["set-cookie"].split(';').next().unwrap_or_default().to_owned()
    }
}

/// Sends a request and reads its answer; fails after 20 s, longer than any request may take.
///
/// # Errors
/// The connection breaks, or there is no answer in time.
pub async fn request(
    to: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> io::Result<Answer> {
    let mut head = format!("{method} {path} HTTP/1.1\r\nHost: {to}\r\nConnection: close\r\n");
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    head += &format!("Content-Length: {}\r\n\r\n", body.len());
    in_time(Duration::from_secs(20), io::Error::other, exchange(to, head + body)).await
}

/// Asks an operators' port, as HTTP/1.0 because the answers of NATS would come in chunks
/// otherwise; fails after 2 s.
///
/// # Errors
/// The connection breaks, or there is no answer in time.
pub async fn get(from: SocketAddr, path: &str) -> io::Result<Answer> {
    let request = format!("GET {path} HTTP/1.0\r\n\r\n");
    in_time(Duration::from_secs(2), io::Error::other, exchange(from, request)).await
}

async fn exchange(to: SocketAddr, request: String) -> io::Result<Answer> {
    let mut stream = TcpStream::connect(to).await?;
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    Ok(parse(&String::from_utf8_lossy(&answer)))
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
