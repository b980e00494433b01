//! The command that plays the catalogue, or a part of it.

use std::{path::PathBuf, time::Duration};

use anyhow::Context;
use clap::{Args, Parser};
use parlor_common::{clock::Clock, random::Random};
use parlor_testbed::{
    place::Place,
    tiers::{Tiers, node::Tier, options::Options as Topology},
};
use tokio::time::Instant;

use super::{
    catalogue,
    figures::figures,
    index,
    judge::{Outcome, Verdict},
    row::{Form, Play, Row, Script},
    script::Playing,
    size::{Size, Sizes},
    watch::Watch,
};
use crate::{
    plan::{Load, Plan, options::Options, rate::Course},
    play::play,
};

/// Which faults, in which form, on which topology.
#[derive(Clone, Debug, Args)]
pub(crate) struct Prove {
    /// Which faults, such as F01 F19 [default: all of the catalogue]
    #[arg(value_name = "FAULT")]
    faults: Vec<String>,
    /// The short form, in which latencies are told and not judged
    #[arg(long)]
    short: bool,
    /// Says what is in the catalogue, and plays nothing
    #[arg(long)]
    list: bool,
    /// Where the index and a report of each fault are written
    #[arg(long, value_name = "DIR", default_value = "proof")]
    report: PathBuf,
    /// Leaves the topology running afterwards; one that ran before is always left
    #[arg(long)]
    keep: bool,
    #[command(flatten)]
    sizes: Sizes,
    /// The folder of what is fetched, built and run [default: .cache in the project]
    #[arg(long, env = "PARLOR_CACHE")]
    cache: Option<PathBuf>,
    #[command(flatten)]
    topology: Topology,
}

/// The load test's options, as its own command line has them.
#[derive(Debug, Parser)]
#[command(args_override_self = true)]
struct Line {
    #[command(flatten)]
    options: Options,
}

// === impl Prove ===

impl Prove {
    /// Plays them one after another, and writes the index after each, so that a proof that is ended
    /// early is there as far as it got. False where one failed.
    ///
    /// # Errors
    /// The topology cannot be started or made whole again.
    pub(crate) async fn run(&self) -> anyhow::Result<bool> {
        let rows = self.rows()?;
        if self.list {
            for row in &rows {
                println!("{} {}", row.id, row.name);
            }
            return Ok(true);
        }
        let place = Place::new(self.cache.as_deref())?;
        let topology = Topology { network: "yes".to_owned(), ..self.topology.clone() };
        let tiers = topology.tiers(place);
        let was_up = tiers.is_up();
        let clock = Clock::system();
        let date = clock.now().to_string();
        let form = if self.short { "the short form" } else { "the full form" };
        let load = format!("{form}: {}", self.size());
        let mut outcomes = Vec::new();
        tiers.up().await?;
        // One that ran before may be broken.
        tiers.heal().await?;
        for row in rows {
            let outcome = self.one(&tiers, row, &clock).await;
            println!("{}", outcome.terminal());
            outcomes.push(outcome);
            index::write(&self.report, &outcomes, &date, &load)
                .with_context(|| self.report.display().to_string())?;
            self.mend(&tiers, row).await?;
        }
        if !was_up && !self.keep {
            tiers.down().await?;
        }
        println!("the proof: {}", self.report.join("index.html").display());
        Ok(!outcomes.iter().any(Outcome::has_failed))
    }

    fn size(&self) -> Size {
        self.sizes.of(self.short)
    }

