//! Real coordinators and workers on a real RabbitMQ and Redis give the results of one process, undisturbed and under every
//! fault that machines and networks have.

#![cfg(unix)]

mod backup;
mod broker;
#[path = "../command/support/browser.rs"]
#[expect(clippy::unwrap_used, dead_code, reason = "other tests use the rest; an unwrap is a check")]
mod browser;
mod budget;
mod cluster;
mod connections;
#[path = "../../shared/tests/control/message.rs"]
#[expect(dead_code, reason = "other tests use the rest")]
mod control_message;
mod drain;
mod duplicates;
mod encrypted;
mod endings;
#[path = "../health/exposition.rs"]
#[expect(dead_code, reason = "other tests use the rest")]
mod exposition;
mod failing_tasks;
mod fleet;
mod forged;
mod frozen;
mod full_disk;
mod kills;
mod leadership;
mod least_rights;
mod long_replies;
mod lost_ledger;
#[path = "../command/support/money.rs"]
mod money;
mod new_key;
mod orders;
mod pilot;
mod process;
mod provider_cases;
mod provider_down;
mod reuse;
mod rng;
mod rolling;
mod rounds;
mod same_numbers;
mod several_runs;
mod soak;
mod store;
#[path = "../faults/support.rs"]
mod support;
mod undisturbed;
