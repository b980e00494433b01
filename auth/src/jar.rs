//! The jar: all of a visitor's cookies that one request carries, which belong to one visitor. Two
//! tabs that are opened at once without a cookie get one each.

use http::{HeaderMap, HeaderValue, header};
use parlor_common::planted::{self, Fault};

use crate::visitor::{VisitorToken, VisitorTokens};

/// The most cookies of a request that are looked at, of any name; browsers keep fewer for one host.
const MAX_COOKIES: usize = 256;
/// The most of them that are verified. The tabs of a page make fewer by racing each other, and junk
/// that a neighbouring host has set does not crowd out the visitor's own.
const MAX_TOKENS: usize = 64;
/// The most cookies that one answer expires, so that its head passes through any proxy; the next
/// answer expires more.
const MAX_EXPIRED: usize = 8;

/// The visitor that a request's cookies name, and what its answer should set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CookieVisitor {
    /// Who the visitor is: the oldest token, which has absorbed the others as far as there is room.
    pub token: VisitorToken,
    /// Whether the browser is to get a cookie for several visitors that it did not have yet. It is
    /// set once that is noted in their conversations, so that their open sockets learn of it.
    pub merged: bool,
    /// The `Set-Cookie` values after which the browser has one cookie, for an answer that may set
    /// cookies. Empty where it has one already.
    pub set: Vec<HeaderValue>,
}

impl VisitorTokens {
    /// The visitor of a request, by all of its cookies that verify; `None` where none does.
    ///
    /// A cookie is expired once the token stands for everybody that it stood for. One that does not
    /// verify is left alone: another node may know its key.
    pub fn from_cookies(&self, headers: &HeaderMap) -> Option<CookieVisitor> {
        let jar = self.jar(headers);
        let (first, others) = match planted::is(Fault::WrongVisitorMerged) {
            true => jar.split_last()?,
            false => jar.split_first()?,
        };
        let (_, oldest) = first;
        let token = oldest.absorbing(others.iter().map(|(_, other)| other));
        let kept = jar.iter().find(|(_, held)| *held == token).map(|(name, _)| *name);
        let merged = kept.is_none();
        let fresh = merged.then(|| self.set_cookie(&token));
        let covered = jar.iter().filter(|(name, held)| Some(*name) != kept && token.covers(held));
        let expired = covered.take(MAX_EXPIRED).filter_map(|(name, _)| self.expire_cookie(name));
        let set = fresh.into_iter().chain(expired).collect();
        Some(CookieVisitor { token, merged, set })
    }

    /// A new visitor, whom the next request names by the cookie that is set.
    pub fn introduce(&self) -> CookieVisitor {
        let token = self.issue();
        let set = vec![self.set_cookie(&token)];
        CookieVisitor { token, merged: false, set }
    }

    /// The request's cookies that verify, by name, the oldest token first.
    pub(crate) fn jar<'a>(&self, headers: &'a HeaderMap) -> Vec<(&'a str, VisitorToken)> {
        let lines = headers.get_all(header::COOKIE).iter();
        let pairs = lines.flat_map(|line| line.as_bytes().split(|&byte| byte == b';'));
        let pairs = pairs.take(MAX_COOKIES).filter_map(|pair| {
            let (name, value) = std::str::from_utf8(pair).ok()?.split_once('=')?;
            Some((name.trim(), value.trim()))
        });
        let ours = pairs.filter(|(name, _)| self.is_ours(name)).take(MAX_TOKENS);
        let mut jar: Vec<(&str, VisitorToken)> = Vec::new();
        for (name, value) in ours {
            // A proven visitor is in no cookie of ours, and becomes one visitor with none.
            if let Ok(token) = self.read(value)
                && !token.is_proven()
                && jar.iter().all(|(known, _)| *known != name)
            {
                jar.push((name, token));
            }
        }
        // By name too, so that every node keeps the same one of two that are alike.
        jar.sort_by_cached_key(|(name, token)| (token.seniority(), *name));
        jar
    }
}
