//! Hostile input at every door of this crate: no panic, no hang, no memory out of proportion.
//!
//! A few hundred cases for each door run with the ordinary tests, a million with `make fuzz`.

mod bounds;
mod codebook;
mod experiment;
mod message;
mod mutate;
mod reply;
mod survey;
