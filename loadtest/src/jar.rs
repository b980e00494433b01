//! A browser's cookies of one host, shared by its tabs.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// Cookies by name.
#[derive(Debug, Default)]
pub(crate) struct Jar(Mutex<BTreeMap<String, String>>);

// === impl Jar ===

impl Jar {
    /// Keeps, or forgets, what `Set-Cookie` headers say.
    pub(crate) fn keep(&self, headers: &[String]) {
        let mut cookies = self.cookies();
        for header in headers {
            let mut parts = header.split(';').map(str::trim);
            let Some((name, value)) = parts.next().and_then(|pair| pair.split_once('=')) else {
                continue;
            };
            let is_over = |part: &str| {
                part.to_ascii_lowercase().strip_prefix("max-age=").is_some_and(|age| age == "0")
            };
            if parts.any(is_over) {
                cookies.remove(name);
            } else {
                cookies.insert(name.to_owned(), value.to_owned());
            }
        }
    }

    /// The `Cookie` header; `None` where there are none.
    pub(crate) fn header(&self) -> Option<String> {
        let cookies = self.cookies();
        let pairs: Vec<_> = cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        (!pairs.is_empty()).then(|| pairs.join("; "))
    }

    fn cookies(&self) -> MutexGuard<'_, BTreeMap<String, String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookies_are_kept_and_expire() {
        let jar = Jar::default();
        assert_eq!(jar.header(), None);
        jar.keep(&["b=2; Path=/; HttpOnly".to_owned(), "a=1".to_owned()]);
        assert_eq!(jar.header().as_deref(), Some("a=1; b=2"));
        jar.keep(&["a=; Max-Age=0; Path=/".to_owned()]);
        assert_eq!(jar.header().as_deref(), Some("b=2"));
    }
}
