//! `parlor provision`: streams, consumers and tables, made or checked.

use crate::{exit::Exit, settings::Settings};

pub(crate) async fn run(_settings: &Settings, _renew: bool) -> Result<(), Exit> {
    Err(Exit::internal("to come with the JetStream log"))
}
