//! Probes and metrics of a fleet's processes, on a real RabbitMQ and Redis: what they say is what is.

#![cfg(unix)]

mod address;
mod counts;
mod exposition;
mod probes;
mod process;
