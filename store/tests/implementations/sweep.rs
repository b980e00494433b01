//! Drops the keyspaces that earlier runs left: no run can drop its own, as a test program has no
//! end of its own to do it at, and a small server bears some dozens of them. Speaks the few words
//! of CQL it needs by itself, since only the store may name the driver.

use std::{
    io::{self, Read, Write},
    net::TcpStream,
    path::Path,
    time::{Duration, SystemTime},
};

/// How the keyspaces of tests begin; the time in milliseconds and the process follow, in
/// hexadecimal and decimal.
pub(crate) const PREFIX: &str = "parlor_test_";
/// How old a keyspace of a process elsewhere must be.
const OLD: Duration = Duration::from_secs(1_800);

const STARTUP: u8 = 0x01;
const QUERY: u8 = 0x07;
/// The frame says `RESULT`, and its body begins with the kind `Rows`.
const ROWS: [u8; 4] = [0, 0, 0, 2];

/// Drops what runs that have ended left on the server at `node`.
pub(crate) fn sweep(node: &str) -> io::Result<()> {
    let mut server = TcpStream::connect(node)?;
    server.set_read_timeout(Some(Duration::from_secs(30)))?;
    ask(&mut server, STARTUP, b"\0\x01\0\x0bCQL_VERSION\0\x053.0.0")?;
    let found = query(&mut server, "SELECT keyspace_name FROM system_schema.keyspaces")?;
    for keyspace in
        keyspaces(&found).into_iter().filter(|keyspace| ended(keyspace, node.starts_with("127.")))
    {
        query(&mut server, &format!("DROP KEYSPACE IF EXISTS {keyspace}"))?;
    }
    Ok(())
}

/// Whether the run that made a keyspace has ended.
fn ended(keyspace: &str, here: bool) -> bool {
    let Some((time, rest)) = keyspace.strip_prefix(PREFIX).and_then(|name| name.split_once('_'))
    else {
        return false;
    };
    let process = rest.split('_').next().unwrap_or_default();
    let made = u64::from_str_radix(time, 16)
        .map(|millis| SystemTime::UNIX_EPOCH + Duration::from_millis(millis));
    let old = made.is_ok_and(|made| made.elapsed().is_ok_and(|age| age > OLD));
    old || here && !Path::new("/proc").join(process).exists()
}

/// The names in an answer: all that looks like one of ours.
fn keyspaces(rows: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(rows);
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with(PREFIX)).map(str::to_owned).collect()
}

/// The rows of an answer as they came, or nothing where it has none.
fn query(server: &mut TcpStream, statement: &str) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    body.extend(u32::try_from(statement.len()).unwrap().to_be_bytes());
    body.extend(statement.as_bytes());
    body.extend(*b"\0\x01\0");
    let answer = ask(server, QUERY, &body)?;
    Ok(answer.strip_prefix(&ROWS).map(<[u8]>::to_vec).unwrap_or_default())
}

/// The body of the answer to a frame of version 4: version, flags, stream, opcode, length, body.
fn ask(server: &mut TcpStream, opcode: u8, body: &[u8]) -> io::Result<Vec<u8>> {
    let mut frame = vec![4, 0, 0, 0, opcode];
    frame.extend(u32::try_from(body.len()).unwrap().to_be_bytes());
    frame.extend(body);
    server.write_all(&frame)?;
    let mut head = [0; 9];
    server.read_exact(&mut head)?;
    let mut answer = vec![0; u32::from_be_bytes([head[5], head[6], head[7], head[8]]) as usize];
    server.read_exact(&mut answer)?;
    Ok(answer)
}
