//! What a session follows: its scope, and how far it is on the way from its client's position to
//! what happens now.
//!
//! ```text
//! Idle ──subscribe──► Starting ──the shard is followed──► Live
//!                        │  ▲                              │
//!      below the ring    ▼  │ inside the ring              │ subscribe from before it
//!                     Reading ◄──────────────────────────┘
//! ```

use std::{collections::VecDeque, fmt, future::Future, pin::Pin, sync::Arc, time::Duration};

use bytes::Bytes;
use parlor_common::{deadline::in_time, event::LinkedBody, position::Position, tenant::TenantId};
use parlor_history::{HistoryError, HistoryPage, Scope};
use tokio::time::sleep;
use tracing::debug;

use crate::{
    feed::{
        FeedGuard,
        facts::Facts,
        hub::{Apart, Attached, Subscription},
        resume::{GiveUp, Resume},
        span::Begin,
    },
    node::Node,
    session::{outbox::Shown, viewer::Viewer},
};

/// How long to wait before a page that cannot be read just now is asked for again.
const PAGE_AGAIN: Duration = Duration::from_millis(250);

/// Where a client asks to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Since {
    /// With what comes from now on.
    Now,
    /// After this position, which a cursor of ours named.
    Cursor(Position),
    /// After something that is no cursor of this tenant, so that nothing can be proven.
    Unknown,
}

/// The session cannot go on. Its client is asked to come back, and goes on after what it got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ComeBack;

/// What a session follows.
#[derive(Debug)]
pub(crate) struct Following {
    scope: Scope,
    /// Keeps the shard followed.
    _guard: FeedGuard,
    state: State,
    /// What the client has asked for while a replay was on its way.
    next: Option<Since>,
}

enum State {
    /// Nobody has subscribed.
    Idle,
    /// Waiting for the shard to be followed.
    Starting { target: Target, live: Wait<bool> },
    /// Waiting for a page of the log.
    Reading { resume: Resume, page: Wait<Result<HistoryPage, HistoryError>> },
    /// A page waits for room in the outbox.
    Writing { resume: Resume, rest: VecDeque<Shown> },
    /// Everything comes from the hub.
    Live(Subscription),
}

/// Where a session is to get to.
#[derive(Clone, Debug)]
enum Target {
    /// To the present, after nothing (`true`) or after what cannot be proven (`false`).
    Present { recovered: bool },
    /// To the present, by way of everything after a position.
    Resume(Resume),
}

type Wait<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// What was waited for.
pub(crate) enum Awaited {
    Live(bool),
    Page(Result<HistoryPage, HistoryError>),
}

// === impl Following ===

impl Following {
    /// Follows nothing of `scope` yet, but keeps its shard followed from now on.
    pub(crate) fn of(node: &Node, scope: Scope) -> Self {
        let guard = node.feeds.follow(node.hub.shard_of(scope.tenant()));
        Self { scope, _guard: guard, state: State::Idle, next: None }
    }

    /// Whose events they are.
    pub(crate) const fn tenant(&self) -> &TenantId {
        self.scope.tenant()
    }

    /// Whether the client is shown what happens now.
    pub(crate) const fn is_live(&self) -> bool {
        matches!(self.state, State::Live(_))
    }

    /// The visitor is one with others: their conversations are followed from now on.
    pub(crate) fn link(&mut self, linked: &LinkedBody) {
        if let Scope::Conversations(set) = &mut self.scope {
            *set = set.linked(linked.visitor, &linked.absorbed);
        }
    }

