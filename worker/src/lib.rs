//! Executes tasks: takes them from the queues, makes their calls, stores the replies and publishes the results.

mod attempt;
mod backpressure;
mod cab;
mod cell_calls;
pub mod config;
mod context;
pub mod embedder;
pub mod error;
mod failure_log;
mod fault_attribution;
mod halt;
mod idle_timer;
mod kept_replies;
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
