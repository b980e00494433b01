//! Listening sockets that a service manager holds and hands over ("socket activation"), so that the
//! port stays open from one process to the next.
//!
//! A manager such as systemd names them in three variables: how many there are (`LISTEN_FDS`), for
//! which process (`LISTEN_PID`), and what each is for (`LISTEN_FDNAMES`, separated by colons).

use std::{env, net::TcpListener, process};

use listenfd::ListenFd;
use rustix::net::sockopt::socket_acceptconn;

use crate::{exit::Exit, role::Parts, settings::check_loopback};

/// What the sockets must be called.
const HTTP: &str = "http";
const ADMIN: &str = "admin";

/// The sockets of this process.
#[derive(Debug, Default)]
pub(crate) struct Handed {
    /// For clients, in place of `listen`.
    pub(crate) http: Option<TcpListener>,
    /// For operators, in place of `admin`.
    pub(crate) admin: Option<TcpListener>,
}

// === impl Handed ===

impl Handed {
    /// Takes them, and the variables that tell of them: while the process has one thread, and once.
    ///
    /// # Errors
    /// What was handed over is not what Parlor can use.
    #[expect(clippy::disallowed_methods, reason = "the manager tells by the environment")]
    pub(crate) fn take() -> Result<Self, Exit> {
        let text = |name| env::var(name).unwrap_or_default();
        // Variables that an ancestor has left over are no business of this process.
        if text("LISTEN_PID") != process::id().to_string() {
            return Ok(Self::default());
        }
        let names = text("LISTEN_FDNAMES");
        let mut names = names.split(':');
        let mut sockets = ListenFd::from_env();
        let mut handed = Self::default();
        for index in 0..sockets.len() {
            let name = names.next().unwrap_or_default();
            let place = match name {
                HTTP => &mut handed.http,
                ADMIN => &mut handed.admin,
                _ => return Err(refused(name, "Parlor knows the names `http` and `admin`")),
            };
            let socket = sockets.take_tcp_listener(index).map_err(|error| refused(name, error))?;
            let Some(socket) = socket else { continue };
            check(&socket).map_err(|trouble| refused(name, trouble))?;
            if place.replace(socket).is_some() {
                return Err(refused(name, "there is another one of this name"));
            }
        }
        Ok(handed)
    }

    /// Refuses what a node with these parts has no use for, or must not listen on.
    ///
    /// # Errors
    /// Which socket it is.
    pub(crate) fn check(&self, parts: Parts, development: bool) -> Result<(), Exit> {
        if self.http.is_some() && !parts.listens() {
            return Err(refused(HTTP, "no client connects to this role"));
        }
        for (name, socket) in [(HTTP, &self.http), (ADMIN, &self.admin)] {
            if let Some(socket) = socket.as_ref().filter(|_| development) {
                let address = socket.local_addr().map_err(|error| refused(name, error))?;
                check_loopback(name, address)?;
            }
        }
        Ok(())
    }
}

/// Whether connections can be accepted on it, by a runtime.
fn check(socket: &TcpListener) -> Result<(), String> {
    let listens = socket_acceptconn(socket).map_err(|error| error.to_string())?;
    if !listens {
        return Err("it does not listen (in systemd, `Accept=no` is needed)".to_owned());
    }
    socket.set_nonblocking(true).map_err(|error| error.to_string())
}

fn refused(name: &str, trouble: impl std::fmt::Display) -> Exit {
    Exit::usage(format_args!("the service manager's socket `{name}` cannot be used: {trouble}"))
}
