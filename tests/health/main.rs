//! The probes and metrics of a fleet's processes, on a real RabbitMQ and Redis, show the truth.

#![cfg(unix)]

mod address;
#[path = "../../shared/tests/control/message.rs"]
#[expect(dead_code, reason = "other tests use the rest")]
mod control_message;
mod counts;
mod exposition;
mod probes;
mod process;
mod starting;
mod verb;
