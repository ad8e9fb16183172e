//! The fleet: real coordinators and workers on a real RabbitMQ and Redis, undisturbed and disturbed in every way that
//! machines and networks have, give what one process gives.

#![cfg(unix)]

mod broker;
mod chance;
mod cluster;
mod drain;
mod duplicates;
mod encrypted;
mod fleet;
mod frozen;
mod full_disk;
mod kills;
mod lines;
mod lost_ledger;
mod member;
mod orders;
mod poison;
mod provider_down;
mod rival;
mod rolling;
mod several_runs;
mod soak;
mod store;
#[path = "../faults/support.rs"]
mod support;
mod undisturbed;
