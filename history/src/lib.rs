//! Reading a conversation: the store's rows and the log's end, merged so that what was accepted is always there.
