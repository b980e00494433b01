//! A browser tab with the widget: it writes frames without ids and gets no answers, it is known by
//! a cookie, and it comes back by a schedule of its own.

use std::{pin::pin, sync::Arc, time::Duration};

use anyhow::Context;
use futures_util::{SinkExt, StreamExt};
use serde_json::json;
use tokio::{
    sync::mpsc,
    time::{Instant, timeout},
};
use tokio_tungstenite::tungstenite::Message;

use super::{Connected, Intent, Ready, Visitor, World, rest_writer::RestWriter};
use crate::{
    backoff,
    frame::Frame,
    http::{Call, Http},
    ledger::{Client, Sending, Transport},
    socket::{self, Socket, Window},
};

/// One tab over all its connections.
#[derive(Debug)]
pub(crate) struct Widget {
    pub(crate) world: Arc<World>,
    pub(crate) visitor: Arc<Visitor>,
    pub(crate) client: Client,
    pub(crate) intents: mpsc::Receiver<Intent>,
    pub(crate) ready: Option<Ready>,
    /// The number of the address that it connects to next.
    pub(crate) at: usize,
}

/// How a connection ended.
enum End {
    Over,
    Lost,
}

const SILENCE: Duration = Duration::from_secs(60);
const DEADLINE: Duration = Duration::from_secs(15);

// === impl Widget ===

impl Widget {
    /// Loads the page, then listens and writes until the run is over.
    pub(crate) async fn run(mut self) {
        let world = self.world.clone();
        let mut tries = 0;
        let mut losses = 0;
        let mut lost = None;
        let mut page = Some(());
        loop {
            let opened = tokio::select! {
                opened = self.open(page.take().is_some()) => opened,
                () = world.drain.draining() => return,
            };
            self.at += 1;
            if let Ok(socket) = opened {
                tries = 0;
                world.ledger.subscribed(self.client, true);
                if let Some(ready) = self.ready.take() {
                    // The stage may have given up waiting.
                    ready.send(()).ok();
                }
                let connected = world.connected(self.client, lost);
                // Any error is a lost connection, and is counted as one.
                if let Ok(End::Over) = self.connection(socket, losses).await {
                    return Connected::ends(connected);
                }
                losses += 1;
                lost = Some(Instant::now());
            }
            let Some(delay) = backoff::widget(tries) else { break };
            tries += 1;
            tokio::select! {
                () = tokio::time::sleep(delay) => {}
                () = world.drain.draining() => return,
            }
        }
        // The widget gives its socket up until the page is loaded again, and writes by POST.
        world.scores.gone();
        let Self { client, intents, at, .. } = self;
        Box::pin(RestWriter::of_widget(world, client, intents, at).run()).await;
    }

    /// The upgrade; on a page load beside the GET of the history, as the page does both at once.
    async fn open(&self, is_load: bool) -> anyhow::Result<Socket> {
        let Visitor { tenant, jar, .. } = &*self.visitor;
        let address = &self.world.rest[self.at % self.world.rest.len()];
        let mut headers = vec![("origin", self.world.origin.clone())];
        headers.extend(jar.header().map(|cookie| ("cookie", cookie)));
        let path = format!("/ws/chat?tenantId={tenant}");
        let upgrade = socket::open(address, &path, &headers, Window::Usual);
        let load = async {
            if is_load {
                let mut headers = headers.clone();
                headers.push(("x-tenant-id", tenant.clone()));
                let path = "/api/chat/messages";
                let call =
                    Call { method: "GET", path, headers: &headers, body: None, deadline: DEADLINE };
                // A page shows an empty chat where this fails.
                Http::new(&self.world.rest, self.at).call(call).await.ok();
            }
        };
        let (opened, ()) = tokio::join!(upgrade, load);
        let (socket, cookies) = opened?;
        jar.keep(&cookies);
        Ok(socket)
    }

    async fn connection(&mut self, mut socket: Socket, losses: u32) -> anyhow::Result<End> {
        let world = self.world.clone();
        let mut cuts = world.orders.cuts();
        let mut draining = pin!(world.drain.draining());
        loop {
            tokio::select! {
                () = &mut draining => {
                    // Nobody is left to be told of a failure to say goodbye.
                    timeout(Duration::from_secs(1), socket.close(None)).await.ok();
                    return Ok(End::Over);
                }
                () = cuts.hit(self.client) => return Ok(End::Lost),
                frame = timeout(SILENCE, socket.next()) => {
                    match frame.context("silence")?.context("the connection ended")?? {
                        Message::Text(text) => self.said(&text)?,
                        Message::Close(_) => return Ok(End::Lost),
                        Message::Binary(_)
                        | Message::Ping(_)
                        | Message::Pong(_)
                        | Message::Frame(_) => {}
                    }
                }
                Some(intent) = self.intents.recv() => {
                    let frame = self.written(&intent, losses);
                    timeout(DEADLINE, socket.send(Message::text(frame))).await.context("a frame \
                        could not be sent")??;
                }
            }
        }
    }

    fn said(&self, text: &str) -> anyhow::Result<()> {
        let frame: Frame<'_> = serde_json::from_str(text)?;
        if frame.kind == "message" {
            let message = frame.message.context("a message frame without a message")?;
            let shown = self.world.ledger.shown(self.client, &message.text);
            self.world.scores.shown(shown.map(|shown| shown.intended));
        }
        Ok(())
    }

    fn written(&self, intent: &Intent, losses: u32) -> String {
        self.world.scores.begun(intent.intended);
        let sending = Sending {
            author: self.client,
            conversation: self.visitor.conversation,
            transport: Transport::Frame,
            session: losses,
            intended: intent.intended,
        };
        let text = self.world.ledger.texts().write(self.world.ledger.sends(sending));
        let timestamp = self.world.time.now().to_string();
        let tenant = &self.visitor.tenant;
        json!({ "type": "message", "text": text, "tenantId": tenant, "timestamp": timestamp })
            .to_string()
    }
}
