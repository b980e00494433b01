//! Faults by commands of the installation: a command breaks something, and another one mends it.

use std::{process::Stdio, time::Duration};

use anyhow::{Context, bail};
use futures_util::future::try_join_all;
use tokio::{
    process::Command,
    time::{Instant, sleep_until, timeout},
};

use crate::{
    plan::{
        fault::{NamedCommand, PlannedFault},
        options::Drive,
    },
    timeline::{Faults, TimeLine},
};

/// Breaks and mends by commands, on a schedule.
#[derive(Debug)]
pub(crate) struct Commands(Vec<Scheduled>);

#[derive(Debug)]
struct Scheduled {
    /// What the time line says.
    what: String,
    planned: PlannedFault,
    breaks: String,
    mends: Option<String>,
}

/// A command may take so long: a rolling restart takes minutes.
const DEADLINE: Duration = Duration::from_secs(600);

// === impl Commands ===

impl Commands {
    /// The schedule that the command line describes.
    ///
    /// # Errors
    /// A fault has no command.
    pub(crate) fn new(drive: &Drive) -> anyhow::Result<Self> {
        let mut all = Vec::new();
        for kill in &drive.kill {
            let of = |command: &str| command.replace("{node}", &kill.name);
            all.push(Scheduled {
                what: format!("kill {}", kill.name),
                planned: kill.clone(),
                breaks: of(&drive.command_kill),
                mends: Some(of(&drive.command_start)),
            });
        }
        let turns = PlannedFault::rotation(&drive.rotate, drive.rotate_every, drive.rotate_for);
        if drive.rotate_for >= drive.rotate_every {
            bail!("--rotate-every must be longer than --rotate-for");
        }
        for planned in drive.fault.iter().chain(&turns) {
            let name = &planned.name;
            let of = |commands: &[NamedCommand]| {
                let named = commands.iter().find(|named| named.name == *name);
                named.map(|named| named.command.clone())
            };
            let breaks = of(&drive.breaks)
                .with_context(|| format!("the fault {name} needs --break \"{name}=COMMAND\""))?;
            let mends = of(&drive.mends);
            if planned.lasts.is_some() && mends.is_none() {
                bail!("the fault {name} is to end and needs --mend \"{name}=COMMAND\"");
            }
            all.push(Scheduled { what: name.clone(), planned: planned.clone(), breaks, mends });
        }
        Ok(Self(all))
    }
}

impl Faults for Commands {
    async fn play(&self, line: &TimeLine, begin: Instant, end: Instant) -> anyhow::Result<()> {
        try_join_all(self.0.iter().map(|fault| fault.play(line, begin, end))).await?;
        Ok(())
    }
}

// === impl Scheduled ===

impl Scheduled {
    async fn play(&self, line: &TimeLine, begin: Instant, end: Instant) -> anyhow::Result<()> {
        let PlannedFault { at, lasts, every, .. } = self.planned;
        let mut next = begin + at;
        while next < end {
            sleep_until(next).await;
            let open = line.begin(&self.what);
            run(&self.breaks).await?;
            match (lasts, &self.mends) {
                (Some(lasts), Some(mends)) => {
                    sleep_until(next + lasts).await;
                    run(mends).await?;
                    line.end(open);
                }
                // A command that neither is nor needs to be mended, such as a rolling restart,
                // lasts as long as it runs.
                _ => line.end(open),
            }
            let Some(every) = every else { break };
            next += every;
        }
        Ok(())
    }
}

/// Runs `command`, split at spaces. What it starts may outlive it and keep its output open, so that
/// goes nowhere.
async fn run(command: &str) -> anyhow::Result<()> {
    let mut words = command.split_whitespace();
    let program = words.next().context("the command is empty")?;
    let mut child = Command::new(program);
    child
        .args(words)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::inherit())
        .kill_on_drop(true);
    let status = timeout(DEADLINE, child.status())
        .await
        .with_context(|| format!("{command}: did not end"))?;
    let status = status.with_context(|| command.to_owned())?;
    if !status.success() {
        bail!("{command}: {status}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::timeline::Mark;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        drive: Drive,
    }

    fn commands(arguments: &[&str]) -> anyhow::Result<Commands> {
        Commands::new(&Line::parse_from([&["x"], arguments].concat()).drive)
    }

    async fn play(arguments: &[&str]) -> anyhow::Result<Vec<Mark>> {
        let now = Instant::now();
        let line = TimeLine::new(now);
        commands(arguments)?.play(&line, now, now + Duration::from_secs(1)).await?;
        Ok(line.marks())
    }

    #[tokio::test]
    async fn a_node_is_killed_and_started_and_both_are_marked() {
        let kill = ["--kill", "a@0s,back=0s", "--command-kill", "test {node} = a"];
        let marks = play(&[&kill[..], &["--command-start", "true"]].concat()).await.unwrap();
        assert_eq!(marks.len(), 1);
        assert_eq!(marks[0].what, "kill a");
        assert!(marks[0].ended.is_some(), "{marks:?}");
    }

    #[tokio::test]
    async fn a_named_fault_is_broken_and_mended_by_its_own_commands() {
        let fault = ["--fault", "net@0s,for=0s", "--break", "net=true", "--mend", "net=true"];
        let marks = play(&fault).await.unwrap();
        assert_eq!(marks[0].what, "net");
        let mut failing = fault;
        failing[5] = "net=false";
        let error = play(&failing).await.unwrap_err().to_string();
        assert!(error.contains("false: exit status: 1"), "{error}");
    }

    #[test]
    fn a_fault_without_a_command_is_refused() {
        let error = |arguments: &[&str]| commands(arguments).unwrap_err().to_string();
        assert!(error(&["--fault", "net@1s"]).contains("--break \"net=COMMAND\""));
        let lasting = ["--fault", "net@1s,for=1s", "--break", "net=true"];
        assert!(error(&lasting).contains("--mend \"net=COMMAND\""));
        assert!(error(&["--rotate", "a", "--rotate-for", "70s"]).contains("must be longer"));
    }
}
