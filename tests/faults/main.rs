//! Fault tests: the real command ends with the same ledger under every fault that a machine can have.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "in a test, an unwrap is a check")]

mod full_disk;
mod interrupt;
mod kills;
#[path = "../command/support/process.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod process;
#[path = "../command/support/sandbox.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod sandbox;
mod support;
