//! Does a task: takes it from the queue, asks the model, keeps the replies, hands the result in.

mod again;
mod ask;
mod attempt;
mod cab;
mod demand;
pub mod duty;
mod hold;
pub mod meter;
mod park;
mod prompts;
pub mod provider;
mod retry;
mod run;
mod story;
pub mod timing;
mod transcript;
pub mod worker;
