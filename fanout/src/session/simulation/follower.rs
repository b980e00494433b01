//! A client of protocol 1, a visitor's or an agent's, and the judge of what it is shown.

use std::collections::VecDeque;

use parlor_common::event::Audience;
use parlor_common::{frame::ServerFrame, position::Position};
use serde_json::json;

use super::{
    dice::Dice,
    door::id_of,
    line::{Frame, Line, Queue},
    truth::{List, number_within},
    view::{Asked, Since, View},
    world::{SimNode, World},
};
use crate::{
    dialect::{Dialect, Identity, parlor1::Parlor1},
    login::{AgentLogin, Login},
    session::dialogue::Dialogue,
};

/// One client, over all its connections.
pub(crate) struct Follower {
    name: String,
    /// Whose; `None` for an agent.
    visitor: Option<usize>,
    list: List,
    pub(crate) line: Option<Line>,
    /// How far it has got, for its next connection.
    position: Option<Position>,
    view: View,
    /// What it has to say, and what it waits for an answer to: a draft, or a frame without sense.
    unsent: Queue,
    unanswered: VecDeque<Option<u64>>,
    /// How often it was told of a gap.
    pub(crate) gaps: u64,
}

// === impl Follower ===

impl Follower {
    pub(crate) fn new(world: &World, visitor: Option<usize>) -> Self {
        let list = match visitor {
            Some(visitor) => List::Conversation(world.conversation(visitor)),
            None => List::Tenant(world.tenant.to_string()),
        };
        Self {
            name: visitor.map_or_else(|| "an agent".to_owned(), |v| format!("visitor {v}")),
            visitor,
            list,
            line: None,
            position: None,
            view: View::default(),
            unsent: Queue::new(),
            unanswered: VecDeque::new(),
            gaps: 0,
        }
    }

    /// Connects, says hello and subscribes.
    pub(crate) fn connect(&mut self, world: &World, at: &SimNode, dice: &mut Dice) {
        let (node, audience, login, token) = match self.visitor {
            Some(visitor) => {
                let (tokens, tenant) = (world.tokens.clone(), world.tenant.clone());
                let token = world.tokens.write(&world.visitors[visitor]);
                let login = Login::Visitor { tokens, tenant, cookie: None };
                (&at.node, Audience::Visitor, login, token)
            }
            None => {
                let (agents, tenants) = (world.agents(), world.tenants.clone());
                let origins = http::HeaderMap::new();
                let login = Box::new(AgentLogin { agents, tenants, hint: None, origins });
                (&at.agents, Audience::Agents, Login::Agent(login), world.agent_token.clone())
            }
        };
        let Identity::Frame(speaker) = Parlor1.identity() else { unreachable!() };
        let speaker = speaker(login, &node.settings);
        let open = node.one_more().unwrap();
        let dialogue = Dialogue::new(node.clone(), &Parlor1, audience, speaker, open);
        let mut line = Line::open(dialogue, dice.one_of(&[300, 2_000, 1 << 16]));
        let hello = json!({"type": "hello", "protocol": 1, "token": token});
        line.send(&hello.to_string(), dice);
        self.line = Some(line);
        self.view = View::default();
        // What was not answered goes again, under the same id.
        for number in std::mem::take(&mut self.unanswered).into_iter().flatten().rev() {
            self.unsent.push_front(number);
        }
        self.subscribe(world, self.position.map_or(Since::Now, Since::Cursor), dice);
    }

    fn subscribe(&mut self, world: &World, since: Since, dice: &mut Dice) {
        let Some(line) = &mut self.line else { return };
        let frame = match since {
            Since::Now => json!({"type": "subscribe"}),
            Since::Cursor(position) => {
                let cursor = world.cursors.write(&world.tenant, position);
                json!({"type": "subscribe", "since": cursor})
            }
            Since::Forged => json!({"type": "subscribe", "since": "AAAAAAAAAAAAAAAAAAAAAA"}),
        };
        line.send(&frame.to_string(), dice);
        if self.view.asked.is_empty() {
            (self.view.replay, self.view.replayed) = (None, 0);
        }
        self.view.asked.push_back(Asked { since, calm: world.calm });
    }

    /// Does something that a client may do.
    pub(crate) fn act(&mut self, world: &mut World, dice: &mut Dice) {
        let Some(line) = &mut self.line else { return };
        if line.is_hung_up() {
            return;
        }
        match dice.below(20) {
            0 => line.hang_up(),
            1..=4 if self.view.asked.len() < 2 && !world.calm => {
                let since = self.any_since(world, dice);
                self.subscribe(world, since, dice);
            }
            5 if !world.calm => {
                line.send("{\"type\":\"nonsense\"}", dice);
                self.unanswered.push_back(None);
            }
            _ if self.visitor.is_some() => {
                if self.unsent.is_empty() && !world.calm {
                    self.unsent.push_back(world.number());
                }
                self.say(world, dice);
            }
            _ => {}
        }
    }

