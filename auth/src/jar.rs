//! The jar: all of a visitor's cookies that one request carries.

use http::{HeaderMap, header};

use crate::visitor::{VisitorToken, VisitorTokens};

/// The most cookies of a request that are looked at, of any name; browsers keep fewer for one host.
const MAX_COOKIES: usize = 256;
/// The most of them that are verified. The tabs of a page make fewer by racing each other, and junk
/// that a neighbouring host has set does not crowd out the visitor's own.
const MAX_TOKENS: usize = 64;

/// A visitor's cookies. A request that carries several belongs to one visitor: two tabs opened at
/// once each got one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Jar {
    /// Oldest first.
    tokens: Vec<VisitorToken>,
    /// The names of all cookies that are ours by name, those that do not verify included.
    names: Vec<String>,
}

impl Jar {
    /// The visitor: the oldest token.
    pub fn primary(&self) -> Option<&VisitorToken> {
        self.tokens.first()
    }

    /// The other visitors the jar holds, oldest first.
    pub fn others(&self) -> &[VisitorToken] {
        self.tokens.get(1..).unwrap_or_default()
    }

    /// The visitor with all the others absorbed, as far as there is room.
    pub fn merged(&self) -> Option<VisitorToken> {
        self.primary().map(|primary| primary.absorbing(self.others()))
    }

    /// The names of the cookies, to expire them once the merged token is set.
    pub fn names(&self) -> &[String] {
        &self.names
    }
}

impl VisitorTokens {
    /// Reads the request's cookies. Cookies that do not verify count as none.
    pub fn jar(&self, headers: &HeaderMap) -> Jar {
        let mut jar = Jar::default();
        let lines = headers.get_all(header::COOKIE).iter();
        let pairs = lines.flat_map(|line| line.as_bytes().split(|&byte| byte == b';'));
        for pair in pairs.take(MAX_COOKIES) {
            let Some((name, value)) =
                std::str::from_utf8(pair).ok().and_then(|pair| pair.split_once('='))
            else {
                continue;
            };
            let name = name.trim();
            if jar.names.len() == MAX_TOKENS {
                break;
            }
            if !self.is_ours(name) || jar.names.iter().any(|known| known == name) {
                continue;
            }
            jar.names.push(name.to_owned());
            jar.tokens.extend(self.read(value.trim()));
        }
        jar.tokens.sort_by_cached_key(VisitorToken::seniority);
        // Where one visitor is there twice, one token stands for what both have absorbed.
        jar.tokens.dedup_by(|later, earlier| {
            let same = later.visitor() == earlier.visitor();
            if same {
                *earlier = earlier.absorbing([&*later]);
            }
            same
        });
        jar
    }

    /// The visitor of a request, by its cookies: the oldest token that verifies.
    pub fn from_cookies(&self, headers: &HeaderMap) -> Option<VisitorToken> {
        self.jar(headers).tokens.into_iter().next()
    }
}
