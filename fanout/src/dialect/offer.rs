//! The offer: an upgrade, as far as a dialect may want to know of it.

use http::{HeaderMap, Request, Uri, header};
use parlor_auth::visit;
use parlor_common::event::Audience;

use crate::socket::headers;

/// What an upgrade asks for, and where.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Offer<'a> {
    /// Whose sockets the endpoint has.
    pub(crate) audience: Audience,
    uri: &'a Uri,
    headers: &'a HeaderMap,
}

// === impl Offer ===

impl<'a> Offer<'a> {
    /// Of a request to the endpoint of this audience.
    pub(crate) fn of<B>(request: &'a Request<B>, audience: Audience) -> Self {
        Self { audience, uri: request.uri(), headers: request.headers() }
    }

    /// Where it came to.
    pub(crate) fn path(&self) -> &str {
        self.uri.path()
    }

    /// Whether it came to one of the endpoint's own addresses, which several dialects share.
    pub(crate) fn at_endpoint(&self) -> bool {
        match (self.audience, self.path()) {
            (Audience::Visitor, "/ws/chat" | "/ws/chat/")
            | (Audience::Agents, "/ws/agent" | "/ws/agent/") => true,
            // A base without a path; what else is served there is not for us.
            (Audience::Visitor, "/") => self.tenant_query().is_some(),
            (Audience::Visitor | Audience::Agents, _) => false,
        }
    }

    /// Whether it is an upgrade to WebSocket.
    pub(crate) fn is_upgrade(&self) -> bool {
        headers::has_word(self.headers, &header::UPGRADE, "websocket")
    }

    /// Whether the client offers to speak this WebSocket subprotocol.
    pub(crate) fn asks_for(&self, subprotocol: &str) -> bool {
        headers::has_word(self.headers, &header::SEC_WEBSOCKET_PROTOCOL, subprotocol)
    }

    /// Whether the client names no WebSocket subprotocol at all.
    pub(crate) fn asks_for_none(&self) -> bool {
        !self.headers.contains_key(header::SEC_WEBSOCKET_PROTOCOL)
    }

    /// The query with the tenant's parameter under its first name: the widget takes `tenantId`,
    /// else `tenant`, from its own. `None` where neither names anything.
    pub(crate) fn tenant_query(&self) -> Option<String> {
        tenant_query(self.uri.query())
    }
}

fn tenant_query(query: Option<&str>) -> Option<String> {
    let pairs = query?.split('&').filter_map(|pair| pair.split_once('='));
    let named = |wanted: &'static str| {
        pairs.clone().filter(move |(name, value)| *name == wanted && !value.is_empty())
    };
    let wanted = if named(visit::TENANT_PARAMETER).next().is_some() {
        visit::TENANT_PARAMETER
    } else {
        "tenant"
    };
    let tenants: Vec<_> =
        named(wanted).map(|(_, value)| format!("{}={value}", visit::TENANT_PARAMETER)).collect();
    (!tenants.is_empty()).then(|| tenants.join("&"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tenant_is_named_by_tenant_id_else_by_tenant() {
        assert_eq!(tenant_query(Some("a=b&tenantId=x&tenant=y")).as_deref(), Some("tenantId=x"));
        assert_eq!(tenant_query(Some("tenantId=&tenant=y%20")).as_deref(), Some("tenantId=y%20"));
        assert_eq!(
            tenant_query(Some("tenantId=x&tenantId=y")).as_deref(),
            Some("tenantId=x&tenantId=y")
        );
        for query in
            [None, Some(""), Some("tenantId"), Some("tenantId=&tenant="), Some("TENANTID=x")]
        {
            assert_eq!(tenant_query(query), None, "{query:?}");
        }
    }
}