    fn say(&mut self, world: &World, dice: &mut Dice) {
        let Some(line) = &mut self.line else { return };
        let Some(number) = self.unsent.pop_front() else { return };
        let id = id_of(number).to_string();
        let before = self.unanswered.iter().flatten().copied().collect();
        world.door.sent(line.session, number, false, before);
        let text = format!("m{number}");
        // The field by which a judge knows the message comes last.
        line.send(
            &format!("{{\"type\":\"message\",\"clientMessageId\":\"{id}\",\"text\":\"{text}\"}}"),
            dice,
        );
        self.unanswered.push_back(Some(number));
    }

    /// A position that it has seen, an older or a later one, or none.
    fn any_since(&self, world: &World, dice: &mut Dice) -> Since {
        let truth = world.log.truth();
        match dice.below(8) {
            0 => Since::Now,
            1 => Since::Forged,
            2 => Since::Cursor(truth.position_before(dice.below(truth.entries.len() + 1))),
            _ => {
                let back = truth.entries.len().saturating_sub(dice.below(12));
                let near = truth.position_before(back);
                Since::Cursor(self.position.map_or(near, |position| near.min(position)))
            }
        }
    }

    /// Reads what was sent to it, and judges it.
    pub(crate) fn read(&mut self, world: &World, most: usize) {
        let Some(line) = &mut self.line else { return };
        let frames = line.read(most);
        for frame in frames {
            match frame {
                Frame::Text(text) => self.text(world, &text),
                Frame::Ping(payload) => {
                    if let Some(line) = &mut self.line {
                        line.frame(0x8a, &payload);
                    }
                }
                Frame::Close(code) => {
                    // Ends, is drained, is slow, says hello late, or its tenant is suspended.
                    let expected = [1000, 4000, 4001, 4002, 4502, 4504];
                    assert!(expected.contains(&code), "{} is closed with {code}", self.name);
                    if let Some(line) = &mut self.line {
                        line.frame(0x88, &code.to_be_bytes());
                        line.hang_up();
                    }
                }
            }
        }
    }

    fn text(&mut self, world: &World, text: &str) {
        if text.starts_with("{\"type\":\"message\"") {
            let number = number_within(text).expect("a message has its number");
            let who = (&*self.name, &self.list);
            self.position = Some(self.view.message(&world.log.truth(), who, number));
            return;
        }
        match serde_json::from_str(text).expect("a frame of protocol 1") {
            ServerFrame::Subscribed { recovered, cursor, replayed } => {
                let cursor = world.cursors.read(&world.tenant, &cursor).unwrap();
                let (truth, who) = (world.log.truth(), (&*self.name, &self.list));
                self.view.subscribed(&truth, who, (recovered, cursor, replayed));
                self.gaps += u64::from(!recovered);
                self.position = Some(cursor);
            }
            ServerFrame::Accepted { client_message_id, .. } => {
                self.answered(world, Some(&client_message_id), false);
            }
            ServerFrame::Error { client_message_id, error } => {
                self.answered(world, client_message_id.as_deref(), error.retryable);
            }
            ServerFrame::Hello { .. }
            | ServerFrame::Reconnect { .. }
            | ServerFrame::Linked { .. } => {}
            ServerFrame::Note { .. }
            | ServerFrame::Change { .. }
            | ServerFrame::Read { .. }
            | ServerFrame::Profile { .. }
            | ServerFrame::Rating { .. }
            | ServerFrame::Desk { .. } => unreachable!("nobody of the simulation does this"),
            ServerFrame::Message { .. } => unreachable!(),
        }
    }

    /// Answers come in the order of what they answer.
    fn answered(&mut self, world: &World, id: Option<&str>, again: bool) {
        let first = self.unanswered.pop_front().expect("an answer to something");
        let expected = first.map(|number| id_of(number).to_string());
        assert_eq!(id, expected.as_deref(), "{}: answers are out of order", self.name);
        if let Some(number) = first.filter(|_| again) {
            if let Some(line) = &self.line {
                world.door.told(line.session, number);
            }
            self.unsent.push_back(number);
        }
    }

    pub(crate) fn told(&self) -> String {
        format!(
            "{}: line {:?}, at {:?}, unsent {:?}, unanswered {:?}, asked {:?}, live {:?}",
            self.name,
            self.line.as_ref().map(Line::is_hung_up),
            self.position,
            self.unsent,
            self.unanswered,
            self.view.asked,
            self.view.live,
        )
    }

    /// Whether it has everything, and nothing is on its way.
    pub(crate) fn is_settled(&self, world: &World) -> bool {
        let truth = world.log.truth();
        let all = self.position.is_some_and(|at| truth.after(&self.list, at).is_empty());
        let open = self.line.as_ref().is_some_and(|line| !line.is_hung_up());
        let quiet = self.unsent.is_empty() && self.unanswered.is_empty();
        open && all && quiet && self.view.asked.is_empty()
    }

    /// What a client does that has nothing better to do: it sends what it has to send.
    pub(crate) fn go_on(&mut self, world: &World, dice: &mut Dice) {
        if self.line.as_ref().is_some_and(|line| !line.is_hung_up()) {
            self.say(world, dice);
        }
    }
}
