//! At the start, what is wrong ends the process with a sentence and an exit status, and harms
//! nothing.

use std::{fs, net::TcpListener, os::unix::fs::PermissionsExt};

use tempfile::TempDir;

use parlor_testbed::nodes::{Ended, Parlor, free_address, run};

fn here() -> TempDir {
    tempfile::tempdir().unwrap()
}

/// Free ports, so that nothing but what the test breaks is wrong.
fn addresses() -> Vec<(&'static str, String)> {
    vec![
        ("PARLOR_LISTEN", free_address().to_string()),
        ("PARLOR_ADMIN", free_address().to_string()),
    ]
}

fn assert_refused(ended: &Ended, status: i32, words: &[&str]) {
    assert_eq!(ended.status, Some(status), "{ended:?}");
    let sentence = ended.stderr.lines().last().unwrap_or_default();
    assert!(sentence.starts_with("parlor: "), "{ended:?}");
    for word in words {
        assert!(
            sentence.to_lowercase().contains(&word.to_lowercase()),
            "{word:?} is not in {sentence:?}"
        );
    }
    assert!(!ended.stderr.contains("panicked"), "{ended:?}");
}

#[test]
fn an_unknown_setting_is_refused_by_name() {
    let folder = here();
    assert_refused(
        &run(folder.path(), &["config"], &[("PARLOR_LISTN", "127.0.0.1:1".to_owned())]),
        64,
        &["listn"],
    );
    let file = folder.path().join("settings.toml");
    fs::write(&file, "[persister]\nbatch_cuont = 5\n").unwrap();
    let ended = run(folder.path(), &["config", "--settings", file.to_str().unwrap()], &[]);
    assert_refused(&ended, 64, &["batch_cuont", "settings.toml"]);
}

#[test]
fn what_kubernetes_says_of_a_service_called_parlor_is_no_setting() {
    let links = [
        ("PARLOR_SERVICE_HOST", "10.96.0.7"),
        ("PARLOR_SERVICE_PORT", "8080"),
        ("PARLOR_SERVICE_PORT_HTTP", "8080"),
        ("PARLOR_PORT", "tcp://10.96.0.7:8080"),
        ("PARLOR_PORT_8080_TCP", "tcp://10.96.0.7:8080"),
        ("PARLOR_PORT_8080_TCP_PROTO", "tcp"),
        ("PARLOR_PORT_8080_TCP_PORT", "8080"),
        ("PARLOR_PORT_8080_TCP_ADDR", "10.96.0.7"),
    ];
    let mut variables = links.map(|(name, value)| (name, value.to_owned())).to_vec();
    let ended = run(here().path(), &["config"], &variables);
    assert_eq!(ended.status, Some(0), "{ended:?}");
    variables.push(("PARLOR_PROT", "tcp://10.96.0.7:8080".to_owned()));
    assert_refused(&run(here().path(), &["config"], &variables), 64, &["prot"]);
}

#[test]
fn a_setting_of_the_wrong_kind_is_refused_by_name() {
    let ended =
        run(here().path(), &["config"], &[("PARLOR_PERSISTER__BATCH_AGE", "soon".to_owned())]);
    assert_refused(&ended, 64, &["batch_age", "soon"]);
}

#[test]
fn a_setting_that_could_not_work_is_refused_by_name() {
    for (variable, value, name) in [
        ("PARLOR_SOCKETS__RESUME__PAGE", "0", "sockets.resume.page"),
        ("PARLOR_SOCKETS__PING_EVERY", "90s", "sockets.ping_every"),
        ("PARLOR_PERSISTER__BATCH_COUNT", "0", "persister.batch_count"),
        ("PARLOR_EMBEDDED__LOG__MAX_BYTES", "1", "embedded.log.max_bytes"),
        ("PARLOR_REST__SOCKET_URL", "junk", "rest.socket_url"),
    ] {
        assert_refused(
            &run(here().path(), &["config"], &[(variable, value.to_owned())]),
            64,
            &[name],
        );
    }
}

