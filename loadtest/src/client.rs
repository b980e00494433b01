//! Virtual visitors and agents, and what they share.

pub(crate) mod orders;
pub(crate) mod rest_writer;
pub(crate) mod socket_client;
pub(crate) mod widget;
pub(crate) mod worker;

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering},
};

use parlor_common::{
    clock::{Clock, Timestamp},
    drain::Drain,
    id::{ClientMessageId, ConversationId},
    random::Random,
};
use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};

use self::orders::Orders;
use crate::{
    address::Address,
    jar::Jar,
    ledger::{Client, Conversation, Ledger, Tag},
    plan::kinds::Kind,
    scores::Scores,
    timeline::TimeLine,
    tokens::Tokens,
    work::Work,
};

/// What every client of the run shares.
#[derive(Debug)]
pub(crate) struct World {
    /// Where visitors go.
    pub(crate) rest: Vec<Address>,
    /// Where agents' sockets go.
    pub(crate) agents: Vec<Address>,
    /// The origin that pages name.
    pub(crate) origin: String,
    pub(crate) ledger: Ledger,
    /// The book of agents who work.
    pub(crate) work: Work,
    pub(crate) scores: Scores,
    pub(crate) tokens: Tokens,
    pub(crate) random: Random,
    pub(crate) time: ServerTime,
    pub(crate) orders: Orders,
    pub(crate) line: TimeLine,
    pub(crate) drain: Drain,
    /// How many drafts were offered to their writers and are not in the ledger yet.
    pub(crate) held: Held,
}

/// A visitor: an identity, its conversation, and how it writes; its tabs share it.
#[derive(Debug)]
pub(crate) struct Visitor {
    pub(crate) conversation: Conversation,
    /// The tenant's name.
    pub(crate) tenant: String,
    pub(crate) kind: Kind,
    /// Its cookies, by which the widget is known.
    pub(crate) jar: Jar,
    /// Its token, by which a client of protocol 1 is known.
    pub(crate) token: OnceLock<String>,
    /// The server's id of the conversation, once an answer or a message has told it.
    pub(crate) id: OnceLock<ConversationId>,
    /// Whether a message was accepted: before that, no agent can know of the conversation.
    pub(crate) is_begun: AtomicBool,
}

/// A draft that is to be written.
#[derive(Debug)]
pub(crate) struct Intent {
    pub(crate) visitor: Arc<Visitor>,
    /// When it should be sent.
    pub(crate) intended: Instant,
    /// The draft it is, where it was given an id before.
    pub(crate) known: Option<Known>,
    /// Counts it until its writer has noted it in the ledger, or drops it.
    hold: Option<Hold>,
}

/// Counts what is held.
#[derive(Clone, Debug, Default)]
pub(crate) struct Held(Arc<AtomicU64>);

/// One that is held, while this value lives.
#[derive(Debug)]
struct Hold(Held);

/// A draft that has its id.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    pub(crate) tag: Tag,
    pub(crate) id: ClientMessageId,
}

/// The server's time, as its answers tell it.
#[derive(Debug)]
pub(crate) struct ServerTime {
    clock: Clock,
    /// Milliseconds that the server is ahead.
    ahead: AtomicI64,
}

/// A connection of a client: counted while it lives, however it ends.
#[derive(Debug)]
pub(crate) struct Connected<'a> {
    world: &'a World,
    client: Client,
    is_wanted: bool,
}

/// Is told once, when the client is connected for the first time.
pub(crate) type Ready = oneshot::Sender<()>;

/// How many drafts a client holds that it cannot send yet; it takes no more.
pub(crate) const QUEUE: usize = 256;

// === impl World ===

impl World {
    /// Counts a connection until the returned value is dropped. `since` is when the client lost the
    /// one before.
    pub(crate) fn connected(&self, client: Client, since: Option<Instant>) -> Connected<'_> {
        self.scores.connected(since.map(|since| since.elapsed()));
        Connected { world: self, client, is_wanted: false }
    }

    /// Gives a writer a draft that should be sent at `intended`, and the id it has if it was sent
    /// before. A writer that holds too many already does not take it.
    pub(crate) fn offer(
        &self,
        writer: &mpsc::Sender<Intent>,
        visitor: &Arc<Visitor>,
        intended: Instant,
        known: Option<Known>,
    ) {
        let hold = Some(self.held.one_more());
        let intent = Intent { visitor: visitor.clone(), intended, known, hold };
        self.scores.offered(writer.try_send(intent).is_ok());
    }

    /// How many answers and messages are still on their way, and drafts that are not even sent.
    pub(crate) fn awaited(&self) -> u64 {
        // In this order: a draft is in the ledger before it is no longer held.
        let held = self.held.count();
        held + self.ledger.awaited() + self.work.awaited()
    }
}

// === impl Intent ===

impl Intent {
    /// The ledger has it.
    pub(crate) fn noted(&mut self) {
        self.hold = None;
    }
}

// === impl Held ===

impl Held {
    fn one_more(&self) -> Hold {
        self.0.fetch_add(1, Ordering::SeqCst);
        Hold(self.clone())
    }

    pub(crate) fn count(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::SeqCst);
    }
}

// === impl Visitor ===

impl Visitor {
    /// Notes that a message of the conversation was accepted or shown, and the conversation's id if
    /// the server has told it.
    pub(crate) fn begun(&self, id: Option<ConversationId>) {
        if let Some(id) = id {
            self.id.get_or_init(|| id);
        }
        self.is_begun.store(true, Ordering::Relaxed);
    }

    /// Whether an agent may answer.
    pub(crate) fn is_answerable(&self) -> bool {
        self.is_begun.load(Ordering::Relaxed) && self.id.get().is_some()
    }
}

// === impl Connected ===

impl Connected<'_> {
    /// Ends the connection by the client's own wish, so that it does not count as lost.
    pub(crate) fn ends(mut self) {
        self.is_wanted = true;
    }
}

impl Drop for Connected<'_> {
    fn drop(&mut self) {
        if !self.is_wanted {
            self.world.ledger.lost(self.client);
        }
        self.world.scores.disconnected(!self.is_wanted);
    }
}

// === impl ServerTime ===

impl ServerTime {
    pub(crate) const fn new(clock: Clock) -> Self {
        Self { clock, ahead: AtomicI64::new(0) }
    }

    /// The server's time now.
    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.clock.now().as_millis() + self.ahead.load(Ordering::Relaxed))
    }

    /// Takes `text`, as a server's answer has it, for the server's time.
    pub(crate) fn told(&self, text: &str) {
        if let Some(time) = Timestamp::parse(text) {
            self.ahead.store(time.as_millis() - self.clock.now().as_millis(), Ordering::Relaxed);
        }
    }
}
