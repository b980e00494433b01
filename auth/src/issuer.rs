//! An issuer of agents' tokens whose keys are at an address: an identity provider, for example.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    num::NonZeroUsize,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use arc_swap::ArcSwap;
use lru::LruCache;
use parlor_common::clock::Timestamp;
use serde_json::Value;

use crate::{connector::JwksUrl, role::Role, tenant::Tenant, token_key::TokenKey};

/// How often the keys are fetched.
const EVERY: Duration = Duration::from_secs(600);
/// How soon after the last time they are fetched for a token whose key is not among them. Strangers
/// make such tokens too.
const AGAIN: Duration = Duration::from_secs(30);
/// How long keys verify after they were fetched, where none can be fetched any more.
const KEPT: Duration = Duration::from_secs(86_400);
/// How many ids that are not among the keys are remembered.
const ASKED: NonZeroUsize = NonZeroUsize::new(256).expect("it is not 0");

/// An issuer of a tenant's agents.
#[derive(Clone)]
pub(crate) struct AgentIssuer {
    pub(crate) tenant: Arc<Tenant>,
    /// The `aud` of its tokens.
    pub(crate) audience: String,
    /// The claim that says what an agent is.
    pub(crate) role_claim: String,
    /// What its values mean.
    pub(crate) roles: BTreeMap<String, Role>,
    /// What verifies its tokens. Another reading of the tenants' file goes on with the same.
    pub(crate) keys: Arc<IssuerKeys>,
}

/// The keys of an issuer as they were fetched last, and when they are fetched again.
pub(crate) struct IssuerKeys {
    pub(crate) issuer: String,
    pub(crate) url: JwksUrl,
    fetched: ArcSwap<Fetched>,
    timing: Mutex<Timing>,
}

/// Why there is no such key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Missing {
    /// The issuer has been asked since, and has none.
    Unknown,
    /// The issuer is to be asked, or could not be.
    Pending,
}

/// A fetch that is on its way. There is one at a time.
pub(crate) struct Attempt {
    keys: Arc<IssuerKeys>,
    began: Timestamp,
}

#[derive(Default)]
struct Fetched {
    /// When the fetch began; `None` before the first.
    at: Option<Timestamp>,
    keys: HashMap<String, TokenKey>,
}

struct Timing {
    /// When the first and the last attempt began.
    first: Option<Timestamp>,
    last: Option<Timestamp>,
    is_running: bool,
    /// Whether a token names a key that is not there.
    is_wanted: bool,
    /// Whether the last attempt failed.
    has_failed: bool,
    /// When each of such keys, by a hash of its id, was asked for first.
    asked: LruCache<[u8; 32], Timestamp>,
}

// === impl AgentIssuer ===

impl AgentIssuer {
    /// What the role claim says: a text, or a list of which the first that means something counts.
    pub(crate) fn role(&self, said: &Value) -> Option<Role> {
        match said {
            Value::String(said) => self.roles.get(said).copied(),
            Value::Array(said) => {
                said.iter().filter_map(Value::as_str).find_map(|said| self.roles.get(said).copied())
            }
            _ => None,
        }
    }
}

impl fmt::Debug for AgentIssuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AgentIssuer").field("keys", &self.keys).finish_non_exhaustive()
    }
}

// === impl IssuerKeys ===

impl IssuerKeys {
    pub(crate) fn new(issuer: &str, url: JwksUrl) -> Self {
        let timing = Timing {
            first: None,
            last: None,
            is_running: false,
            is_wanted: false,
            has_failed: false,
            asked: LruCache::new(ASKED),
        };
        let (issuer, fetched) = (issuer.to_owned(), ArcSwap::default());
        Self { issuer, url, fetched, timing: Mutex::new(timing) }
    }

    /// The key of this id at `now`. Where there is none, the issuer is asked soon.
    pub(crate) fn key(&self, kid: &str, now: Timestamp) -> Result<TokenKey, Missing> {
        let fetched = self.fetched.load();
        let holds = fetched.at.is_some_and(|at| now.since(at) < KEPT);
        if holds && let Some(key) = fetched.keys.get(kid) {
            return Ok(key.clone());
        }
        let mut timing = self.timing();
        timing.is_wanted = true;
        let id = *blake3::hash(kid.as_bytes()).as_bytes();
        let asked = *timing.asked.get_or_insert(id, || now);
        // After keys were fetched since, an unknown key is one that the issuer has not.
        match fetched.at {
            Some(at) if holds && at > asked => Err(Missing::Unknown),
            _ => Err(Missing::Pending),
        }
    }

    /// Begins a fetch, where one is due at `now`.
    pub(crate) fn begin(self: &Arc<Self>, now: Timestamp) -> Option<Attempt> {
        let mut timing = self.timing();
        let is_due = timing.last.is_none_or(|last| {
            let age = now.since(last);
            // After the clock was set back, the last attempt may seem to lie far ahead.
            last > now || age >= EVERY || (timing.is_wanted && age >= AGAIN)
        });
        if timing.is_running || !is_due {
            return None;
        }
        timing.first.get_or_insert(now);
        timing.last = Some(now);
        timing.is_running = true;
        timing.is_wanted = false;
        Some(Attempt { keys: self.clone(), began: now })
    }

    /// How old the keys are at `now`, or how long none could be fetched.
    pub(crate) fn age(&self, now: Timestamp) -> Duration {
        let since = self.fetched.load().at.or_else(|| self.timing().first);
        since.map(|since| now.since(since)).unwrap_or_default()
    }

    fn timing(&self) -> MutexGuard<'_, Timing> {
        self.timing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for IssuerKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IssuerKeys").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}

// === impl Attempt ===

impl Attempt {
    pub(crate) fn keys(&self) -> &IssuerKeys {
        &self.keys
    }

    /// These verify from now on, and no others; tells whether they are the first, or the first
    /// after a failure.
    pub(crate) fn succeeded(self, keys: HashMap<String, TokenKey>) -> bool {
        let fetched = Arc::new(Fetched { at: Some(self.began), keys });
        let is_first = self.keys.fetched.swap(fetched).at.is_none();
        std::mem::replace(&mut self.keys.timing().has_failed, false) || is_first
    }

    /// The keys of before stay; tells whether this is the first failure since they came.
    pub(crate) fn failed(self) -> bool {
        !std::mem::replace(&mut self.keys.timing().has_failed, true)
    }
}

impl Drop for Attempt {
    /// However it ended, there may be another one.
    fn drop(&mut self) {
        self.keys.timing().is_running = false;
    }
}
