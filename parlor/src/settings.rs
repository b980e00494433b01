//! Settings: the defaults file, then a settings file, then the environment.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use figment::{
    Figment,
    providers::{Env, Format, Toml},
};
use parlor_common::{settings::duration, telemetry::TelemetrySettings};
use parlor_persister::PersisterSettings;
use serde::{Deserialize, Serialize};

use crate::{exit::Exit, secrets::SecretSettings};

/// The defaults, each with what it means: the documentation of the settings.
pub(crate) const DEFAULTS: &str = include_str!("../defaults.toml");

/// Every setting of the binary.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    /// `listen`: where clients are served. Default `127.0.0.1:8080`.
    pub(crate) listen: SocketAddr,
    /// `admin`: where operators are served. Default `127.0.0.1:8081`.
    pub(crate) admin: SocketAddr,
    /// `data`: the folder of the embedded log and store. Default `parlor-data`.
    pub(crate) data: PathBuf,
    pub(crate) telemetry: TelemetrySettings,
    pub(crate) secrets: SecretSettings,
    pub(crate) drain: DrainSettings,
    pub(crate) persister: PersisterSettings,
}

/// How the process stops.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DrainSettings {
    /// `drain.linger`: how long a tier keeps serving once it is no longer ready, so that the balancer has seen it; the
    /// all-in-one has no balancer and skips it. Default 3 s.
    #[serde(with = "duration")]
    pub(crate) linger: Duration,
    /// `drain.grace`: how long everything after that may take. Default 20 s.
    #[serde(with = "duration")]
    pub(crate) grace: Duration,
}

/// What is in force, and whether it is development mode.
#[derive(Clone, Debug)]
pub(crate) struct InForce {
    pub(crate) settings: Settings,
    /// No settings file was named: any tenant, localhost alone.
    pub(crate) development: bool,
}

/// Reads the settings. `file` is the settings file, if one was named; the environment's `PARLOR_…` come last, with `__`
/// between a section and a key.
pub(crate) fn read(file: Option<PathBuf>) -> Result<InForce, Exit> {
    let mut figment = Figment::from(Toml::string(DEFAULTS));
    let development = file.is_none();
    if let Some(file) = file {
        if !file.is_file() {
            return Err(Exit::usage(format_args!("there is no settings file {}", file.display())));
        }
        figment = figment.merge(Toml::file_exact(file));
    }
    // PARLOR_TEST_… tell the tests where their servers are, and PARLOR_SETTINGS names the file.
    let names = Env::prefixed("PARLOR_").filter(|name| !name.starts_with("TEST_") && name != "SETTINGS").split("__");
    let settings: Settings = figment
        .merge(names)
        .extract()
        .map_err(|error| Exit::usage(format_args!("the settings cannot be used: {error}")))?;
    if development {
        for (name, address) in [("listen", settings.listen), ("admin", settings.admin)] {
            if !address.ip().is_loopback() {
                return Err(Exit::usage(format_args!(
                    "{name} = {address}: without a settings file Parlor is in development mode, which any page may \
                     use, and listens on loopback alone; name a settings file with --settings"
                )));
            }
        }
    }
    Ok(InForce { settings, development })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_whole() {
        let settings: Settings = Figment::from(Toml::string(DEFAULTS)).extract().unwrap();
        assert!(settings.listen.ip().is_loopback());
    }
}
