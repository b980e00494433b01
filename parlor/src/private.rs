//! Privacy on the disk: what a node writes is its own user's alone.

use std::{fs, io, os::unix::fs::PermissionsExt, path::Path};

use rustix::{fs::Mode, process::umask};
use tracing::warn;

use crate::exit::Exit;

const OTHERS: u32 = 0o077;

/// From now on files and folders that this process makes are for its user alone.
pub(crate) fn keep_to_ourselves() {
    umask(Mode::from_raw_mode(OTHERS));
}

/// Makes the data folder where it is not there yet, and takes from others what an earlier version,
/// or somebody's umask, let them have of it and of its files.
///
/// # Errors
/// Where it cannot be made.
pub(crate) fn data_folder(folder: &Path) -> Result<(), Exit> {
    let made = fs::create_dir_all(folder);
    made.map_err(|error| {
        Exit::data(format_args!("the data folder {}: {error}", folder.display()))
    })?;
    if let Err(error) = tighten_all(folder) {
        // As with a volume that is mounted for a group: it is the operator's to decide.
        warn!(folder = %folder.display(), %error, "others may read what is in the data folder");
    }
    Ok(())
}

fn tighten_all(folder: &Path) -> io::Result<()> {
    tighten(folder)?;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            tighten(&entry.path())?;
        }
    }
    Ok(())
}

fn tighten(path: &Path) -> io::Result<()> {
    let mode = fs::metadata(path)?.permissions().mode();
    if mode & OTHERS == 0 {
        return Ok(());
    }
    fs::set_permissions(path, fs::Permissions::from_mode(mode & !OTHERS))
}
