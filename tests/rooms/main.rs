//! How the house is built: who may depend on whom and on which library; short functions.
#![expect(clippy::unwrap_used, reason = "in a test, an unwrap is a check")]

mod dependencies;
mod libraries;
mod paths;
mod sizes;
mod source;
