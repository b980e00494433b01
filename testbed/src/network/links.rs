//! Many proxies with names, in a process of its own, which a command tells what becomes of bytes:
//! one line `FROM TO STATE` on its control address, such as `ingress-1 nats held`.

use std::{net::SocketAddr, str::FromStr, time::Duration};

use anyhow::{Context, bail, ensure};
use parlor_common::deadline::in_time;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};

use super::{Network, Protocol, Proxy};

/// A way from one part to another, by a proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Who connects, such as `ingress-1`.
    pub from: String,
    /// To whom, such as `nats-1`.
    pub to: String,
    /// Where it connects instead.
    pub listen: SocketAddr,
    /// Where the other one listens.
    pub server: SocketAddr,
    /// What they speak.
    pub protocol: Protocol,
}

/// How long a command waits for the process.
const DEADLINE: Duration = Duration::from_secs(5);

// === impl Link ===

impl Link {
    /// Whether a command that says these names means it: a part's own name, what it has before its
    /// number, or `all`.
    fn is_between(&self, from: &str, to: &str) -> bool {
        let is = |name: &str, said: &str| {
            said == "all" || name == said || name.rsplit_once('-').is_some_and(|(of, _)| of == said)
        };
        is(&self.from, from) && is(&self.to, to)
    }
}

impl std::fmt::Display for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { from, to, listen, server, protocol } = self;
        let protocol = match protocol {
            Protocol::Any => "any",
            Protocol::Nats => "nats",
            Protocol::Cql => "cql",
        };
        write!(f, "{from} {to} {listen} {server} {protocol}")
    }
}

impl FromStr for Link {
    type Err = anyhow::Error;

    fn from_str(line: &str) -> anyhow::Result<Self> {
        let words: Vec<_> = line.split(' ').collect();
        let [from, to, listen, server, protocol] = words[..] else { bail!("{line:?} is no link") };
        let protocol = match protocol {
            "any" => Protocol::Any,
            "nats" => Protocol::Nats,
            "cql" => Protocol::Cql,
            _ => bail!("{protocol:?} is no protocol"),
        };
        let (from, to) = (from.to_owned(), to.to_owned());
        Ok(Self { from, to, listen: listen.parse()?, server: server.parse()?, protocol })
    }
}

/// Runs the proxies of these links until the process ends.
///
/// # Errors
/// An address is taken.
pub async fn run(links: Vec<Link>, control: SocketAddr) -> anyhow::Result<()> {
    let mut proxies = Vec::new();
    for link in links {
        let proxy = Proxy::at(link.listen, &link.server.to_string(), link.protocol)
            .await
            .with_context(|| link.to_string())?;
        proxies.push((link, proxy));
    }
    let listener = TcpListener::bind(control).await.with_context(|| control.to_string())?;
    loop {
        let (stream, _) = listener.accept().await?;
        // One command after another; who says nothing must not keep the next one waiting.
        drop(in_time(DEADLINE, std::io::Error::other, obey(stream, &proxies)).await);
    }
}

async fn obey(stream: TcpStream, proxies: &[(Link, Proxy)]) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    stream.read_line(&mut line).await?;
    let answer = match turned(line.trim(), proxies) {
        Ok(count) => format!("ok {count}\n"),
        Err(error) => format!("{error:#}\n"),
    };
    stream.write_all(answer.as_bytes()).await
}

fn turned(line: &str, proxies: &[(Link, Proxy)]) -> anyhow::Result<usize> {
    let words: Vec<_> = line.split(' ').collect();
    let [from, to, network] = words[..] else { bail!("{line:?} is not FROM TO STATE") };
    let network: Network = network.parse().map_err(anyhow::Error::msg)?;
    let meant: Vec<_> = proxies.iter().filter(|(link, _)| link.is_between(from, to)).collect();
    ensure!(!meant.is_empty(), "there is no way from {from} to {to}");
    meant.iter().for_each(|(_, proxy)| proxy.turn(network));
    Ok(meant.len())
}

/// Tells the process at this control address what becomes of bytes from one part to another.
///
/// # Errors
/// It does not run, or knows no such way.
pub async fn turn(
    control: SocketAddr,
    from: &str,
    to: &str,
    network: Network,
) -> anyhow::Result<()> {
    let told = async {
        let mut stream = BufReader::new(TcpStream::connect(control).await?);
        stream.write_all(format!("{from} {to} {network}\n").as_bytes()).await?;
        let mut answer = String::new();
        stream.read_line(&mut answer).await?;
        Ok(answer)
    };
    let answer = in_time(DEADLINE, std::io::Error::other, told)
        .await
        .context("the topology has no network of its own: start it with NETWORK=1")?;
    ensure!(answer.starts_with("ok "), "{}", answer.trim());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(from: &str, to: &str) -> Link {
        let address = ([127, 0, 0, 1], 1).into();
        let (from, to) = (from.to_owned(), to.to_owned());
        Link { from, to, listen: address, server: address, protocol: Protocol::Nats }
    }

    #[test]
    fn a_link_is_meant_by_its_names_or_what_is_before_their_numbers() {
        let meant = link("ingress-1", "nats-2");
        for (from, to, is_meant) in [
            ("ingress-1", "nats-2", true),
            ("ingress", "nats", true),
            ("all", "nats", true),
            ("ingress-2", "nats", false),
            ("ing", "nats", false),
            ("ingress-1", "cql", false),
        ] {
            assert_eq!(meant.is_between(from, to), is_meant, "{from} {to}");
        }
        assert_eq!(meant.to_string().parse::<Link>().unwrap(), meant);
    }
}
