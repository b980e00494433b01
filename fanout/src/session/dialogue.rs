//! The dialogue: what a client says goes to the door or to what it follows, and what becomes of it
//! is said to the client. It lasts from the upgrade until all that was taken has been accepted.

use std::sync::Arc;

use bytes::Bytes;
use parlor_common::{
    action::Action,
    author::Author,
    clock::Timestamp,
    close::CloseCode,
    conversation::ConversationSet,
    door::Submission,
    event::{Audience, DeliveredBody, MarkedSocket, ReadBody, SocketIs, Transport},
    id::SessionId,
    position::Position,
    problem::{Code, Problem},
    state::Reader,
};
use parlor_history::LeftOff;
use parlor_http::page_loads::PageOpening;
use tokio::time::Instant;
use tracing::debug;

use crate::{
    dialect::{Back, Dialect, Hold, Means, Moment, Speaker},
    login::Known,
    metrics::Shed,
    node::{Node, OpenSocket},
    session::{
        drafts::{Answer, Drafts, DraftsBound, Settled, Waiting, ask, client_message_id},
        following::{Awaited, ComeBack, Following, Since},
        marks::Marks,
        outbox::{Ended, Outbox, OutboxBound},
        viewer::Viewer,
    },
    signals::seat::Seat,
};

/// One client, and what is on its way from it and to it.
#[derive(Debug)]
pub(crate) struct Dialogue {
    pub(crate) node: Arc<Node>,
    pub(crate) viewer: Arc<Viewer>,
    pub(crate) drafts: Drafts,
    /// How far the client has got what it was shown, where its pongs tell.
    pub(crate) marks: Option<Marks>,
    speaker: Box<dyn Speaker>,
    /// As whom and where the client may write, once that is known.
    writer: Option<Box<(ConversationSet, Author)>>,
    following: Option<Box<Following>>,
    /// Its place at the switchboard, once the client is known.
    seat: Option<Box<Seat>>,
    /// What cannot be accepted at once is tried again for so long.
    hold: Option<Hold>,
    _socket: OpenSocket,
}

/// What a dialogue has waited for.
pub(crate) enum Next {
    /// The first draft in line was accepted or refused.
    Settled(Box<Settled>),
    /// The replay can go on.
    Replay(Awaited),
    /// A mark was noted, or could not be.
    Marked,
}

// === impl Dialogue ===

impl Dialogue {
    /// With a client of `dialect` that has not said anything yet.
    pub(crate) fn new(
        node: Arc<Node>,
        dialect: &'static dyn Dialect,
        audience: Audience,
        speaker: Box<dyn Speaker>,
        socket: OpenSocket,
    ) -> Self {
        let settings = &node.settings;
        let outbox = Outbox::new(OutboxBound {
            frames: settings.outbox_frames,
            bytes: settings.outbox_bytes,
        });
        let viewer = Viewer::new(SessionId::random(&node.random), dialect, audience, outbox);
        let hold = dialect.hold(settings);
        // One that is held is tried again by itself.
        let run = if hold.is_some() { 1 } else { usize::MAX };
        let bound = DraftsBound { drafts: settings.drafts, bytes: settings.draft_bytes, run };
        let drafts = Drafts::new(node.door.clone(), bound);
        let marks = dialect.acknowledges_by_pong().then(|| Marks::new(Instant::now()));
        node.metrics.open(dialect).inc();
        Self {
            viewer,
            drafts,
            marks,
            speaker,
            writer: None,
            following: None,
            seat: None,
            hold,
            _socket: socket,
            node,
        }
    }

