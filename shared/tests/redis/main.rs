//! The Redis store and control on real servers that are stopped, filled, flushed, shared and misconfigured.

mod claims;
mod control;
mod expiry;
mod faults;
mod refusals;
mod stories;
mod support;
