//! The operators' verbs on a real RabbitMQ and Redis: while all is well, and while things are broken.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "in a test, an unwrap is a check")]

mod broken;
mod dead;
mod fleet;
mod mistakes;
mod support;
