//! Apache Cassandra, which speaks the CQL that ScyllaDB does and needs no container engine.

use std::{fs, process::Command, time::Duration};

use anyhow::Context;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::{place::Place, process::Process};

/// Starts it on these ports: CQL, storage, JMX.
///
/// # Errors
/// It is not installed, or cannot be started.
pub async fn launch(place: &Place, process: &Process, ports: &[u16]) -> anyhow::Result<()> {
    let scripts = place.root.join("scripts/cassandra");
    let (folder, jars) = (process.folder(), place.cassandra().canonicalize()?);
    let data = folder.join("data");
    for name in ["data", "commitlog", "hints", "saved_caches", "triggers"] {
        fs::create_dir_all(data.join(name))?;
    }
    let config = folder.join("cassandra.yaml");
    let template = fs::read_to_string(scripts.join("cassandra.yaml"))?;
    let text = template
        .replace("@CQL_PORT@", &ports[0].to_string())
        .replace("@STORAGE_PORT@", &ports[1].to_string());
    fs::write(&config, text)?;
    let agent = fs::read_dir(&jars)?
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .find(|path| {
            path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("jamm-"))
        })
        .context("Cassandra's jars lack jamm")?;
    let (agent, data, scripts) = (agent.display(), data.display(), scripts.display());
    let mut java = Command::new("java");
    java.arg(format!("@{scripts}/jvm.options")).arg("-cp").arg(jars.join("*")).args([
        format!("-Xbootclasspath/a:{agent}"),
        format!("-javaagent:{agent}"),
        format!("-Dlogback.configurationFile=file:{scripts}/logback.xml"),
        format!("-Dcassandra.config=file:{}", config.display()),
        format!("-Dcassandra.storagedir={data}"),
        format!("-Dcassandra.triggers_dir={data}/triggers"),
        format!("-Dcassandra.jmx.local.port={}", ports[2]),
        "org.apache.cassandra.service.CassandraDaemon".to_owned(),
    ]);
    Ok(process.launch(java).await?)
}

/// Whether it replies SUPPORTED (opcode 6) to an OPTIONS frame (version 4, stream 0, opcode 5, no
/// body).
pub async fn answers(port: u16) -> bool {
    let reply = async {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
        stream.write_all(b"\x04\0\0\0\x05\0\0\0\0").await?;
        let mut head = [0; 5];
        stream.read_exact(&mut head).await?;
        std::io::Result::Ok(head)
    };
    matches!(timeout(Duration::from_secs(2), reply).await, Ok(Ok([0x84, 0, 0, 0, 6])))
}
