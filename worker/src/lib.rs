//! Does a task: takes it from the queue, asks the model, keeps the replies, hands the result in.

mod attempt;
mod backpressure;
mod cab;
mod cell_calls;
pub mod config;
mod context;
pub mod error;
mod failures;
mod halt;
mod listening;
pub mod meter;
pub mod metrics;
mod next_message;
pub mod process;
mod prompts;
pub mod provider;
mod retry;
mod retry_or_dead_letter;
mod run;
mod story;
mod task_source;
pub mod timeouts;
mod transcript;
pub mod worker;
