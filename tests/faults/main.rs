//! Fault tests: the real command, disturbed in every way that a machine has, ends with the same ledger.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "in a test, an unwrap is a check")]

mod full_disk;
mod interrupt;
mod kills;
#[path = "../command/support/place.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod place;
#[path = "../command/support/process.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod process;
mod support;
