//! Secrets that are made up: of the installation, of the agents, of the NATS users.

use std::{
    fs::File,
    io::{Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use anyhow::ensure;

/// Reads the secret of this file, which is made if there is none.
///
/// # Errors
/// The file cannot be read or made, or holds what NATS would misread.
pub fn kept(file: &Path) -> anyhow::Result<String> {
    if !file.is_file() {
        let mut new = File::options().write(true).create_new(true).mode(0o600).open(file)?;
        new.write_all(made()?.as_bytes())?;
    }
    let secret = std::fs::read_to_string(file)?;
    // A NATS configuration parses a variable as a value: `49e49c` would be a number there.
    ensure!(
        secret.starts_with(|first: char| first.is_ascii_alphabetic()),
        "{}: a secret begins with a letter, or NATS may read it as a number; delete the file to \
        have another made",
        file.display()
    );
    Ok(secret)
}

/// 32 random bytes as text that begins with a letter.
fn made() -> anyhow::Result<String> {
    let mut bytes = [0; 32];
    File::open("/dev/urandom").and_then(|mut random| random.read_exact(&mut bytes))?;
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(format!("s{hex}"))
}
