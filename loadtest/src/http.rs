//! A small HTTP/1.1 client: one kept-alive connection, one request at a time, as a browser's tab
//! has it.

use std::time::Duration;

use anyhow::{Context, bail};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream, lookup_host},
    time::{Instant, timeout},
};

use crate::address::Address;

/// One client's way to REST.
#[derive(Debug)]
pub(crate) struct Http {
    addresses: Vec<Address>,
    /// Which address is used; the next one after a failure.
    at: usize,
    /// The connection, and when it was used last.
    stream: Option<(TcpStream, Instant)>,
}

/// What is asked.
#[derive(Clone, Debug)]
pub(crate) struct Call<'a> {
    pub(crate) method: &'static str,
    pub(crate) path: &'a str,
    pub(crate) headers: &'a [(&'static str, String)],
    /// JSON.
    pub(crate) body: Option<String>,
    /// How long connecting, asking and answering may take, each.
    pub(crate) deadline: Duration,
}

/// What is answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) cookies: Vec<String>,
    pub(crate) body: Vec<u8>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoAnswer {
    /// Nothing was sent.
    #[error("could not connect: {0:#}")]
    Unsent(anyhow::Error),
    /// It was sent, perhaps in part: what became of it is unknown.
    #[error("no answer: {0:#}")]
    Unknown(anyhow::Error),
}

/// An answer, headers and body, may have this many bytes.
const MOST_BYTES: usize = 16 << 20;
const MOST_HEADERS: usize = 64;
const SMALL_WINDOW: u32 = 4096;
/// A connection that was idle for longer is not used again: whoever is at its other end may close
/// it at the moment of the next request, which is then without an answer, and says nothing of a
/// server.
const FRESH: Duration = Duration::from_secs(5);

/// What the headers of an answer say.
struct Head {
    status: u16,
    cookies: Vec<String>,
    body_at: usize,
    length: Option<usize>,
    is_chunked: bool,
    is_last: bool,
}

// === impl Http ===

impl Http {
    /// Asks `addresses`, beginning with the one at `first`.
    pub(crate) fn new(addresses: &[Address], first: usize) -> Self {
        Self { addresses: addresses.to_vec(), at: first % addresses.len().max(1), stream: None }
    }

    /// Asks and waits for the answer. Not cancel safe: drop the client afterwards.
    pub(crate) async fn call(&mut self, call: Call<'_>) -> Result<Answer, NoAnswer> {
        let address = self.addresses[self.at].clone();
        let mut stream = match self.kept() {
            Some(stream) => stream,
            None => match connect(&address, call.deadline, false).await {
                Ok(stream) => stream,
                Err(error) => {
                    self.at = (self.at + 1) % self.addresses.len();
                    return Err(NoAnswer::Unsent(error));
                }
            },
        };
        let request = request(&call, &address);
        let exchange = async {
            stream.write_all(&request).await?;
            read_answer(&mut stream).await
        };
        let answered = timeout(call.deadline, exchange)
            .await
            .context("the deadline passed")
            .and_then(|answer| answer);
        match answered {
            Ok((answer, is_kept)) => {
                self.stream = is_kept.then_some((stream, Instant::now()));
                Ok(answer)
            }
            Err(error) => {
                self.at = (self.at + 1) % self.addresses.len();
                Err(NoAnswer::Unknown(error))
            }
        }
    }

    /// The kept connection, unless the server has closed it meanwhile.
    fn kept(&mut self) -> Option<TcpStream> {
        let (stream, _) = self.stream.take().filter(|(_, used)| used.elapsed() < FRESH)?;
        let would_block = |error: &std::io::Error| error.kind() == std::io::ErrorKind::WouldBlock;
        let is_open = stream.try_read(&mut [0]).is_err_and(|error| would_block(&error));
        is_open.then_some(stream)
    }
}

// === impl Answer ===

impl Answer {
    pub(crate) const fn is_success(&self) -> bool {
        self.status >= 200 && self.status < 300
    }
}

