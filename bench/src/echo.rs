//! What stands in Parlor's place to show the limit of kernel and client: one thread that answers
//! the same frames and requests from memory, and keeps, orders and delivers nothing.

use std::{net::SocketAddr, time::Duration};

use anyhow::{Context, ensure};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::spawn_local,
    time::{Instant, sleep},
};

use crate::wire::header;

const SWITCHED: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
/// As long as Parlor's own.
const ACCEPTED: &str = concat!(
    r#"{"type":"accepted","clientMessageId":"019a0000-0000-7000-8000-000000000000","#,
    r#""id":"0123456789abcdef0123456789abcdef","timestamp":"2026-01-01T00:00:00.000Z","#,
    r#""duplicate":false}"#
);
const SUBSCRIBED: &str = r#"{"type":"subscribed","recovered":true,"cursor":"0","replayed":0}"#;
const SESSION: &str = r#"{"token":"vt_echo","conversationId":"0"}"#;
const BUFFER: usize = 64 << 10;
const UP_WITHIN: Duration = Duration::from_secs(10);

/// Answers at this address until the process ends.
pub(crate) async fn serve(address: SocketAddr) -> anyhow::Result<()> {
    let listener = TcpListener::bind(address).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        spawn_local(async move { drop(answer(stream).await) });
    }
}

/// Waits until it does.
pub(crate) async fn answers(address: SocketAddr) -> anyhow::Result<()> {
    let began = Instant::now();
    while TcpStream::connect(address).await.is_err() {
        ensure!(began.elapsed() < UP_WITHIN, "the echo does not answer");
        sleep(Duration::from_millis(10)).await;
    }
    Ok(())
}

async fn answer(mut stream: TcpStream) -> anyhow::Result<()> {
    let mut buffer = vec![0; BUFFER];
    let mut filled = 0;
    let mut is_socket = false;
    let mut out = Vec::new();
    loop {
        let count = stream.read(&mut buffer[filled..]).await?;
        ensure!(count > 0, "it has ended");
        filled += count;
        let mut used = 0;
        while let Some(length) = match is_socket {
            true => frame(&buffer[used..filled], &mut out),
            false => request(&buffer[used..filled], &mut out, &mut is_socket)?,
        } {
            used += length;
        }
        buffer.copy_within(used..filled, 0);
        filled -= used;
        stream.write_all(&out).await?;
        out.clear();
    }
}

/// Answers the first request, and gives its length, once it is whole.
fn request(bytes: &[u8], out: &mut Vec<u8>, is_socket: &mut bool) -> anyhow::Result<Option<usize>> {
    let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { return Ok(None) };
    let head = std::str::from_utf8(&bytes[..end])?;
    let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
    let length: usize = length.map_or(Ok(0), str::parse).context("a length")?;
    if bytes.len() < end + 4 + length {
        return Ok(None);
    }
    if head.contains("Upgrade: websocket") {
        *is_socket = true;
        out.extend(SWITCHED.as_bytes());
    } else {
        let body = if head.contains("/session") { SESSION } else { ACCEPTED };
        let length = body.len();
        let text = format!(
            "HTTP/1.1 201 Created\r\ncontent-type: application/json\r\n\
             content-length: {length}\r\n\r\n{body}"
        );
        out.extend(text.as_bytes());
    }
    Ok(Some(end + 4 + length))
}

/// Answers the first frame, and gives its length, once it is whole. Its mask is zero.
fn frame(bytes: &[u8], out: &mut Vec<u8>) -> Option<usize> {
    let (header, length) = match bytes.get(1)? & 127 {
        126 => (8, u16::from_be_bytes(*bytes.get(2..)?.first_chunk()?).into()),
        length => (6, usize::from(length)),
    };
    let payload = bytes.get(header..header + length)?;
    if payload.starts_with(br#"{"type":"message""#) {
        say(ACCEPTED, out);
    } else if payload.starts_with(br#"{"type":"subscribe""#) {
        say(SUBSCRIBED, out);
    }
    Some(header + length)
}

fn say(text: &str, out: &mut Vec<u8>) {
    out.extend(header(1, 0, text.len()));
    out.extend(text.as_bytes());
}
