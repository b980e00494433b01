//! Making and checking the keyspace and its tables.

use std::{collections::BTreeSet, time::Duration};

use scylla::{
    client::session::Session,
    errors::{DbError, ExecutionError, RequestAttemptError},
};
use tracing::info;

use super::{CqlSettings, connection::open, error::unavailable};
use crate::StoreError;

/// One DDL file; a statement ends with a semicolon at the end of a line.
const SCHEMA: &str = include_str!("schema.cql");
/// The version of that file.
const VERSION: i32 = 3;
/// DDL waits for every node to agree; a statement of it may take seconds.
const DDL_TIMEOUT: Duration = Duration::from_secs(30);
/// Two that provision at once can disturb each other on Cassandra; what one of them made, the other
/// finds.
const ATTEMPTS: u32 = 5;
const PAUSE: Duration = Duration::from_millis(500);

/// Makes what is not there, and leaves what is there alone; a keyspace keeps its replication.
pub(super) async fn provision(settings: &CqlSettings) -> Result<(), StoreError> {
    let session = open(settings, DDL_TIMEOUT).await?;
    let CqlSettings { keyspace, replication_factor, .. } = settings;
    let datacenter = datacenter(settings, &session)?;
    // Both names were checked by the settings or told by the cluster.
    let create = format!(
        "CREATE KEYSPACE IF NOT EXISTS {keyspace} WITH replication = \
         {{'class': 'NetworkTopologyStrategy', '{datacenter}': {replication_factor}}}"
    );
    apply(&session, &create).await?;
    match version(&session, keyspace).await? {
        Some(VERSION) => return Ok(()),
        Some(1) => {
            upgrade_1(&session, keyspace).await?;
            upgrade_2(&session, keyspace).await?;
        }
        Some(2) => upgrade_2(&session, keyspace).await?,
        Some(found) => return Err(other_version(keyspace, found)),
        None => {}
    }
    session.use_keyspace(keyspace.as_str(), false).await.map_err(unavailable)?;
    for statement in statements(SCHEMA) {
        apply(&session, &statement).await?;
    }
    session.await_schema_agreement().await.map_err(unavailable)?;
    // With the version as its write timestamp, so that of two that provision at once the later
    // version stays.
    let written = format!(
        "INSERT INTO {keyspace}.schema_version (part, version) VALUES ('store', {VERSION}) USING \
         TIMESTAMP {VERSION}"
    );
    apply(&session, &written).await?;
    info!(keyspace, datacenter, replication_factor, "the store's schema is there");
    Ok(())
}

/// Version 1 knew no delivered marks, and called the watermarks `shards`, which stay as they were.
/// Its nodes must have stopped: what they would raise there later is not seen.
async fn upgrade_1(session: &Session, keyspace: &str) -> Result<(), StoreError> {
    add_column(session, keyspace, "delivered", "map<text, bigint>").await?;
    apply(
        session,
        &format!(
            "CREATE TABLE IF NOT EXISTS {keyspace}.watermarks (shard int PRIMARY KEY, position \
             bigint)"
        ),
    )
    .await?;
    session.await_schema_agreement().await.map_err(unavailable)?;
    let shards = format!("SELECT shard, position FROM {keyspace}.shards");
    let shards = session.query_unpaged(shards, ()).await.map_err(unavailable)?;
    let shards = shards.into_rows_result().map_err(unavailable)?;
    for row in shards.rows::<(i32, i64)>().map_err(unavailable)? {
        let (shard, position) = row.map_err(unavailable)?;
        let raise = format!(
            "INSERT INTO {keyspace}.watermarks (shard, position) VALUES ({shard}, {position}) \
             USING TIMESTAMP {position}"
        );
        apply(session, &raise).await?;
    }
    info!(keyspace, "the store's schema is upgraded from version 1");
    Ok(())
}

/// Version 2 knew no other last values than the delivered marks. Its nodes may run on meanwhile:
/// what they write is right, and they skip what they do not know.
async fn upgrade_2(session: &Session, keyspace: &str) -> Result<(), StoreError> {
    add_column(session, keyspace, "registers", "map<text, text>").await?;
    info!(keyspace, "the store's schema is upgraded from version 2");
    Ok(())
}

/// Adds a column to the conversations, unless it is there.
async fn add_column(
    session: &Session,
    keyspace: &str,
    column: &str,
    kind: &str,
) -> Result<(), StoreError> {
    let there = format!(
        "SELECT column_name FROM system_schema.columns WHERE keyspace_name = '{keyspace}' AND \
         table_name = 'conversations' AND column_name = '{column}'"
    );
    let found = session.query_unpaged(there, ()).await.map_err(unavailable)?;
    if found.into_rows_result().map_err(unavailable)?.rows_num() == 0 {
        apply(session, &format!("ALTER TABLE {keyspace}.conversations ADD {column} {kind}"))
            .await?;
    }
    Ok(())
}

