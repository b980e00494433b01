//! Secrets that are made up: of the installation, of the agents, of the NATS users.

use std::{
    fs::File,
    io::{self, Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

/// Reads the secret of this file, which is made if there is none.
///
/// # Errors
/// The file cannot be read or made.
pub fn kept(file: &Path) -> io::Result<String> {
    if !file.is_file() {
        let mut new = File::options().write(true).create_new(true).mode(0o600).open(file)?;
        new.write_all(made()?.as_bytes())?;
    }
    std::fs::read_to_string(file)
}

/// 32 random bytes as text that begins with a letter: a NATS configuration parses a variable as a
/// value, and `49e49c` would be a number there.
fn made() -> io::Result<String> {
    let mut bytes = [0; 32];
    File::open("/dev/urandom").and_then(|mut random| random.read_exact(&mut bytes))?;
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(format!("s{hex}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_that_is_made_cannot_be_read_as_a_number() {
        for _ in 0..100 {
            assert!(made().unwrap().starts_with(|first: char| first.is_ascii_alphabetic()));
        }
    }
}
