//! The tenants' file: TOML, checked wholly before anything of it is in force.

use std::{
    io,
    path::{Path, PathBuf},
};

use crate::{
    directory::Directory,
    tenants_text::{Entry, FileText, read},
};

/// The most bytes of the file: some hundred thousand tenants. One that is larger is no tenants'
/// file, and reading all of it could take the node's memory.
const MAX_BYTES: u64 = 64 << 20;

/// What is wrong with a tenants' file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {trouble}")]
pub struct BadTenants {
    path: String,
    trouble: String,
}

/// Where the file is.
#[derive(Clone, Debug)]
pub(crate) struct TenantsFile(PathBuf);

/// The file as it was at one moment, with every file it names.
pub(crate) struct Contents {
    path: PathBuf,
    tenants: Result<Vec<Entry>, String>,
    digest: [u8; 32],
}

// === impl TenantsFile ===

impl TenantsFile {
    pub(crate) fn new(path: &Path) -> Self {
        Self(path.to_owned())
    }

    /// Reads the file and the key files it names.
    pub(crate) fn read(&self) -> Contents {
        let mut digest = blake3::Hasher::new();
        let mut take = |read: io::Result<Vec<u8>>| {
            let read = read.map_err(|error| error.to_string());
            let (kind, bytes) = read
                .as_ref()
                .map_or_else(|error| (0, error.as_bytes()), |bytes| (1, bytes.as_slice()));
            digest.update(&[kind]).update(&(bytes.len() as u64).to_be_bytes()).update(bytes);
            read
        };
        let text = take(read(&self.0, MAX_BYTES))
            .and_then(|bytes| String::from_utf8(bytes).map_err(|error| error.to_string()));
        let folder = self.0.parent().unwrap_or_else(|| Path::new(""));
        let tenants = text.and_then(|text| FileText::read(&text)).map(|file| {
            file.tenant.into_iter().map(|text| Entry::read(text, folder, &mut take)).collect()
        });
        Contents { path: self.0.clone(), tenants, digest: *digest.finalize().as_bytes() }
    }
}

// === impl Contents ===

impl Contents {
    /// Changes when the file or a key file does.
    pub(crate) const fn digest(&self) -> [u8; 32] {
        self.digest
    }

    /// Checks all of it. A file that names nobody is one that is being written, or a mistake.
    pub(crate) fn parse(&self) -> Result<Directory, BadTenants> {
        let bad = |trouble| BadTenants { path: self.path.display().to_string(), trouble };
        let mut directory = Directory::default();
        for entry in self.tenants.as_ref().map_err(|trouble| bad(trouble.clone()))? {
            directory
                .add(entry)
                .map_err(|trouble| bad(format!("tenant {:?}: {trouble}", entry.text.name)))?;
        }
        if directory.names_nobody() {
            return Err(bad("it names no tenant".to_owned()));
        }
        Ok(directory)
    }
}
