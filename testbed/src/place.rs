//! Where the project and its cache are, and the locks by which two runs keep out of each other's
//! way.

use std::{
    fs::{self, File, TryLockError},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, ensure};

/// The project's folder, and the folder of what is fetched, built and run for it.
#[derive(Clone, Debug)]
pub struct Place {
    /// The project.
    pub root: PathBuf,
    /// What is not part of it and may be deleted.
    pub cache: PathBuf,
}

// === impl Place ===

impl Place {
    /// The project that this crate was built from, with `.cache` in it unless another is given.
    ///
    /// # Errors
    /// The folder of the cache cannot be made.
    pub fn new(cache: Option<&Path>) -> anyhow::Result<Self> {
        let root = root();
        let cache = cache.map_or_else(|| root.join(".cache"), Path::to_owned);
        fs::create_dir_all(&cache).with_context(|| cache.display().to_string())?;
        Ok(Self { root, cache: cache.canonicalize()? })
    }

    /// Holds the lock of this name until the file is dropped; processes started meanwhile do not
    /// inherit it. The scripts hold the same locks with `flock`.
    ///
    /// # Errors
    /// The file of the lock cannot be made.
    pub fn lock(&self, name: &str) -> anyhow::Result<File> {
        let path = self.cache.join(format!("{name}.lock"));
        let file = File::options().append(true).create(true).open(path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                println!("{name}: another run is at it, waiting for it to finish");
                file.lock()?;
            }
            Err(TryLockError::Error(error)) => return Err(error.into()),
        }
        Ok(file)
    }

    /// Runs `scripts/install`, which leaves alone what is there.
    ///
    /// # Errors
    /// It fails; it has said why.
    pub fn install(&self, packages: &[&str]) -> anyhow::Result<()> {
        let status = Command::new(self.root.join("scripts/install"))
            .args(packages)
            .env("PARLOR_CACHE", &self.cache)
            .stdin(Stdio::null())
            .status()?;
        ensure!(status.success(), "scripts/install failed, see above");
        Ok(())
    }

    /// The NATS server that `scripts/install` found or built.
    pub fn nats_server(&self) -> PathBuf {
        self.cache.join("bin/nats-server")
    }

    /// The folder of Cassandra's jars that `scripts/install` fetched.
    pub fn cassandra(&self) -> PathBuf {
        self.cache.join("bin/cassandra")
    }
}

/// The project's folder.
pub fn root() -> PathBuf {
    let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    crate_folder.parent().expect("the crate is a folder of the project").to_owned()
}
