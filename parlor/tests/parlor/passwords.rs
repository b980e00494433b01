//! The passwords of NATS' users: NATS reads them from variables whose content it parses, so that
//! `49e49c` is a number to it and `true` a boolean.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use tempfile::TempDir;

const USERS: [&str; 5] = ["ingress", "fanout", "persister", "provision", "sys"];

fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// The server that the tests have.
fn server() -> PathBuf {
    let server = std::env::var_os("PARLOR_TEST_NATS_SERVER").expect(
        "PARLOR_TEST_NATS_SERVER must name the nats-server program: `scripts/servers env` tells it",
    );
    server.into()
}

/// Makes all secrets anew, as an installation does.
fn made() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let script = Command::new(project().join("deploy/secrets"))
        .arg(folder.path())
        .stdout(Stdio::null())
        .status();
    assert!(script.unwrap().success());
    folder
}

fn password(folder: &TempDir, user: &str) -> String {
    fs::read_to_string(folder.path().join(format!("nats-{user}"))).unwrap()
}

fn set_password(folder: &TempDir, user: &str, password: &str) {
    let file = folder.path().join(format!("nats-{user}"));
    // What the script has made is for reading only.
    drop(fs::remove_file(&file));
    fs::write(file, password).unwrap();
}

/// What every NATS node is told besides its passwords.
fn configured(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap()).envs([
        ("NATS_NAME", "nats-1"),
        ("NATS_LISTEN", "127.0.0.1:4222"),
        ("NATS_MONITOR", "127.0.0.1:8222"),
        ("NATS_STORE", "/nowhere"),
        ("NATS_MAX_STORE", "1GB"),
        ("NATS_CLUSTER_LISTEN", "127.0.0.1:6222"),
        ("NATS_ROUTES", "[]"),
    ]);
    command
}

/// `nats-server -t` with the passwords in its environment as they are in the files.
fn server_takes(folder: &TempDir) -> Output {
    let mut command = configured(server());
    for user in USERS {
        command.env(format!("NATS_{}_PASSWORD", user.to_uppercase()), password(folder, user));
    }
    command.arg("-t").arg("--config").arg(project().join("nats/tiers.conf")).output().unwrap()
}

/// The same as a container starts it.
fn entrypoint_takes(folder: &TempDir) -> Output {
    let mut path = server().parent().unwrap().as_os_str().to_owned();
    path.push(":");
    path.push(std::env::var_os("PATH").unwrap());
    configured(project().join("deploy/nats/entrypoint"))
        .env("PATH", path)
        .env("SECRETS", folder.path())
        .env("CONFIG", project().join("nats/tiers.conf"))
        .arg("-t")
        .output()
        .unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// 200 passwords: of those in plain hexadecimal, one in thirteen was refused.
#[test]
fn a_password_that_is_made_is_a_text_to_nats_whatever_follows_its_first_letter() {
    for _ in 0..40 {
        let folder = made();
        let taken = server_takes(&folder);
        assert!(taken.status.success(), "{}", said(&taken));
        for user in USERS {
            let password = password(&folder, user);
            assert!(password.starts_with(|first: char| first.is_ascii_alphabetic()), "{password}");
            assert!(password.len() >= 64, "{password}");
        }
    }
}

#[test]
fn a_password_that_nats_would_misread_is_quoted_by_the_entrypoint() {
    let folder = made();
    let misread = ["49e49", "12k", "true", "0x1f", "7"];
    for (user, password) in USERS.into_iter().zip(misread) {
        set_password(&folder, user, password);
    }
    let bare = server_takes(&folder);
    assert!(
        !bare.status.success(),
        "without quotes it is no password, or this test proves nothing"
    );
    let taken = entrypoint_takes(&folder);
    assert!(taken.status.success(), "{}", said(&taken));
}

#[test]
fn a_password_that_no_quotes_hold_is_refused_with_a_sentence() {
    let folder = made();
    for password in ["", "a\"b", "a\\b", "two words", "$2a$11$abc", "a\nb"] {
        set_password(&folder, "fanout", password);
        let refused = entrypoint_takes(&folder);
        assert_eq!(refused.status.code(), Some(64), "{password:?}: {}", said(&refused));
        assert!(said(&refused).contains("nats-fanout must hold letters and digits only"));
    }
}
