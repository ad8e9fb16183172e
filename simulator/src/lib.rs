//! Stand-ins for the outside world: a simulated provider over HTTP, and a synthetic survey. Both say what they are.

pub mod person;
pub mod provider;
pub mod synth;
pub mod traits;
mod vector;
