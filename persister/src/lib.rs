//! Reads the log as a group and writes the store: batch, worker.