    fn rows(&self) -> anyhow::Result<Vec<&'static Row>> {
        if self.faults.is_empty() {
            return Ok(catalogue::all().collect());
        }
        let find = |id: &String| catalogue::all().find(|row| row.id.eq_ignore_ascii_case(id));
        let named = |id| find(id).with_context(|| format!("there is no {id}: --list tells them"));
        self.faults.iter().map(named).collect()
    }

    /// Makes the topology whole, or starts it anew where the fault has ruined it.
    async fn mend(&self, tiers: &Tiers, row: &Row) -> anyhow::Result<()> {
        let ruins = matches!(&row.play, Play::Here(script) if script.ruins);
        if !ruins && tiers.heal().await.is_ok() {
            return Ok(());
        }
        println!("starting the topology anew");
        tiers.down().await?;
        tiers.up().await
    }

    async fn one(&self, tiers: &Tiers, row: &'static Row, clock: &Clock) -> Outcome {
        let started = Instant::now();
        let took = || started.elapsed().as_secs_f64();
        let script = match &row.play {
            Play::Tests(which) => return Outcome::without(row, Verdict::Tests(which), 0.0),
            Play::Here(script) => script,
        };
        println!("{} {}", row.id, row.name);
        let times = script.times(self.short);
        let playing = Playing::new(tiers, script, times, self.size().before);
        if let Err(error) = playing.prepare().await {
            return Outcome::without(row, Verdict::NotHere(format!("{error:#}")), took());
        }
        match self.play(tiers, row, script, &playing, clock).await {
            Ok(figures) => Outcome::of(row, script, figures, self.short, took()),
            Err(error) => Outcome::without(row, Verdict::Unjudged(format!("{error:#}")), took()),
        }
    }

    async fn play(
        &self,
        tiers: &Tiers,
        row: &Row,
        script: &Script,
        playing: &Playing<'_>,
        clock: &Clock,
    ) -> anyhow::Result<super::figures::Figures> {
        let plan = self.plan(tiers, row, script)?;
        let watch = Watch::new(tiers);
        let started = Instant::now();
        let playing_it = Box::pin(play(&plan, playing, clock.clone(), Random::system()));
        let report = tokio::select! {
            report = playing_it => report?,
            never = watch.look() => match never {},
        };
        report.write(&self.report.join(row.id))?;
        let mended = playing.moments().mended.context("nothing was mended")?;
        // The load may end before what was broken has come right, which has its own time.
        tokio::select! {
            () = watch.settled(mended, script.bounds, self.short) => {}
            never = watch.look() => match never {},
        }
        let report = serde_json::to_value(&report)?;
        let mut all = figures(&report, &watch.seen(), playing.moments(), started);
        all.extend(playing.acted());
        Ok(all)
    }

    fn plan(&self, tiers: &Tiers, row: &Row, script: &Script) -> anyhow::Result<Plan> {
        let times = script.times(self.short);
        let form = Form {
            is_short: self.short,
            at: self.size().before,
            lasts: Duration::from_secs(times.total(script.phases.len())),
        };
        let options = Line::try_parse_from(self.arguments(tiers, row, script, form)?)?.options;
        let load = Load::Offer(Course::steady(options.pace.rate));
        let mut plan = Plan {
            scenario: row.id,
            options,
            load,
            storm: None,
            stall: None,
            hot: None,
            flat: None,
        };
        (script.shape)(&mut plan, form);
        Ok(plan)
    }

    /// The load test's own command line.
    fn arguments(
        &self,
        tiers: &Tiers,
        row: &Row,
        script: &Script,
        form: Form,
    ) -> anyhow::Result<Vec<String>> {
        let size = self.size();
        let lasts = form.at + form.lasts + size.after;
        let mut all = vec!["fault".to_owned(), "--plain".to_owned()];
        let mut say = |name: &str, value: String| all.extend([format!("--{name}"), value]);
        say("rest", format!("http://{}", tiers.entrance()));
        // Tenants know the balancer's address as the origin of their pages.
        say("origin", format!("http://{}", tiers.front()));
        say("connect", "60s".to_owned());
        say("tenant-name", "t-{n}".to_owned());
        say("agent-key", tiers.secret("agents").display().to_string());
        say("cql", tiers.database()?);
        say("tenants", size.writing.to_string());
        say("conversations", size.conversations.to_string());
        say("sockets", size.sockets.to_string());
        say("rate", size.rate);
        say("warm", "1s".to_owned());
        say("for", format!("{}ms", lasts.as_millis()));
        say("drain", format!("{}s", size.drain.as_secs()));
        // What failed is judged by the fault's own bounds.
        say("allow-failed", "100".to_owned());
        say("allow-gaps", "1000000".to_owned());
        say("note", format!("{} {}", row.id, row.name));
        say("workers", script.workers.to_string());
        // States are compared at each node, and not wherever the balancer sends the reader.
        for node in tiers.nodes(Tier::Ingress) {
            say("views", format!("http://{}", tiers.listen(node)));
        }
        for node in tiers.all_nodes() {
            say("admin", format!("{}-{}=http://{}", node.0.name(), node.1, tiers.admin(node)));
        }
        let fanout = format!("http://{}", tiers.listen((Tier::Fanout, 1)));
        all.extend(script.options.iter().map(|word| word.replace("{fanout-1}", &fanout)));
        Ok(all)
    }
}
