//! How the house is built: who may depend on whom and on which library, no import circles, short files and functions.
#![expect(clippy::unwrap_used, reason = "in a test, an unwrap is a check")]

mod circles;
mod dependencies;
mod imports;
mod libraries;
mod paths;
mod sizes;
mod source;
