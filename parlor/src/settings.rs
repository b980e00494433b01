//! Settings: the defaults file, then a settings file, then the environment.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use figment::{
    Figment,
    providers::{Env, Format, Toml},
};
use parlor_auth::{CookieSettings, LimitSettings};
use parlor_common::{http::HttpSettings, settings::duration, telemetry::TelemetrySettings};
use parlor_fanout::{FeedSettings, SocketSettings};
use parlor_ingress::{DoorSettings, RestSettings};
use parlor_log::{jetstream::JetStreamSettings, sqlite::SqliteLogSettings};
use parlor_persister::PersisterSettings;
use parlor_store::CqlSettings;
use serde::{Deserialize, Serialize};

use crate::{exit::Exit, secrets::SecretSettings};

/// The defaults, each with what it means: the documentation of the settings.
const DEFAULTS: &str = include_str!("../defaults.toml");

/// Every setting of the binary, as `defaults.toml` explains them.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    pub(crate) listen: SocketAddr,
    pub(crate) admin: SocketAddr,
    pub(crate) data: PathBuf,
    pub(crate) telemetry: TelemetrySettings,
    pub(crate) secrets: SecretSettings,
    pub(crate) tenants: TenantSettings,
    pub(crate) cookies: CookieSettings,
    pub(crate) limits: LimitSettings,
    pub(crate) http: HttpSettings,
    pub(crate) rest: RestSettings,
    pub(crate) door: DoorSettings,
    pub(crate) feed: FeedSettings,
    pub(crate) sockets: SocketSettings,
    pub(crate) history: HistorySettings,
    pub(crate) persister: PersisterSettings,
    pub(crate) monitor: MonitorSettings,
    pub(crate) drain: DrainSettings,
    pub(crate) embedded: EmbeddedSettings,
    pub(crate) nats: JetStreamSettings,
    pub(crate) cql: CqlSettings,
    pub(crate) provision: ProvisionSettings,
}

/// `[tenants]`: where the registry is.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TenantSettings {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) file: Option<PathBuf>,
    #[serde(with = "duration")]
    pub(crate) reload_every: Duration,
}

/// `[history]`: how patient a read is.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct HistorySettings {
    #[serde(with = "duration")]
    pub(crate) store_deadline: Duration,
}

/// `[monitor]`: how often the log is asked how things stand.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MonitorSettings {
    #[serde(with = "duration")]
    pub(crate) every: Duration,
}

/// `[drain]`: how the process stops.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DrainSettings {
    #[serde(with = "duration")]
    pub(crate) linger: Duration,
    #[serde(with = "duration")]
    pub(crate) grace: Duration,
}

/// `[embedded]`: the log of the all-in-one.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct EmbeddedSettings {
    pub(crate) log: SqliteLogSettings,
}

/// `[provision]`: what `parlor provision` asks besides.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProvisionSettings {
    pub(crate) monitors: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) streams_file: Option<PathBuf>,
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
    let ours = |name: &figment::value::UncasedStr| !name.starts_with("TEST_") && name != "SETTINGS";
    let settings: Settings = figment
        .merge(Env::prefixed("PARLOR_").filter(ours).split("__"))
        .extract()
        .map_err(|error| Exit::usage(format_args!("the settings cannot be used: {error}")))?;
    if development {
        stays_on_loopback(&settings)?;
    }
    Ok(InForce { settings, development })
}

fn stays_on_loopback(settings: &Settings) -> Result<(), Exit> {
    for (name, address) in [("listen", settings.listen), ("admin", settings.admin)] {
        if !address.ip().is_loopback() {
            return Err(Exit::usage(format_args!(
                "{name} = {address}: without a settings file Parlor is in development mode, which takes any tenant, and \
                 listens on loopback alone; name a settings file with --settings"
            )));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_file_is_whole_and_agrees_with_the_parts_own_defaults() {
        let settings: Settings = Figment::from(Toml::string(DEFAULTS)).extract().unwrap();
        assert!(settings.listen.ip().is_loopback());
        assert_eq!(settings.http, HttpSettings::default());
        assert_eq!(settings.limits, LimitSettings::default());
        assert_eq!(settings.cql, CqlSettings::default());
        assert_eq!(settings.nats, JetStreamSettings::default());
    }
}
