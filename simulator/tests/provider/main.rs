//! The simulated provider over HTTP.
#![expect(clippy::unwrap_used, reason = "in a test, an unwrap is a check")]

mod api;
mod client;
mod faults;
mod limits;