/// A TCP connection without Nagle's delay.
pub(crate) async fn connect(
    address: &Address,
    deadline: Duration,
    is_window_small: bool,
) -> anyhow::Result<TcpStream> {
    let connecting = async {
        if !is_window_small {
            return TcpStream::connect(address.target()).await;
        }
        // It has to be set before the connection is made.
        let mut last = None;
        for target in lookup_host(address.target()).await? {
            let socket = if target.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
            socket.set_recv_buffer_size(SMALL_WINDOW)?;
            match socket.connect(target).await {
                Ok(stream) => return Ok(stream),
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(|| std::io::ErrorKind::NotFound.into()))
    };
    let stream = timeout(deadline, connecting).await.context("the deadline passed")?;
    let stream = stream.with_context(|| address.to_string())?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

fn request(call: &Call<'_>, address: &Address) -> Vec<u8> {
    let mut text = format!("{} {} HTTP/1.1\r\nHost: {}\r\n", call.method, call.path, address.host);
    for (name, value) in call.headers {
        text.extend([*name, ": ", value, "\r\n"]);
    }
    if let Some(body) = &call.body {
        text.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    text.push_str("Content-Type: application/json\r\n\r\n");
    text.push_str(call.body.as_deref().unwrap_or_default());
    text.into_bytes()
}

/// Reads one answer; tells whether the connection can be used again.
async fn read_answer(stream: &mut TcpStream) -> anyhow::Result<(Answer, bool)> {
    let mut bytes = Vec::with_capacity(1024);
    let head = loop {
        more(stream, &mut bytes).await?;
        if let Some(head) = parse_head(&bytes)? {
            break head;
        }
    };
    let body = if head.is_chunked {
        read_chunks(stream, &mut bytes, head.body_at).await?
    } else {
        let length = head.length.context("an answer without a length")?;
        let end = head.body_at.saturating_add(length);
        while bytes.len() < end {
            more(stream, &mut bytes).await?;
        }
        bytes[head.body_at..end].to_vec()
    };
    Ok((Answer { status: head.status, cookies: head.cookies, body }, !head.is_last))
}

async fn more(stream: &mut TcpStream, bytes: &mut Vec<u8>) -> anyhow::Result<()> {
    if bytes.len() > MOST_BYTES {
        bail!("an answer of more than {MOST_BYTES} bytes");
    }
    match stream.read_buf(bytes).await? {
        0 => bail!("the connection was closed after {} bytes of the answer", bytes.len()),
        _ => Ok(()),
    }
}

fn parse_head(bytes: &[u8]) -> anyhow::Result<Option<Head>> {
    let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
    let mut response = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(body_at) = response.parse(bytes)? else { return Ok(None) };
    let status = response.code.context("an answer without a status")?;
    let no_body = matches!(status, 204 | 304);
    let mut head = Head {
        status,
        cookies: Vec::new(),
        body_at,
        length: no_body.then_some(0),
        is_chunked: false,
        is_last: false,
    };
    for header in response.headers.iter() {
        let value = std::str::from_utf8(header.value).unwrap_or_default().trim();
        match header.name.to_ascii_lowercase().as_str() {
            "content-length" => head.length = Some(value.parse().context("content-length")?),
            "transfer-encoding" => head.is_chunked = value.eq_ignore_ascii_case("chunked"),
            "connection" => head.is_last = value.eq_ignore_ascii_case("close"),
            "set-cookie" => head.cookies.push(value.to_owned()),
            _ => {}
        }
    }
    Ok(Some(head))
}

async fn read_chunks(
    stream: &mut TcpStream,
    bytes: &mut Vec<u8>,
    mut at: usize,
) -> anyhow::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let (used, size) = match httparse::parse_chunk_size(&bytes[at..]) {
            Ok(httparse::Status::Complete((used, size))) => (used, usize::try_from(size)?),
            Ok(httparse::Status::Partial) => {
                more(stream, bytes).await?;
                continue;
            }
            Err(_) => bail!("a chunk without a size"),
        };
        at += used;
        // Each chunk, and the end, is followed by an empty line.
        let end = at.saturating_add(size).saturating_add(2);
        while bytes.len() < end {
            more(stream, bytes).await?;
        }
        body.extend_from_slice(&bytes[at..end - 2]);
        at = end;
        if size == 0 {
            return Ok(body);
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    /// Asks a server that answers each request with the next of `answers` and then closes the
    /// connection.
    async fn ask(answers: &'static [&'static str], times: usize) -> Vec<Result<Answer, NoAnswer>> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = Address { host: listener.local_addr().unwrap().to_string() };
        let serve = async move {
            let mut served = 0;
            while served < answers.len() {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut request = [0; 4096];
                while served < answers.len() && stream.read(&mut request).await.unwrap() > 0 {
                    stream.write_all(answers[served].as_bytes()).await.unwrap();
                    served += 1;
                }
            }
        };
        let asking = async move {
            let mut http = Http::new(&[address], 0);
            let mut got = Vec::new();
            for _ in 0..times {
                let call = Call {
                    method: "GET",
                    path: "/",
                    headers: &[],
                    body: None,
                    deadline: Duration::from_secs(5),
                };
                got.push(http.call(call).await);
            }
            got
        };
        tokio::join!(serve, asking).1
    }

    #[tokio::test]
    async fn answers_of_known_length_and_in_chunks_share_a_connection() {
        let answers = ask(
            &[
                "HTTP/1.1 201 Created\r\nContent-Length: 2\r\nSet-Cookie: a=b; Path=/\r\n\r\n{}",
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: \
                 chunked\r\n\r\n3\r\n{\"a\r\n4\r\n\":1}\r\n0\r\n\r\n",
                "HTTP/1.1 204 No Content\r\n\r\n",
            ],
            3,
        )
        .await;
        let answers: Vec<_> = answers.into_iter().map(Result::unwrap).collect();
        assert_eq!((answers[0].status, answers[0].body.as_slice()), (201, &b"{}"[..]));
        assert_eq!(answers[0].cookies, ["a=b; Path=/"]);
        assert_eq!(answers[1].body, b"{\"a\":1}");
        assert_eq!(answers[2].status, 204);
    }

    #[tokio::test]
    async fn an_answer_cut_off_is_unknown() {
        let answers = ask(&["HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"], 1).await;
        assert!(matches!(answers[0], Err(NoAnswer::Unknown(_))), "{answers:?}");
    }

    #[tokio::test]
    async fn nothing_is_sent_where_nobody_listens() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = Address { host: listener.local_addr().unwrap().to_string() };
        drop(listener);
        let call = Call {
            method: "GET",
            path: "/",
            headers: &[],
            body: None,
            deadline: Duration::from_secs(5),
        };
        assert!(matches!(Http::new(&[address], 0).call(call).await, Err(NoAnswer::Unsent(_))));
    }
}
