//! The outside world, faked honestly: a provider over HTTP, and a synthetic survey.

pub mod person;
pub mod provider;
pub mod synth;
pub mod traits;
