//! The defaults that are shipped, so that tests run with what operators run.

use serde::de::DeserializeOwned;
use toml::Table;

/// The section of `parlor/defaults.toml` with this name, such as `sockets` or `embedded.log`.
pub fn section<T: DeserializeOwned>(name: &str) -> T {
    let mut section: Table =
        include_str!("../../parlor/defaults.toml").parse().expect("the defaults are TOML");
    for part in name.split('.') {
        section = match section.remove(part) {
            Some(toml::Value::Table(table)) => table,
            other => panic!("the defaults have no section {name}: {other:?}"),
        };
    }
    section.try_into().unwrap_or_else(|error| panic!("the defaults of {name}: {error}"))
}
