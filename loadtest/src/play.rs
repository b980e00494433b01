//! Plays a plan: everyone connects, the load runs while things break, everything arrives, is read
//! back, and is judged.

use std::{sync::Arc, time::Duration};

use anyhow::Context;
use parlor_common::{clock::Clock, drain::Drain, random::Random};
use tokio::time::{Instant, sleep, sleep_until};

use crate::{
    client::{Held, ServerTime, World, orders::Orders},
    ledger::{Ledger, Texts},
    load,
    nodes::Nodes,
    plan::{Load, Plan, Stall, Storm},
    progress::{Phase, Progress},
    readback::{read_back, work},
    report::{Earlier, Played, Report},
    rows::Rows,
    scores::Scores,
    stage::Stage,
    timeline::{Faults, TimeLine},
    tokens::{Source, Tokens},
    work::Work,
};

/// How long the run goes on after everything has arrived, so that a late repeat is seen.
const LINGER: Duration = Duration::from_secs(1);
/// How often to look whether everything has arrived.
const LOOK: Duration = Duration::from_millis(250);
/// How long clients may take to close their sockets.
const GOODBYE: Duration = Duration::from_secs(5);
/// How long to wait before the load, so that every socket was pinged once: before that, the
/// widget's sockets are not shown a POST.
const SETTLE: Duration = Duration::from_secs(1);

/// Plays `plan` while `faults` break things.
///
/// # Errors
/// Why there can be no judgement.
pub(crate) async fn play<F: Faults>(
    plan: &Plan,
    faults: &F,
    clock: Clock,
    random: Random,
) -> anyhow::Result<Report> {
    let started = Instant::now();
    let date = clock.now();
    let evidence = &plan.options.evidence;
    let earlier = evidence.compare.as_deref().map(Earlier::read).transpose()?;
    let rows = match &evidence.cql {
        Some(address) => {
            Some(Arc::new(Box::pin(Rows::connect(address, &evidence.cql_keyspace)).await?))
        }
        None => None,
    };
    let world = Arc::new(world(plan, clock, random, started)?);
    let _goodbye = Goodbye(world.drain.clone());
    let progress = Progress::new(plan, started);
    let nodes = Nodes::new(&evidence.admin, started);
    let playing = async {
        let stage = Stage::set(&world, plan).await.context("not everyone could be connected")?;
        sleep(SETTLE).await;
        let begin = Instant::now();
        let end = begin + plan.lasts();
        progress.enter(Phase::Load { begin, end });
        let steps = under_load(plan, &world, &stage, faults, begin, end).await?;
        progress.enter(Phase::Arrive);
        arrive(&world, plan.sockets(), Instant::now() + plan.options.pace.drain).await;
        world.scores.unsent(world.held.count());
        // Whoever still writes would be told of acceptances that history was read too early for.
        world.scores.tick();
        world.drain.begin();
        world.drain.finished(GOODBYE).await;
        progress.enter(Phase::ReadBack);
        let visitors = || stage.lines.iter().map(|line| line.visitor.clone());
        let until = Instant::now() + plan.options.pace.drain;
        let histories = read_back(&world, visitors(), rows, until).await;
        let views = plan.options.target.views();
        let readings = work::read_back(&world, visitors(), views, until).await;
        anyhow::Ok((begin, steps, histories, readings))
    };
    let (begin, steps, histories, readings) = tokio::select! {
        played = playing => played?,
        never = progress.show(&world) => match never {},
        never = nodes.watch() => match never {},
    };
    world.scores.tick();
    progress.enter(Phase::Over);
    progress.last(&world);
    let mut verdict = world.ledger.judge(&histories);
    let work = world.work.judge(&readings, &histories, &mut verdict);
    let played = Played {
        date,
        load_began: begin.duration_since(started).as_secs_f64(),
        verdict,
        work,
        counts: world.ledger.counts(),
        score: world.scores.score(),
        marks: world.line.marks(),
        steps,
        nodes: nodes.series(),
    };
    Ok(Report::new(plan, played).beside(earlier))
}

