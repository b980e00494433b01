//! The suite on JetStream. (To be written beside `log/src/jetstream`: a `Harness`, and `whole_suite!`.)