/// Refuses a database that was not provisioned by this version, and one whose quorum would be
/// anybody's.
pub(super) async fn check(settings: &CqlSettings, session: &Session) -> Result<(), StoreError> {
    datacenter(settings, session)?;
    let keyspace = &settings.keyspace;
    match version(session, keyspace).await? {
        Some(VERSION) => Ok(()),
        Some(found) => Err(other_version(keyspace, found)),
        None => Err(StoreError::Rejected(format!(
            "the keyspace {keyspace} has no schema of Parlor's: run `parlor provision` first"
        ))),
    }
}

fn other_version(keyspace: &str, found: i32) -> StoreError {
    StoreError::Rejected(format!(
        "the keyspace {keyspace} was provisioned by another version of Parlor: its schema is \
         {found}, this version \
         knows {VERSION}"
    ))
}

/// The schema's version; `None` where there is no such table, or no version in it yet.
async fn version(session: &Session, keyspace: &str) -> Result<Option<i32>, StoreError> {
    let asked = format!("SELECT version FROM {keyspace}.schema_version WHERE part = 'store'");
    let result = match session.query_unpaged(asked, ()).await {
        // Neither keyspace nor table is there.
        Err(ExecutionError::LastAttemptError(RequestAttemptError::DbError(
            DbError::Invalid,
            _,
        ))) => return Ok(None),
        result => result.map_err(unavailable)?,
    };
    let rows = result.into_rows_result().map_err(unavailable)?;
    let row = rows.maybe_first_row::<(Option<i32>,)>().map_err(unavailable)?;
    Ok(row.and_then(|(version,)| version))
}

/// The one that is set, else the only one there is.
fn datacenter(settings: &CqlSettings, session: &Session) -> Result<String, StoreError> {
    if let Some(datacenter) = &settings.datacenter {
        return Ok(datacenter.clone());
    }
    let state = session.get_cluster_state();
    let mut found: BTreeSet<_> =
        state.get_nodes_info().iter().filter_map(|node| node.datacenter.clone()).collect();
    match (found.pop_first(), found.len()) {
        (Some(only), 0) if !only.contains('\'') => Ok(only),
        (Some(first), _) => Err(StoreError::Rejected(format!(
            "the cluster has the datacenters {first} and {found:?}: name the one to keep the data \
             in, cql.datacenter"
        ))),
        (None, _) => Err(StoreError::Rejected(
            "the cluster does not tell its datacenter: name it, cql.datacenter".to_owned(),
        )),
    }
}

/// Applies an idempotent statement, again where somebody else's interfered.
async fn apply(session: &Session, statement: &str) -> Result<(), StoreError> {
    let mut attempt = 1;
    loop {
        match session.query_unpaged(statement, ()).await {
            Ok(_) => return Ok(()),
            Err(ExecutionError::LastAttemptError(RequestAttemptError::DbError(
                DbError::AlreadyExists { .. },
                _,
            ))) => {
                return Ok(());
            }
            Err(error) if attempt == ATTEMPTS => return Err(unavailable(error)),
            Err(_) => attempt += 1,
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// The statements of a DDL file, without its comments.
fn statements(file: &str) -> Vec<String> {
    let lines = file.lines().filter(|line| !line.trim_start().starts_with("--"));
    let text: Vec<&str> = lines.collect();
    let statements = text.join("\n");
    let statements =
        statements.split(";\n").map(|statement| statement.trim().trim_end_matches(';').to_owned());
    statements.filter(|statement| !statement.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_is_statements_that_may_be_applied_again() {
        let statements = statements(SCHEMA);
        assert_eq!(statements.len(), 9);
        for statement in statements {
            assert!(statement.starts_with("CREATE TABLE IF NOT EXISTS "), "{statement}");
            assert!(!statement.contains(';'), "{statement}");
        }
    }

    #[test]
    fn the_tenant_leads_every_partition_key_of_what_is_a_tenants() {
        for statement in statements(SCHEMA) {
            let of_installation = ["EXISTS watermarks", "EXISTS schema_version"]
                .iter()
                .any(|name| statement.contains(name));
            assert_eq!(statement.contains("PRIMARY KEY ((tenant"), !of_installation, "{statement}");
        }
    }
}
