//! Doing to the topology what a fault says.

use std::{collections::HashMap, fs, net::SocketAddr, time::Duration};

use anyhow::Context;
use futures_util::future::join_all;
use parlor_testbed::tiers::{
    Tiers,
    node::{Target, Tier},
};
use tokio::{net::TcpStream, sync::Mutex, time::timeout};

use super::row::{Deed, Tenants};

/// Who does it, and what has to be known until it is mended.
#[derive(Debug)]
pub(super) struct Hands<'a> {
    tiers: &'a Tiers,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    /// Which part `leader` and `busiest` are in this run.
    named: HashMap<&'static str, String>,
    /// Connections that say nothing.
    crowd: Vec<TcpStream>,
}

/// How many MiB the volume of a NATS node has: streams of a short run, and little more.
const VOLUME: u64 = 192;
/// The shard of the actors' tenant, `demo`: crc32 of its name, mod 16.
const ACTORS_SHARD: u16 = 0;
const CONNECTING: Duration = Duration::from_secs(5);

// === impl Hands ===

impl<'a> Hands<'a> {
    pub(super) fn new(tiers: &'a Tiers) -> Self {
        Self { tiers, kept: Mutex::default() }
    }

    /// Does it.
    ///
    /// # Errors
    /// It cannot be done here, or what was done did not come to what it should.
    pub(super) async fn perform(&self, deed: Deed) -> anyhow::Result<()> {
        let tiers = self.tiers;
        match deed {
            Deed::Kill(part) => tiers.kill(self.target(part).await?).await,
            Deed::Stop(part) => tiers.stop(self.target(part).await?).await,
            Deed::Start(part) => tiers.start(self.target(part).await?).await,
            Deed::StartNats => tiers.start_nats().await,
            Deed::Roll("nats") => {
                for part in ["nats-1", "nats-2", "nats-3"] {
                    let target = self.target(part).await?;
                    tiers.stop(target).await?;
                    tiers.start(target).await?;
                }
                Ok(())
            }
            Deed::Roll(tier) => tiers.roll(tier.parse::<Tier>().map_err(anyhow::Error::msg)?).await,
            Deed::Pause(part) => tiers.pause(self.target(part).await?),
            Deed::Resume(part) => tiers.resume(self.target(part).await?),
            Deed::Network(from, to, state) => {
                let (from, to) = (self.name(from).await?, self.name(to).await?);
                tiers.turn(&from, &to, state.parse().map_err(anyhow::Error::msg)?).await
            }
            Deed::Ail(part, ailment) => tiers.restart_ailing(node(part)?, ailment).await,
            Deed::Crowd(part, count) => self.crowd(tiers.listen(node(part)?), count).await,
            Deed::Tenants(tenants) => self.write(tenants),
            Deed::SyncAlways => tiers.sync_always(),
            Deed::SyncByDefault => tiers.sync_by_default(),
            Deed::MoveToVolumes => tiers.move_to_volumes(VOLUME).await,
            Deed::FillVolumes => tiers.fill_volumes(),
            Deed::FreeVolumes => tiers.free_volumes().await,
            Deed::CutPower => tiers.cut_power().await,
            Deed::ForgetStream => tiers.forget_stream(ACTORS_SHARD).await,
            Deed::Provision => tiers.provision(&[]),
        }
        .with_context(|| format!("{deed:?}"))
    }

    async fn target(&self, part: &'static str) -> anyhow::Result<Target> {
        self.name(part).await?.parse().map_err(anyhow::Error::msg)
    }

    async fn name(&self, part: &'static str) -> anyhow::Result<String> {
        let mut kept = self.kept.lock().await;
        if let Some(name) = kept.named.get(part) {
            return Ok(name.clone());
        }
        let name = match part {
            "leader" => self.tiers.leading().await?.name(),
            "busiest" => self.tiers.busiest().await?.name(),
            _ => return Ok(part.to_owned()),
        };
        kept.named.insert(part, name.clone());
        Ok(name)
    }

    /// Stands at an address with so many connections; with none, they go. A node that has no room
    /// refuses some, and that is what it is about.
    async fn crowd(&self, address: SocketAddr, count: usize) -> anyhow::Result<()> {
        let connecting = (0..count).map(|_| timeout(CONNECTING, TcpStream::connect(address)));
        let connected = join_all(connecting).await;
        self.kept.lock().await.crowd = connected.into_iter().flatten().flatten().collect();
        Ok(())
    }

    fn write(&self, tenants: Tenants) -> anyhow::Result<()> {
        let whole = self.tiers.tenants();
        let half = || whole[..whole.len() / 2].to_owned();
        let text = match tenants {
            Tenants::Empty => String::new(),
            Tenants::Cut => half(),
            Tenants::Torn => half() + &"\0".repeat(whole.len() / 2),
            Tenants::Huge => whole.clone() + &"# nothing\n".repeat(6 << 20),
            Tenants::Whole => whole,
        };
        Ok(fs::write(self.tiers.tenants_file(), text)?)
    }
}

fn node(part: &str) -> anyhow::Result<(Tier, u16)> {
    Target::parse_node(part).with_context(|| format!("{part} is no node"))
}
