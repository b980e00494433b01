//! A visitor without cookies, who writes and reads by REST.

use std::time::Duration;

use anyhow::{Context, bail};
use parlor_common::{clock::Clock, id::ClientMessageId, random::Random};
use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::{
    address::Address,
    frame::{PageAnswer, SessionAnswer},
    http::{Answer, Call, Http},
};

/// One of them.
#[derive(Debug)]
pub(super) struct Stranger {
    http: Http,
    headers: Vec<(&'static str, String)>,
}

const DEADLINE: Duration = Duration::from_secs(15);
/// How long it tries what should be done in the end.
const PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(200);

// === impl Stranger ===

impl Stranger {
    /// Comes to a tenant's page; tries until it is let in.
    pub(super) async fn arrive(at: &Address, tenant: &str) -> anyhow::Result<Self> {
        let headers = vec![("X-Tenant-ID", tenant.to_owned())];
        let mut stranger = Self { http: Http::new(std::slice::from_ref(at), 0), headers };
        let body = json!({ "credential": "token" });
        let answer = stranger.insist("POST", "/api/chat/session", Some(body)).await?;
        let session: SessionAnswer = serde_json::from_slice(&answer.body)?;
        stranger.headers.push(("Authorization", format!("Bearer {}", session.token)));
        Ok(stranger)
    }

    /// Another one of the same visitor.
    pub(super) fn again(&self, at: &Address) -> Self {
        let http = Http::new(std::slice::from_ref(at), 0);
        Self { http, headers: self.headers.clone() }
    }

    /// Asks once; `None` where no answer came.
    pub(super) async fn ask(
        &mut self,
        method: &'static str,
        path: &str,
        body: Option<serde_json::Value>,
    ) -> Option<Answer> {
        let body = body.map(|body| body.to_string());
        let call = Call { method, path, headers: &self.headers, body, deadline: DEADLINE };
        self.http.call(call).await.ok()
    }

    /// Asks until the answer is a success. A POST needs an id, or to be harmless when it is
    /// repeated.
    pub(super) async fn insist(
        &mut self,
        method: &'static str,
        path: &str,
        body: Option<serde_json::Value>,
    ) -> anyhow::Result<Answer> {
        let begun = Instant::now();
        loop {
            match self.ask(method, path, body.clone()).await {
                Some(answer) if answer.is_success() => return Ok(answer),
                Some(answer) if answer.status < 500 && answer.status != 429 => {
                    bail!("{method} {path} was answered with {}", answer.status)
                }
                _ if begun.elapsed() > PATIENCE => bail!("{method} {path}: no success"),
                _ => sleep(PAUSE).await,
            }
        }
    }

    /// Every text of its conversation, oldest first; `None` where a page was refused or says that
    /// it is not whole.
    pub(super) async fn history(&mut self) -> anyhow::Result<Option<Vec<String>>> {
        let mut newest_first = Vec::new();
        let mut path = "/api/chat/messages?limit=100".to_owned();
        loop {
            let Some(answer) = self.ask("GET", &path, None).await else { return Ok(None) };
            if !answer.is_success() {
                return Ok(None);
            }
            let page: PageAnswer<'_> = serde_json::from_slice(&answer.body)?;
            if page.incomplete {
                return Ok(None);
            }
            newest_first.extend(page.messages.iter().rev().map(|shown| shown.text.to_string()));
            if !page.has_more {
                newest_first.reverse();
                return Ok(Some(newest_first));
            }
            let oldest = page.messages.first().context("an empty page says that there are more")?;
            let cursor = oldest.cursor.as_ref().context("a message without a cursor")?;
            path = format!("/api/chat/messages?limit=100&before={cursor}");
        }
    }
}

/// The body of a message.
pub(super) fn message(text: &str, id: &str) -> serde_json::Value {
    json!({ "text": text, "clientMessageId": id })
}

/// A client message id that is new.
pub(super) fn new_id() -> String {
    ClientMessageId::made(Clock::system().now(), &Random::system()).to_string()
}
