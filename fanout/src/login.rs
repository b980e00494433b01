//! The login: by what a client is known once it says who it is.

use http::HeaderMap;
use parlor_auth::{Agents, Refused, Tenants, VisitorToken, VisitorTokens, visit};
use parlor_common::{
    author::Author, clock::Timestamp, close::CloseCode, conversation::ConversationSet,
    tenant::TenantId,
};
use parlor_history::Scope;

/// By what a client is known that says who it is in a frame.
#[derive(Debug)]
pub(crate) enum Login {
    /// A visitor's token, in the frame or a cookie.
    Visitor {
        /// Reads the one in the frame.
        tokens: VisitorTokens,
        /// Whose visitor.
        tenant: TenantId,
        /// Who the cookie says it is; `None` where no page's Origin vouches for cookies.
        cookie: Option<VisitorToken>,
    },
    /// An agent's token, in the frame.
    Agent(Box<AgentLogin>),
}

/// By what an agent is known, and what the upgrade claimed.
#[derive(Debug)]
pub(crate) struct AgentLogin {
    pub(crate) agents: Agents,
    pub(crate) tenants: Tenants,
    /// The tenant that the upgrade named, for the balancer: the token must agree.
    pub(crate) hint: Option<TenantId>,
    /// The upgrade's Origin headers.
    pub(crate) origins: HeaderMap,
}

/// A client that has said who it is.
#[derive(Debug)]
pub(crate) struct Known {
    /// What it may follow.
    pub(crate) scope: Scope,
    /// As whom and where it may write; `None` where it only listens.
    pub(crate) writer: Option<(ConversationSet, Author)>,
    /// When its token ends; `None` for never.
    pub(crate) ends: Option<Timestamp>,
    /// As whom it types, and is there.
    pub(crate) person: Author,
}

// === impl Login ===

impl Login {
    /// Who a client with this token in its frame is.
    ///
    /// # Errors
    /// The code to close with: the token is bad, or not allowed here.
    pub(crate) fn identify(&self, token: Option<&str>) -> Result<Known, CloseCode> {
        match self {
            Self::Visitor { tokens, tenant, cookie } => {
                let visitor = match (token, cookie) {
                    (Some(token), _) => {
                        &tokens.verify(token, tenant).map_err(|_| CloseCode::BadToken)?
                    }
                    (None, Some(cookie)) => cookie,
                    (None, None) => return Err(CloseCode::BadToken),
                };
                Ok(Known::visitor(visitor, tenant))
            }
            Self::Agent(login) => login.identify(token.ok_or(CloseCode::BadToken)?),
        }
    }
}

// === impl Known ===

impl Known {
    /// A visitor of a tenant, who follows and writes what is its own.
    pub(crate) fn visitor(visitor: &VisitorToken, tenant: &TenantId) -> Self {
        let conversations = visitor.conversations(tenant);
        Self {
            scope: Scope::Conversations(conversations.clone()),
            writer: Some((conversations, visitor.author())),
            ends: visitor.ends(),
            person: visitor.author(),
        }
    }
}

// === impl AgentLogin ===

impl AgentLogin {
    fn identify(&self, token: &str) -> Result<Known, CloseCode> {
        let agent = self.agents.verify(token).map_err(|refused| match refused {
            Refused::Suspended => CloseCode::TenantSuspended,
            Refused::KeysPending => CloseCode::Again,
            _ => CloseCode::BadToken,
        })?;
        if self.hint.as_ref().is_some_and(|hint| *hint != agent.tenant) {
            return Err(CloseCode::Forbidden);
        }
        let tenant = self.tenants.get(&agent.tenant).ok_or(CloseCode::BadToken)?;
        // A client that is no page has no Origin. It is let in, since a browser never sends the
        // token by itself.
        visit::check_origin(
            &tenant,
            &self.origins,
            visit::Kind::Upgrade,
            visit::Credential::Bearer,
        )
        .map_err(|problem| problem.code.close_code())?;
        let person = agent.author();
        let (scope, ends) = (Scope::Tenant(agent.tenant), Some(agent.expires));
        Ok(Known { scope, writer: None, ends, person })
    }
}
