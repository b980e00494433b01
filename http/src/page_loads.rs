//! Page loads: the two requests with which a page of the widget opens, brought together.
//!
//! A page sends a GET for what was said, whose answer replaces what is on its screen, and opens a
//! socket at the same moment. The socket must not be open before the GET has been answered, and is
//! to show exactly what is above the answer. A socket that opens without a GET is a page that has
//! lost its connection and comes back.

use std::{
    collections::{HashMap, VecDeque},
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use http::{HeaderMap, header};
use tokio::{
    sync::{Notify, watch},
    time::{Instant, sleep, timeout_at},
};

use parlor_common::{id::VisitorId, position::Position, tenant::TenantId};

/// How long a load waits for its socket after it has begun; a GET may take longer than that, but
/// then its socket is open already.
const KEPT: Duration = Duration::from_secs(2);
/// The most pages that are known at once; the loads of others are not held for.
const MAX_PAGES: usize = 20_000;
/// The most loads of one page that wait for their sockets; an earlier one is forgotten.
const MAX_LOADS: usize = 8;

/// By what the two requests of one page are known to belong together. It is used for timing alone.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PageKey {
    tenant: TenantId,
    who: Who,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Who {
    Visitor(VisitorId),
    Stranger { address: IpAddr, agent: Vec<u8>, origin: Vec<u8> },
}

/// What the answer of a GET has shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// Everything up to here is in the answer, or before its page.
    pub through: Position,
    /// The last event of the answer; `None` where it has none.
    pub last: Option<Position>,
}

/// What a socket has found out about the GET of its page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PageOpening {
    /// There was none in time: the page comes back.
    ComesBack,
    /// There was one. `None` where it has failed, or is not answered yet.
    Loads(Option<Snapshot>),
}

/// The page loads of this node. Cheap to clone; clones are the same loads.
#[derive(Clone, Debug, Default)]
pub struct PageLoads(Arc<Mutex<Table>>);

/// The GET of one page. It has failed where it is dropped without an answer.
#[derive(Debug)]
pub struct PageLoad(watch::Sender<Option<Snapshot>>);

#[derive(Debug, Default)]
struct Table {
    pages: HashMap<PageKey, Page>,
    /// What was begun when, oldest first.
    begun: VecDeque<(Instant, PageKey)>,
}

#[derive(Debug, Default)]
struct Page {
    loads: VecDeque<(Instant, watch::Receiver<Option<Snapshot>>)>,
    /// Sockets that wait for a load.
    waiting: usize,
    came: Arc<Notify>,
}

/// A socket that waits for a load. It is counted until it is dropped.
struct Waiting<'a> {
    loads: &'a PageLoads,
    key: &'a PageKey,
    came: Arc<Notify>,
}

// === impl PageKey ===

impl PageKey {
    /// Of a visitor that a cookie names, or of a stranger at `address`.
    pub fn new(
        tenant: TenantId,
        visitor: Option<VisitorId>,
        address: IpAddr,
        headers: &HeaderMap,
    ) -> Self {
        let bytes = |name| headers.get(name).map(|value| value.as_bytes().to_vec());
        let who = visitor.map_or_else(
            || Who::Stranger {
                address,
                agent: bytes(header::USER_AGENT).unwrap_or_default(),
                origin: bytes(header::ORIGIN).unwrap_or_default(),
            },
            Who::Visitor,
        );
        Self { tenant, who }
    }
}

// === impl PageLoads ===

impl PageLoads {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The GET of a page has come.
    pub fn begin(&self, key: PageKey) -> PageLoad {
        let (now, (load, answer)) = (Instant::now(), watch::channel(None));
        let mut table = self.lock();
        table.forget_old(now);
        if table.pages.len() < MAX_PAGES || table.pages.contains_key(&key) {
            let page = table.pages.entry(key.clone()).or_default();
            page.loads.push_back((now, answer));
            if page.loads.len() > MAX_LOADS {
                page.loads.pop_front();
            }
            page.came.notify_one();
            table.begun.push_back((now, key));
        }
        PageLoad(load)
    }

    /// Waits until the GET of the same page has been answered, and for `ahead` after that, so that
    /// its answer is there first; for as long as `within` in all. Each GET is the load of one
    /// socket. Cancel safe.
    pub async fn opening(&self, key: &PageKey, within: Duration, ahead: Duration) -> PageOpening {
        let until = Instant::now() + within;
        let Some(mut answer) = self.load(key, until).await else { return PageOpening::ComesBack };
        let answered = timeout_at(until, answer.wait_for(Option::is_some)).await;
        let snapshot = answered.ok().and_then(|answer| *answer.ok()?);
        if snapshot.is_some() {
            sleep(ahead.min(until.saturating_duration_since(Instant::now()))).await;
        }
        PageOpening::Loads(snapshot)
    }