    /// Begins, or begins anew: the second subscription replaces the first, and what that one showed
    /// is not shown again.
    pub(crate) fn subscribe(
        &mut self,
        node: &Arc<Node>,
        viewer: &Arc<Viewer>,
        since: Since,
    ) -> Result<(), ComeBack> {
        let shown = match std::mem::replace(&mut self.state, State::Idle) {
            State::Idle => None,
            state @ (State::Starting { .. } | State::Reading { .. } | State::Writing { .. }) => {
                // There is one replay at a time. The one that was asked for last comes after it.
                self.state = state;
                self.next = Some(since);
                return Ok(());
            }
            State::Live(subscription) => {
                let (begin, recovered) = match since {
                    Since::Now => (Begin::Now, true),
                    Since::Unknown => (Begin::Now, false),
                    Since::Cursor(position) => (Begin::Claimed(position), true),
                };
                let announce = |attached| announce(node, &self.scope, viewer, recovered, attached);
                match subscription.replace(begin, announce) {
                    Ok(subscription) => {
                        self.state = State::Live(subscription);
                        return Ok(());
                    }
                    Err(shown) => Some(shown),
                }
            }
        };
        let target = match since {
            Since::Now => Target::Present { recovered: true },
            Since::Unknown => Target::Present { recovered: false },
            Since::Cursor(position) => {
                Target::Resume(Resume::new(position, node.settings.resume.pages, shown))
            }
        };
        self.go(node, viewer, target)
    }

    /// Waits for what is needed next; for ever where that is nothing. Cancel safe.
    pub(crate) async fn awaited(&mut self) -> Awaited {
        match &mut self.state {
            State::Starting { live, .. } => Awaited::Live(live.await),
            State::Reading { page, .. } => Awaited::Page(page.await),
            State::Idle | State::Writing { .. } | State::Live(_) => std::future::pending().await,
        }
    }

    /// Goes on with what [`awaited`](Self::awaited) waited for.
    pub(crate) fn advance(
        &mut self,
        node: &Arc<Node>,
        viewer: &Arc<Viewer>,
        awaited: Awaited,
    ) -> Result<(), ComeBack> {
        match (std::mem::replace(&mut self.state, State::Idle), awaited) {
            (State::Starting { target, .. }, Awaited::Live(true)) => self.go(node, viewer, target),
            (State::Starting { .. }, _) => {
                debug!("the shard could not be followed in time");
                Err(ComeBack)
            }
            (State::Reading { mut resume, .. }, Awaited::Page(Ok(page))) => {
                let events = resume.page(page.events, page.through);
                node.metrics.replayed.inc_by(events.len() as u64);
                let shown = events.iter().filter(|event| viewer.is_shown(&Facts::of(event)));
                let rest = shown
                    .filter_map(|event| {
                        let frame = viewer.frame(event, &node.cursors)?;
                        Some(Shown { position: event.position, frame })
                    })
                    .collect();
                self.state = State::Writing { resume, rest };
                self.refill(node, viewer)
            }
            (State::Reading { resume, .. }, Awaited::Page(Err(error))) => {
                debug!(%error, "a replay cannot go on");
                let give_up = match error {
                    // Nothing says that the client's position cannot be proven.
                    HistoryError::Unavailable(_) => GiveUp::Again,
                    HistoryError::UnknownPosition => resume.give_up(),
                };
                self.give_up(node, viewer, give_up)
            }
            (state, _) => {
                self.state = state;
                Ok(())
            }
        }
    }

    /// Puts as much of a page into the outbox as there is room for, and goes on when all of it is
    /// in.
    pub(crate) fn refill(
        &mut self,
        node: &Arc<Node>,
        viewer: &Arc<Viewer>,
    ) -> Result<(), ComeBack> {
        let State::Writing { rest, .. } = &mut self.state else { return Ok(()) };
        viewer.outbox().fill(rest);
        if !rest.is_empty() {
            return Ok(());
        }
        match std::mem::replace(&mut self.state, State::Idle) {
            State::Writing { resume, .. } => self.go(node, viewer, Target::Resume(resume)),
            state => {
                self.state = state;
                Ok(())
            }
        }
    }

