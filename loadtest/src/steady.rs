//! The scenario `steady`: everyone connects, a steady load runs while nodes are killed, everything
//! arrives, and is judged.

use std::{convert::Infallible, sync::Arc, time::Duration};

use anyhow::Context;
use futures_util::future::try_join_all;
use parlor_common::{clock::Clock, drain::Drain, random::Random};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, sleep_until};

use crate::{
    cli::Steady,
    client::{Intent, ServerTime, World},
    faults::Faults,
    ledger::{Ledger, Texts},
    readback::read_back,
    report::Report,
    rows::Rows,
    scores::{Point, Scores},
    stage::Stage,
    tokens::{Source, Tokens},
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

/// Plays the scenario.
///
/// # Errors
/// Why there can be no judgement.
pub(crate) async fn run(plan: Steady, clock: Clock, random: Random) -> anyhow::Result<Report> {
    let started = Instant::now();
    let date = clock.now();
    let rows = match &plan.cql {
        Some(address) => {
            Some(Arc::new(Box::pin(Rows::connect(address, &plan.cql_keyspace)).await?))
        }
        None => None,
    };
    let world = Arc::new(world(&plan, clock, random, started)?);
    let faults = Faults::new(plan.command_kill.clone(), plan.command_start.clone(), started);
    let playing = async {
        let stage = Stage::set(&world, &plan).await.context("not everyone could be connected")?;
        eprintln!(
            "{} sockets are connected after {:.1} s",
            stage.sockets,
            started.elapsed().as_secs_f64()
        );
        sleep(SETTLE).await;
        let begin = Instant::now();
        let end = begin + plan.warm + plan.load;
        let kills = plan.kill.iter().map(|kill| faults.play(kill, begin, end));
        let kills =
            async { try_join_all(kills).await.context("a node could not be killed or started") };
        world.scores.measure(begin + plan.warm, end);
        let loading = async {
            load(&world, &stage, &plan, begin, end).await;
            Ok(())
        };
        tokio::try_join!(loading, kills)?;
        arrive(&world, stage.sockets, Instant::now() + plan.drain).await;
        eprintln!("reading everything back");
        let visitors = stage.lines.iter().map(|line| line.visitor.clone());
        anyhow::Ok((begin, read_back(&world, visitors, rows, Instant::now() + plan.drain).await))
    };
    let (begin, histories) = tokio::select! {
        played = playing => played?,
        never = progress(&world) => match never {},
    };
    world.scores.tick();
    world.drain.begin();
    world.drain.finished(GOODBYE).await;
    let verdict = world.ledger.judge(&histories);
    let load_began = begin.duration_since(started).as_secs_f64();
    Ok(Report::new(
        &plan,
        date,
        load_began,
        verdict,
        world.ledger.counts(),
        world.scores.score(),
        faults.marks(),
    ))
}

fn world(plan: &Steady, clock: Clock, random: Random, started: Instant) -> anyhow::Result<World> {
    let agents = if plan.agents.is_empty() { plan.rest.clone() } else { plan.agents.clone() };
    let source = match &plan.agent_key {
        Some(file) => Source::key(file, &plan.agent_issuer, &plan.agent_kid)?,
        None => Source::Demo(plan.rest.clone()),
    };
    let run = u32::from_be_bytes(random.bytes());
    Ok(World {
        origin: plan.origin.clone().unwrap_or_else(|| plan.rest[0].origin()),
        rest: plan.rest.clone(),
        agents,
        ledger: Ledger::new(Texts::new(run, plan.bytes as usize), started),
        scores: Scores::new(started),
        tokens: Tokens::new(source, clock.clone()),
        random,
        time: ServerTime::new(clock),
        drain: Drain::new(),
    })
}

/// Offers drafts at the plan's rate, whatever becomes of them. Each knows the time at which it
/// should be sent.
async fn load(world: &World, stage: &Stage, plan: &Steady, begin: Instant, end: Instant) {
    let choice = plan.seed.map_or_else(|| world.random.clone(), Random::seeded);
    let gap = plan.rate.gap();
    let mut number = 0_u32;
    loop {
        let intended = begin + gap.saturating_mul(number);
        if intended >= end {
            return;
        }
        number = number.saturating_add(1);
        sleep_until(intended).await;
        let line = &stage.lines[pick(&choice, stage.lines.len())];
        let visitor = &line.visitor;
        let is_reply = pick(&choice, 100) < plan.replies as usize && visitor.is_answerable();
        let writer = match is_reply {
            true => &stage.agents[visitor.conversation.tenant as usize - 1],
            false => &line.writers[pick(&choice, line.writers.len())],
        };
        let taken = writer.try_send(Intent { visitor: visitor.clone(), intended });
        world.scores.offered(taken.is_ok());
    }
}

fn pick(choice: &Random, below: usize) -> usize {
    usize::try_from(choice.below(below as u64)).unwrap_or(0)
}

/// Waits until everyone is connected again and everything has arrived, or `end`.
async fn arrive(world: &World, sockets: u32, end: Instant) {
    eprintln!("the load is over; waiting for everything to arrive");
    loop {
        let gone = i64::try_from(world.scores.score().totals.gone).unwrap_or(i64::MAX);
        let is_whole = world.scores.sockets() + gone >= i64::from(sockets);
        if is_whole && world.ledger.awaited() == 0 || Instant::now() + LOOK > end {
            break;
        }
        sleep(LOOK).await;
    }
    sleep(LINGER).await;
}

/// A line for each second.
async fn progress(world: &World) -> Infallible {
    let mut seconds = interval(Duration::from_secs(1));
    seconds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    seconds.tick().await;
    loop {
        seconds.tick().await;
        let Point { at, sockets, counts, accept, deliver } = world.scores.tick();
        let faults = world.ledger.counts().faults;
        eprintln!(
            "{at:6.0} s  sockets {sockets:6}  offered {:5}/s  answered {:5}/s  shown {:6}/s  \
             failed {:4}  \
             accept p50/p99 {:7.1}/{:8.1} ms  deliver p50/p99 {:7.1}/{:8.1} ms  faults {faults}",
            counts.offered,
            counts.accepted,
            counts.shown,
            counts.failed,
            accept.p50,
            accept.p99,
            deliver.p50,
            deliver.p99,
        );
    }
}
