//! The provider client: OpenAI-compatible chat completions over HTTP.

mod body;
mod client;
mod error;
#[cfg(test)]
mod fuzz;
mod headers;
mod key;
mod proxy;
mod request_body;
mod setup;
mod trust;
mod wire;

pub use body::{Conversation, EncodedText, LastUnescaped, OwnedConversation, Wording};
pub use client::Client;
pub use error::{CallError, CallErrorKind, Decision};
pub use request_body::RequestBody;
pub use setup::{ClientError, Deadlines};
pub use wire::{Finish, Reply};
