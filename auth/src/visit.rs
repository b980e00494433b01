//! What a visitor's request is allowed, decided once for REST and upgrades.

use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue, header};
use parlor_common::{
    problem::{Code, Problem},
    tenant::TenantId,
};
use percent_encoding::percent_decode;

use crate::{
    origin::{AllowedOrigin, Origin},
    tenant::Tenant,
    tenants::Tenants,
    visitor::{VisitorToken, VisitorTokens},
};

/// The header that names the tenant of a REST request.
pub const X_TENANT_ID: HeaderName = HeaderName::from_static("x-tenant-id");
/// The parameter that names the tenant of an upgrade.
pub const TENANT_PARAMETER: &str = "tenantId";
/// Where a browser says that a request comes from.
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// What a request does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A GET.
    Read,
    /// A POST.
    Write,
    /// Opens a socket.
    Upgrade,
}

/// What a request is known by. A browser adds a cookie to what any page asks; nothing but a page's
/// own script adds a bearer token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Credential {
    /// A cookie, or nothing yet.
    Cookie,
    /// `Authorization: Bearer`, or a token in a hello.
    Bearer,
}

/// What `Authorization` holds.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Bearer<'a> {
    /// Nothing.
    None,
    /// `vt_…`: a visitor's token.
    Visitor(&'a str),
    /// `pk_…`: a tenant's publishable key.
    Publishable(&'a str),
    /// Something else: an agent's JWT, it may be.
    Other(&'a str),
}

/// The tenant that `X-Tenant-ID` names.
///
/// # Errors
/// `TenantMissing`, `TenantInvalid`, `TenantUnknown`, or `Forbidden` where it is suspended.
pub fn tenant_of_header(tenants: &Tenants, headers: &HeaderMap) -> Result<Arc<Tenant>, Problem> {
    let named = headers.get_all(X_TENANT_ID).iter().map(|value| tenant_id(value.as_bytes()));
    known(tenants, &only(named)?)
}

/// The tenant that the query's `tenantId` names; `query` is the raw one, without the question mark.
///
/// # Errors
/// As [`tenant_of_header`].
pub fn tenant_of_query(tenants: &Tenants, query: Option<&str>) -> Result<Arc<Tenant>, Problem> {
    known(tenants, &only(tenants_in_query(query))?)
}

/// Refuses a header or query that names another tenant than `tenant`, which a verified token named.
///
/// # Errors
/// `Forbidden` where they disagree; `TenantInvalid` where it is no name.
pub fn agree(tenant: &TenantId, headers: &HeaderMap, query: Option<&str>) -> Result<(), Problem> {
    let of_headers = headers.get_all(X_TENANT_ID).iter().map(|value| tenant_id(value.as_bytes()));
    for named in of_headers.chain(tenants_in_query(query)) {
        // An empty one names none.
        if named.as_ref().is_err_and(|problem| problem.code == Code::TenantMissing) {
            continue;
        }
        if named? != *tenant {
            return Err(Problem::new(Code::Forbidden, "the token is another tenant's")
                .detail("tenant", "mismatch"));
        }
    }
    Ok(())
}

/// Whether a page of the request's Origin may do this with `tenant`; what to answer in the allow
/// headers.
///
/// With a cookie identity a write and an upgrade need an Origin from the tenant's list, or the
/// installation's own: that of the widget's frame, which only the tenant's pages may show. A read
/// without one is of the same origin. A bearer token needs none, since no page's cookie is abused.
/// A foreign one is refused everywhere.
///
/// # Errors
/// `OriginRefused`, to be answered without allow headers.
pub fn check_origin(
    tenant: &Tenant,
    headers: &HeaderMap,
    kind: Kind,
    credential: Credential,
) -> Result<Option<AllowedOrigin>, Problem> {
    let mut origins = headers.get_all(header::ORIGIN).iter();
    match (origins.next(), origins.next()) {
        (Some(origin), None) => match AllowedOrigin::check(&tenant.origins, origin) {
            Some(allowed) => Ok(Some(allowed)),
            // It needs no allow header, since the page asks its own origin.
            None if is_own(origin, headers) => Ok(None),
            None => Err(Problem::new(Code::OriginRefused, "the tenant does not allow this Origin")),
        },
        (Some(_), Some(_)) => Err(Problem::new(Code::OriginRefused, "more than one Origin")),
        (None, _) => match (kind, credential) {
            (Kind::Read, _) | (_, Credential::Bearer) => Ok(None),
            (Kind::Write | Kind::Upgrade, Credential::Cookie) => Err(Problem::new(
                Code::OriginRefused,
                "a request known by a cookie needs an Origin",
            )),
        },
    }
}

/// Whether a page of this Origin asks the origin that it came from: the Host that the browser names
/// is the Origin's, and so says the browser, if it says anything. No page chooses its Host.
fn is_own(origin: &HeaderValue, headers: &HeaderMap) -> bool {
    let mut hosts = headers.get_all(header::HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else { return false };
    let (Ok(origin), Ok(host)) = (origin.to_str(), host.to_str()) else { return false };
    if headers.get(SEC_FETCH_SITE).is_some_and(|site| site != "same-origin") {
        return false;
    }
    let Some((scheme, _)) = origin.split_once("://") else { return false };
    match (Origin::parse(origin), Origin::parse(&format!("{scheme}://{host}"))) {
        (Ok(origin), Ok(own)) => origin == own,
        _ => false,
    }
}

/// The Origin to allow in an answer where the tenant is not known, or is not the matter: a
/// preflight, an error. Any tenant's will do.
pub fn any_allowed_origin(tenants: &Tenants, headers: &HeaderMap) -> Option<HeaderValue> {
    let mut origins = headers.get_all(header::ORIGIN).iter();
    let (origin, None) = (origins.next()?, origins.next()) else { return None };
    tenants.any_origin(origin.to_str().ok()?).then(|| origin.clone())
}

/// Reads `Authorization: Bearer`; the scheme in any case.
///
/// # Errors
/// `Unauthorized` for another scheme, more than one header, or bytes beyond ASCII.
pub fn bearer(headers: &HeaderMap) -> Result<Bearer<'_>, Problem> {
    let refuse = || Problem::new(Code::Unauthorized, "Authorization is one Bearer token");
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let Some(value) = values.next() else { return Ok(Bearer::None) };
    if values.next().is_some() {
        return Err(refuse());
    }
    let (scheme, token) =
        value.to_str().ok().and_then(|value| value.trim().split_once(' ')).ok_or_else(refuse)?;
    let token = token.trim();
    if !scheme.eq_ignore_ascii_case("bearer") || token.is_empty() {
        return Err(refuse());
    }
    Ok(match token.get(..3) {
        Some("vt_") => Bearer::Visitor(token),
        Some("pk_") => Bearer::Publishable(token),
        _ => Bearer::Other(token),
    })
}

/// Checks the publishable key of a visitor's REST request, where the tenant wants one. Whoever has
/// a visitor's token showed the key to get it. Not for upgrades: a browser's socket cannot show
/// one.
///
/// # Errors
/// `Unauthorized` where the key is wanted and is missing or another's.
pub fn check_publishable_key(tenant: &Tenant, bearer: Bearer<'_>) -> Result<(), Problem> {
    let shown = match bearer {
        Bearer::Visitor(_) => return Ok(()),
        Bearer::Publishable(key) => Some(key),
        Bearer::None | Bearer::Other(_) => None,
    };
    if !tenant.publishable_key_required || shown.is_some_and(|key| tenant.has_publishable_key(key))
    {
        return Ok(());
    }
    Err(Problem::new(Code::Unauthorized, "the tenant's publishable key is wanted")
        .detail("authorization", "publishable_key"))
}

/// The visitor that `Authorization` names to `tenant`; `None` where it names none.
///
/// # Errors
/// `Unauthorized` for a token that does not verify, and for what is neither a visitor's token nor a
/// publishable key.
pub fn bearer_visitor(
    tokens: &VisitorTokens,
    bearer: Bearer<'_>,
    tenant: &TenantId,
) -> Result<Option<VisitorToken>, Problem> {
    let refuse = || Problem::new(Code::Unauthorized, "not a visitor's token of this installation");
    match bearer {
        Bearer::Visitor(token) => tokens.verify(token, tenant).map(Some).map_err(|_| refuse()),
        Bearer::None | Bearer::Publishable(_) => Ok(None),
        Bearer::Other(_) => Err(refuse()),
    }
}

fn tenants_in_query(query: Option<&str>) -> impl Iterator<Item = Result<TenantId, Problem>> {
    let pairs = query.unwrap_or_default().split('&').filter_map(|pair| pair.split_once('='));
    let ours = pairs.filter(|(name, _)| *name == TENANT_PARAMETER);
    // A form writes a space as `+`, and a name has neither.
    ours.map(|(_, value)| {
        tenant_id(&percent_decode(value.replace('+', " ").as_bytes()).collect::<Vec<_>>())
    })
}

/// A name from what a client wrote; bytes beyond ASCII make it none.
fn tenant_id(name: &[u8]) -> Result<TenantId, Problem> {
    if name.trim_ascii().is_empty() {
        return Err(missing());
    }
    let text = std::str::from_utf8(name).map_err(|_| None);
    let id = text.and_then(|name| TenantId::parse(name).map_err(Some));
    id.map_err(|bad| {
        let sentence =
            bad.map_or_else(|| "a tenant's name is ASCII".to_owned(), |bad| bad.to_string());
        Problem::new(Code::TenantInvalid, sentence)
    })
}

/// Several that say the same are one.
fn only(mut named: impl Iterator<Item = Result<TenantId, Problem>>) -> Result<TenantId, Problem> {
    let first = named.next().ok_or_else(missing)??;
    for other in named {
        if other? != first {
            return Err(Problem::new(Code::TenantInvalid, "more than one tenant is named"));
        }
    }
    Ok(first)
}

fn known(tenants: &Tenants, id: &TenantId) -> Result<Arc<Tenant>, Problem> {
    let tenant = tenants
        .get(id)
        .ok_or_else(|| Problem::new(Code::TenantUnknown, "there is no such tenant"))?;
    if tenant.suspended {
        return Err(
            Problem::new(Code::Forbidden, "the tenant is suspended").detail("tenant", "suspended")
        );
    }
    Ok(tenant)
}

fn missing() -> Problem {
    Problem::new(
        Code::TenantMissing,
        format!(
            "the tenant is named by the header X-Tenant-ID or, for a socket, by \
             ?{TENANT_PARAMETER}="
        ),
    )
}

// === impl Bearer ===

impl std::fmt::Debug for Bearer<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Visitor(_) => "Visitor(…)",
            Self::Publishable(_) => "Publishable(…)",
            Self::Other(_) => "Other(…)",
        })
    }
}

#[cfg(test)]
mod tests;
