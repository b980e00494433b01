//! How the process ends: a status of `sysexits.h` and a sentence.

use std::{
    fmt::Display,
    io::{self, Write},
    process::ExitCode,
};

/// The status of a defect of ours.
pub(crate) const DEFECT: u8 = 70;

/// The process cannot go on.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Exit {
    status: u8,
    sentence: String,
}

impl Exit {
    /// 64: what was asked for, or a setting, cannot be.
    pub(crate) fn usage(sentence: impl Display) -> Self {
        Self { status: 64, sentence: sentence.to_string() }
    }

    /// 69: something that is needed cannot be had: an address, NATS, the database.
    pub(crate) fn unavailable(sentence: impl Display) -> Self {
        Self { status: 69, sentence: sentence.to_string() }
    }

    /// 70: a defect of ours.
    pub(crate) fn internal(sentence: impl Display) -> Self {
        Self { status: DEFECT, sentence: sentence.to_string() }
    }

    /// 74: the data folder cannot be used.
    pub(crate) fn data(sentence: impl Display) -> Self {
        Self { status: 74, sentence: sentence.to_string() }
    }

    /// Says the sentence and gives the status.
    pub(crate) fn report(&self) -> ExitCode {
        // Where nobody can be told, the status still tells.
        drop(writeln!(io::stderr(), "parlor: {}", self.sentence));
        ExitCode::from(self.status)
    }
}
