//! A visitor who writes and reads by REST.

use std::{io, net::SocketAddr};

use serde_json::Value;

use super::http::{Answer, Ask};

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
    pub async fn post(&mut self, to: SocketAddr, body: &Value) -> io::Result<Answer> {
        let ask = self.ask(Ask::of_page("POST", "/api/chat/messages")).json(body);
        let answer = ask.try_send(to).await?;
        if let Some(cookie) = answer.cookie() {
            self.cookie = Some(cookie);
        }
        Ok(answer)
    }

    /// The texts of the newest page.
    ///
    /// # Errors
    /// There is no answer.
    pub async fn texts(&self, to: SocketAddr) -> io::Result<Vec<String>> {
        Ok(self.ask(Ask::messages()).try_send(to).await?.expect(200).texts())
    }

    fn ask(&self, ask: Ask) -> Ask {
        let ask = ask.tenant(&self.tenant);
        self.cookie.iter().fold(ask, |ask, cookie| ask.cookie(cookie))
    }
}
