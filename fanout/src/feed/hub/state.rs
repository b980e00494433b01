//! What the hub knows of one shard: its ring, and who follows what of it. All of it is behind the
//! shard's lock.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use parlor_common::{
    conversation::ConversationKey, event::LinkedBody, position::Position, tenant::TenantId,
};
use parlor_history::Scope;
use tokio::time::Instant;

use super::circle::Circle;
use crate::{
    feed::{item::Item, ring::Ring, span::Coverage},
    session::viewer::Viewer,
};

#[derive(Debug, Default)]
pub(super) struct State {
    /// `None` while nobody follows the shard. It is changed under this lock together with `live`.
    pub(super) ring: Option<Ring<Item>>,
    pub(super) conversations: HashMap<ConversationKey, Circle<Subscriber>>,
    pub(super) tenants: HashMap<TenantId, Circle<Subscriber>>,
    /// Crowds for which something waits, and when they are to be woken. Each is here once.
    pub(super) crowds: Vec<(Instant, Crowd)>,
}

/// The key of a circle that is a crowd.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Crowd {
    Conversation(ConversationKey),
    Tenant(TenantId),
}

#[derive(Debug)]
pub(super) struct Subscriber {
    pub(super) viewer: Arc<Viewer>,
    /// Changed under the shard's lock alone.
    pub(super) scope: Mutex<Scope>,
    /// The client has everything up to here, so that only what comes later is shown.
    pub(super) after: Position,
    /// What an earlier subscription of the same connection has shown is not shown again.
    pub(super) shown: Option<Coverage>,
}

// === impl State ===

impl State {
    pub(super) fn insert(&mut self, subscriber: &Arc<Subscriber>) {
        match &*subscriber.scope() {
            Scope::Tenant(tenant) => {
                self.tenants.entry(tenant.clone()).or_default().add(subscriber.clone())
            }
            Scope::Conversations(set) => {
                for key in set.keys() {
                    self.conversations.entry(key).or_default().add(subscriber.clone());
                }
            }
        }
    }

    pub(super) fn remove(&mut self, subscriber: &Arc<Subscriber>) {
        match &*subscriber.scope() {
            Scope::Tenant(tenant) => remove(&mut self.tenants, tenant, subscriber),
            Scope::Conversations(set) => {
                set.keys().for_each(|key| remove(&mut self.conversations, &key, subscriber))
            }
        }
    }

    /// Wakes the crowds whose time comes within this one, and tells when the next one's does.
    pub(super) fn wake(&mut self, ahead: Duration) -> Option<Instant> {
        let Self { conversations, tenants, crowds, .. } = self;
        if crowds.is_empty() {
            return None;
        }
        let now = Instant::now();
        let until = now + ahead;
        crowds.retain(|(at, crowd)| {
            let is_due = *at <= until;
            let circle = match crowd {
                Crowd::Conversation(key) => conversations.get_mut(key),
                Crowd::Tenant(tenant) => tenants.get_mut(tenant),
            };
            // One that has lost its members has nobody to wake.
            if let Some(circle) = circle.filter(|_| is_due) {
                wake(circle, now);
            }
            !is_due
        });
        crowds.iter().map(|(at, _)| *at).min()
    }

    /// The visitors that follow `conversation` follow the others of the link too, from now on.
    pub(super) fn link(&mut self, conversation: &ConversationKey, linked: &LinkedBody) {
        let circle = self.conversations.get(conversation);
        for subscriber in circle.map(|circle| circle.members().to_vec()).unwrap_or_default() {
            let Scope::Conversations(set) = subscriber.scope().clone() else { continue };
            if !linked.extends(&set) {
                continue;
            }
            let set = set.linked(linked.visitor, &linked.absorbed);
            self.remove(&subscriber);
            *subscriber.scope() = Scope::Conversations(set);
            self.insert(&subscriber);
            subscriber.viewer.link(linked.clone());
        }
    }
}

fn remove<K: Eq + std::hash::Hash>(
    map: &mut HashMap<K, Circle<Subscriber>>,
    key: &K,
    subscriber: &Arc<Subscriber>,
) {
    let Some(circle) = map.get_mut(key) else { return };
    circle.remove(subscriber);
    if circle.is_empty() {
        map.remove(key);
    }
}

/// Wakes all of a circle.
pub(super) fn wake(circle: &mut Circle<Subscriber>, now: Instant) {
    circle.members().iter().for_each(|member| member.viewer.outbox().wake());
    circle.woken(now);
}

// === impl Subscriber ===

impl Subscriber {
    pub(super) fn scope(&self) -> MutexGuard<'_, Scope> {
        self.scope.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn awaits(&self, position: Position) -> bool {
        position > self.after && !self.shown.is_some_and(|shown| shown.contains(position))
    }
}
