//! A visitor who writes and reads by REST.

use std::{io, net::SocketAddr};

use super::http::{Answer, request};

/// A visitor of `tenant`, as the widget's page is one.
#[derive(Clone, Debug)]
pub struct Visitor {
    /// The tenant's name.
    pub tenant: String,
    /// `name=value`, once there is one.
    pub cookie: Option<String>,
}

impl Visitor {
    /// One who has not been there before.
    pub fn new(tenant: &str) -> Self {
        Self { tenant: tenant.to_owned(), cookie: None }
    }

    /// POSTs a text; keeps the cookie it is given.
    ///
    /// # Errors
    /// There is no answer.
    pub async fn post(&mut self, to: SocketAddr, body: &serde_json::Value) -> io::Result<Answer> {
        let cookie = self.cookie.clone().unwrap_or_default();
        let headers = [
            ("X-Tenant-ID", self.tenant.as_str()),
            ("Origin", "http://localhost:3000"),
            ("Content-Type", "application/json"),
            ("Cookie", &cookie),
        ];
        let answer = request(to, "POST", "/api/chat/messages", &headers, &body.to_string()).await?;
        if answer.headers.contains_key("set-cookie") {
            self.cookie = Some(answer.cookie());
        }
        Ok(answer)
    }

    /// The texts of the newest page.
    ///
    /// # Errors
    /// There is no answer.
    pub async fn texts(&self, to: SocketAddr) -> io::Result<Vec<String>> {
        let cookie = self.cookie.clone().unwrap_or_default();
        let headers = [("X-Tenant-ID", self.tenant.as_str()), ("Cookie", &cookie)];
        let answer = request(to, "GET", "/api/chat/messages", &headers, "").await?;
        assert_eq!(answer.status, 200, "{}", answer.body);
        let page = answer.json();
        let text = |message: &serde_json::Value| {
            message["text"].as_str().expect("a message has a text").to_owned()
        };
        Ok(page["messages"].as_array().expect("a page has messages").iter().map(text).collect())
    }
}
