//! Sends one request for a chat completion and reads the response. Never retries.

use valuesim_shared::model::ModelSettings;
use valuesim_shared::outcome::SIMULATED_MARK;

use super::body::{BodyTemplate, Conversation};
use super::connection::{Answer, Connection};
use super::error::CallError;
use super::key::Keys;
use super::replicas::Replicas;
use super::request_body::RequestBody;
use super::setup::{ClientError, Deadlines};
use super::wire::{Reply, completion};

/// The path of chat completions below the base URL.
pub(super) const PATH: [&str; 2] = ["chat", "completions"];

/// The longest accepted response, in bytes after decompression: a hundred times a long backstory.
const MAX_RESPONSE_BYTES: usize = 4 << 20;

/// Sends requests to one model. Cheap to clone; clones share connections.
#[derive(Debug, Clone)]
pub struct Client {
    replicas: Replicas,
    template: BodyTemplate,
}

impl Client {
    /// A client for a model. Reads the model's key and certificates and the proxy variables of the environment. Makes no
    /// call.
    pub fn new(model: &ModelSettings, deadlines: Deadlines) -> Result<Self, ClientError> {
        Self::with_keys(model, deadlines, &Keys::OfUser)
    }

    /// The same with keys as somebody else than the model's settings has it.
    pub fn with_keys(model: &ModelSettings, deadlines: Deadlines, keys: &Keys) -> Result<Self, ClientError> {
        let connection = |at: &ModelSettings| {
            Connection::new(at, &PATH, (deadlines, MAX_RESPONSE_BYTES), keys).map_err(|problem| ClientError {
                what: "model",
                model: model.name.clone(),
                problem,
            })
        };
        let connections = model.at_each_address().map(|at| connection(&at)).collect::<Result<_, _>>()?;
        Ok(Self { replicas: Replicas::new(connections), template: BodyTemplate::new(model) })
    }

    /// The request body for a conversation of a session.
    pub fn body(&self, conversation: &Conversation<'_>, session: &str) -> RequestBody {
        self.template.fill(conversation, session)
    }

    /// Sends one request of a session and waits for its reply. Nothing is sent twice: a request takes another connection only if its
    /// pooled connection was closed before any byte was sent.
    pub async fn send(&self, body: RequestBody, session: &str) -> Result<Reply, CallError> {
        let replica = self.replicas.of(session);
        let connection = &replica.connection;
        let read = |Answer { body, is_simulated, stated }: &Answer| {
            let reply = Reply { stated: *stated, ..completion(body)? };
            // Parts of a message may be a key only together.
            let reply = Reply { content: connection.without_key(reply.content), ..reply };
            Ok(if *is_simulated { mark_simulated(reply) } else { reply })
        };
        let answer = connection.post(body, Some(session), read).await;
        replica.note(answer.as_ref().err().map(|error| &error.kind));
        answer
    }
}

/// Marks a simulated provider's reply, so that nobody takes it for a real model's.
fn mark_simulated(reply: Reply) -> Reply {
    Reply { model: reply.model + SIMULATED_MARK, ..reply }
}
