//! A peer that writes its bytes by hand, well-formed or not.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use super::world::{ORIGIN, SOON, TestNode};

const MASK: [u8; 4] = [1, 2, 3, 4];

pub struct Raw {
    pub stream: TcpStream,
}

/// A masked frame with this first byte.
pub fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = header(first, payload.len() as u64);
    bytes.extend(payload.iter().enumerate().map(|(index, byte)| byte ^ MASK[index % 4]));
    bytes
}

/// The header of a masked frame of this length.
pub fn header(first: u8, length: u64) -> Vec<u8> {
    let mut bytes = vec![first];
    match length {
        0..=125 => bytes.push(0x80 | u8::try_from(length).unwrap()),
        126..=0xffff => {
            bytes.push(0x80 | 126);
            bytes.extend(u16::try_from(length).unwrap().to_be_bytes());
        }
        _ => {
            bytes.push(0x80 | 127);
            bytes.extend(length.to_be_bytes());
        }
    }
    bytes.extend(MASK);
    bytes
}

impl Raw {
    /// The head of the answer to a request written by hand.
    pub async fn handshake(node: &TestNode, request: &str) -> String {
        let mut raw = Self { stream: TcpStream::connect(node.address).await.unwrap() };
        raw.stream.write_all(request.as_bytes()).await.unwrap();
        raw.head().await
    }

    /// A socket of protocol 1 of a visitor.
    pub async fn open(node: &TestNode) -> Self {
        Self::open_with(node, "/ws/chat?tenantId=shop", Some("parlor.1"), |_| {}).await
    }

    /// A page of the widget that has this cookie.
    pub async fn open_as(node: &TestNode, path: &str, cookie: &str) -> Self {
        Self::open_headed(node, path, &format!("cookie: {cookie}\r\n"), |_| {}).await
    }

    /// A socket of protocol 1 of a visitor that has this cookie.
    pub async fn open_as_parlor1(node: &TestNode, path: &str, cookie: &str) -> Self {
        let headers = format!("cookie: {cookie}\r\nsec-websocket-protocol: parlor.1\r\n");
        Self::open_headed(node, path, &headers, |_| {}).await
    }

    pub async fn open_with(
        node: &TestNode,
        path: &str,
        subprotocol: Option<&str>,
        add: impl FnOnce(&mut Vec<u8>),
    ) -> Self {
        let protocol = subprotocol
            .map(|name| format!("sec-websocket-protocol: {name}\r\n"))
            .unwrap_or_default();
        Self::open_headed(node, path, &protocol, add).await
    }

    async fn open_headed(
        node: &TestNode,
        path: &str,
        headers: &str,
        add: impl FnOnce(&mut Vec<u8>),
    ) -> Self {
        let mut request = format!(
            "GET {path} HTTP/1.1\r\nhost: x\r\norigin: {ORIGIN}\r\nconnection: Upgrade\r\nupgrade: \
             websocket\r\n\
             sec-websocket-version: 13\r\nsec-websocket-key: \
             AAAAAAAAAAAAAAAAAAAAAA==\r\n{headers}\r\n"
        )
        .into_bytes();
        add(&mut request);
        let mut raw = Self { stream: TcpStream::connect(node.address).await.unwrap() };
        raw.stream.write_all(&request).await.unwrap();
        let head = raw.head().await;
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        raw
    }

    pub async fn write(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    /// First byte and payload of the next frame; `None` at the end.
    pub async fn next(&mut self) -> Option<(u8, Vec<u8>)> {
        timeout(SOON, async {
            let mut head = [0; 2];
            self.stream.read_exact(&mut head).await.ok()?;
            let length = match head[1] {
                126 => usize::from(self.stream.read_u16().await.ok()?),
                127 => usize::try_from(self.stream.read_u64().await.ok()?).unwrap(),
                length => usize::from(length),
            };
            let mut payload = vec![0; length];
            self.stream.read_exact(&mut payload).await.ok()?;
            Some((head[0], payload))
        })
        .await
        .expect("a frame or the end within the deadline")
    }

    /// Reads on to the close, and tells its code; then the end must follow.
    pub async fn close_code(&mut self) -> u16 {
        loop {
            let (first, payload) = self.next().await.expect("a close before the end");
            if first == 0x88 {
                return u16::from_be_bytes([payload[0], payload[1]]);
            }
        }
    }

    async fn head(&mut self) -> String {
        let mut head = Vec::new();
        let read = async {
            while !head.ends_with(b"\r\n\r\n") {
                head.push(self.stream.read_u8().await.unwrap());
            }
        };
        timeout(SOON, read).await.expect("the head of an answer within the deadline");
        String::from_utf8(head).unwrap()
    }
}
