//! The fleet: real coordinators and workers on a real RabbitMQ and Redis, undisturbed and killed, give what one process
//! gives.

#![cfg(unix)]

mod fleet;
mod kills;
#[path = "../faults/support.rs"]
mod support;
mod undisturbed;
