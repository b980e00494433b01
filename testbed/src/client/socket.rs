//! Sockets: the widget's and protocol 1.

#![expect(clippy::unwrap_used, reason = "a test ends where a socket does what it did not expect")]

use std::{
    collections::VecDeque,
    net::SocketAddr,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{
        self, Message,
        client::IntoClientRequest,
        http::{HeaderMap, HeaderValue, StatusCode, header::IntoHeaderName},
        protocol::frame::coding::CloseCode,
    },
};

use crate::client::http::ORIGIN;

/// Longer than any frame may take that is due.
const DEADLINE: Duration = Duration::from_secs(20);

/// An upgrade to be.
#[derive(Clone, Debug)]
pub struct Upgrade {
    path: String,
    headers: HeaderMap,
}

/// An upgrade was refused.
#[derive(Debug)]
pub struct Refusal {
    /// The status of HTTP.
    pub status: StatusCode,
    /// All of them.
    pub headers: HeaderMap,
    /// Null where it is no JSON.
    pub body: Value,
}

/// An open socket. Pings are answered by themselves whenever it is read.
#[derive(Debug)]
pub struct Socket {
    stream: WebSocketStream<TcpStream>,
    /// The headers of the 101.
    pub headers: HeaderMap,
    /// How many pings came.
    pub pings: usize,
    /// Signals that came while something else was waited for.
    signals: VecDeque<Value>,
}

/// The frames that are signals: they come whenever they do.
const SIGNALS: [&str; 4] = ["typing", "visitor", "agents", "here"];

// === impl Upgrade ===

/// An upgrade with nothing but what RFC 6455 asks for.
pub fn upgrade(path: impl Into<String>) -> Upgrade {
    Upgrade { path: path.into(), headers: HeaderMap::new() }
}

impl Upgrade {
    /// With one more header.
    pub fn header(mut self, name: impl IntoHeaderName, value: &str) -> Self {
        self.headers.append(name, HeaderValue::from_str(value).unwrap());
        self
    }

    /// Of a page.
    pub fn origin(self) -> Self {
        self.header("origin", ORIGIN)
    }

    /// Asks for protocol 1.
    pub fn parlor1(self) -> Self {
        self.header("sec-websocket-protocol", "parlor.1")
    }

    /// With these cookies.
    pub fn cookie(self, cookie: &str) -> Self {
        self.header("cookie", cookie)
    }

    /// Opens it.
    ///
    /// # Panics
    /// It is refused.
    pub async fn open(self, to: impl Into<SocketAddr>) -> Socket {
        self.try_open(to).await.unwrap()
    }

    /// Opens it, or is refused.
    ///
    /// # Errors
    /// It is refused.
    ///
    /// # Panics
    /// There is no answer in 20 s.
    pub async fn try_open(self, to: impl Into<SocketAddr>) -> Result<Socket, Refusal> {
        let to = to.into();
        let mut request = format!("ws://{to}{}", self.path).into_client_request().unwrap();
        request.headers_mut().extend(self.headers);
        let stream = TcpStream::connect(to).await.unwrap();
        let answer = timeout(DEADLINE, client_async(request, stream)).await;
        match answer.expect("an answer to the handshake in 20 s") {
            Ok((stream, answer)) => {
                let (headers, signals) = (answer.headers().clone(), VecDeque::new());
                Ok(Socket { stream, headers, pings: 0, signals })
            }
            Err(tungstenite::Error::Http(answer)) => {
                let body = answer.body().as_deref();
                let body = body.and_then(|body| serde_json::from_slice(body).ok());
                Err(Refusal {
                    status: answer.status(),
                    headers: answer.headers().clone(),
                    body: body.unwrap_or_default(),
                })
            }
            Err(error) => panic!("the handshake failed: {error}"),
        }
    }
}

// === impl Refusal ===

impl Refusal {
    /// The error's code.
    pub fn code(&self) -> &str {
        self.body["error"]["code"].as_str().unwrap_or_default()
    }
}

// === impl Socket ===

impl Socket {
    /// The widget's, of a visitor known by a cookie, or a new one.
    pub async fn widget(to: SocketAddr, tenant: &str, cookie: Option<&str>) -> Self {
        let upgrade = upgrade(format!("/ws/chat?tenantId={tenant}")).origin();
        cookie.into_iter().fold(upgrade, Upgrade::cookie).open(to).await
    }

    /// An agent's, which has asked for what comes after `since`.
    pub async fn agent(to: SocketAddr, tenant: &str, token: &str, since: Option<&str>) -> Self {
        let upgrade = upgrade(format!("/ws/agent?tenantId={tenant}")).parlor1();
        let mut socket = upgrade.open(to).await;
        socket.hello(Some(token)).await;
        socket.send(json!({"type": "subscribe", "since": since})).await;
        socket
    }

    /// The cookie of the 101, if it set one, as the next request sends it back.
    pub fn cookie(&self) -> Option<String> {
        let cookie = self.headers.get("set-cookie")?.to_str().unwrap();
        cookie.split(';').next().map(str::to_owned)
    }

    /// Sends a text frame.
    pub async fn send(&mut self, frame: Value) {
        self.send_text(frame.to_string()).await;
    }

    /// Sends a text frame that may be nonsense.
    pub async fn send_text(&mut self, text: impl Into<String>) {
        self.stream.send(Message::text(text.into())).await.unwrap();
    }

    /// The next text frame that is no signal; pings are counted on the way.
    pub async fn next(&mut self) -> Value {
        loop {
            let frame = self.next_frame().await;
            if !is_signal(&frame) {
                return frame;
            }
            self.signals.push_back(frame);
        }
    }

