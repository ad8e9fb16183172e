//! Does a task: takes it from the queue, asks the model, keeps the replies, hands the result in.

mod again;
mod ask;
mod attempt;
mod cab;
mod demand;
mod desk;
pub mod duty;
mod failures;
pub mod hold;
mod listening;
pub mod meter;
pub mod metrics;
mod outage;
mod park;
mod prompts;
pub mod provider;
mod pulse;
mod retry;
mod run;
mod story;
pub mod timing;
mod transcript;
pub mod worker;