    pub(crate) fn dialect(&self) -> &'static dyn Dialect {
        self.viewer.dialect()
    }

    /// The client is known from now on: its shard is kept followed, and it may write.
    pub(crate) fn enter(&mut self, known: Known) {
        self.seat = self
            .node
            .signals
            .as_ref()
            .map(|board| Box::new(Seat::take(board, &known.scope, known.person, &self.viewer)));
        self.following = Some(Box::new(Following::of(&self.node, known.scope)));
        self.writer = known.writer.map(Box::new);
    }

    /// Waits until the shard of a client that is known is followed; tells whether it is.
    pub(crate) fn followed(&self) -> impl Future<Output = bool> + Send + use<> {
        let tenant = self.following.as_ref().map(|following| following.tenant());
        let shard = tenant.map(|tenant| self.node.hub.shard_of(tenant));
        let feeds = self.node.feeds.clone();
        async move {
            match shard {
                Some(shard) => feeds.live(shard).await,
                None => false,
            }
        }
    }

    /// Begins to show what the client does not have: what is above the answer of its page's GET, or
    /// what agents wrote while it was away.
    ///
    /// `left_off` is how far a page that comes back had got; `None` where that is not known.
    pub(crate) fn open(
        &mut self,
        opening: PageOpening,
        left_off: Option<LeftOff>,
    ) -> Result<(), ComeBack> {
        let following = self.following.as_mut().ok_or(ComeBack)?;
        let end = self.node.hub.end(self.node.hub.shard_of(following.tenant())).ok_or(ComeBack)?;
        let since = match (opening, left_off) {
            (PageOpening::Loads(Some(snapshot)), _) => {
                if let (Some(marks), Some(last)) = (&mut self.marks, snapshot.last) {
                    marks.shown(last);
                }
                Since::Cursor(snapshot.through)
            }
            (PageOpening::ComesBack, Some(LeftOff { up_to, is_noted })) => {
                self.viewer.comes_back(Back { end, at: self.node.clock.now() });
                // A page view alone leaves no record.
                if let Some(marks) = self.marks.as_mut().filter(|_| is_noted) {
                    marks.comes_back(up_to);
                }
                // Nothing was delivered of what a log has that was made anew since.
                Since::Cursor(up_to.max(end.epoch().start()))
            }
            (PageOpening::Loads(None), _) | (PageOpening::ComesBack, None) => Since::Now,
        };
        following.subscribe(&self.node, &self.viewer, since)
    }

    /// Puts a frame of the session's own into the outbox.
    pub(crate) fn say(&self, frame: Bytes) {
        self.viewer.outbox().say(frame);
    }

    /// The client has answered the ping of this number.
    pub(crate) fn answered(&mut self, number: u64) {
        self.viewer.answered(self.node.clock.now());
        if let Some(marks) = &mut self.marks {
            marks.answered(number);
        }
    }

    /// A text came.
    pub(crate) fn text(&mut self, text: &str) -> Result<(), CloseCode> {
        let moment = Moment {
            session: self.viewer.session(),
            now: self.node.clock.now(),
            settings: &self.node.settings,
            random: &self.node.random,
        };
        let arrived = moment.now;
        for means in self.speaker.text(text, &moment) {
            match means {
                Means::Nothing => self.node.metrics.ignored.inc(),
                Means::Enter(known) => self.enter(known),
                Means::Subscribe(cursor) => {
                    if let Err(ComeBack) = self.subscribe(cursor.as_deref()) {
                        self.node.metrics.shed(Shed::Replay);
                        return Err(self.dialect().come_back(Ended::Again));
                    }
                }
                Means::Act(action) => {
                    if let (Action::Send(_), Some(seat)) = (&action, &mut self.seat) {
                        seat.has_sent();
                    }
                    let waiting = self.submission(action, arrived);
                    self.drafts.push(waiting, text.len(), Instant::now());
                }
                Means::Read(cursor) => {
                    let waiting = self.read_mark(&cursor, arrived);
                    self.drafts.push(waiting, text.len(), Instant::now());
                }
                Means::Refuse(id, problem) => {
                    self.drafts.push(Waiting::Refused(id, problem), text.len(), Instant::now());
                }
                Means::Say(frame) => self.say(frame),
                Means::Close(code) => return Err(code),
                Means::Signal(saying) => {
                    if let Some(seat) = &mut self.seat {
                        seat.say(saying);
                    }
                }
            }
        }
        Ok(())
    }

    /// A binary message came.
    pub(crate) fn binary(&self) -> Result<(), CloseCode> {
        self.dialect().binary()?;
        self.node.metrics.ignored.inc();
        Ok(())
    }

    /// The first draft in line was accepted or refused.
    pub(crate) fn settled(&mut self, settled: Settled) {
        let refused = settled.outcome.as_ref().err().map(|problem| problem.code);
        if let Err(problem) = &settled.outcome
            && problem.code.retryable()
            && self.hold.is_some()
        {
            self.node.metrics.held.inc();
            self.drafts.hold(problem.retry_after, Instant::now());
            return;
        }
        match &settled.outcome {
            // Of a limit the client is told as often as it meets it.
            Err(problem) if matches!(problem.code, Code::Unavailable | Code::Busy) => {
                let id = settled.client_message_id.as_deref();
                self.drafts.refused_for_now(id, problem.clone());
            }
            Ok(_) | Err(_) => self.drafts.done(),
        }
        match (self.speaker.answer(settled, self.viewer.session()), refused) {
            (Some(frame), _) => self.say(frame),
            (None, Some(code)) => {
                self.node.metrics.ignored.inc();
                debug!(code = code.as_str(), "what a client asked for is refused for good");
            }
            (None, None) => {}
        }
    }

    /// When to look at the time: the client has not said hello, its token has ended, a draft was
    /// held for too long, or a mark may go to the door.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let ends = self.speaker.ends().map(|(at, _)| at);
        let marks = self.marks.as_ref().and_then(Marks::due_at);
        [self.held_until(), ends, marks].into_iter().flatten().min()
    }

    /// Does what is due: a mark goes to the door, or the socket ends.
    pub(crate) fn tick(&mut self, now: Instant) -> Result<(), CloseCode> {
        if let Some((up_to, is)) = self.marks.as_ref().and_then(|marks| marks.due(now))
            && let Some(answer) = self.mark(up_to, is)
            && let Some(marks) = &mut self.marks
        {
            marks.begin(up_to, answer, now);
        }
        if self.held_until().is_some_and(|until| now >= until)
            && let Some(hold) = self.hold.take()
        {
            // Nothing of it is tried again.
            self.drafts.abandon();
            return Err(hold.or_else);
        }
        match self.speaker.ends() {
            Some((at, code)) if now >= at => Err(code),
            _ => Ok(()),
        }
    }

    /// Waits for what becomes of the first draft in line, or for what the replay needs next; for
    /// ever where there is neither. Cancel safe.
    pub(crate) async fn next(&mut self) -> Next {
        let following = &mut self.following;
        let awaited = async move {
            match following {
                Some(following) => following.awaited().await,
                None => std::future::pending().await,
            }
        };
        let marks = &mut self.marks;
        let marked = async move {
            match marks {
                Some(marks) => marks.settled().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            // What comes seldom comes first: a flood of drafts that are refused at once must not
            // keep a page from being taken, which holds one of the node's few places.
            biased;
            () = marked => Next::Marked,
            awaited = awaited => Next::Replay(awaited),
            settled = self.drafts.settled() => Next::Settled(Box::new(settled)),
        }
    }

    /// Goes on with what [`next`](Self::next) has waited for.
    pub(crate) fn advance(&mut self, next: Next) -> Result<(), ComeBack> {
        match (next, &mut self.following) {
            (Next::Settled(settled), _) => {
                self.settled(*settled);
                while let Some(settled) = self.drafts.answered() {
                    self.settled(settled);
                }
            }
            (Next::Replay(awaited), Some(following)) => {
                following.advance(&self.node, &self.viewer, awaited)?;
            }
            (Next::Replay(_), None) | (Next::Marked, _) => {}
        }
        Ok(())
    }

    /// Puts as much of the replay into the outbox as there is room for.
    pub(crate) fn refill(&mut self) -> Result<(), ComeBack> {
        let Some(following) = &mut self.following else { return Ok(()) };
        following.refill(&self.node, &self.viewer)?;
        if let Some(seat) = self.seat.as_mut().filter(|_| following.is_live()) {
            seat.live();
        }
        Ok(())
    }

    /// Where the hub has found that the visitor is one with others: it follows their conversations,
    /// and writes as the one that they are.
    pub(crate) fn link(&mut self) {
        let Some(linked) = self.viewer.take_link() else { return };
        if let Some(following) = &mut self.following {
            following.link(&linked);
        }
        if let Some(writer) = &mut self.writer {
            let (set, author) = &mut **writer;
            *set = set.linked(linked.visitor, &linked.absorbed);
            author.id = linked.visitor.to_string();
            if let Some(seat) = &self.seat {
                seat.link(set, author);
            }
        }
    }

    /// Shows nothing more.
    pub(crate) fn unfollow(&mut self) {
        self.following = None;
    }

    /// The client is there no more, or as good as.
    pub(crate) fn stand_up(&mut self, is: SocketIs) {
        if let Some(mut seat) = self.seat.take() {
            seat.leave(is == SocketIs::Closed);
        }
    }

    /// Whether its tenant is served no more: the registry may have changed since the socket was
    /// opened.
    pub(crate) fn is_suspended(&self) -> bool {
        let Some(following) = &self.following else { return false };
        self.node.tenants.get(following.tenant()).is_none_or(|tenant| tenant.suspended)
    }

    /// The session ends: waits until it is noted how far its client has got, or could not be.
    pub(crate) fn last_mark(&mut self, is: SocketIs) -> impl Future<Output = ()> + use<> {
        let (with_door, left) = self.marks.as_mut().map(Marks::finish).unwrap_or_default();
        let last = left.and_then(|up_to| self.mark(up_to, is));
        async move {
            for answer in with_door.into_iter().chain(last) {
                if let Err(problem) = answer.await {
                    debug!(code = problem.code.as_str(), "a delivered mark could not be noted");
                }
            }
        }
    }

    /// A mark on its way to the door.
    fn mark(&self, up_to: Position, is: SocketIs) -> Option<Answer> {
        let (door, arrived) = (self.node.door.clone()?, self.node.clock.now());
        let socket = Some(MarkedSocket { session: self.viewer.session(), is });
        let mark = DeliveredBody { socket, ..DeliveredBody::of(Reader::Visitor, up_to) };
        match self.submission(Action::Mark(mark), arrived) {
            Waiting::Draft(submission) => Some(ask(door, *submission)),
            Waiting::Refused(..) => None,
        }
    }

    /// How far the visitor says it has read, on its way to the door. It marks nothing twice by
    /// itself, and a lower mark than before changes nothing.
    fn read_mark(&self, cursor: &str, arrived: Timestamp) -> Waiting {
        let tenant = self.writer.as_deref().map(|(set, _)| set.tenant());
        match tenant.map(|tenant| self.node.cursors.read(tenant, cursor)) {
            Some(Ok(up_to)) => {
                self.submission(Action::Read(ReadBody { agent: None, up_to }), arrived)
            }
            Some(Err(bad)) => {
                let problem = Problem::new(Code::BadCursor, bad.to_string());
                Waiting::Refused(None, problem.detail("read", "bad_cursor"))
            }
            None => {
                let problem = Problem::new(Code::Forbidden, "the client may not write here");
                Waiting::Refused(None, problem)
            }
        }
    }

    /// What the client asks for, on its way to the door.
    fn submission(&self, action: Action, arrived: Timestamp) -> Waiting {
        let Some((conversations, author)) = self.writer.as_deref().cloned() else {
            let problem = Problem::new(Code::Forbidden, "the client may not write here");
            return Waiting::Refused(client_message_id(&action), problem);
        };
        Waiting::Draft(Box::new(Submission {
            conversations,
            author,
            session: Some(self.viewer.session()),
            transport: Transport::Socket,
            arrived,
            action,
        }))
    }

    /// Begins, or begins anew, after the client's cursor, or with what comes from now on.
    fn subscribe(&mut self, cursor: Option<&str>) -> Result<(), ComeBack> {
        let following = self.following.as_mut().ok_or(ComeBack)?;
        let since = match cursor {
            None => Since::Now,
            Some(cursor) => {
                let read = self.node.cursors.read(following.tenant(), cursor);
                read.map_or(Since::Unknown, Since::Cursor)
            }
        };
        following.subscribe(&self.node, &self.viewer, since)
    }

    /// When the first in line will have been held for too long.
    fn held_until(&self) -> Option<Instant> {
        self.hold.and_then(|hold| Some(self.drafts.first_came()? + hold.within))
    }
}

impl Drop for Dialogue {
    fn drop(&mut self) {
        self.node.metrics.open(self.dialect()).dec();
    }
}
