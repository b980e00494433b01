//! The cheapest client there can be: one thread, no library between a frame's bytes and the socket,
//! no JSON parser. It is trusted with a server of this project alone.

use std::{cell::RefCell, io, net::SocketAddr, time::Duration};

use anyhow::{Context, bail, ensure};
use tokio::{net::TcpStream, time::timeout};

/// One connection, of WebSocket frames after [`Connection::upgrade`] and of HTTP without it.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    /// What was read of a frame or answer that is not whole yet.
    rest: RefCell<Vec<u8>>,
}

/// An HTTP answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

/// An answer that takes longer is none.
const DEADLINE: Duration = Duration::from_secs(30);
const BUFFER: usize = 128 << 10;

thread_local! {
    /// All connections read into the same bytes, one after the other.
    static BUFFERS: RefCell<Vec<u8>> = RefCell::new(vec![0; BUFFER]);
}

// === impl Connection ===

impl Connection {
    pub(crate) async fn open(to: SocketAddr) -> anyhow::Result<Self> {
        let stream = timeout(DEADLINE, TcpStream::connect(to)).await.context("no connection")??;
        stream.set_nodelay(true)?;
        Ok(Self { stream, rest: RefCell::default() })
    }

    /// Opens a WebSocket with these lines beside the usual ones.
    pub(crate) async fn upgrade(to: SocketAddr, path: &str, lines: &str) -> anyhow::Result<Self> {
        let socket = Self::open(to).await?;
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: localhost\r\nOrigin: http://localhost:3000\r\n\
             Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{lines}\r\n"
        );
        socket.write(request.as_bytes()).await?;
        let answer = timeout(DEADLINE, socket.answer_head()).await.context("no 101")??;
        ensure!(answer.0 == 101, "{} instead of a socket", answer.0);
        Ok(socket)
    }

    /// A socket of protocol 1, greeted and subscribed.
    pub(crate) async fn subscribed(to: SocketAddr, token: &str) -> anyhow::Result<Self> {
        let lines = "Sec-WebSocket-Protocol: parlor.1\r\n";
        let socket = Self::upgrade(to, "/ws/chat?tenantId=demo", lines).await?;
        let hello = format!(r#"{{"type":"hello","protocol":1,"token":"{token}"}}"#);
        socket.send(&hello).await?;
        socket.send(r#"{"type":"subscribe"}"#).await?;
        let mut is_subscribed = false;
        let reading = async {
            while !is_subscribed {
                socket
                    .read(|frame| {
                        ensure!(!frame.starts_with(br#"{"type":"error""#), "{}", text(frame));
                        is_subscribed |= frame.starts_with(br#"{"type":"subscribed""#);
                        Ok(())
                    })
                    .await?;
            }
            anyhow::Ok(())
        };
        timeout(DEADLINE, reading).await.context("not subscribed in time")??;
        Ok(socket)
    }

    pub(crate) async fn send(&self, frame: &str) -> anyhow::Result<()> {
        self.write(&masked(1, frame.as_bytes())).await
    }

    pub(crate) async fn write(&self, mut bytes: &[u8]) -> anyhow::Result<()> {
        while !bytes.is_empty() {
            match self.stream.try_write(bytes) {
                Ok(written) => bytes = &bytes[written..],
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.stream.writable().await?;
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Waits until something comes, and calls `take` with each whole text frame. Pings are
    /// answered.
    pub(crate) async fn read(
        &self,
        mut take: impl FnMut(&[u8]) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let mut pongs = Vec::new();
        self.more(|mut bytes| {
            let whole = bytes.len();
            while let Some((opcode, payload, rest)) = frame(bytes) {
                match opcode {
                    1 => take(payload)?,
                    9 => pongs.extend(masked(10, payload)),
                    8 => bail!("closed: {:?}", payload.first_chunk::<2>()),
                    _ => {}
                }
                bytes = rest;
            }
            Ok(whole - bytes.len())
        })
        .await?;
        if !pongs.is_empty() {
            self.write(&pongs).await?;
        }
        Ok(())
    }

    /// Asks over HTTP and waits for the answer.
    pub(crate) async fn call(&self, request: &[u8]) -> anyhow::Result<Answer> {
        self.write(request).await?;
        let exchange = async {
            let (status, length) = self.answer_head().await?;
            let mut body = Vec::new();
            loop {
                {
                    let mut rest = self.rest.borrow_mut();
                    if rest.len() >= length {
                        body.extend(rest.drain(..length));
                        return anyhow::Ok(Answer { status, body });
                    }
                }
                self.more(|_| Ok(0)).await?;
            }
        };
        timeout(DEADLINE, exchange).await.context("no answer in time")?
    }

    /// The status and the length of the body; what follows the head is left in `rest`.
    async fn answer_head(&self) -> anyhow::Result<(u16, usize)> {
        loop {
            {
                let mut rest = self.rest.borrow_mut();
                let end = rest.windows(4).position(|bytes| bytes == b"\r\n\r\n");
                if let Some(end) = end {
                    let head = std::str::from_utf8(&rest[..end])?;
                    let status = head.get(9..12).context("no status")?.parse()?;
                    let length = head.lines().find_map(|line| {
                        let (name, value) = line.split_once(": ")?;
                        name.eq_ignore_ascii_case("content-length").then(|| value.parse().ok())?
                    });
                    rest.drain(..end + 4);
                    return Ok((status, length.unwrap_or(0)));
                }
            }
            self.more(|_| Ok(0)).await?;
        }
    }

    /// Waits for bytes and shows all that came; `take` says how many of them it has used.
    async fn more(&self, take: impl FnOnce(&[u8]) -> anyhow::Result<usize>) -> anyhow::Result<()> {
        let mut take = Some(take);
        while let Some(now) = take.take() {
            self.stream.readable().await?;
            take = BUFFERS.with_borrow_mut(|buffer| match self.stream.try_read(buffer) {
                Ok(0) => Err(anyhow::anyhow!("the connection ended")),
                Ok(count) => self.came(&buffer[..count], now).map(|()| None),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(Some(now)),
                Err(error) => Err(error.into()),
            })?;
        }
        Ok(())
    }

    /// Where nothing is left of before, and nothing is left over, no byte is copied.
    fn came(
        &self,
        bytes: &[u8],
        take: impl FnOnce(&[u8]) -> anyhow::Result<usize>,
    ) -> anyhow::Result<()> {
        let mut rest = self.rest.borrow_mut();
        if rest.is_empty() {
            let used = take(bytes)?;
            rest.extend_from_slice(&bytes[used..]);
        } else {
            rest.extend_from_slice(bytes);
            let used = take(&rest)?;
            rest.drain(..used);
        }
        Ok(())
    }
}

/// A request of REST, whole.
pub(crate) fn request(method: &str, path: &str, token: Option<&str>, body: &str) -> Vec<u8> {
    let bearer = token.map(|token| format!("Authorization: Bearer {token}\r\n"));
    format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nX-Tenant-ID: demo\r\n{}\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        bearer.unwrap_or_default(),
        body.len()
    )
    .into_bytes()
}

/// A client's frame. Its mask is zero, which leaves the payload as it is.
pub(crate) fn masked(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = header(opcode, 0x80, payload.len());
    frame.extend([0; 4]);
    frame.extend(payload);
    frame
}

/// What comes before a frame's mask and payload.
pub(crate) fn header(opcode: u8, mask: u8, length: usize) -> Vec<u8> {
    let first = 0x80 | opcode;
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(short @ ..126), _) => vec![first, mask | short],
        (_, Ok(long)) => [&[first, mask | 126], &long.to_be_bytes()[..]].concat(),
        (_, Err(_)) => unreachable!("what is sent here is far below 64 KiB"),
    }
}

/// The first frame of a server's bytes, unless it is not whole: its opcode, its payload and what
/// follows.
fn frame(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let [first, second, ..] = *bytes else { return None };
    let (header, length) = match second & 127 {
        126 => (4, u16::from_be_bytes(*bytes.get(2..)?.first_chunk()?).into()),
        127 => (10, usize::try_from(u64::from_be_bytes(*bytes.get(2..)?.first_chunk()?)).ok()?),
        length => (2, length.into()),
    };
    let payload = bytes.get(header..header + length)?;
    Some((first & 15, payload, &bytes[header + length..]))
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_found_in_what_came_and_a_part_is_left() {
        let long = [b"\x81\x7e\x01\x00".as_slice(), &[b'x'; 256]].concat();
        let bytes = [b"\x81\x02hi".as_slice(), &long, b"\x89\x00\x81\x05par"].concat();
        let (opcode, payload, rest) = frame(&bytes).unwrap();
        assert_eq!((opcode, payload), (1, b"hi".as_slice()));
        let (_, payload, rest) = frame(rest).unwrap();
        assert_eq!(payload, [b'x'; 256]);
        let (opcode, payload, rest) = frame(rest).unwrap();
        assert_eq!((opcode, payload.len()), (9, 0));
        assert_eq!(frame(rest), None);
    }
}
