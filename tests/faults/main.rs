//! Fault tests: the real command, disturbed in every way that a machine has, ends with the same ledger.

#![cfg(unix)]

mod full_disk;
mod interrupt;
mod kills;
mod support;
