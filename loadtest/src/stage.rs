//! The stage: makes the visitors and agents of a run and connects them.

use std::{
    sync::{Arc, OnceLock, atomic::AtomicBool},
    time::Duration,
};

use anyhow::{Context, bail};
use futures_util::{StreamExt, TryStreamExt, stream};
use parlor_common::random::Random;
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, sleep, timeout_at},
};

use crate::{
    client::{
        Intent, QUEUE, Ready, Visitor, World,
        rest_writer::RestWriter,
        socket_client::{Person, SocketClient},
        widget::Widget,
        worker::Worker,
    },
    frame::{SessionAnswer, TroubleAnswer},
    http::{Call, Http},
    jar::Jar,
    ledger::{Client, Conversation, Expects},
    plan::{Plan, Stall},
    work,
};

/// The clients of a run, once all are connected.
#[derive(Debug)]
pub(crate) struct Stage {
    /// In order of the conversations' numbers.
    pub(crate) lines: Vec<Line>,
    /// The agent of each tenant that answers; the first is tenant 1's.
    pub(crate) agents: Vec<mpsc::Sender<Intent>>,
}

/// A conversation and who writes into it.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) visitor: Arc<Visitor>,
    pub(crate) writers: Vec<mpsc::Sender<Intent>>,
}

/// One socket among those that expect the same.
#[derive(Clone, Copy, Debug)]
struct Seat {
    tab: u32,
    /// The number of the address that it connects to first.
    at: u32,
    is_slow: bool,
    /// Whether what it is shown of agents' work is judged.
    hears_work: bool,
}

/// How many visitors connect at the same time.
const ARRIVING: usize = 32;
const DEADLINE: Duration = Duration::from_secs(15);
const PAUSE: Duration = Duration::from_millis(500);

// === impl Stage ===

impl Stage {
    /// Connects everyone, within the plan's time.
    ///
    /// # Errors
    /// Who could not be connected, and why: without everyone there is nothing to judge.
    pub(crate) async fn set(world: &Arc<World>, plan: &Plan) -> anyhow::Result<Self> {
        let (cast, sockets) = (&plan.options.cast, plan.sockets());
        let end = Instant::now() + plan.options.pace.connect;
        let arriving = async {
            let visitors: Vec<_> =
                (0..cast.conversations).map(|number| Arc::new(visitor(plan, number))).collect();
            let agents = arrive_agents(world, plan, &visitors).await?;
            arrive_workers(world, plan, &visitors).await?;
            let arrivals = visitors.into_iter().map(|visitor| async move {
                let writers =
                    arrive(world, &visitor, plan.tabs(visitor.conversation.number)).await?;
                Ok::<_, anyhow::Error>(Line { visitor, writers })
            });
            let lines = stream::iter(arrivals).buffered(ARRIVING).try_collect().await?;
            Ok(Self { lines, agents })
        };
        timeout_at(end, arriving).await.unwrap_or_else(|_| {
            let connected = world.scores.sockets();
            bail!(
                "{connected} of {sockets} sockets were connected in time; --connect allows more \
                of it"
            )
        })
    }
}

