//! The door and REST: check, authenticate, limit, append, receipt.
