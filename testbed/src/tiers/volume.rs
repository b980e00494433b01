//! The disk of a NATS node as a volume of its own: a small file system in a file, which can be
//! filled, and whose power can be cut. Only root may mount one.

use std::{
    ffi::OsStr,
    fs::{self, File},
    io::{ErrorKind, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, ensure};

use super::{Tiers, node::Target};
use crate::servers::{
    kind::{Kind, Node},
    nats::Sync,
};

/// What fills it.
const FILLER: &str = "filler";

/// A NATS node's volume.
struct Volume {
    /// The file that is the disk.
    image: PathBuf,
    /// Where it is mounted: the node's data.
    data: PathBuf,
}

// === impl Tiers ===

impl Tiers {
    fn volume(&self, node: Node) -> Volume {
        let folder = self.process(&node.name()).folder().to_owned();
        Volume { image: folder.join("disk.img"), data: folder.join("data") }
    }

    /// Stops each NATS node in turn, and starts it again with its data on a volume of so many MiB.
    ///
    /// # Errors
    /// This machine lets nobody mount one, or it has too little room.
    pub async fn move_to_volumes(&self, mebibytes: u64) -> anyhow::Result<()> {
        for node in Kind::Nats3.nodes() {
            self.stop(Target::Server(*node)).await?;
            let moved = self.volume(*node).make(mebibytes);
            self.start(Target::Server(*node)).await?;
            moved?;
        }
        Ok(())
    }

    /// Fills the volume of each NATS node to the last byte.
    ///
    /// # Errors
    /// There is none.
    pub fn fill_volumes(&self) -> anyhow::Result<()> {
        Kind::Nats3.nodes().iter().try_for_each(|node| self.volume(*node).fill())
    }

    /// Takes away what filled them. A NATS server that saw its disk full takes nothing until it is
    /// started again: so all are, at once.
    ///
    /// # Errors
    /// One does not come up.
    pub async fn free_volumes(&self) -> anyhow::Result<()> {
        for node in Kind::Nats3.nodes() {
            fs::remove_file(self.volume(*node).data.join(FILLER)).ok();
        }
        // One after another would not do: the first would find no leader among the others.
        for node in Kind::Nats3.nodes() {
            self.stop(Target::Server(*node)).await?;
        }
        self.start_nats().await
    }

    /// Cuts the power of all NATS nodes at once: what they wrote and did not sync is gone. They do
    /// not run afterwards.
    ///
    /// # Errors
    /// There are no volumes.
    pub async fn cut_power(&self) -> anyhow::Result<()> {
        let nodes = Kind::Nats3.nodes();
        for node in nodes {
            self.process(&node.name()).signal("-KILL")?;
        }
        for node in nodes {
            self.volume(*node).keep_what_was_synced()?;
        }
        for node in nodes {
            self.volume(*node).forget_the_rest()?;
        }
        Ok(())
    }

    /// From their next start on, the NATS servers write as they do by default, and nobody is told.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn sync_by_default(&self) -> anyhow::Result<()> {
        Ok(fs::write(self.unsynced(), "")?)
    }

    /// From their next start on, they sync again before they acknowledge.
    ///
    /// # Errors
    /// They did so already.
    pub fn sync_always(&self) -> anyhow::Result<()> {
        Ok(fs::remove_file(self.unsynced())?)
    }

    /// How the NATS servers write.
    pub(super) fn sync(&self) -> Sync {
        if self.unsynced().exists() { Sync::ByDefault } else { Sync::Always }
    }

    fn unsynced(&self) -> PathBuf {
        self.settings.folder.join("unsynced")
    }

    /// Unmounts what an ended topology has mounted.
    pub(super) fn unmount_all(&self) -> anyhow::Result<()> {
        fs::remove_file(self.unsynced()).ok();
        for volume in Kind::Nats3.nodes().iter().map(|node| self.volume(*node)) {
            if volume.image.is_file() {
                volume.unmount()?;
                fs::remove_file(volume.image)?;
            }
        }
        Ok(())
    }
}

// === impl Volume ===

impl Volume {
    /// Makes it of the data that is there, and mounts it in its place.
    fn make(&self, mebibytes: u64) -> anyhow::Result<()> {
        ensure!(!self.image.exists(), "{} is there already", self.image.display());
        let before = self.data.with_extension("before");
        File::create(&self.image)?.set_len(mebibytes << 20)?;
        run("mkfs.ext4", [OsStr::new("-q"), self.image.as_os_str()])?;
        fs::rename(&self.data, &before)?;
        fs::create_dir(&self.data)?;
        if let Err(error) = self.mount() {
            fs::remove_dir(&self.data)?;
            fs::rename(&before, &self.data)?;
            fs::remove_file(&self.image)?;
            return Err(error);
        }
        run("cp", [OsStr::new("-a"), before.join(".").as_os_str(), self.data.as_os_str()])?;
        run("sync", [OsStr::new("-f"), self.data.as_os_str()])?;
        Ok(fs::remove_dir_all(before)?)
    }

    fn mount(&self) -> anyhow::Result<()> {
        let arguments = [OsStr::new("-o"), OsStr::new("loop"), self.image.as_os_str()];
        run("mount", arguments.into_iter().chain([self.data.as_os_str()]))
    }

    fn unmount(&self) -> anyhow::Result<()> {
        run("umount", [self.data.as_os_str()])
    }

    fn fill(&self) -> anyhow::Result<()> {
        ensure!(self.image.is_file(), "{} is no volume", self.data.display());
        let mut file = File::create(self.data.join(FILLER))?;
        // Ever smaller pieces, so that not even a small one finds room afterwards.
        for size in [1 << 20, 4096, 1] {
            loop {
                match file.write_all(&vec![0; size]) {
                    Ok(()) => {}
                    Err(error) if error.kind() == ErrorKind::StorageFull => break,
                    Err(error) => return Err(error.into()),
                }
            }
        }
        // A page that was written may still be without a place on the disk.
        file.sync_all().or_else(|error| match error.kind() {
            ErrorKind::StorageFull => Ok(()),
            _ => Err(error.into()),
        })
    }

    /// What the disk has got is in its image; what was not synced is in the machine's memory alone,
    /// for half a minute: so the copy must not wait for a disk.
    fn keep_what_was_synced(&self) -> anyhow::Result<()> {
        fs::copy(&self.image, self.kept()).with_context(|| self.image.display().to_string())?;
        Ok(())
    }

    /// Unmounting writes the rest to the old image, which is thrown away.
    fn forget_the_rest(&self) -> anyhow::Result<()> {
        self.unmount()?;
        fs::copy(self.kept(), &self.image)?;
        fs::remove_file(self.kept())?;
        self.mount()
    }

    fn kept(&self) -> PathBuf {
        let name = self.image.display().to_string().replace('/', "-");
        Path::new("/dev/shm").join(format!("parlor{name}"))
    }
}

fn run<'a>(program: &str, arguments: impl IntoIterator<Item = &'a OsStr>) -> anyhow::Result<()> {
    let place = Path::new("/usr/sbin").join(program);
    let program = if place.is_file() { place } else { PathBuf::from(program) };
    let status = Command::new(&program).args(arguments).stdin(Stdio::null()).status();
    let status = status.with_context(|| program.display().to_string())?;
    ensure!(status.success(), "{}: {status}", program.display());
    Ok(())
}