    /// The next signal, of those that came on the way as well; any other frame is an error.
    ///
    /// # Panics
    /// Something else came, or nothing in 20 s.
    pub async fn next_signal(&mut self) -> Value {
        if let Some(signal) = self.signals.pop_front() {
            return signal;
        }
        let frame = self.next_frame().await;
        assert!(is_signal(&frame), "a signal was expected: {frame}");
        frame
    }

    /// The next signal of this type; others are let go of.
    pub async fn signal_of(&mut self, kind: &str) -> Value {
        loop {
            let signal = self.next_signal().await;
            if signal["type"] == kind {
                return signal;
            }
        }
    }

    /// All signals that came until now: the server has read all that was sent to it.
    pub async fn signals_until_pong(&mut self) -> Vec<Value> {
        let others = self.frames_until_pong().await;
        assert!(others.is_empty(), "signals alone were expected: {others:?}");
        self.signals.drain(..).collect()
    }

    async fn next_frame(&mut self) -> Value {
        loop {
            match self.next_message().await {
                Message::Text(text) => return serde_json::from_str(&text).unwrap(),
                Message::Pong(_) | Message::Ping(_) => {}
                other => panic!("a text frame was expected: {other:?}"),
            }
        }
    }

    /// The next frame of any kind.
    pub async fn next_message(&mut self) -> Message {
        let frame = timeout(DEADLINE, self.stream.next()).await.expect("a frame in 20 s");
        let frame = frame.expect("the socket to be open").unwrap();
        self.pings += usize::from(matches!(frame, Message::Ping(_)));
        frame
    }

    /// The text of the next message.
    pub async fn next_text(&mut self) -> String {
        self.texts(1).await.remove(0)
    }

    /// The texts of the next messages.
    pub async fn texts(&mut self, count: usize) -> Vec<String> {
        let mut texts = Vec::new();
        while texts.len() < count {
            let frame = self.next().await;
            if frame["type"] == "message" {
                texts.push(frame["message"]["text"].as_str().unwrap().to_owned());
            }
        }
        texts
    }

    /// The page is left: its browser closes the socket, and is answered.
    ///
    /// # Panics
    /// There is no answer in 20 s.
    pub async fn leave(mut self) {
        self.stream.close(None).await.unwrap();
        let answered = async { while self.stream.next().await.is_some() {} };
        timeout(DEADLINE, answered).await.expect("an answer to the close in 20 s");
    }

    /// Reads on until the close, and gives its code: 1005 where it had none.
    pub async fn close_code(&mut self) -> u16 {
        loop {
            match timeout(DEADLINE, self.stream.next()).await.expect("a close in 20 s") {
                Some(Ok(Message::Close(frame))) => {
                    let code = frame.map_or(1005, |frame| CloseCode::into(frame.code));
                    // The answer to the close goes out with the next turn.
                    drop(timeout(DEADLINE, self.stream.next()).await);
                    return code;
                }
                Some(Ok(_)) => {}
                other => panic!("a close was expected: {other:?}"),
            }
        }
    }

    /// Takes part in a ping of its own, and gives the text frames, but for signals, that came
    /// before its pong: all that the server had written, and it has read all that was sent to it.
    pub async fn frames_until_pong(&mut self) -> Vec<Value> {
        // The library would write the answers to pings that were read behind this one.
        self.stream.flush().await.unwrap();
        self.stream.send(Message::Ping("fence".into())).await.unwrap();
        let mut frames = Vec::new();
        loop {
            match self.next_message().await {
                Message::Text(text) => {
                    let frame = serde_json::from_str(&text).unwrap();
                    if is_signal(&frame) {
                        self.signals.push_back(frame);
                    } else {
                        frames.push(frame);
                    }
                }
                Message::Ping(_) => {}
                Message::Pong(payload) if *payload == *b"fence" => return frames,
                other => panic!("unexpected: {other:?}"),
            }
        }
    }

    /// Answers the server's first ping; what is sent by POST from then on is shown.
    pub async fn answers_its_first_ping(&mut self) {
        while self.pings == 0 {
            assert!(matches!(self.next_message().await, Message::Ping(_) | Message::Pong(_)));
        }
        // The answer is written by now, and has been read once this pong is back.
        self.frames_until_pong().await;
        // It and a POST's arrival are compared in whole milliseconds of the clock: let this one
        // end.
        let millisecond = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
        let answered = millisecond();
        while millisecond() == answered {
            tokio::task::yield_now().await;
        }
    }

    /// Says hello, as protocol 1 begins, and gives the answer.
    pub async fn hello(&mut self, token: Option<&str>) -> Value {
        self.send(json!({"type": "hello", "protocol": 1, "token": token, "client": "test/1"}))
            .await;
        let hello = self.next().await;
        assert_eq!(hello["type"], "hello", "{hello}");
        hello
    }

    /// Subscribes and reads on to the answer: the texts that were replayed, and the answer.
    pub async fn subscribe(&mut self, since: Option<&str>) -> (Vec<String>, Value) {
        self.send(json!({"type": "subscribe", "since": since})).await;
        let mut texts = Vec::new();
        loop {
            let frame = self.next().await;
            match frame["type"].as_str().unwrap() {
                "message" => texts.push(frame["message"]["text"].as_str().unwrap().to_owned()),
                "subscribed" => return (texts, frame),
                other => panic!("unexpected {other}: {frame}"),
            }
        }
    }
}

fn is_signal(frame: &Value) -> bool {
    frame["type"].as_str().is_some_and(|kind| SIGNALS.contains(&kind))
}
