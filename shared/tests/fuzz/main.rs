//! Hostile input for every reader of this crate: no panic, no hang, no disproportionate memory.
//!
//! The ordinary tests run a few hundred cases for each reader, and `make fuzz` a million.

mod bounds;
mod codebook;
mod experiment;
mod message;
mod mutate;
mod reply;
mod survey;
