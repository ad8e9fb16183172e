//! The operator's commands on a real RabbitMQ and Redis, while everything works and while servers are broken.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "in a test, an unwrap is a check")]

mod broken;
mod dead;
mod fleet;
mod mistakes;
mod page;
mod support;
