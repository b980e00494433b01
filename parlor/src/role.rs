//! The roles of the one binary, and the parts that each is made of.

/// What a node is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Everything, on the embedded log and store.
    Alone,
    /// The tier that visitors reach.
    Ingress,
    /// The tier that agents' dashboards subscribe to.
    Fanout,
    /// The consumer that writes the database.
    Persister,
}

/// What a node is made of. Everything else that differs between roles follows from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each part is there or not, in any combination")]
pub(crate) struct Parts {
    /// The embedded log and store in the data folder; without it, the cluster's.
    pub(crate) embedded: bool,
    /// REST, in front of the door.
    pub(crate) rest: bool,
    /// The sockets of visitors, in front of the door.
    pub(crate) visitors: bool,
    /// The sockets of agents.
    pub(crate) agents: bool,
    /// The consumer that writes the store.
    pub(crate) persister: bool,
}

// === impl Role ===

impl Role {
    /// What it is made of.
    pub(crate) const fn parts(self) -> Parts {
        const NONE: Parts = Parts {
            embedded: false,
            rest: false,
            visitors: false,
            agents: false,
            persister: false,
        };
        match self {
            Self::Alone => {
                Parts { embedded: true, rest: true, visitors: true, agents: true, persister: true }
            }
            Self::Ingress => Parts { rest: true, visitors: true, ..NONE },
            Self::Fanout => Parts { agents: true, ..NONE },
            Self::Persister => Parts { persister: true, ..NONE },
        }
    }
}

// === impl Parts ===

impl Parts {
    /// Whether clients reach it.
    pub(crate) const fn listens(self) -> bool {
        self.rest || self.visitors || self.agents
    }

    /// Whether a balancer in front of it has to see that it is no longer ready before it stops.
    pub(crate) const fn lingers(self) -> bool {
        self.listens() && !self.embedded
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_clients_reach_through_a_balancer_lingers() {
        let of = |role: Role| (role.parts().listens(), role.parts().lingers());
        assert_eq!(of(Role::Alone), (true, false));
        assert_eq!(of(Role::Ingress), (true, true));
        assert_eq!(of(Role::Fanout), (true, true));
        assert_eq!(of(Role::Persister), (false, false));
    }
}
