//! The Redis store and control on real servers that are stopped, filled, flushed, shared and misconfigured.

mod control;
mod expiry;
mod faults;
mod leases;
#[path = "../control/message.rs"]
mod message;
mod outcome_parts;
mod quota;
mod refusals;
mod stories;
mod support;
