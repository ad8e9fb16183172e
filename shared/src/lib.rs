//! What both sides agree on: survey, codebook, methods and prompts, messages, queue, store, permits, money.

pub mod codebook;
pub mod id;
pub mod method;
pub mod money;
pub mod outcome;
