//! Settings: the defaults file, then a settings file, then the environment.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use figment::{
    Figment,
    providers::{Env, Format, Toml},
};
use parlor_auth::{CookieSettings, LimitSettings};
use parlor_common::{
    planted::AVAILABLE,
    settings::{DEFAULTS, duration},
};
use parlor_fanout::{FeedSettings, SignalSettings, SocketSettings};
use parlor_http::HttpSettings;
use parlor_ingress::{DoorSettings, RestSettings};
use parlor_log::{
    consumer::ConsumerSettings, jetstream::JetStreamSettings, sqlite::SqliteLogSettings,
};
use parlor_persister::TrimSettings;
use parlor_store::CqlSettings;
use serde::{Deserialize, Serialize};

use crate::{
    exit::Exit, planted, secrets::SecretSettings, service_links, telemetry::TelemetrySettings,
};

/// How the variables that are settings begin.
const PREFIX: &str = "PARLOR_";

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
    pub(crate) signals: SignalSettings,
    pub(crate) history: HistorySettings,
    pub(crate) persister: ConsumerSettings,
    pub(crate) trim: TrimSettings,
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

/// Reads the settings. `file` is the settings file, if one was named; the environment's `PARLOR_…`
/// come last, with `__` between a section and a key.
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
    let links = service_links::in_environment();
    let ours = move |name: &figment::value::UncasedStr| {
        let is_link = links.iter().any(|link| link.strip_prefix(PREFIX).is_some_and(|l| name == l));
        let is_planted =
            AVAILABLE && planted::VARIABLE.strip_prefix(PREFIX).is_some_and(|p| name == p);
        !name.starts_with("TEST_") && name != "SETTINGS" && !is_link && !is_planted
    };
    let settings = resolve(&figment.merge(Env::prefixed(PREFIX).filter(ours).split("__")))?;
    if development {
        stays_on_loopback(&settings)?;
    }
    Ok(InForce { settings, development })
}

fn resolve(figment: &Figment) -> Result<Settings, Exit> {
    let settings: Settings = figment
        .extract()
        .map_err(|error| Exit::usage(format_args!("the settings cannot be used: {error}")))?;
    check(&settings)?;
    Ok(settings)
}

/// Refuses what would start and then not work. The log and the database check their own.
fn check(settings: &Settings) -> Result<(), Exit> {
    let Settings {
        http,
        rest,
        door,
        feed,
        sockets,
        signals,
        persister,
        trim,
        monitor,
        embedded,
        limits,
        ..
    } = settings;
    let url = rest.socket_url.as_str();
    let rules = [
        ("http.max_connections must be 1 or more", http.max_connections > 0),
        (
            "http.max_connections_per_address must be 1 or more",
            http.max_connections_per_address > 0,
        ),
        ("http.first_byte, http.head and http.idle must be longer than 0", {
            !http.first_byte.is_zero() && !http.head.is_zero() && !http.idle.is_zero()
        }),
        (
            "rest.max_body must be 32768 or more: a text has up to 16 KiB, escaped more",
            rest.max_body >= 32_768,
        ),
        ("rest.socket_url must begin with ws:// or wss://, or be empty", {
            url.is_empty() || url.starts_with("ws://") || url.starts_with("wss://")
        }),
        ("door.in_flight and door.in_flight_per_tenant must be 1 or more", {
            door.in_flight > 0 && door.in_flight_per_tenant > 0
        }),
        (
            "feed.ring_events and feed.ring_bytes must be 1 or more",
            feed.ring_events > 0 && feed.ring_bytes > 0,
        ),
        ("sockets.max must be 1 or more", sockets.max > 0),
        ("sockets.ping_every must be 1s or more, and shorter than sockets.silence_limit", {
            sockets.ping_every >= Duration::from_secs(1)
                && sockets.ping_every < sockets.silence_limit
        }),
        (
            "sockets.drafts and sockets.draft_bytes must be 1 or more",
            sockets.drafts > 0 && sockets.draft_bytes > 0,
        ),
        ("sockets.outbox_frames must be 16 or more, sockets.outbox_bytes 131072 or more", {
            sockets.outbox_frames >= 16 && sockets.outbox_bytes >= 131_072
        }),
        ("sockets.resume.page, pages and parallel must be 1 or more", {
            sockets.resume.page > 0 && sockets.resume.pages > 0 && sockets.resume.parallel > 0
        }),
        ("sockets.drain.batch must be 1 or more", sockets.drain.batch > 0),
        ("signals.tenant_per_second and signals.node_per_second must be 10 or more", {
            signals.tenant_per_second >= 10 && signals.node_per_second >= 10
        }),
        ("signals.roster_every must be 1s or more, and half of signals.roster_for at most", {
            signals.roster_every >= Duration::from_secs(1)
                && signals.roster_every <= signals.roster_for / 2
        }),
        ("persister.batch_count and persister.batch_bytes must be 1 or more", {
            persister.batch_count > 0 && persister.batch_bytes > 0
        }),
        (
            "persister.progress_every must be longer than 0 and shorter than embedded.log.ack_wait",
            {
                !persister.progress_every.is_zero()
                    && persister.progress_every < embedded.log.ack_wait
            },
        ),
        ("monitor.every must be longer than 0", !monitor.every.is_zero()),
        ("embedded.log.max_bytes must be 1048576 or more", embedded.log.max_bytes >= 1 << 20),
        ("limits.keys must be 1 or more", limits.keys > 0),
    ];
    let broken = rules.into_iter().find(|(_, holds)| !holds).map(|(rule, _)| rule);
    match broken.or_else(|| trim.check().err()) {
        Some(rule) => Err(Exit::usage(format_args!("the settings cannot be used: {rule}"))),
        None => Ok(()),
    }
}

