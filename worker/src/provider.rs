//! Talks to providers of models: OpenAI-compatible chat completions over HTTP.

mod body;
mod client;
mod connect;
mod deadline;
mod error;
#[cfg(test)]
mod fuzz;
mod headers;
mod key;
mod pool;
mod request_body;
mod wire;

pub use body::{Conversation, EncodedText, LastPlain, Said, Wording};
pub use client::{Client, ClientError, Deadlines};
pub use error::{CallError, CallErrorKind, Decision};
pub use key::KeyError;
pub use request_body::RequestBody;
pub use wire::{Finish, Reply};
