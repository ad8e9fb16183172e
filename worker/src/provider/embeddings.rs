//! Sends one request for the embeddings of some texts and reads the vectors. Never retries.

use bytes::Bytes;
use serde_json::{Value, json};
use valuesim_shared::embeddings::EmbeddingSettings;
use valuesim_shared::outcome::SIMULATED_MARK;

use super::connection::{Answer, Connection};
use super::error::{CallError, CallErrorKind};
use super::key::{KeyError, Keys};
use super::request_body::RequestBody;
use super::setup::{ClientError, Deadlines, Problem};
use super::wire::{Vectors, vectors};

/// Where embeddings are asked for, below the base URL.
const PATH: [&str; 1] = ["embeddings"];

/// The longest response that is read, in bytes after decompression: 2,048 vectors of 1,536 numbers.
const MAX_RESPONSE_BYTES: usize = 64 << 20;

/// Asks one model for embeddings.
#[derive(Debug, Clone)]
pub struct EmbeddingsClient {
    connection: Connection,
    settings: EmbeddingSettings,
}

impl EmbeddingsClient {
    /// A client for the model of these settings. Reads its key and certificates, and what the environment says of proxies;
    /// makes no call.
    ///
    /// # Errors
    /// If the key is missing, or address, proxy or certificates cannot be used.
    pub fn new(settings: &EmbeddingSettings, deadlines: Deadlines) -> Result<Self, ClientError> {
        let connection = Connection::new(&settings.as_model(), &PATH, (deadlines, MAX_RESPONSE_BYTES), &Keys::OfUser)
            .map_err(|problem| client_error(settings, problem))?;
        Ok(Self { connection, settings: settings.clone() })
    }

    /// Sends one request and waits for the vectors of `texts`.
    ///
    /// # Errors
    /// If no usable vectors came, one for each text.
    pub async fn send(&self, texts: &[&str]) -> Result<Vectors, CallError> {
        let read = |Answer { body, is_simulated, .. }: &Answer| {
            let read = vectors(body, texts.len())?;
            Ok(if *is_simulated { marked(read) } else { read })
        };
        self.connection.post(self.body(texts), None, read).await.map_err(|mut error| {
            if error.kind == CallErrorKind::Malformed {
                error.kind = CallErrorKind::NoVectors;
            }
            error
        })
    }

    /// Model and texts, and what the settings add. The encoding is not named: numbers are the default everywhere, and some
    /// servers refuse the field.
    fn body(&self, texts: &[&str]) -> RequestBody {
        let mut body = self.settings.extra_body.clone();
        body.insert("model".to_owned(), json!(self.settings.name));
        body.insert("input".to_owned(), json!(texts));
        RequestBody::whole(Bytes::from(Value::from(body).to_string()))
    }
}

fn client_error(settings: &EmbeddingSettings, problem: Problem) -> ClientError {
    let problem = match problem {
        Problem::Key(KeyError::NotSet(variable)) => Problem::EmbeddingsKey(variable),
        other => other,
    };
    ClientError { what: "embeddings", model: settings.name.clone(), problem }
}

/// A simulated provider's vectors, marked so that nobody takes them for a model's.
fn marked(vectors: Vectors) -> Vectors {
    Vectors { model: vectors.model + SIMULATED_MARK, ..vectors }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_key_is_named_with_the_flags_of_embeddings() {
        let mut settings = EmbeddingSettings::named("m");
        settings.base_url = Some("http://127.0.0.1:9/v1".to_owned());
        settings.api_key_env = Some("VALUESIM_NO_SUCH_KEY".to_owned());
        let error = EmbeddingsClient::new(&settings, Deadlines::default()).expect_err("has no key").to_string();
        assert!(
            error.starts_with("embeddings \"m\" needs a key: set the environment variable VALUESIM_NO_SUCH_KEY"),
            "{error}"
        );
        assert!(error.contains("--embeddings-api-key-env"), "{error}");
    }

    #[test]
    fn a_request_has_the_model_the_texts_and_what_the_settings_add() {
        let mut settings = EmbeddingSettings::named("m");
        settings.base_url = Some("http://127.0.0.1:9/v1".to_owned());
        settings.extra_body.insert("dimensions".to_owned(), json!(256));
        let client = EmbeddingsClient::new(&settings, Deadlines::default()).expect("needs no key");
        let body: Value = serde_json::from_slice(&client.body(&["one", "two\n"]).to_bytes()).expect("is JSON");
        assert_eq!(body, json!({"model": "m", "input": ["one", "two\n"], "dimensions": 256}));
    }
}
