//! Faults on a schedule: nodes are killed and started again while the load runs.

use std::{
    process::Stdio,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context, bail};
use serde::Serialize;
use tokio::{
    process::Command,
    time::{Instant, sleep_until, timeout},
};

use crate::plan::Kill;

/// Kills and starts nodes by commands of the installation.
#[derive(Debug)]
pub(crate) struct Faults {
    /// `{node}` stands for the node's name.
    kill: String,
    start: String,
    started: Instant,
    marks: Mutex<Vec<Mark>>,
}

/// Something was done to a node.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Mark {
    /// Seconds since the start.
    pub(crate) at: f64,
    pub(crate) node: String,
    pub(crate) what: What,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum What {
    Killed,
    Started,
}

/// A command may take so long.
const DEADLINE: Duration = Duration::from_secs(60);

// === impl Faults ===

impl Faults {
    /// Marks are told in seconds since `started`.
    pub(crate) fn new(kill: String, start: String, started: Instant) -> Self {
        Self { kill, start, started, marks: Mutex::default() }
    }

    /// Plays one kill of the schedule, from `begin` to `end`; a node that was killed is started
    /// even after that.
    pub(crate) async fn play(
        &self,
        kill: &Kill,
        begin: Instant,
        end: Instant,
    ) -> anyhow::Result<()> {
        let mut at = begin + kill.at;
        while at < end {
            sleep_until(at).await;
            run(&self.kill, &kill.node).await?;
            self.mark(&kill.node, What::Killed);
            if let Some(back) = kill.back {
                sleep_until(at + back).await;
                run(&self.start, &kill.node).await?;
                self.mark(&kill.node, What::Started);
            }
            let Some(every) = kill.every else { break };
            at += every;
        }
        Ok(())
    }

    /// What was done so far.
    pub(crate) fn marks(&self) -> Vec<Mark> {
        self.marks.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn mark(&self, node: &str, what: What) {
        let mark = Mark { at: self.started.elapsed().as_secs_f64(), node: node.to_owned(), what };
        self.marks.lock().unwrap_or_else(PoisonError::into_inner).push(mark);
    }
}

/// Runs `command`, split at spaces. What it starts may outlive it and keep its output open, so that
/// goes nowhere.
async fn run(command: &str, node: &str) -> anyhow::Result<()> {
    let command = command.replace("{node}", node);
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
    let status = status.with_context(|| command.clone())?;
    if !status.success() {
        bail!("{command}: {status}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_node_is_killed_and_started_and_both_are_marked() {
        let faults = Faults::new("test {node} = a".to_owned(), "true".to_owned(), Instant::now());
        let now = Instant::now();
        faults.play(&"a@0s,back=0s".parse().unwrap(), now, now + DEADLINE).await.unwrap();
        let marks: Vec<_> = faults.marks().into_iter().map(|mark| mark.what).collect();
        assert_eq!(marks, [What::Killed, What::Started]);
    }

    #[tokio::test]
    async fn a_command_that_fails_is_an_error() {
        let faults = Faults::new("test {node} = a".to_owned(), "true".to_owned(), Instant::now());
        let now = Instant::now();
        assert!(faults.play(&"b@0s".parse().unwrap(), now, now + DEADLINE).await.is_err());
    }
}