/// Tells the clients of a run to end when it is over, also where it ends early: the next one of the
/// same process must not be shown what they go on saying.
struct Goodbye(Drain);

impl Drop for Goodbye {
    fn drop(&mut self) {
        self.0.begin();
    }
}

/// The load, and everything that happens meanwhile.
async fn under_load<F: Faults>(
    plan: &Plan,
    world: &World,
    stage: &Stage,
    faults: &F,
    begin: Instant,
    end: Instant,
) -> anyhow::Result<Vec<load::Step>> {
    let pace = &plan.options.pace;
    world.scores.measure(begin + pace.warm, end);
    let loading = async {
        match &plan.load {
            Load::Offer(course) => load::offer(world, stage, plan, *course, begin, end).await,
            Load::Repeat(repeats) => load::repeat(world, stage, plan, *repeats, begin).await,
            Load::Climb(climb) => return Ok(load::climb(world, stage, plan, *climb).await),
        }
        Ok(Vec::new())
    };
    let breaking =
        async { faults.play(&world.line, begin, end).await.context("a fault could not be played") };
    let storming = async {
        if let Some(storm) = plan.storm {
            storms(world, storm, begin, end).await;
        }
        if let Some(stall) = plan.stall {
            stalls(world, stall, begin).await;
        }
        Ok(())
    };
    let working = async {
        world.orders.work(true);
        sleep_until(end).await;
        world.orders.work(false);
        Ok(())
    };
    let (steps, (), (), ()) = tokio::try_join!(loading, breaking, storming, working)?;
    Ok(steps)
}

async fn storms(world: &World, storm: Storm, begin: Instant, end: Instant) {
    let mut at = begin + storm.at;
    while at < end {
        sleep_until(at).await;
        world.line.moment(format!("{} % of the sockets cut", storm.percent));
        world.orders.cut(storm.percent);
        let Some(every) = storm.every else { return };
        at += every;
    }
}

async fn stalls(world: &World, stall: Stall, begin: Instant) {
    sleep_until(begin + stall.at).await;
    let open = world.line.begin(format!("{} sockets do not read", stall.sockets));
    world.orders.stall(true);
    sleep_until(begin + stall.at + stall.lasts).await;
    world.orders.stall(false);
    world.line.end(open);
}

fn world(plan: &Plan, clock: Clock, random: Random, started: Instant) -> anyhow::Result<World> {
    let target = &plan.options.target;
    let agents = match target.agents.is_empty() {
        true => target.rest.clone(),
        false => target.agents.clone(),
    };
    let source = match &target.agent_key {
        Some(file) => Source::key(file, &target.agent_issuer, &target.agent_kid)?,
        None => Source::Demo(target.rest.clone()),
    };
    let run = u32::from_be_bytes(random.bytes());
    let texts = Texts::new(run, plan.options.pace.bytes as usize);
    Ok(World {
        origin: target.origin.clone().unwrap_or_else(|| target.rest[0].origin()),
        rest: target.rest.clone(),
        agents,
        ledger: Ledger::new(texts, started),
        work: Work::new(run),
        scores: Scores::new(started),
        tokens: Tokens::new(source, clock.clone()),
        random,
        time: ServerTime::new(clock),
        orders: Orders::new(),
        line: TimeLine::new(started),
        drain: Drain::new(),
        held: Held::default(),
    })
}

/// Waits until everyone is connected again and everything has arrived, or `end`.
async fn arrive(world: &World, sockets: u32, end: Instant) {
    loop {
        let gone = i64::try_from(world.scores.score().totals.gone).unwrap_or(i64::MAX);
        let is_whole = world.scores.sockets() + gone >= i64::from(sockets);
        if is_whole && world.awaited() == 0 || Instant::now() + LOOK > end {
            break;
        }
        sleep(LOOK).await;
    }
    sleep(LINGER).await;
}