    fn go(
        &mut self,
        node: &Arc<Node>,
        viewer: &Arc<Viewer>,
        target: Target,
    ) -> Result<(), ComeBack> {
        let (begin, shown, recovered, before) = match &target {
            Target::Present { recovered } => (Begin::Now, None, *recovered, 0),
            Target::Resume(resume) => (resume.begin(), resume.shown(), true, resume.replayed()),
        };
        let announce = |mut attached: Attached| {
            attached.replayed += before;
            announce(node, &self.scope, viewer, recovered, attached)
        };
        match (node.hub.attach(viewer, &self.scope, begin, shown, announce), target) {
            (Ok(mut subscription), target) => {
                let outcomes = &node.metrics.resumes;
                match target {
                    Target::Resume(resume) => {
                        subscription.began_after(resume.coverage().from());
                        outcomes.recovered.inc();
                    }
                    Target::Present { recovered: false } => outcomes.gap.inc(),
                    Target::Present { recovered: true } => {}
                }
                self.state = State::Live(subscription);
                self.next.take().map_or(Ok(()), |since| self.subscribe(node, viewer, since))
            }
            (Err(Apart::NotLive), target) => {
                let (feeds, shard) = (node.feeds.clone(), node.hub.shard_of(self.scope.tenant()));
                self.state = State::Starting {
                    target,
                    live: Box::pin(async move { feeds.live(shard).await }),
                };
                Ok(())
            }
            (Err(Apart::Below | Apart::Ahead), Target::Resume(mut resume)) => {
                match resume.read_after() {
                    Ok(after) => {
                        let page = Box::pin(page(node.clone(), self.scope.clone(), after));
                        self.state = State::Reading { resume, page };
                        Ok(())
                    }
                    Err(give_up) => self.give_up(node, viewer, give_up),
                }
            }
            (Err(Apart::Far(rest, through)), Target::Resume(mut resume)) => {
                resume.ring_page(rest.len(), through);
                self.state = State::Writing { resume, rest };
                Ok(())
            }
            // Every ring holds the present, so that this cannot be.
            (Err(Apart::Below | Apart::Ahead | Apart::Far(..)), Target::Present { .. }) => {
                Err(ComeBack)
            }
        }
    }

    fn give_up(
        &mut self,
        node: &Arc<Node>,
        viewer: &Arc<Viewer>,
        give_up: GiveUp,
    ) -> Result<(), ComeBack> {
        let tells_of_gaps = viewer.dialect().subscribed(false, String::new(), 0).is_some();
        match give_up {
            GiveUp::Gap if tells_of_gaps => {
                self.go(node, viewer, Target::Present { recovered: false })
            }
            // A client that is never told of a gap would miss these events in silence.
            GiveUp::Gap | GiveUp::Again => {
                node.metrics.resumes.again.inc();
                Err(ComeBack)
            }
        }
    }
}

/// Reads one page of the log, as soon as the node may read another one at once. A page that cannot
/// be read just now is asked for again until the deadline.
async fn page(node: Arc<Node>, scope: Scope, after: Position) -> Result<HistoryPage, HistoryError> {
    let settings = &node.settings.resume;
    let read = async {
        let _permit = node.pages.acquire().await;
        loop {
            match node.history.forward(&scope, after, settings.page).await {
                Err(HistoryError::Unavailable(reason)) => {
                    debug!(reason, "a page of a replay cannot be read just now");
                    sleep(PAGE_AGAIN).await;
                }
                answer => break answer,
            }
        }
    };
    in_time(settings.page_within, HistoryError::Unavailable, read).await
}

/// The frame that says that a subscription has begun, where the dialect has one.
fn announce(
    node: &Node,
    scope: &Scope,
    viewer: &Viewer,
    recovered: bool,
    attached: Attached,
) -> Option<Bytes> {
    let cursor = node.cursors.write(scope.tenant(), attached.position);
    viewer.dialect().subscribed(recovered, cursor, attached.replayed)
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Idle => "Idle",
            Self::Starting { .. } => "Starting",
            Self::Reading { .. } => "Reading",
            Self::Writing { .. } => "Writing",
            Self::Live(_) => "Live",
        })
    }
}
