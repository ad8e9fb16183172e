//! The provider client: OpenAI-compatible chat completions and embeddings over HTTP.

mod body;
mod classify;
mod client;
mod connection;
mod embeddings;
mod error;
mod figures;
#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod fuzz_secrets;
mod headers;
mod key;
mod key_list;
mod one_line;
mod proxy;
mod redact;
mod replicas;
mod request_body;
mod setup;
mod trial;
mod trust;
mod wire;

pub use body::{Conversation, EncodedText, LastUnescaped, OwnedConversation, Wording};
pub use client::Client;
pub use embeddings::EmbeddingsClient;
pub use error::{CallError, CallErrorKind, Decision, Setting, advice_on_embeddings};
pub use key::Keys;
pub use key_list::{KeyList, KeyListError};
pub use request_body::RequestBody;
pub use setup::{ClientError, Deadlines};
pub use trial::{Answered, Trial};
pub(crate) use wire::EMPTY_BESIDE_REASONING;
pub use wire::{Finish, Reply, Vectors};
