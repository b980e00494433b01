//! A node: put together from the parts of its role. The parts know nothing of roles.

use std::sync::Arc;

use axum::{Extension, Router, response::Response};
use parlor_auth::{Agents, Connector, Jwks, Limits, Tenants, VisitorTokens};
use parlor_common::{
    clock::Clock, cursor::Cursors, door::Door, keys::InstallationKeys, metrics::Registry,
    problem::Problem, random::Random,
};
use parlor_fanout::{FeedParts, Feeds, Hub, Sockets, Switchboard, SwitchboardParts};
use parlor_history::History;
use parlor_http::page_loads::PageLoads;
use parlor_http::{self as http, HttpSettings, Listener, Readiness, RequestId, problem_response};
use parlor_ingress::{DoorParts, LogDoor};
use parlor_log::{
    PERSISTER,
    consumer::{Consumer, ConsumerMetrics},
    monitor::{Monitor, MonitorMetrics},
};
use parlor_persister::{StoreSink, TrimMetrics, Trimmer};
use tracing::{info, warn};

use crate::{
    backends::{Backends, metrics},
    demo, descriptors,
    exit::Exit,
    handed::Handed,
    metrics::Metrics,
    node::{Signals, Stages, listen},
    pages::pages,
    private,
    role::{Parts, Role},
    secrets,
    settings::{InForce, Settings},
};

/// What the parts of a node share.
struct Shared<'a> {
    settings: &'a Settings,
    development: bool,
    stages: Stages,
    /// The log's time, so that nodes with different clocks agree on what came first.
    clock: Clock,
    random: Random,
    registry: Registry,
    keys: InstallationKeys,
    tenants: Tenants,
    limits: Limits,
    backends: Backends,
    monitor: Monitor,
    history: History,
    page_loads: PageLoads,
}