/// Brings in each tenant's agents: who answers, and the dashboards. Gives those who answer.
async fn arrive_agents(
    world: &Arc<World>,
    plan: &Plan,
    visitors: &[Arc<Visitor>],
) -> anyhow::Result<Vec<mpsc::Sender<Intent>>> {
    let mut writers = Vec::new();
    let mut dashboards = Vec::new();
    let (target, cast) = (&plan.options.target, &plan.options.cast);
    for tenant in 1..=cast.tenants {
        let (writer, intents) = mpsc::channel(QUEUE);
        writers.push(writer);
        let client = world.ledger.client(Expects::Nothing, 0);
        let at = tenant as usize;
        world.drain.spawn(
            RestWriter::of_agent(world.clone(), target.tenant(tenant), client, intents, at).run(),
        );
        let own = || {
            visitors
                .iter()
                .filter(|visitor| visitor.conversation.tenant == tenant)
                .cloned()
                .collect()
        };
        let slow = plan.stall.map_or(0, |stall: Stall| {
            // Those that will stop reading are shared out evenly.
            stall.sockets / cast.tenants + u32::from(tenant <= stall.sockets % cast.tenants)
        });
        for tab in 0..cast.dashboards + slow {
            let (tenant_name, visitors) = (target.tenant(tenant), own());
            let person = Person::Agent { tenant: tenant_name, name: None, visitors };
            let is_slow = tab >= cast.dashboards;
            let hears_work = has_workers(plan, tenant);
            let seat = Seat { tab, at: tenant + tab, is_slow, hears_work };
            dashboards.push(async move {
                // The other end is dropped: an agent writes nothing through its socket.
                let (_, ready, _) = subscriber(world, person, Expects::Tenant(tenant), seat);
                ready.await.context("an agent's task ended")
            });
        }
    }
    let mut arrivals = stream::iter(dashboards).buffer_unordered(ARRIVING);
    while let Some(arrived) = arrivals.next().await {
        arrived?;
    }
    Ok(writers)
}

fn has_workers(plan: &Plan, tenant: u32) -> bool {
    (0..plan.options.cast.workers).any(|number| plan.tenant_of_worker(number) == tenant)
}

/// Brings in the agents who work, each with a socket.
async fn arrive_workers(
    world: &Arc<World>,
    plan: &Plan,
    visitors: &[Arc<Visitor>],
) -> anyhow::Result<()> {
    let (target, pace) = (&plan.options.target, &plan.options.pace);
    for number in 0..plan.options.cast.workers {
        let tenant = plan.tenant_of_worker(number);
        let (tenant_name, name) = (target.tenant(tenant), format!("worker-{}", number + 1));
        let is_own = |of: &&Arc<Visitor>| of.conversation.tenant == tenant;
        let visitors: Vec<_> = visitors.iter().filter(is_own).cloned().collect();
        let person = Person::Agent {
            tenant: tenant_name.clone(),
            name: Some(name.clone()),
            visitors: visitors.clone(),
        };
        // Other numbers than those of dashboards.
        let seat =
            Seat { tab: 10_000 + number, at: tenant + number, is_slow: false, hears_work: true };
        let (_, ready, client) = subscriber(world, person, Expects::Tenant(tenant), seat);
        ready.await.context("a worker's task ended")?;
        let worker = Worker {
            world: world.clone(),
            client,
            number: world.work.worker(work::Worker { tenant, name: name.clone() }),
            tenant: tenant_name,
            name,
            visitors,
            http: Http::new(&world.rest, number as usize),
            choice: pace.seed.map_or_else(
                || world.random.clone(),
                |seed| Random::seeded(seed.wrapping_add(u64::from(number) + 1)),
            ),
        };
        world.drain.spawn(worker.run());
    }
    Ok(())
}

fn visitor(plan: &Plan, number: u32) -> Visitor {
    let (target, cast) = (&plan.options.target, &plan.options.cast);
    let tenant = number % cast.tenants + 1;
    Visitor {
        conversation: Conversation { tenant, number },
        tenant: target.tenant(tenant),
        kind: cast.kinds.of(number),
        jar: Jar::default(),
        token: OnceLock::new(),
        id: OnceLock::new(),
        is_begun: AtomicBool::new(false),
    }
}

