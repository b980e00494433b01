//! HAProxy in front of the nodes.

use std::{
    fmt::Write as _,
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use crate::nodes::free_address;

/// A tier's nodes behind the balancer: the tier's name, and each node's name, address and admin
/// port.
pub type Backend = (&'static str, Vec<(String, SocketAddr, u16)>);

/// The project's own configuration.
pub const CONFIGURATION: &str = include_str!("../../deploy/haproxy/haproxy.cfg");

/// An HAProxy of a test's own; killed when dropped.
#[derive(Debug)]
pub struct Balancer {
    child: Child,
    /// Where it listens.
    pub address: SocketAddr,
}

// === impl Balancer ===

impl Balancer {
    /// Starts one with the configuration that `configure` makes of its address, from `folder`.
    ///
    /// # Errors
    /// There is no HAProxy.
    pub fn start(folder: &Path, configure: impl Fn(SocketAddr) -> String) -> io::Result<Self> {
        let address = free_address();
        let file = folder.join("haproxy.cfg");
        std::fs::write(&file, configure(address))?;
        let child = Command::new(program()).arg("-f").arg(file).stdin(Stdio::null()).spawn()?;
        Ok(Self { child, address })
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The program. Debian puts it where only root's PATH looks.
pub fn program() -> PathBuf {
    let debian = Path::new("/usr/sbin/haproxy");
    if debian.is_file() { debian } else { Path::new("haproxy") }.to_owned()
}

/// The project's configuration with the nodes' own lines in place of the container engine's names.
pub fn configuration(backends: &[Backend]) -> String {
    let mut text = String::new();
    let mut in_resolvers = false;
    for line in CONFIGURATION.lines() {
        in_resolvers = line.starts_with("resolvers ") || in_resolvers && !line.is_empty();
        let template = line.trim_start().strip_prefix("server-template ");
        let tier = template.and_then(|rest| rest.split(' ').next());
        if let Some((_, nodes)) = backends.iter().find(|(name, _)| Some(*name) == tier) {
            for (name, address, admin) in nodes {
                writeln!(text, "    server {name} {address} check port {admin}").ok();
            }
        } else if !in_resolvers {
            text.push_str(line);
            text.push('\n');
        }
    }
    text
}
