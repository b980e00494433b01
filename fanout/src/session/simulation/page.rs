//! A page of the widget, and the judge of what it is shown: agents' messages once and in order,
//! over all its connections; a message comes again only where its pong was not noted.

use std::{collections::HashSet, future::Future, pin::Pin};

use parlor_common::{event::Audience, position::Position};
use parlor_history::{HistoryError, HistoryPage, LeftOff};
use parlor_http::page_loads::{PageKey, PageLoad, PageOpening, Snapshot};
use parlor_store::PageRange;

use super::{
    dice::Dice,
    line::{Frame, Line, ready},
    truth::{List, number_within},
    world::{SimNode, World},
};
use crate::{
    SocketSettings,
    dialect::{Dialect, Identity, widget::Widget},
    login::Known,
    session::dialogue::Dialogue,
};

/// One page, which is loaded and comes back.
pub(crate) struct Page {
    visitor: usize,
    list: List,
    pub(crate) line: Option<Line>,
    opening: Option<Opening>,
    get: Option<Get>,
    /// Everything that agents wrote up to here is on it; `None` where that cannot be said.
    whole: Option<Position>,
    /// What this connection shows next follows this; `None` where it began with what was then.
    next_after: Option<Position>,
    /// The last that this connection was shown, and what was received when its last ping came.
    last: Position,
    received: Position,
    shown: HashSet<Position>,
}

/// A GET on its way.
struct Get {
    answer: Pin<Box<dyn Future<Output = Result<HistoryPage, HistoryError>>>>,
    load: PageLoad,
    asked_at: Position,
}

/// How a page opens, how far it had got, and whether its shard is followed.
type Opens = (PageOpening, Option<LeftOff>, bool);

/// An upgrade on its way: what `Client::visitor` of the endpoint does before the 101.
struct Opening {
    dialogue: Dialogue,
    waits: Pin<Box<dyn Future<Output = Opens>>>,
    /// Nothing has failed since.
    calm: bool,
}

// === impl Page ===

impl Page {
    pub(crate) fn new(world: &World, visitor: usize) -> Self {
        Self {
            visitor,
            list: List::ByAgents(world.conversation(visitor)),
            line: None,
            opening: None,
            get: None,
            whole: None,
            next_after: None,
            last: Position::ZERO,
            received: Position::ZERO,
            shown: HashSet::new(),
        }
    }

    fn key(&self, world: &World) -> PageKey {
        let visitor = world.visitors[self.visitor].visitor();
        let address = std::net::Ipv4Addr::LOCALHOST.into();
        PageKey::new(world.tenant.clone(), Some(visitor), address, &http::HeaderMap::new())
    }

    /// Loads the page, which sends a GET; or lets it come back, which does not.
    pub(crate) fn connect(&mut self, world: &World, at: &SimNode, dice: &mut Dice) {
        if self.get.is_some() || self.opening.is_some() {
            return;
        }
        if self.whole.is_none() || dice.percent(30) {
            (self.whole, self.received) = (None, Position::ZERO);
            let set = world.visitors[self.visitor].conversations(&world.tenant);
            let history = at.node.history.clone();
            self.get = Some(Get {
                load: at.node.page_loads.begin(self.key(world)),
                asked_at: world.log.truth().end(),
                answer: Box::pin(async move {
                    let newest = PageRange::Before(Position::MAX);
                    history.page(&set, Audience::Visitor, newest, 50).await
                }),
            });
        }
        let Identity::Upgrade(speaker) = Widget.identity() else { unreachable!() };
        let open = at.node.one_more().unwrap();
        let node = at.node.clone();
        let mut dialogue = Dialogue::new(node.clone(), &Widget, Audience::Visitor, speaker(), open);
        dialogue.enter(Known::visitor(&world.visitors[self.visitor], &world.tenant));
        let (followed, key) = (dialogue.followed(), self.key(world));
        let conversations = world.visitors[self.visitor].conversations(&world.tenant);
        let waits = Box::pin(async move {
            let SocketSettings { load_within, load_ahead, .. } = node.settings;
            let opening = async {
                let opening = node.page_loads.opening(&key, load_within, load_ahead).await;
                if opening != PageOpening::ComesBack {
                    return (opening, None);
                }
                let open = node.hub.sessions(&conversations);
                let is_open = |session| open.contains(&session);
                let now = node.clock.now();
                let left_off = node.history.comes_back_at(&conversations, now, is_open);
                let left_off = tokio::time::timeout(load_within, left_off).await;
                (opening, left_off.ok().and_then(Result::ok))
            };
            let ((opening, left_off), followed) = tokio::join!(opening, followed);
            (opening, left_off, followed)
        });
        self.opening = Some(Opening { dialogue, waits, calm: world.calm });
    }

    /// Goes on with the GET and the upgrade.
    pub(crate) fn go_on(&mut self, world: &World, dice: &mut Dice) {
        if let Some(get) = &mut self.get
            && let Some(answer) = ready(get.answer.as_mut())
            && let Some(get) = self.get.take()
        {
            self.answered(world, answer, get);
        }
        let Some(opening) = &mut self.opening else { return };
        let Some((opens, delivered, followed)) = ready(opening.waits.as_mut()) else { return };
        let Some(Opening { mut dialogue, calm, .. }) = self.opening.take() else { return };
        if !followed || dialogue.open(opens, delivered).is_err() {
            return;
        }
        self.next_after = match (opens, delivered) {
            (PageOpening::Loads(Some(snapshot)), _) => Some(snapshot.through),
            (PageOpening::ComesBack, Some(LeftOff { up_to: delivered, .. })) => {
                let whole = self.whole.unwrap_or(delivered);
                let missed = world.log.truth().next(&self.list, whole, &HashSet::new());
                let missed = missed.filter(|missed| *missed <= delivered);
                assert!(missed.is_none(), "the mark covers {missed:?}, which no page has");
                Some(delivered)
            }
            // What was said meanwhile is not shown: this page is not whole any more.
            _ => None,
        };
        if self.next_after.is_none() {
            assert!(!calm || opens == PageOpening::Loads(None), "{opens:?} after {delivered:?}");
            self.whole = None;
        }
        self.last = Position::ZERO;
        self.shown.clear();
        self.line = Some(Line::open(dialogue, dice.one_of(&[300, 2_000, 1 << 16])));
    }