/// Brings a visitor in with all its tabs, one after the other, so that they share the first one's
/// identity; gives those who write.
async fn arrive(
    world: &Arc<World>,
    visitor: &Arc<Visitor>,
    tabs: u32,
) -> anyhow::Result<Vec<mpsc::Sender<Intent>>> {
    if !visitor.kind.is_widget() {
        obtain_token(world, visitor).await?;
    }
    let number = visitor.conversation.number;
    let mut writers = Vec::new();
    for tab in 0..tabs {
        let (writer, ready) = if visitor.kind.is_widget() {
            widget(world, visitor, tab, number + tab)
        } else {
            let expects = Expects::Conversation(visitor.conversation);
            let (at, is_slow, hears_work) = (number + tab, false, false);
            let seat = Seat { tab, at, is_slow, hears_work };
            let (writer, ready, _) =
                subscriber(world, Person::Visitor(visitor.clone()), expects, seat);
            (writer, ready)
        };
        ready.await.context("a visitor's task ended")?;
        writers.push(writer);
    }
    if visitor.kind.is_rest() {
        let (writer, intents) = mpsc::channel(QUEUE);
        let client = world.ledger.client(Expects::Nothing, 0);
        let (world, at) = (world.clone(), number as usize);
        let client = match visitor.kind.is_widget() {
            true => RestWriter::of_widget(world.clone(), client, intents, at),
            false => RestWriter::of_visitor(world.clone(), client, intents, at),
        };
        world.drain.spawn(client.run());
        writers = vec![writer];
    }
    Ok(writers)
}

fn subscriber(
    world: &Arc<World>,
    person: Person,
    expects: Expects,
    seat: Seat,
) -> (mpsc::Sender<Intent>, oneshot::Receiver<()>, Client) {
    let (writer, intents) = mpsc::channel(QUEUE);
    let (ready, is_ready): (Ready, _) = oneshot::channel();
    let of = world.ledger.client(expects, seat.tab);
    if let (Expects::Tenant(tenant), true) = (expects, seat.hears_work) {
        let name = match &person {
            Person::Agent { name: Some(name), .. } => name.clone(),
            _ => format!("{expects} (tab {})", seat.tab),
        };
        world.work.listener(of, tenant, name);
    }
    let at = seat.at as usize;
    let client = SocketClient::new(world.clone(), person, of, intents, ready, at);
    world.drain.spawn(if seat.is_slow { client.slow() } else { client }.run());
    (writer, is_ready, of)
}

fn widget(
    world: &Arc<World>,
    visitor: &Arc<Visitor>,
    tab: u32,
    at: u32,
) -> (mpsc::Sender<Intent>, oneshot::Receiver<()>) {
    let (writer, intents) = mpsc::channel(QUEUE);
    let (ready, is_ready): (Ready, _) = oneshot::channel();
    let client = world.ledger.client(Expects::Widget(visitor.conversation), tab);
    let (visitor, at) = (visitor.clone(), at as usize);
    let widget = Widget { world: world.clone(), visitor, client, intents, ready: Some(ready), at };
    world.drain.spawn(widget.run());
    (writer, is_ready)
}

/// A visitor's token and conversation, as a client without cookies gets them; tried until the stage
/// is given up.
async fn obtain_token(world: &World, visitor: &Visitor) -> anyhow::Result<()> {
    let headers = [("X-Tenant-ID", visitor.tenant.clone())];
    let mut http = Http::new(&world.rest, visitor.conversation.number as usize);
    loop {
        let body = Some(r#"{"credential":"token"}"#.to_owned());
        let call = Call {
            method: "POST",
            path: "/api/chat/session",
            headers: &headers,
            body,
            deadline: DEADLINE,
        };
        match http.call(call).await {
            Ok(answer) if answer.is_success() => {
                let answer: SessionAnswer =
                    serde_json::from_slice(&answer.body).context("the answer to a session")?;
                world.time.told(&answer.server_time);
                visitor.id.get_or_init(|| answer.conversation_id);
                visitor.token.get_or_init(|| answer.token);
                return Ok(());
            }
            Ok(answer) if answer.status < 500 && answer.status != 429 => {
                let trouble = serde_json::from_slice::<TroubleAnswer>(&answer.body)
                    .map(|answer| answer.error.code);
                bail!(
                    "a session was answered with {} {}",
                    answer.status,
                    trouble.unwrap_or_default()
                );
            }
            // The server is overloaded or not there yet.
            Ok(_) | Err(_) => sleep(PAUSE).await,
        }
    }
}
