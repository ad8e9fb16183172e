//! The tests' servers, tested: they start, break, come back and go, as the tests that use them rely on.
#![expect(clippy::unwrap_used, reason = "in a test, an unwrap is a check")]

mod amqp;
mod broker;
mod cluster;
mod proxy;
mod redis;
mod resp;
mod with;
