//! Does a task: takes it from the queue, asks the model, keeps the replies, hands the result in.

mod ask;
mod cab;
mod demand;
pub mod meter;
mod prompts;
pub mod provider;
mod retry;
mod run;
mod story;
pub mod worker;
