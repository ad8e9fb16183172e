//! Hostile input for every reader of this crate: no panic, no hang, no disproportionate memory.
//!
//! The ordinary tests run a few hundred cases for each reader, and `make fuzz` a million.

mod bounds;
mod codebook;
#[path = "../control/message.rs"]
mod control_message;
mod experiment;
mod message;
mod mutate;
mod reply;
mod survey;