fn stays_on_loopback(settings: &Settings) -> Result<(), Exit> {
    check_loopback("listen", settings.listen)?;
    check_loopback("admin", settings.admin)
}

/// What development mode may listen on.
pub(crate) fn check_loopback(name: &str, address: SocketAddr) -> Result<(), Exit> {
    if address.ip().is_loopback() {
        return Ok(());
    }
    Err(Exit::usage(format_args!(
        "{name} = {address}: without a settings file Parlor is in development mode, which takes \
         any tenant, and listens on loopback alone; name a settings file with --settings"
    )))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_defaults_file_is_whole_and_can_be_used() {
        let settings: Settings = Figment::from(Toml::string(DEFAULTS)).extract().unwrap();
        assert_eq!(check(&settings), Ok(()));
        assert_eq!(stays_on_loopback(&settings), Ok(()));
        // What the parts' tests take is the same file.
        assert_eq!(settings.http, HttpSettings::default());
        assert_eq!(settings.limits, LimitSettings::default());
        assert_eq!(settings.cql, CqlSettings::default());
        assert_eq!(settings.nats, JetStreamSettings::default());
    }

    /// The names of all settings that the defaults give a value, such as `sockets.resume.page`.
    fn names(value: &toml::Value, prefix: &str) -> Vec<String> {
        let toml::Value::Table(table) = value else { return vec![prefix.to_owned()] };
        let name = |key: &String| match prefix {
            "" => key.clone(),
            _ => format!("{prefix}.{key}"),
        };
        table.iter().flat_map(|(key, value)| names(value, &name(key))).collect()
    }

    /// What a tired person writes.
    fn odd() -> impl Strategy<Value = String> {
        prop_oneof![
            any::<i64>().prop_map(|number| number.to_string()),
            any::<f64>().prop_map(|number| format!("{number:?}")),
            any::<String>().prop_map(|text| toml::Value::String(text).to_string()),
            "[0-9]{1,20}(ms|s|m|h|d|y)".prop_map(|text| format!("\"{text}\"")),
            Just("true".to_owned()),
            Just("[]".to_owned()),
            Just("[1, \"a\"]".to_owned()),
            Just("{}".to_owned()),
            Just("1979-05-27".to_owned()),
        ]
    }

    proptest! {
        /// It is taken, or refused with a sentence that names the setting.
        #[test]
        fn whatever_a_setting_is_said_to_be(place in any::<prop::sample::Index>(), value in odd()) {
            let names = names(&toml::from_str(DEFAULTS).unwrap(), "");
            let name = place.get(&names);
            let figment = Figment::from(Toml::string(DEFAULTS));
            let figment = figment.merge(Toml::string(&format!("{name} = {value}")));
            if let Err(exit) = resolve(&figment) {
                let sentence = format!("{exit:?}");
                let key = name.rsplit('.').next().unwrap_or(name);
                prop_assert!(sentence.contains(key), "{} = {}: {}", name, value, sentence);
            }
        }
    }
}
