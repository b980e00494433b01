//! Nodes that are started with something wrong: with what they write errors to, or with too few
//! descriptors.

use std::{
    fs::File,
    process::{Command, Stdio},
};

use anyhow::ensure;

use super::{Tiers, node::Tier};

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ailment {
    /// Standard error is a device that is full.
    ErrorsFull,
    /// Standard error is a pipe whose reader is gone.
    ErrorsClosed,
    /// Standard error is a pipe that nobody reads, so that it takes nothing more once it is full.
    ErrorsUnread,
    /// So many descriptors at the most.
    FewFiles(u32),
}

impl Tiers {
    /// Stops a node and starts it again like this; waits until it is ready. The next plain start
    /// of it mends that.
    ///
    /// # Errors
    /// It does not run, or does not become ready.
    pub async fn restart_ailing(&self, node: (Tier, u16), ailment: Ailment) -> anyhow::Result<()> {
        self.stop(super::node::Target::Node(node.0, node.1)).await?;
        let process = self.node(node);
        let binary = &self.settings.binary;
        let (command, errors) = match ailment {
            Ailment::ErrorsFull => {
                (Command::new(binary), File::options().write(true).open("/dev/full")?.into())
            }
            Ailment::ErrorsClosed => (Command::new(binary), Stdio::piped()),
            Ailment::ErrorsUnread => {
                let pipe = process.folder().join("unread");
                std::fs::remove_file(&pipe).ok();
                let made = Command::new("mkfifo").arg(&pipe).status()?;
                ensure!(made.success(), "mkfifo: {made}");
                // Both ends: so it opens at once, and stays open with the node.
                let pipe = File::options().read(true).write(true).open(pipe)?;
                (Command::new(binary), pipe.into())
            }
            Ailment::FewFiles(most) => {
                let mut command = Command::new("prlimit");
                command.arg(format!("--nofile={most}:{most}")).arg(binary);
                let log = File::options().append(true).create(true).open(process.log_file())?;
                (command, log.into())
            }
        };
        process.launch_into(self.as_node(command, node)?, errors).await?;
        self.wait_until_ready(node).await?;
        self.wait_until_served(node).await
    }
}
