//! Agents' tokens: from a development mode's demo page, or signed with a tenants' key.

use std::{collections::HashMap, path::PathBuf, sync::Arc, time::Duration};

use anyhow::{Context, bail};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use parlor_common::clock::{Clock, Timestamp};
use serde::Serialize;
use tokio::sync::Mutex;

use crate::{
    address::Address,
    frame::TokenAnswer,
    http::{Call, Http},
};

/// Gives each tenant's agent a token that still lives for a while.
#[derive(Debug)]
pub(crate) struct Tokens {
    source: Source,
    clock: Clock,
    kept: Mutex<HashMap<Whose, (Arc<str>, Timestamp)>>,
}

/// A tenant and an agent.
type Whose = (String, String);

/// Where they come from.
#[derive(Clone, Debug)]
pub(crate) enum Source {
    /// `GET /demo/agent-token?tenantId=…` of these.
    Demo(Vec<Address>),
    /// HS256 with this secret. `{tenant}` in the issuer and the key's id stands for the tenant's
    /// name.
    Key { secret: Vec<u8>, issuer: String, key: String },
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: String,
    aud: &'a str,
    sub: &'a str,
    name: &'a str,
    role: &'a str,
    exp: i64,
}

const AGENT: &str = "load-agent";
/// How long a token of our own lives; Parlor allows a day.
const LIFE: Duration = Duration::from_secs(12 * 3600);
/// A token with less than this left is replaced.
const LEFT: Duration = Duration::from_secs(60);
const DEADLINE: Duration = Duration::from_secs(15);

// === impl Source ===

impl Source {
    /// Reads the secret in `file`; white space around it does not count.
    pub(crate) fn key(file: &PathBuf, issuer: &str, key: &str) -> anyhow::Result<Self> {
        let bytes = std::fs::read(file).with_context(|| file.display().to_string())?;
        Ok(Self::Key {
            secret: bytes.trim_ascii().to_vec(),
            issuer: issuer.to_owned(),
            key: key.to_owned(),
        })
    }
}

// === impl Tokens ===

impl Tokens {
    pub(crate) fn new(source: Source, clock: Clock) -> Self {
        Self { source, clock, kept: Mutex::default() }
    }

    /// A token for the agent of `tenant` whom dashboards share.
    pub(crate) async fn of(&self, tenant: &str) -> anyhow::Result<Arc<str>> {
        self.of_agent(tenant, AGENT).await
    }

    /// A token for the agent of `tenant` with this id.
    pub(crate) async fn of_agent(&self, tenant: &str, agent: &str) -> anyhow::Result<Arc<str>> {
        let mut kept = self.kept.lock().await;
        let now = self.clock.now();
        let whose = (tenant.to_owned(), agent.to_owned());
        if let Some((token, _)) = kept.get(&whose).filter(|(_, end)| end.since(now) > LEFT) {
            return Ok(token.clone());
        }
        let (token, end) = match &self.source {
            Source::Demo(addresses) => asked(addresses, tenant, agent).await?,
            Source::Key { secret, issuer, key } => {
                signed(secret, issuer, key, tenant, agent, now.plus(LIFE))?
            }
        };
        let token: Arc<str> = token.into();
        kept.insert(whose, (token.clone(), end));
        Ok(token)
    }
}

async fn asked(
    addresses: &[Address],
    tenant: &str,
    agent: &str,
) -> anyhow::Result<(String, Timestamp)> {
    let path = format!("/demo/agent-token?tenantId={tenant}&agent={agent}");
    let call = Call { method: "GET", path: &path, headers: &[], body: None, deadline: DEADLINE };
    let answer = Http::new(addresses, 0).call(call).await.context("the demo page's agent token")?;
    if !answer.is_success() {
        bail!(
            "the demo page gave no agent token ({}); outside development mode name a key with \
             --agent-key",
            answer.status
        );
    }
    let answer: TokenAnswer =
        serde_json::from_slice(&answer.body).context("the demo page's agent token")?;
    let end = Timestamp::parse(&answer.expires_at).context("the demo page's token has no end")?;
    Ok((answer.token, end))
}

fn signed(
    secret: &[u8],
    issuer: &str,
    key: &str,
    tenant: &str,
    agent: &str,
    end: Timestamp,
) -> anyhow::Result<(String, Timestamp)> {
    let mut header = Header::new(Algorithm::HS256);
    header.kid = Some(key.replace("{tenant}", tenant));
    let claims = Claims {
        iss: issuer.replace("{tenant}", tenant),
        aud: "parlor",
        sub: agent,
        name: "Load agent",
        role: "agent",
        exp: end.as_millis() / 1000,
    };
    let token = jsonwebtoken::encode(&header, &claims, &EncodingKey::from_secret(secret))?;
    Ok((token, end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_token_is_kept_until_it_is_nearly_over() {
        let source = Source::Key {
            secret: vec![7; 32],
            issuer: "{tenant}-idp".to_owned(),
            key: "k".to_owned(),
        };
        let now = Arc::new(std::sync::atomic::AtomicI64::new(0));
        let told = now.clone();
        let clock = Clock::new(move || {
            Timestamp::from_millis(told.load(std::sync::atomic::Ordering::Relaxed))
        });
        let tokens = Tokens::new(source, clock);
        let first = tokens.of("a").await.unwrap();
        assert_eq!(first.split('.').count(), 3);
        assert_ne!(tokens.of("b").await.unwrap(), first);
        assert!(Arc::ptr_eq(&tokens.of("a").await.unwrap(), &first));
        assert_ne!(tokens.of_agent("a", "ann").await.unwrap(), first);
        now.store(12 * 3_600_000 - 59_000, std::sync::atomic::Ordering::Relaxed);
        assert_ne!(tokens.of("a").await.unwrap(), first);
    }
}
