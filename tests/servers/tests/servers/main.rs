//! Tests of the test servers: they start, fail, restart and end as other tests expect.
#![expect(clippy::unwrap_used, reason = "in a test, an unwrap is a check")]

mod amqp;
mod broker;
mod cluster;
mod proxy;
mod redis;
mod resp;
mod with;
