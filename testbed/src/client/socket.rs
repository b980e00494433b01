//! Sockets: the widget's and protocol 1.

#![expect(clippy::unwrap_used, reason = "a test ends where a socket does what it did not expect")]

use std::{
    net::SocketAddr,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Message, client::IntoClientRequest, http::HeaderValue},
};

/// An open socket.
#[derive(Debug)]
pub struct Socket {
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
    /// The cookie of the 101, if it set one.
    pub cookie: Option<String>,
}

impl Socket {
    /// Opens `path` with these further headers.
    pub async fn open(to: SocketAddr, path: &str, headers: &[(&'static str, &str)]) -> Self {
        let mut request = format!("ws://{to}{path}").into_client_request().unwrap();
        request.headers_mut().insert("origin", HeaderValue::from_static("http://localhost:3000"));
        for (name, value) in headers {
            request.headers_mut().insert(*name, HeaderValue::from_str(value).unwrap());
        }
        let opened = timeout(Duration::from_secs(10), connect_async(request))
            .await
            .expect("a handshake in 10 s");
        let (stream, answer) = opened.unwrap();
        let cookie = answer
            .headers()
            .get("set-cookie")
            .map(|cookie| cookie.to_str().unwrap().split(';').next().unwrap().to_owned());
        Self { stream, cookie }
    }

    /// The widget's.
    pub async fn widget(to: SocketAddr, tenant: &str, cookie: &str) -> Self {
        Self::open(to, &format!("/ws/chat?tenantId={tenant}"), &[("cookie", cookie)]).await
    }

    /// An agent's, subscribed from `since`.
    pub async fn agent(to: SocketAddr, tenant: &str, token: &str, since: Option<&str>) -> Self {
        let protocol = [("sec-websocket-protocol", "parlor.1")];
        let mut socket = Self::open(to, &format!("/ws/agent?tenantId={tenant}"), &protocol).await;
        socket
            .say(&json!({"type": "hello", "protocol": 1, "token": token, "client": "test/1"}))
            .await;
        assert_eq!(socket.next().await["type"], "hello");
        socket.say(&json!({"type": "subscribe", "since": since})).await;
        socket
    }

    /// Waits for the server's first ping, which is answered by itself; what is sent by POST from
    /// then on is shown.
    pub async fn answers_its_first_ping(&mut self) {
        let frame =
            timeout(Duration::from_secs(10), self.stream.next()).await.expect("a ping in 10 s");
        assert!(matches!(frame, Some(Ok(Message::Ping(_)))), "{frame:?}");
        // The library queues the pong and writes it with the next flush.
        self.stream.flush().await.unwrap();
        // It has arrived when the server has answered something that came after it.
        self.stream.send(Message::Ping("arrived".into())).await.unwrap();
        let mut arrived = false;
        while !arrived {
            let frame = self.stream.next().await.expect("the socket is open").unwrap();
            arrived = matches!(frame, Message::Pong(answer) if *answer == *b"arrived");
        }
        // The pong and a POST's arrival are compared in whole milliseconds of the clock: let this
        // one end.
        let millisecond = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
        let answered = millisecond();
        while millisecond() == answered {
            tokio::task::yield_now().await;
        }
    }

    /// Sends a text frame.
    pub async fn say(&mut self, frame: &Value) {
        self.stream.send(Message::text(frame.to_string())).await.unwrap();
    }

    /// The next text frame; fails after 20 s.
    pub async fn next(&mut self) -> Value {
        loop {
            let frame = timeout(Duration::from_secs(20), self.stream.next())
                .await
                .expect("a frame in 20 s");
            match frame.expect("the socket is open").unwrap() {
                Message::Text(text) => return serde_json::from_str(&text).unwrap(),
                Message::Close(close) => panic!("closed: {close:?}"),
                _ => {}
            }
        }
    }

    /// The text of the next message.
    pub async fn next_text(&mut self) -> String {
        loop {
            let frame = self.next().await;
            if frame["type"] == "message" {
                return frame["message"]["text"].as_str().unwrap().to_owned();
            }
        }
    }

    /// Waits for the close, and gives its code.
    pub async fn closed(&mut self) -> Option<u16> {
        loop {
            match timeout(Duration::from_secs(20), self.stream.next())
                .await
                .expect("a close in 20 s")
            {
                Some(Ok(Message::Close(close))) => return close.map(|close| close.code.into()),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return None,
            }
        }
    }
}
