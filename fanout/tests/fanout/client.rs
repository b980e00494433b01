//! A WebSocket client.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use http::{HeaderMap, HeaderValue, Request, StatusCode, header};
use parlor_auth::{VisitorToken, VisitorTokens};
use serde_json::{Value, json};
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{
        Error, Message, handshake::client::generate_key, protocol::frame::coding::CloseCode,
    },
};

use super::world::{ORIGIN, SOON, TestNode, World};

pub struct Client {
    pub socket: WebSocketStream<TcpStream>,
    pub headers: HeaderMap,
    /// What the pings carried.
    pub pings: usize,
}

/// An upgrade to be.
pub struct Upgrade {
    pub path: String,
    pub headers: HeaderMap,
}

/// An upgrade was refused.
#[derive(Debug)]
pub struct Refusal {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Value,
}

pub fn upgrade(path: impl Into<String>) -> Upgrade {
    Upgrade { path: path.into(), headers: HeaderMap::new() }
}

impl Upgrade {
    pub fn header(mut self, name: impl header::IntoHeaderName, value: &str) -> Self {
        self.headers.append(name, HeaderValue::from_str(value).unwrap());
        self
    }

    pub fn origin(self) -> Self {
        self.header(header::ORIGIN, ORIGIN)
    }

    pub fn parlor1(self) -> Self {
        self.header(header::SEC_WEBSOCKET_PROTOCOL, "parlor.1")
    }

    pub fn cookie_of(self, tokens: &VisitorTokens, visitor: &VisitorToken) -> Self {
        let cookie = tokens.set_cookie(visitor);
        let pair = cookie.to_str().unwrap().split(';').next().unwrap().to_owned();
        self.header(header::COOKIE, &pair)
    }

    pub async fn open(self, node: &TestNode) -> Client {
        self.try_open(node).await.unwrap()
    }

    pub async fn try_open(self, node: &TestNode) -> Result<Client, Refusal> {
        let mut request = Request::builder()
            .uri(format!("ws://{}{}", node.address, self.path))
            .header(header::HOST, node.address.to_string())
            .header(header::CONNECTION, "Upgrade")
            .header(header::UPGRADE, "websocket")
            .header(header::SEC_WEBSOCKET_VERSION, "13")
            .header(header::SEC_WEBSOCKET_KEY, generate_key())
            .body(())
            .unwrap();
        request.headers_mut().extend(self.headers);
        let stream = TcpStream::connect(node.address).await.unwrap();
        match timeout(SOON, client_async(request, stream))
            .await
            .expect("an answer to the handshake")
        {
            Ok((socket, response)) => {
                Ok(Client { socket, headers: response.headers().clone(), pings: 0 })
            }
            Err(Error::Http(response)) => Err(Refusal {
                status: response.status(),
                headers: response.headers().clone(),
                body: response
                    .body()
                    .as_deref()
                    .and_then(|body| serde_json::from_slice(body).ok())
                    .unwrap_or_default(),
            }),
            Err(error) => panic!("the handshake failed: {error}"),
        }
    }
}

impl Refusal {
    pub fn code(&self) -> &str {
        self.body["error"]["code"].as_str().unwrap_or_default()
    }
}

impl Client {
    pub async fn send(&mut self, frame: Value) {
        self.send_text(frame.to_string()).await;
    }

    pub async fn send_text(&mut self, text: impl Into<String>) {
        self.socket.send(Message::text(text.into())).await.unwrap();
    }

    /// The next text frame; pings are answered and counted on the way.
    pub async fn next(&mut self) -> Value {
        loop {
            match self.next_message().await {
                Message::Text(text) => return serde_json::from_str(&text).unwrap(),
                Message::Ping(_) => self.pings += 1,
                Message::Pong(_) => {}
                other => panic!("a text frame was expected: {other:?}"),
            }
        }
    }

    pub async fn next_message(&mut self) -> Message {
        let message = timeout(SOON, self.socket.next()).await.expect("a frame within the deadline");
        message.expect("the socket to be open").unwrap()
    }

    /// Reads on until the close, and tells its code.
    pub async fn close_code(&mut self) -> u16 {
        loop {
            match timeout(SOON, self.socket.next()).await.expect("a close within the deadline") {
                Some(Ok(Message::Close(frame))) => {
                    let code = frame.map_or(1005, |frame| CloseCode::into(frame.code));
                    // The answer to the close goes out with the next turn.
                    drop(timeout(SOON, self.socket.next()).await);
                    return code;
                }
                Some(Ok(_)) => {}
                other => panic!("a close was expected: {other:?}"),
            }
        }
    }

    /// The texts of the next message frames.
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

    /// Takes part in a ping of its own: what the server sent before the pong has been read.
    pub async fn frames_until_pong(&mut self) -> Vec<Value> {
        self.socket.send(Message::Ping(b"fence".to_vec().into())).await.unwrap();
        let mut frames = Vec::new();
        loop {
            match self.next_message().await {
                Message::Text(text) => frames.push(serde_json::from_str(&text).unwrap()),
                Message::Ping(_) => self.pings += 1,
                Message::Pong(payload) if &payload[..] == b"fence" => return frames,
                other => panic!("unexpected: {other:?}"),
            }
        }
    }

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

/// A visitor of protocol 1, known by a cookie, who has said hello.
pub async fn visitor(world: &World, node: &TestNode, tenant: &str, token: &VisitorToken) -> Client {
    let upgrade = upgrade(format!("/ws/chat?tenantId={tenant}")).origin().parlor1();
    let mut client = upgrade.cookie_of(&world.tokens, token).open(node).await;
    client.hello(None).await;
    client
}

/// A visitor of protocol 1 who follows what comes from now on.
pub async fn live_visitor(
    world: &World,
    node: &TestNode,
    tenant: &str,
    token: &VisitorToken,
) -> Client {
    let mut client = visitor(world, node, tenant, token).await;
    client.subscribe(None).await;
    client
}

/// An agent who has said hello.
pub async fn agent(world: &World, node: &TestNode, tenant: &str) -> Client {
    let mut client = upgrade(format!("/ws/agent?tenantId={tenant}")).parlor1().open(node).await;
    client.hello(Some(&world.agent_token(tenant, Duration::from_secs(3_600)))).await;
    client
}

/// The widget: its socket has answered the first ping.
pub async fn widget(world: &World, node: &TestNode, tenant: &str, token: &VisitorToken) -> Client {
    let upgrade =
        upgrade(format!("/ws/chat?tenantId={tenant}")).origin().cookie_of(&world.tokens, token);
    let mut client = upgrade.open(node).await;
    client.frames_until_pong().await;
    while client.pings == 0 {
        assert!(matches!(client.next_message().await, Message::Ping(_)));
        client.pings += 1;
    }
    // The answer to the ping is written by now, and has been read once this pong is back.
    client.frames_until_pong().await;
    client
}
