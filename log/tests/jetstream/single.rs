//! The suite on one server of the test's own, which is ended and started again to reopen the log.

use std::{sync::Arc, time::Duration};

use parlor_log::{
    EventLog,
    jetstream::{JetStreamLog, JetStreamSettings},
};

use parlor_testbed::{network::nats::NatsProxy, servers::own::Server};

use super::{aged, connect, plan, provision_new, settings};
use crate::suite::{
    Bounds, Harness, obligations,
    tools::{shard, within},
    whole_suite,
};

/// A log on a server of its own.
pub(crate) struct Single {
    pub(crate) server: Server,
    pub(crate) settings: JetStreamSettings,
    pub(crate) log: JetStreamLog,
    /// What makes its entries old.
    ageing: Option<NatsProxy>,
}

whole_suite!(crate::jetstream::single::Single);
obligations! { crate::jetstream::single::Single:
    outage {
        an_append_is_unavailable_in_time_and_later_goes_on
    }
}

impl Single {
    /// A log that gives up early.
    pub(crate) async fn impatient(bounds: Bounds, append_deadline: Duration) -> Self {
        let server = Server::start().await;
        let settings = JetStreamSettings { append_deadline, ..settings(vec![server.url()], 1) };
        provision_new(&settings, &plan(bounds), &[server.monitor()]).await.unwrap();
        let log = connect(&settings).await.unwrap();
        Self { server, settings, log, ageing: None }
    }

    /// The stream of the tests' tenant.
    pub(crate) fn stream(&self) -> String {
        format!("CHAT_{}_1", shard(&self.log()))
    }
}

impl Harness for Single {
    async fn fresh(bounds: Bounds) -> Self {
        Self::impatient(bounds, Duration::from_secs(3)).await
    }

    fn log(&self) -> Arc<dyn EventLog> {
        Arc::new(self.log.clone())
    }

    /// The log is not told: it finds the server again by itself.
    async fn reopen(&mut self) {
        self.server.stop();
        self.server.run().await;
    }

    async fn cut(&mut self) {
        self.server.kill();
    }

    async fn mend(&mut self) {
        self.server.run().await;
    }

    async fn forget(&mut self) {
        let mut raw = self.server.raw().await;
        let purge = format!("STREAM.PURGE.{}", self.stream());
        within("a purge", raw.api(&purge, r#"{"keep":1}"#)).await;
    }

    async fn age(&mut self) {
        let (proxy, log) = aged(&self.settings).await;
        (self.ageing, self.log) = (Some(proxy), log);
    }
}
