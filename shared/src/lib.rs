//! What both sides agree on: survey, codebook, methods and prompts, messages, queue, store, permits, money.

pub mod codebook;
pub mod control;
pub mod dead;
pub mod decide;
pub mod experiment;
pub mod fleet;
pub mod id;
pub mod link;
pub mod manifest;
pub mod mersenne;
pub mod method;
pub mod model;
pub mod money;
pub mod outcome;
pub mod permit;
pub mod profile;
pub mod prompt;
pub mod queue;
pub mod reply;
pub mod sample;
pub mod split;
pub mod store;
pub mod survey;
pub mod task;
pub mod telemetry;
pub mod transcript;