/// A check of readiness with the name of its part.
type NamedCheck = (&'static str, Box<dyn Fn() -> Result<(), String> + Send + Sync>);

/// Runs a node until it is told to stop.
pub(crate) async fn run(
    role: Role,
    in_force: &InForce,
    handed: Handed,
    process: &Metrics,
) -> Result<(), Exit> {
    let parts = role.parts();
    handed.check(parts, in_force.development)?;
    // A successor takes over what waits in the socket, so that there is nothing to wait for.
    let lingers = parts.lingers() && handed.http.is_none();
    let settings = &in_force.settings;
    let mut signals = Signals::new()?;
    let files = descriptors::raise();
    let listener = match parts.listens() {
        true => {
            let room = descriptors::room_for(settings.http.max_connections, files)?;
            Some((listen("listen", settings.listen, handed.http).await?, room))
        }
        false => None,
    };
    let admin = listen("admin", settings.admin, handed.admin).await?;
    let shared = Shared::build(parts, in_force).await?;
    metrics(process.register(&shared.registry))?;
    let mut checks = shared.checks();
    if parts.persister {
        checks.push(shared.persister()?);
    }
    let app = shared.app(parts, &mut checks).await?;
    let readiness = Readiness::new(checks);
    shared.announce(role, listener.as_ref().map(|(listener, _)| listener), &admin);
    shared.serve(listener, app, admin, &readiness)?;
    signals.next().await;
    shared.stages.stop(&readiness, &settings.drain, lingers, &mut signals).await;
    shared.backends.close().await;
    info!("stopped");
    Ok(())
}

impl<'a> Shared<'a> {
    async fn build(parts: Parts, in_force: &'a InForce) -> Result<Self, Exit> {
        let InForce { settings, development } = in_force;
        let (clock, random, stages) = (Clock::system(), Random::system(), Stages::default());
        let registry = metrics(parlor_common::metrics::registry())?;
        let data = parts.embedded.then_some(settings.data.as_path());
        if let Some(data) = data {
            private::data_folder(data)?;
        }
        let keys = secrets::read(&settings.secrets, data, &random)?;
        let tenants = tenants(settings, *development, &keys)?;
        let backends = match parts.embedded {
            true => Backends::embedded(settings, &clock, &registry).await?,
            false => Backends::cluster(settings, &random, &registry, &stages.base).await?,
        };
        let sampled = metrics(MonitorMetrics::new(&registry))?;
        let monitor = Monitor::start(backends.log.clone(), clock.clone(), sampled)
            .await
            .map_err(Exit::unavailable)?;
        let history = History::new(
            backends.log.clone(),
            backends.store.clone(),
            monitor.clone(),
            settings.history.store_deadline,
            metrics(parlor_history::Metrics::new(&registry))?,
        );
        let limits = Limits::new(settings.limits.clone(), tenants.clone(), clock.clone());
        stages.base.spawn(monitor.clone().run(settings.monitor.every, stages.base.clone()));
        let of_tenants = metrics(parlor_auth::Metrics::new(&registry))?;
        if parts.listens() {
            let jwks = Jwks::new(
                tenants.clone(),
                Connector::system(),
                monitor.clock(),
                of_tenants.clone(),
                stages.base.clone(),
            );
            stages.base.spawn(jwks.run());
        }
        let reloads =
            tenants.clone().run(settings.tenants.reload_every, of_tenants, stages.base.clone());
        stages.base.spawn(reloads);
        let development = *development;
        Ok(Self {
            settings,
            development,
            stages,
            clock: monitor.clock(),
            random,
            registry,
            keys,
            tenants,
            limits,
            backends,
            monitor,
            history,
            page_loads: PageLoads::new(),
        })
    }

    /// What every node depends on.
    fn checks(&self) -> Vec<NamedCheck> {
        let monitor = self.monitor.clone();
        vec![("log", Box::new(move || monitor.check().map_err(|trouble| trouble.to_string())))]
    }

    fn persister(&self) -> Result<NamedCheck, Exit> {
        let Backends { log, store, .. } = &self.backends;
        let sink =
            StoreSink::new(store.clone(), metrics(parlor_persister::Metrics::new(&self.registry))?);
        let consumer = Consumer {
            log: log.clone(),
            group: PERSISTER,
            sink: Arc::new(sink),
            settings: self.settings.persister.clone(),
            metrics: metrics(ConsumerMetrics::new(&self.registry))?,
        };
        let health = consumer.start(&self.stages.middle);
        let trimmer = Trimmer {
            log: log.clone(),
            store: store.clone(),
            settings: self.settings.trim.clone(),
            metrics: metrics(TrimMetrics::new(&self.registry))?,
        };
        self.stages.middle.spawn(trimmer.run(self.stages.middle.clone()));
        Ok((PERSISTER, Box::new(move || health.check().map_err(|trouble| trouble.to_string()))))
    }

    /// What clients reach.
    async fn app(&self, parts: Parts, checks: &mut Vec<NamedCheck>) -> Result<Router, Exit> {
        let mut app = Router::new().fallback(nothing);
        let sockets = match parts.visitors || parts.agents {
            true => Some(self.sockets(checks).await?),
            false => None,
        };
        if parts.rest || parts.visitors {
            let (door, rest) = self.ingress()?;
            if parts.rest {
                app = rest;
            }
            if let Some(sockets) = sockets.clone().filter(|_| parts.visitors) {
                app = Sockets::visitors(sockets, door, self.visitor_tokens()).wrap(app);
            }
        }
        if let Some(sockets) = sockets.filter(|_| parts.agents) {
            app = Sockets::agents(sockets, self.agents()).wrap(app);
        }
        Ok(app)
    }

    /// What the sockets of a node share: one hub and its feeds, whoever looks.
    async fn sockets(&self, checks: &mut Vec<NamedCheck>) -> Result<parlor_fanout::Parts, Exit> {
        let Backends { log, .. } = &self.backends;
        let metrics = metrics(parlor_fanout::Metrics::new(&self.registry))?;
        let cursors = self.cursors();
        let settings = self.settings;
        let hub = Hub::new(log.shards(), &settings.feed, cursors.clone(), metrics.clone());
        let feeds = Feeds::new(FeedParts {
            log: log.clone(),
            hub: hub.clone(),
            settings: settings.feed.clone(),
            random: self.random.clone(),
            metrics: metrics.clone(),
            drain: self.stages.middle.clone(),
        });
        let asked = feeds.clone();
        checks
            .push(("feed", Box::new(move || asked.check().map_err(|trouble| trouble.to_string()))));
        Ok(parlor_fanout::Parts {
            hub,
            feeds,
            history: self.history.clone(),
            cursors,
            tenants: self.tenants.clone(),
            limits: self.limits.clone(),
            clock: self.clock.clone(),
            random: self.random.clone(),
            page_loads: self.page_loads.clone(),
            signals: Some(self.switchboard().await?),
            settings: settings.sockets.clone(),
            metrics,
            drain: self.stages.edge.clone(),
        })
    }

    /// What passes signals between the sessions of this node and of others.
    async fn switchboard(&self) -> Result<Switchboard, Exit> {
        let (settings, of_signals) =
            (self.settings, metrics(parlor_signals::Metrics::new(&self.registry))?);
        let (clock, drain) = (self.clock.clone(), &self.stages.base);
        let signals = self.backends.signals(settings, clock, drain, of_signals.clone()).await?;
        Ok(Switchboard::new(SwitchboardParts {
            signals,
            shards: self.backends.log.shards(),
            settings: settings.signals.clone(),
            random: self.random.clone(),
            metrics: of_signals,
            drain: self.stages.middle.clone(),
        }))
    }

    /// The door, and REST with it; the products' pages, and in development mode the demo's.
    fn ingress(&self) -> Result<(Arc<dyn Door>, Router), Exit> {
        let metrics = metrics(parlor_ingress::Metrics::new(&self.registry))?;
        let door: Arc<dyn Door> = Arc::new(LogDoor::new(DoorParts {
            log: self.backends.log.clone(),
            history: self.history.clone(),
            monitor: self.monitor.clone(),
            limits: self.limits.clone(),
            random: self.random.clone(),
            settings: self.settings.door.clone(),
            metrics: metrics.clone(),
        }));
        let rest = parlor_ingress::router(parlor_ingress::Deps {
            door: door.clone(),
            log: self.backends.log.clone(),
            history: self.history.clone(),
            monitor: self.monitor.clone(),
            tenants: self.tenants.clone(),
            visitors: self.visitor_tokens(),
            page_loads: self.page_loads.clone(),
            agents: self.agents(),
            limits: self.limits.clone(),
            cursors: self.cursors(),
            clock: self.clock.clone(),
            random: self.random.clone(),
            settings: self.settings.rest.clone(),
            metrics,
        });
        let served = rest.merge(pages(self.tenants.clone(), &self.settings.rest.socket_url));
        let demo = self.development.then(|| demo::pages(self.agents()));
        Ok((door, served.merge(demo.unwrap_or_default())))
    }

    fn cursors(&self) -> Cursors {
        Cursors::new(&self.keys).of_incarnation(&self.backends.incarnation)
    }

    fn visitor_tokens(&self) -> VisitorTokens {
        VisitorTokens::new(
            &self.keys,
            self.clock.clone(),
            self.random.clone(),
            self.settings.cookies.clone(),
        )
    }

    fn agents(&self) -> Agents {
        Agents::new(self.tenants.clone(), self.clock.clone())
    }

    /// Serves the operators, and the clients with as many connections as there is room for.
    fn serve(
        &self,
        listener: Option<(Listener, usize)>,
        app: Router,
        admin: Listener,
        readiness: &Readiness,
    ) -> Result<(), Exit> {
        let metrics = metrics(http::Metrics::new(&self.registry))?;
        let operators = parlor_http::admin(self.registry.clone(), readiness.clone());
        // The admin port stays until the end, to tell that the node drains.
        let (settings, random) = (&self.settings.http, self.random.clone());
        let of_operators =
            HttpSettings { max_connections: descriptors::OPERATORS, ..settings.clone() };
        let base = self.stages.base.clone();
        let serve =
            http::serve(admin, operators, of_operators, random, metrics.clone(), base.clone());
        base.spawn(serve);
        if let Some((listener, room)) = listener {
            let of_clients = HttpSettings { max_connections: room, ..settings.clone() };
            self.stages.serve(listener, app, &of_clients, &self.random, &metrics);
        }
        Ok(())
    }

    fn announce(&self, role: Role, listener: Option<&Listener>, admin: &Listener) {
        let Settings { listen, admin: operators, data, .. } = self.settings;
        if self.development {
            warn!(
                "development mode: no settings file, so any tenant's name is taken, from pages on \
                 localhost alone"
            );
        }
        let Parts { embedded, .. } = role.parts();
        let admin = admin.local_addr().unwrap_or(*operators);
        match listener.map(|listener| listener.local_addr().unwrap_or(*listen)) {
            Some(listen) if embedded => info!(
                "Parlor is on http://localhost:{} ({listen}); its data is in {}; operators are on \
                 {admin}",
                listen.port(),
                data.display()
            ),
            Some(listen) => info!("{role:?} is on {listen}; operators are on {admin}"),
            None => info!("{role:?} works; operators are on {admin}"),
        }
    }
}

/// What a node without REST answers where it has no sockets.
async fn nothing(Extension(id): Extension<RequestId>) -> Response {
    problem_response(&Problem::not_found(), &id)
}

fn tenants(
    settings: &Settings,
    development: bool,
    keys: &InstallationKeys,
) -> Result<Tenants, Exit> {
    match &settings.tenants.file {
        Some(file) => Tenants::from_file(file).map_err(Exit::usage),
        None if development => Ok(Tenants::development(keys)),
        None => Err(Exit::usage(
            "tenants.file is not set: with a settings file, the tenants are named in one",
        )),
    }
}
