//! A proxy that passes everything on, and tells one lie on the way.

use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
};

use futures_util::{SinkExt, StreamExt};
use parlor_testbed::network::Proxy;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::TcpStream,
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{Message, protocol::Role},
};

/// What it does once, after [`TRUTHS`] frames that it could have lied about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lie {
    /// Nothing.
    None,
    /// Does not pass on a message to a client.
    Drop,
    /// Passes on no more changes of conversations to one agent's socket.
    DropChanges,
    /// Passes it on twice.
    Repeat,
    /// Passes it on after the next one of its conversation.
    Swap,
    /// Shows a client a message of another tenant.
    Foreign,
    /// Tells a client that its draft was accepted, and forgets it.
    Swallow,
    /// Cuts the connection instead of passing a message on.
    Cut,
    /// Passes a draft that is sent again on under another id.
    Rename,
}

#[derive(Debug)]
struct Liar {
    lie: Lie,
    frames: AtomicU32,
    /// The first message, and the address of the upgrade on which it was seen, which names its
    /// tenant.
    first: Mutex<Option<(String, Message)>>,
    /// The ids of all drafts so far.
    ids: Mutex<HashSet<String>>,
}

const TRUTHS: u32 = 20;
const MOST_HEAD: usize = 16 << 10;

/// A proxy before the server at `host:port`.
pub(crate) async fn proxy(server: &str, lie: Lie) -> Proxy {
    let liar = Arc::new(Liar {
        lie,
        frames: AtomicU32::new(0),
        first: Mutex::default(),
        ids: Mutex::default(),
    });
    Proxy::with(server, move |client, server| {
        let liar = liar.clone();
        async move {
            // A connection that breaks is what a proxy's clients see, too.
            pass(client, server, &liar).await.ok();
        }
    })
    .await
}

async fn pass(mut client: TcpStream, mut server: TcpStream, liar: &Liar) -> std::io::Result<()> {
    let (request, _) = read_head(&mut client).await?;
    server.write_all(&request).await?;
    let target = String::from_utf8_lossy(&request).split(' ').nth(1).unwrap_or_default().to_owned();
    if !target.starts_with("/ws/") {
        copy_bidirectional(&mut client, &mut server).await?;
        return Ok(());
    }
    let (answer, head) = read_head(&mut server).await?;
    client.write_all(&answer[..head]).await?;
    let client = WebSocketStream::from_raw_socket(client, Role::Server, None).await;
    let server =
        WebSocketStream::from_partially_read(server, answer[head..].to_vec(), Role::Client, None)
            .await;
    liar.frames(&target, client, server).await;
    Ok(())
}

/// What was read until there was a whole head, and the head's length.
async fn read_head(stream: &mut TcpStream) -> std::io::Result<(Vec<u8>, usize)> {
    let mut bytes = Vec::new();
    loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            return Ok((bytes, end + 4));
        }
        if bytes.len() > MOST_HEAD || stream.read_buf(&mut bytes).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
    }
}

type Socket = WebSocketStream<TcpStream>;

impl Liar {
    async fn frames(&self, target: &str, mut client: Socket, mut server: Socket) {
        let mut held: Option<Message> = None;
        let mut is_deaf = false;
        loop {
            let passed = tokio::select! {
                Some(Ok(frame)) = client.next() => {
                    match self.swallowed(&frame) {
                        Some(answer) => client.send(answer).await,
                        None => server.send(self.renamed(frame)).await,
                    }
                }
                Some(Ok(frame)) = server.next() => {
                    if self.lie == Lie::DropChanges
                        && is_change(&frame)
                        && (is_deaf || self.is_time())
                    {
                        is_deaf = true;
                        Ok(())
                    } else if !is_message(&frame) {
                        client.send(frame).await
                    } else if let Some(held) = held.take_if(|held| is_of_same(held, &frame)) {
                        async { client.send(frame).await?; client.send(held).await }.await
                    } else {
                        let foreign = self.foreign(target, &frame);
                        match self.lie {
                            Lie::Drop if self.is_time() => Ok(()),
                            Lie::Cut if self.is_time() => return,
                            Lie::Swap if self.is_time() => { held = Some(frame); Ok(()) }
                            Lie::Repeat if self.is_time() => {
                                async {
                                    client.send(frame.clone()).await?;
                                    client.send(frame).await
                                }
                                .await
                            }
                            Lie::Foreign => {
                                let lie = foreign.filter(|_| self.is_time());
                                let lying = async {
                                    match lie {
                                        Some(lie) => client.send(lie).await,
                                        None => Ok(()),
                                    }
                                };
                                let lied = lying.await;
                                if lied.is_ok() { client.send(frame).await } else { lied }
                            }
                            _ => client.send(frame).await,
                        }
                    }
                }
                else => return,
            };
            if passed.is_err() {
                return;
            }
        }
    }

    /// Counts an opportunity; true for one of them.
    fn is_time(&self) -> bool {
        self.frames.fetch_add(1, Ordering::Relaxed) == TRUTHS
    }

    /// The forged answer to a draft that is not passed on.
    fn swallowed(&self, frame: &Message) -> Option<Message> {
        if self.lie != Lie::Swallow || !is_message(frame) || !self.is_time() {
            return None;
        }
        let draft: Value = serde_json::from_str(frame.to_text().ok()?).ok()?;
        let answer = json!({
            "type": "accepted",
            "clientMessageId": draft["clientMessageId"],
            "id": "00000000000000000000000000000000",
            "timestamp": "2026-01-01T00:00:00.000Z",
            "duplicate": false,
        });
        Some(Message::text(answer.to_string()))
    }

    /// The draft, under another id where it is the one to lie about.
    fn renamed(&self, frame: Message) -> Message {
        if self.lie != Lie::Rename || !is_message(&frame) {
            return frame;
        }
        let mut draft: Value = serde_json::from_str(frame.to_text().unwrap()).unwrap();
        let id = draft["clientMessageId"].as_str().unwrap().to_owned();
        let is_first = self.ids.lock().unwrap().insert(id);
        if is_first || !self.is_time() {
            return frame;
        }
        draft["clientMessageId"] = "another".into();
        Message::text(draft.to_string())
    }

    /// A message of another tenant, as agents are shown it, where one was seen.
    fn foreign(&self, target: &str, frame: &Message) -> Option<Message> {
        let mut first = self.first.lock().unwrap();
        let tenant = target.split("tenantId=").nth(1).unwrap_or_default();
        let (of, message) = first.get_or_insert_with(|| (tenant.to_owned(), frame.clone()));
        (of != tenant).then(|| message.clone())
    }
}

/// Whether two messages are of one conversation: between conversations there is no order to break.
fn is_of_same(one: &Message, other: &Message) -> bool {
    let of = |message: &Message| {
        let frame: Value = serde_json::from_str(message.to_text().ok()?).ok()?;
        frame["conversationId"].as_str().map(str::to_owned)
    };
    of(one).is_some_and(|one| of(other) == Some(one))
}

fn is_change(frame: &Message) -> bool {
    matches!(frame, Message::Text(text) if text.starts_with(r#"{"type":"change""#))
}

fn is_message(frame: &Message) -> bool {
    let Message::Text(text) = frame else { return false };
    text.contains(r#""type":"message""#) || text.contains(r#""type": "message""#)
}