    fn answered(
        &mut self,
        world: &World,
        answer: Result<HistoryPage, HistoryError>,
        Get { load, asked_at, .. }: Get,
    ) {
        let Ok(page) = answer else { return };
        let truth = world.log.truth();
        let list = List::Conversation(world.conversation(self.visitor));
        let all = truth.after(&list, Position::ZERO);
        let within = all.partition_point(|position| *position <= page.through);
        let expected = &all[within.saturating_sub(50)..within];
        let got: Vec<Position> = page.events.iter().map(|event| event.position).collect();
        // What is newer than the page's position is left to its socket, and may leave it shorter.
        let whole = got == expected || page.more && expected.ends_with(&got);
        assert!(page.incomplete || whole, "a page of history shows {got:?} and not {expected:?}");
        assert!(page.through >= asked_at, "a page through {} misses {asked_at}", page.through);
        drop(truth);
        let last = got.last().copied();
        load.answered(Snapshot { through: page.through, last });
        // Its socket may be open already, where the answer took too long.
        if self.opening.is_some() {
            self.whole = Some(page.through);
            self.received = last.unwrap_or_default();
        }
    }

    /// Does something that a page may do.
    pub(crate) fn act(&mut self, world: &mut World, dice: &mut Dice) {
        let Some(line) = &mut self.line else { return };
        if line.is_hung_up() {
            return;
        }
        match dice.below(12) {
            0 => line.hang_up(),
            1 => line.send("{\"type\":\"nonsense\"}", dice),
            _ if !world.calm => {
                let number = world.number();
                world.door.sent(line.session, number, true, Vec::new());
                let tenant = &world.tenant;
                let frame = format!(
                    "{{\"type\":\"message\",\"tenantId\":\"{tenant}\",\"text\":\"m{number}\"}}"
                );
                line.send(&frame, dice);
            }
            _ => {}
        }
    }

    /// Reads what was sent to it, and judges it.
    pub(crate) fn read(&mut self, world: &World, most: usize, answers: bool) {
        let Some(line) = &mut self.line else { return };
        let frames = line.read(most);
        for frame in frames {
            match frame {
                Frame::Text(text) => {
                    let number = number_within(&text).expect("a widget is shown messages alone");
                    self.message(world, number);
                }
                Frame::Ping(payload) if answers => self.pong(world, &payload),
                Frame::Ping(_) => {}
                Frame::Close(code) => {
                    if let Some(line) = &mut self.line {
                        line.frame(0x88, &code.to_be_bytes());
                        line.hang_up();
                    }
                }
            }
        }
    }

    /// The pong says that everything before its ping was received.
    fn pong(&mut self, world: &World, payload: &[u8]) {
        let mut truth = world.log.truth();
        let known = truth.acknowledged.entry(world.conversation(self.visitor)).or_default();
        *known = self.received.max(*known);
        drop(truth);
        if let Some(line) = &mut self.line {
            line.frame(0x8a, payload);
        }
    }

    fn message(&mut self, world: &World, number: u64) {
        let truth = world.log.truth();
        let Some(line) = &self.line else { return };
        let said = truth.said(number).expect("what is shown was accepted");
        let position = said.position;
        let name = format!("page {}", self.visitor);
        assert_eq!(said.conversation, world.conversation(self.visitor), "{name}: not its own");
        assert!(said.session != Some(line.session), "{name} is shown what it sent");
        assert!(position > self.last, "{name} is shown {position} after {}", self.last);
        self.last = position;
        self.received = position.max(self.received);
        if !said.by_agent {
            return;
        }
        if let Some(after) = self.next_after {
            let next = truth.next(&self.list, after, &HashSet::new());
            assert_eq!(next, Some(position), "{name}: the next after {after}");
        }
        self.next_after = Some(position);
        // It has everything up to where this connection began, and everything since.
        if let Some(whole) = &mut self.whole {
            *whole = position.max(*whole);
        }
    }

    /// Its node has died.
    pub(crate) fn killed(&mut self) {
        (self.line, self.opening, self.get) = (None, None, None);
    }

    /// Loads the page anew where it lacks something, as its visitor would.
    pub(crate) fn reload(&mut self) {
        if let (None, Some(line)) = (self.whole, &mut self.line) {
            line.hang_up();
        }
    }

    pub(crate) fn told(&self) -> String {
        format!(
            "page {}: line {:?}, opening {}, get {}, whole {:?}, next after {:?}",
            self.visitor,
            self.line.as_ref().map(Line::is_hung_up),
            self.opening.is_some(),
            self.get.is_some(),
            self.whole,
            self.next_after,
        )
    }

    /// Whether it has everything, and nothing is on its way.
    pub(crate) fn is_settled(&self, world: &World) -> bool {
        let open = self.line.as_ref().is_some_and(|line| !line.is_hung_up());
        let truth = world.log.truth();
        open && self.whole.is_some_and(|whole| truth.after(&self.list, whole).is_empty())
    }
}
