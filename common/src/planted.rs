//! Planted faults: mistakes that a build with the feature `planted` makes when it is told to, so
//! that the tests can be seen to find them. A checker that has never failed proves nothing.
//!
//! A fault is one `if` at the place of the honest code. Without the feature it is constant and
//! nothing is left of it; with it, there is no optimised build. `scripts/planted` plays them all.

use std::time::Duration;

#[cfg(all(feature = "planted", not(debug_assertions)))]
compile_error!("faults are planted for tests: no artefact is built with the feature `planted`");

/// Whether this build can make mistakes.
pub const AVAILABLE: bool = cfg!(feature = "planted");

/// How long what is done too late is late: long enough for a kill to come between.
pub const WHILE: Duration = Duration::from_millis(200);

macro_rules! faults {
    ($($(#[doc = $doc:literal])+ $fault:ident = $name:literal,)+) => {
        /// A mistake, and the name by which it is asked for.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub enum Fault {
            $($(#[doc = $doc])+ $fault,)+
        }

        impl Fault {
            /// Every one.
            pub const ALL: &[Self] = &[$(Self::$fault),+];

            /// Its name.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$fault => $name,)+ }
            }
        }
    };
}

faults! {
    /// An append to the embedded log is acknowledged a while before it is committed.
    AcknowledgeBeforeAppend = "acknowledge-before-append",
    /// A batch is acknowledged to the log a while before the sink has it.
    AcknowledgeBeforeStore = "acknowledge-before-store",
    /// The sink says that it has kept what the store did not take.
    SinkKeptNothing = "sink-kept-nothing",
    /// An event id leaves out the tenant, and the conversation, which stands for it.
    EventIdWithoutTenant = "event-id-without-tenant",
    /// The hub looks its subscribers up without the tenant.
    KeyWithoutTenant = "key-without-tenant",
    /// A page of a replay is taken to end before its last position.
    ResumeOffByOne = "resume-off-by-one",
    /// A replay leaves out its first message.
    ReplayStartsLate = "replay-starts-late",
    /// A subscription begins one position too late.
    AttachLate = "attach-late",
    /// A subscription begins one position too early.
    AttachEarly = "attach-early",
    /// A delivered mark is raised when the ping goes out.
    MarkBeforePong = "mark-before-pong",
    /// Of several cookies the youngest is taken for the visitor.
    WrongVisitorMerged = "wrong-visitor-merged",
    /// A tail asks no leader whether it is live.
    TailTrustsHeartbeats = "tail-trusts-heartbeats",
    /// A row without a visitor deletes the one that is there.
    NullForUnset = "null-for-unset",
    /// A conversation's row is written at the time of the write.
    NoWriteTimestamp = "no-write-timestamp",
    /// An origin is allowed that ends like one that is.
    OriginBySuffix = "origin-by-suffix",
    /// The fragments of a message are not counted together.
    UnboundedFragments = "unbounded-fragments",
    /// The limiter forgets nobody.
    LimiterWithoutEviction = "limiter-without-eviction",
    /// A claim is appended whatever has come in between.
    ClaimWithoutExpectation = "claim-without-expectation",
    /// Of two values of a register the one that comes last stays, be it the earlier one.
    LastComerStays = "last-comer-stays",
    /// The loop that accepts connections panics.
    PanicInAccept = "panic-in-accept",
    /// A connection's task panics.
    PanicInConnection = "panic-in-connection",
    /// The task that refuses a connection panics.
    PanicInRefusal = "panic-in-refusal",
    /// A session panics.
    PanicInSession = "panic-in-session",
    /// A feed panics.
    PanicInFeed = "panic-in-feed",
    /// A consumer's task panics.
    PanicInConsumer = "panic-in-consumer",
    /// The monitor panics.
    PanicInMonitor = "panic-in-monitor",
    /// The task that looks at the tenants file panics.
    PanicInReload = "panic-in-reload",
    /// The embedded log's writer panics.
    PanicInWriter = "panic-in-writer",
    /// A read of the embedded log panics.
    PanicInLogRead = "panic-in-log-read",
    /// A job of the embedded store panics.
    PanicInStore = "panic-in-store",
    /// The task that keeps the connection to NATS panics.
    PanicInLink = "panic-in-link",
    /// The thread that writes the log lines panics.
    PanicInLines = "panic-in-lines",
}

// === impl Fault ===

impl Fault {
    /// The one of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|fault| fault.name() == name)
    }
}

#[cfg(feature = "planted")]
mod active {
    use std::sync::atomic::{AtomicU8, Ordering};

    use super::Fault;

    const NONE: u8 = u8::MAX;
    static ACTIVE: AtomicU8 = AtomicU8::new(NONE);

    pub(super) fn set(fault: Fault) {
        ACTIVE.store(fault as u8, Ordering::Relaxed);
    }

    /// Whether this process makes this mistake.
    pub fn is(fault: Fault) -> bool {
        ACTIVE.load(Ordering::Relaxed) == fault as u8
    }
}

#[cfg(feature = "planted")]
pub use active::is;

/// Whether this process makes this mistake.
#[cfg(not(feature = "planted"))]
#[inline(always)]
pub const fn is(_: Fault) -> bool {
    false
}

/// From now on this process makes the mistake of this name.
///
/// # Errors
/// A sentence where there is none of this name, or where this build makes no mistakes.
pub fn plant(name: &str) -> Result<(), String> {
    let fault = Fault::named(name).ok_or_else(|| format!("there is no planted fault {name:?}"))?;
    #[cfg(feature = "planted")]
    active::set(fault);
    match AVAILABLE {
        true => Ok(()),
        false => Err(format!("{} needs a build with the feature `planted`", fault.name())),
    }
}

/// Panics where that is the planted fault.
pub fn panic_if(fault: Fault) {
    assert!(!is(fault), "planted: {}", fault.name());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_faults() {
        for fault in Fault::ALL {
            assert_eq!(Fault::named(fault.name()), Some(*fault));
        }
        assert_eq!(Fault::named(""), None);
        assert!(plant("nothing").is_err());
    }

    #[cfg(not(feature = "planted"))]
    #[test]
    fn a_build_without_the_feature_makes_no_mistake_and_says_so() {
        for fault in Fault::ALL {
            assert!(plant(fault.name()).is_err());
            assert!(!is(*fault));
        }
    }
}
