//! Orders, signs of life and leadership, whatever they are kept in: one suite for memory, a folder and Redis.

mod conformance;
mod implementations;
mod message;
