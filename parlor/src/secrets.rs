//! The installation's secrets, from files.

use std::{
    fs::{self, OpenOptions},
    io::{ErrorKind, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use parlor_common::{
    keys::{InstallationKeys, Secret},
    random::Random,
};
use parlor_log::jetstream::JetStreamSettings;
use parlor_store::CqlSettings;
use serde::{Deserialize, Serialize};

use crate::exit::Exit;

/// Where the installation's secrets are. A file holds 32 bytes or more; white space around them
/// does not count.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SecretSettings {
    /// `secrets.current_file`: what signs. No default; in development mode on the embedded log, a
    /// file is made in the data folder.
    pub(crate) current_file: Option<PathBuf>,
    /// `secrets.previous_file`: what still verifies while the current one replaces it. No default.
    pub(crate) previous_file: Option<PathBuf>,
    /// `secrets.nats_password_file`: the password of `nats.user`. No default.
    pub(crate) nats_password_file: Option<PathBuf>,
    /// `secrets.cql_password_file`: the password of `cql.user`. No default.
    pub(crate) cql_password_file: Option<PathBuf>,
}

/// Reads the secrets; makes one in `data`, where that is given, if no file is named.
pub(crate) fn read(
    settings: &SecretSettings,
    data: Option<&Path>,
    random: &Random,
) -> Result<InstallationKeys, Exit> {
    let current = match (&settings.current_file, data) {
        (Some(file), _) => read_file(file)?,
        (None, Some(data)) => made_in(data, random)?,
        (None, None) => {
            return Err(Exit::usage(
                "secrets.current_file is not set: the nodes of an installation share a secret",
            ));
        }
    };
    let previous = settings.previous_file.as_deref().map(read_file).transpose()?;
    Ok(InstallationKeys::new(current, previous))
}

/// The settings of the database, with its password.
pub(crate) fn with_cql_password(
    secrets: &SecretSettings,
    cql: &CqlSettings,
) -> Result<CqlSettings, Exit> {
    let password = secrets.cql_password_file.as_deref().map(read_password).transpose()?;
    Ok(CqlSettings { password, ..cql.clone() })
}

/// The settings of NATS, with the password.
pub(crate) fn with_nats_password(
    secrets: &SecretSettings,
    nats: &JetStreamSettings,
) -> Result<JetStreamSettings, Exit> {
    let password = secrets.nats_password_file.as_deref().map(read_password).transpose()?;
    Ok(JetStreamSettings { password, ..nats.clone() })
}

fn read_password(file: &Path) -> Result<String, Exit> {
    let failed = |error| Exit::usage(format_args!("{}: {error}", file.display()));
    Ok(fs::read_to_string(file).map_err(failed)?.trim().to_owned())
}

/// The secret in the data folder; the first process that needs it makes it.
fn made_in(data: &Path, random: &Random) -> Result<Secret, Exit> {
    let file = data.join("installation.key");
    let failed = |error| Exit::data(format_args!("{}: {error}", file.display()));
    let text: String = random.bytes::<32>().iter().map(|byte| format!("{byte:02x}")).collect();
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&file) {
        Ok(mut made) => {
            let written = made.write_all(text.as_bytes()).and_then(|()| made.sync_all());
            written.map_err(failed)?;
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        Err(error) => return Err(failed(error)),
    }
    read_file(&file)
}

fn read_file(file: &Path) -> Result<Secret, Exit> {
    let bytes =
        fs::read(file).map_err(|error| Exit::usage(format_args!("{}: {error}", file.display())))?;
    Secret::new(bytes.trim_ascii().to_vec())
        .map_err(|short| Exit::usage(format_args!("{}: {short}", file.display())))
}
