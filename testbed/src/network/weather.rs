//! What becomes of bytes on a network, and how a command says it.

use std::{fmt, str::FromStr, time::Duration};

use parlor_common::settings::duration;
use serde::de::{IntoDeserializer, value};

/// What becomes of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Network {
    /// They pass.
    Whole,
    /// They pass later, in both directions.
    Slow(Duration),
    /// They pass later, and so many of 100 pieces only when they have been sent again. TCP repairs
    /// what a network loses, so that a client sees a loss as a pause: this is that pause.
    Lossy {
        /// How much later.
        delay: Duration,
        /// How many of 100.
        percent: u8,
    },
    /// Requests pass; so many of 100 answers are lost, as if the server had not said them. It needs
    /// a proxy that knows the protocol.
    Forgetful {
        /// How many of 100.
        percent: u8,
    },
    /// The same, and whatever passes is late.
    SlowAndForgetful {
        /// How much later.
        delay: Duration,
        /// How many of 100.
        percent: u8,
    },
    /// Requests pass; answers wait until the network is whole.
    AnswersHeld,
    /// Nothing passes until the network is whole, and nobody is told.
    Held,
    /// Connections end, and new ones end at once.
    Broken,
}

// === impl Network ===

impl Network {
    /// How much later bytes arrive.
    pub(super) fn delay(self) -> Duration {
        match self {
            Self::Slow(delay)
            | Self::Lossy { delay, .. }
            | Self::SlowAndForgetful { delay, .. } => delay,
            Self::Whole
            | Self::Forgetful { .. }
            | Self::AnswersHeld
            | Self::Held
            | Self::Broken => Duration::ZERO,
        }
    }

    /// How many of 100 pieces have to be sent again.
    pub(super) fn sent_again(self) -> u8 {
        if let Self::Lossy { percent, .. } = self { percent } else { 0 }
    }

    /// How many of 100 answers are lost.
    pub(super) fn forgotten(self) -> u8 {
        match self {
            Self::Forgetful { percent } | Self::SlowAndForgetful { percent, .. } => percent,
            _ => 0,
        }
    }
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, rest) = text.split_once('=').unwrap_or((text, ""));
        let both = || {
            let (delay, percent) =
                rest.split_once(',').ok_or_else(|| format!("say {name}=200ms,1%"))?;
            Ok::<_, String>((delay_of(delay)?, percent_of(percent)?))
        };
        match name {
            "whole" => Ok(Self::Whole),
            "broken" => Ok(Self::Broken),
            "held" => Ok(Self::Held),
            "answers-held" => Ok(Self::AnswersHeld),
            "slow" => Ok(Self::Slow(delay_of(rest)?)),
            "forgetful" => Ok(Self::Forgetful { percent: percent_of(rest)? }),
            "lossy" => both().map(|(delay, percent)| Self::Lossy { delay, percent }),
            "slow-and-forgetful" => {
                both().map(|(delay, percent)| Self::SlowAndForgetful { delay, percent })
            }
            _ => Err("say whole, broken, held, answers-held, slow=200ms, lossy=200ms,1%, \
                forgetful=30% or slow-and-forgetful=500ms,30%"
                .to_owned()),
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole => f.write_str("whole"),
            Self::Broken => f.write_str("broken"),
            Self::Held => f.write_str("held"),
            Self::AnswersHeld => f.write_str("answers-held"),
            Self::Slow(delay) => write!(f, "slow={}ms", delay.as_millis()),
            Self::Forgetful { percent } => write!(f, "forgetful={percent}%"),
            Self::Lossy { delay, percent } => {
                write!(f, "lossy={}ms,{percent}%", delay.as_millis())
            }
            Self::SlowAndForgetful { delay, percent } => {
                write!(f, "slow-and-forgetful={}ms,{percent}%", delay.as_millis())
            }
        }
    }
}

fn delay_of(text: &str) -> Result<Duration, String> {
    let deserializer: value::StrDeserializer<'_, value::Error> = text.into_deserializer();
    duration::deserialize(deserializer).map_err(|error| error.to_string())
}

fn percent_of(text: &str) -> Result<u8, String> {
    let number = text.strip_suffix('%').and_then(|number| number.parse().ok());
    number.filter(|percent| *percent <= 100).ok_or_else(|| format!("{text:?} is no 1%"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_is_written_as_it_is_read() {
        for text in [
            "whole",
            "broken",
            "held",
            "answers-held",
            "slow=500ms",
            "lossy=200ms,1%",
            "forgetful=30%",
            "slow-and-forgetful=500ms,30%",
        ] {
            assert_eq!(text.parse::<Network>().unwrap().to_string(), text);
        }
        for text in ["", "cut", "slow", "slow=5", "lossy=1s", "forgetful=101%", "forgetful=-1%"] {
            assert!(text.parse::<Network>().is_err(), "{text}");
        }
    }
}
