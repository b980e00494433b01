//! Close codes: what the end of a socket tells its client.

/// Makes the enum, its numbers and its words from one table.
macro_rules! close_codes {
    ($($(#[$doc:meta])* $name:ident = $number:literal, $word:literal;)*) => {
        /// Why a socket is closed. The range of the number tells the client what to do: 4000–4499
        /// come back, 4500–4999 do not.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum CloseCode {
            $($(#[$doc])* $name,)*
        }

        impl CloseCode {
            /// Each of them, in the order of their numbers.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The number on the wire.
            pub const fn number(self) -> u16 {
                match self {
                    $(Self::$name => $number,)*
                }
            }

            /// A word for logs and metrics.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $word,)*
                }
            }
        }
    };
}

close_codes! {
    /// The client asked for it.
    Normal = 1000, "normal";
    /// The server goes away (to the widget).
    GoingAway = 1001, "going_away";
    /// The frame is none of RFC 6455's.
    ProtocolError = 1002, "protocol_error";
    /// A binary frame.
    Unsupported = 1003, "unsupported";
    /// A text that is not UTF-8.
    BadPayload = 1007, "bad_payload";
    /// Too many control frames.
    Policy = 1008, "policy";
    /// A message over 64 KiB.
    TooBig = 1009, "too_big";
    /// What the widget sent could not be accepted.
    Failed = 1011, "failed";
    /// The server asks the widget to come back.
    Restart = 1012, "restart";
    /// The server asks the client to come back now.
    Again = 4000, "again";
    /// The node is draining.
    Draining = 4001, "draining";
    /// The client reads more slowly than it is sent.
    Slow = 4002, "slow";
    /// The token has ended.
    TokenEnded = 4003, "token_ended";
    /// The token does not verify.
    BadToken = 4500, "bad_token";
    /// The client sent what the protocol does not know.
    BadRequest = 4501, "bad_request";
    /// No hello came in time.
    NoHello = 4502, "no_hello";
    /// The client is not allowed this.
    Forbidden = 4503, "forbidden";
    /// The tenant is suspended.
    TenantSuspended = 4504, "tenant_suspended";
    /// The client speaks a protocol that is not spoken here.
    ProtocolNotSpoken = 4506, "protocol_not_spoken";
}