    async fn load(
        &self,
        key: &PageKey,
        until: Instant,
    ) -> Option<watch::Receiver<Option<Snapshot>>> {
        let waiting = {
            let mut table = self.lock();
            table.forget_old(Instant::now());
            let page = table.pages.entry(key.clone()).or_default();
            page.waiting += 1;
            Waiting { loads: self, key, came: page.came.clone() }
        };
        loop {
            if let Some(load) = waiting.take() {
                return Some(load);
            }
            timeout_at(until, waiting.came.notified()).await.ok()?;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl PageLoad ===

impl PageLoad {
    /// The GET is answered with this.
    pub fn answered(self, snapshot: Snapshot) {
        self.0.send_replace(Some(snapshot));
    }
}

// === impl Table ===

impl Table {
    fn forget_old(&mut self, now: Instant) {
        while let Some((begun, key)) = self.begun.front()
            && now.duration_since(*begun) > KEPT
        {
            if let Some(page) = self.pages.get_mut(key) {
                page.loads.retain(|(begun, _)| now.duration_since(*begun) <= KEPT);
                if page.loads.is_empty() && page.waiting == 0 {
                    self.pages.remove(key);
                }
            }
            self.begun.pop_front();
        }
    }
}

// === impl Waiting ===

impl Waiting<'_> {
    fn take(&self) -> Option<watch::Receiver<Option<Snapshot>>> {
        let mut table = self.loads.lock();
        Some(table.pages.get_mut(self.key)?.loads.pop_front()?.1)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut table = self.loads.lock();
        let Some(page) = table.pages.get_mut(self.key) else { return };
        page.waiting -= 1;
        if page.waiting == 0 && page.loads.is_empty() {
            table.pages.remove(self.key);
        } else if !page.loads.is_empty() {
            // A call that woke this one is another one's.
            page.came.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use parlor_common::position::Epoch;

    const WITHIN: Duration = Duration::from_millis(600);
    const AHEAD: Duration = Duration::from_millis(100);

    fn key(agent: &'static str) -> PageKey {
        let headers = [(header::USER_AGENT, agent.parse().unwrap())].into_iter().collect();
        let tenant = TenantId::parse("shop").unwrap();
        PageKey::new(tenant, None, Ipv4Addr::LOCALHOST.into(), &headers)
    }

    fn snapshot(sequence: u64) -> Snapshot {
        Snapshot { through: Position::new(Epoch::FIRST, sequence).unwrap(), last: None }
    }

    #[tokio::test(start_paused = true)]
    async fn a_socket_waits_for_the_answer_of_its_page_in_either_order() {
        let (loads, page) = (PageLoads::new(), key("a"));
        let load = loads.begin(key("a"));
        let began = Instant::now();
        let (opening, ()) = tokio::join!(loads.opening(&page, WITHIN, AHEAD), async {
            sleep(Duration::from_millis(100)).await;
            load.answered(snapshot(7));
        });
        assert_eq!(opening, PageOpening::Loads(Some(snapshot(7))));
        assert_eq!(began.elapsed(), Duration::from_millis(100) + AHEAD);

        let (opening, ()) = tokio::join!(loads.opening(&page, WITHIN, AHEAD), async {
            sleep(Duration::from_millis(100)).await;
            loads.begin(key("a")).answered(snapshot(8));
        });
        assert_eq!(opening, PageOpening::Loads(Some(snapshot(8))));
        assert!(loads.lock().pages.is_empty(), "nothing is kept");
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_load_it_comes_back_and_one_that_fails_or_is_late_holds_nobody() {
        let loads = PageLoads::new();
        let began = Instant::now();
        let other = loads.begin(key("other"));
        assert_eq!(loads.opening(&key("a"), WITHIN, AHEAD).await, PageOpening::ComesBack);
        assert_eq!(began.elapsed(), WITHIN);
        drop(other);
        assert_eq!(loads.opening(&key("other"), WITHIN, AHEAD).await, PageOpening::Loads(None));
        let late = loads.begin(key("late"));
        assert_eq!(loads.opening(&key("late"), WITHIN, AHEAD).await, PageOpening::Loads(None));
        drop(late);
    }

    #[tokio::test(start_paused = true)]
    async fn every_load_is_one_sockets_and_old_ones_are_nobodys() {
        let loads = PageLoads::new();
        loads.begin(key("a")).answered(snapshot(1));
        loads.begin(key("a")).answered(snapshot(2));
        let (a, b) = (key("a"), key("a"));
        let both = tokio::join!(loads.opening(&a, WITHIN, AHEAD), loads.opening(&b, WITHIN, AHEAD));
        let expected = [1, 2].map(|sequence| PageOpening::Loads(Some(snapshot(sequence))));
        assert_eq!([both.0, both.1], expected);
        assert_eq!(loads.opening(&a, WITHIN, AHEAD).await, PageOpening::ComesBack);
        loads.begin(key("a")).answered(snapshot(3));
        sleep(KEPT * 2).await;
        assert_eq!(loads.opening(&a, WITHIN, AHEAD).await, PageOpening::ComesBack);
        assert!(loads.lock().pages.is_empty());
    }
}