#[test]
fn a_settings_file_that_is_not_there_is_refused() {
    assert_refused(
        &run(here().path(), &["--settings", "nowhere.toml"], &[]),
        64,
        &["nowhere.toml"],
    );
}

#[test]
fn development_mode_listens_on_loopback_alone() {
    let mut variables = addresses();
    variables[0].1 = "0.0.0.0:8080".to_owned();
    assert_refused(
        &run::<&str>(here().path(), &[], &variables),
        64,
        &["0.0.0.0:8080", "development mode"],
    );
}

#[test]
fn a_port_that_is_taken_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut variables = addresses();
    variables[0].1 = taken.local_addr().unwrap().to_string();
    assert_refused(&run::<&str>(here().path(), &[], &variables), 69, &[&variables[0].1]);
}

#[test]
fn a_data_folder_that_cannot_be_made_is_named() {
    let folder = here();
    fs::write(folder.path().join("parlor-data"), "a file").unwrap();
    assert_refused(&run::<&str>(folder.path(), &[], &addresses()), 74, &["parlor-data"]);
}

#[test]
fn an_unreadable_log_is_refused_and_left_as_it_was() {
    let folder = here();
    let data = folder.path().join("parlor-data");
    fs::create_dir(&data).unwrap();
    fs::write(
        data.join("log.db"),
        "this is no database, and long enough to be read as one".repeat(100),
    )
    .unwrap();
    let before = fs::read(data.join("log.db")).unwrap();
    assert_refused(&run::<&str>(folder.path(), &[], &addresses()), 74, &["log.db"]);
    assert_eq!(fs::read(data.join("log.db")).unwrap(), before);
}

#[tokio::test]
async fn a_data_folder_in_use_is_refused() {
    let folder = here();
    let parlor = Parlor::start(folder.path(), None, &[]).await;
    assert_refused(&run::<&str>(folder.path(), &[], &addresses()), 74, &["parlor-data"]);
    assert!(parlor.stop().await.success());
}

#[tokio::test]
async fn a_newer_data_folder_is_refused_and_left_as_it_was() {
    let folder = here();
    assert!(Parlor::start(folder.path(), None, &[]).await.stop().await.success());
    let file = folder.path().join("parlor-data/log.db");
    // Bytes 60 to 63 of an SQLite file are its user version, which the log counts its schema by.
    let mut bytes = fs::read(&file).unwrap();
    bytes[60..64].copy_from_slice(&9999_u32.to_be_bytes());
    fs::write(&file, &bytes).unwrap();
    assert_refused(&run::<&str>(folder.path(), &[], &addresses()), 74, &["9999"]);
    assert_eq!(fs::read(&file).unwrap(), bytes);
}

#[test]
fn a_tier_without_nats_says_where_it_looked() {
    let folder = here();
    let secret = folder.path().join("secret");
    fs::write(&secret, "s".repeat(32)).unwrap();
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).unwrap();
    let nowhere = free_address();
    let mut variables = addresses();
    variables.push(("PARLOR_SECRETS__CURRENT_FILE", secret.to_str().unwrap().to_owned()));
    variables.push(("PARLOR_NATS__URLS", format!("[\"nats://{nowhere}\"]")));
    assert_refused(&run(folder.path(), &["ingress"], &variables), 69, &[&nowhere.to_string()]);
}

#[test]
fn a_tier_without_a_shared_secret_says_what_it_needs() {
    assert_refused(&run(here().path(), &["ingress"], &addresses()), 64, &["secrets.current_file"]);
}

#[test]
fn config_prints_what_is_in_force_and_nothing_secret() {
    let ended =
        run(here().path(), &["config"], &[("PARLOR_PERSISTER__BATCH_COUNT", "7".to_owned())]);
    assert_eq!(ended.status, Some(0), "{ended:?}");
    assert!(ended.stdout.contains("batch_count = 7"), "{}", ended.stdout);
}
