//! Real servers for tests: private RabbitMQ and Redis servers, and a proxy that disrupts connections.
//!
//! ```text
//! valuesim-test-servers with COMMAND     one RabbitMQ, one Redis for all tests of COMMAND
//!   shared_broker()                      a virtual host of that RabbitMQ for one test
//!   shared_redis()                       a database of that Redis for one test
//! Broker, Cluster, RedisServer           servers of one test, to stop, kill and wipe
//! Authority                              certificates for TLS
//! Turn                                 the right of a test to start many processes: few have it at a time
//! Proxy                                  between a program and its servers: cut, turn away, stall, heal
//! ```
//!
//! A server never outlives the process that started it: a watchdog kills it however that process ends. A missing server
//! program is an error that says what to install; tests are never skipped.

mod authority;
mod broker;
mod cluster;
mod error;
mod eventually;
mod file;
mod port;
mod process;
mod program;
mod proxy;
mod redis;
mod shared;
mod turn;

pub use authority::Authority;
pub use broker::{Broker, Vhost};
pub use cluster::{Cluster, ClusterVhost};
pub use error::ServerError;
pub use eventually::eventually;
pub use proxy::Proxy;
pub use redis::{Database, RedisServer};
pub use shared::{Shared, shared_broker, shared_redis};
pub use turn::Turn;
