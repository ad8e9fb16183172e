//! Does a task: takes it from the queue, asks the model, keeps the replies, hands the result in.

mod attempt;
mod cab;
mod cell_calls;
pub mod config;
mod context;
mod demand;
pub mod error;
mod failures;
mod halt;
pub mod hold;
mod listening;
pub mod meter;
pub mod metrics;
mod outage;
pub mod process;
mod prompts;
pub mod provider;
mod pulse;
mod retry;
mod retry_or_dead_letter;
mod run;
mod story;
mod task_source;
pub mod timeouts;
mod transcript;
pub mod worker;
