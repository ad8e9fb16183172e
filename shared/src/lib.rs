//! What both sides agree on: survey, codebook, methods and prompts, messages, queue, store, permits, money.

pub mod codebook;
pub mod experiment;
pub mod id;
pub mod manifest;
pub mod method;
pub mod model;
pub mod money;
pub mod outcome;
pub mod permit;
pub mod queue;
pub mod store;
pub mod task;
