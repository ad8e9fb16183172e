//! Reads requests for embeddings, and writes vectors in the API's format.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use xxhash_rust::xxh3::Xxh3;

use super::api_error::ApiError;
use super::tokens;
use crate::vector::vector;

/// The most texts of one request, as OpenAI's API has it.
const MAX_TEXTS: usize = 2_048;

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow)]
    model: Option<Cow<'a, str>>,
    input: Option<Value>,
    #[serde(borrow)]
    encoding_format: Option<Cow<'a, str>>,
    dimensions: Option<u64>,
}

/// A valid request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct EmbeddingRequest {
    pub(crate) model: String,
    pub(crate) texts: Vec<String>,
    encoding: Encoding,
}

/// How vectors are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Encoding {
    /// As a list of numbers.
    Float,
    /// As the base64 of 32-bit numbers, which OpenAI's own client asks for.
    Base64,
}

impl Encoding {
    fn write(self, vector: &[f64]) -> Value {
        #[expect(clippy::cast_possible_truncation, reason = "the API has 32-bit numbers here")]
        let bytes = || vector.iter().flat_map(|&number| (number as f32).to_le_bytes()).collect::<Vec<u8>>();
        match self {
            Self::Float => vector.into(),
            Self::Base64 => STANDARD.encode(bytes()).into(),
        }
    }
}

impl EmbeddingRequest {
    /// Identifies the request: 128 bits over the model and the texts.
    pub(crate) fn digest(&self) -> u128 {
        let mut hash = Xxh3::new();
        for text in std::iter::once(&self.model).chain(&self.texts) {
            hash.update(&(text.len() as u64).to_le_bytes());
            hash.update(text.as_bytes());
        }
        hash.digest128()
    }

    /// The tokens of all texts.
    pub(crate) fn tokens(&self) -> u64 {
        self.texts.iter().map(|text| tokens::tokens(text.len())).sum()
    }

    /// The body of the response.
    pub(crate) fn response(&self) -> Vec<u8> {
        let tokens = self.tokens();
        let data = (0..).zip(&self.texts);
        let data =
            data.map(|(index, text)| Entry { object: "embedding", index, vector: self.encoding.write(&vector(text)) });
        let response = Response {
            object: "list",
            data: data.collect(),
            model: &self.model,
            usage: Usage { prompt_tokens: tokens, total_tokens: tokens },
        };
        serde_json::to_vec(&response).expect("texts and numbers can always be written")
    }
}

#[derive(Serialize)]
struct Response<'a> {
    object: &'static str,
    data: Vec<Entry>,
    model: &'a str,
    usage: Usage,
}

#[derive(Serialize)]
struct Entry {
    object: &'static str,
    index: u32,
    #[serde(rename = "embedding")]
    vector: Value,
}

#[derive(Serialize)]
struct Usage {
    prompt_tokens: u64,
    total_tokens: u64,
}

/// Parses the body of a request.
pub(crate) fn parse(body: &[u8]) -> Result<EmbeddingRequest, ApiError> {
    let body: Body<'_> = serde_json::from_slice(body).map_err(|error| ApiError::Unreadable(error.to_string()))?;
    let encoding = match body.encoding_format.as_deref() {
        None | Some("float") => Encoding::Float,
        Some("base64") => Encoding::Base64,
        Some(_) => return Err(ApiError::Unsupported { param: "encoding_format", hint: "expected float or base64" }),
    };
    if body.dimensions.is_some_and(|dimensions| dimensions != crate::vector::DIMENSIONS as u64) {
        return Err(ApiError::Unsupported { param: "dimensions", hint: "this simulated provider has 256" });
    }
    let model = body.model.filter(|model| !model.is_empty()).ok_or(ApiError::Missing("model"))?.into_owned();
    Ok(EmbeddingRequest { model, texts: texts(body.input)?, encoding })
}

/// The texts of a request: one, or a list.
fn texts(input: Option<Value>) -> Result<Vec<String>, ApiError> {
    let wrong = ApiError::Unsupported { param: "input", hint: "expected 1 to 2048 texts, none of them empty" };
    let texts: Option<Vec<String>> = match input {
        None | Some(Value::Null) => return Err(ApiError::Missing("input")),
        Some(Value::String(text)) => Some(vec![text]),
        Some(list) => serde_json::from_value(list).ok(),
    };
    let is_usable = |texts: &Vec<String>| (1..=MAX_TEXTS).contains(&texts.len()) && !texts.iter().any(String::is_empty);
    texts.filter(is_usable).ok_or(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(body: &str, expected: Result<&[&str], &str>) {
        match (parse(body.as_bytes()), expected) {
            (Ok(request), Ok(texts)) => assert_eq!(request.texts, texts),
            (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{error}"),
            (found, expected) => panic!("{found:?}, expected {expected:?}"),
        }
    }

    #[test]
    fn vectors_are_written_as_numbers_or_as_base64() {
        assert_eq!(Encoding::Float.write(&[1.0, -0.5]), serde_json::json!([1.0, -0.5]));
        assert_eq!(Encoding::Base64.write(&[1.0, -0.5]), serde_json::json!("AACAPwAAAL8="));
    }

    #[test]
    fn requests_are_read_or_refused_with_the_name_of_the_field() {
        check(r#"{"model":"m","input":"one"}"#, Ok(&["one"]));
        check(r#"{"model":"m","input":["one","two"],"encoding_format":"float"}"#, Ok(&["one", "two"]));
        check(r#"{"input":"one"}"#, Err("'model'"));
        check(r#"{"model":"m"}"#, Err("'input'"));
        check(r#"{"model":"m","input":[]}"#, Err("'input'"));
        check(r#"{"model":"m","input":[""]}"#, Err("'input'"));
        check(r#"{"model":"m","input":[[1,2]]}"#, Err("'input'"));
        check(r#"{"model":"m","input":"one","encoding_format":"base64"}"#, Ok(&["one"]));
        check(r#"{"model":"m","input":"one","encoding_format":"int8"}"#, Err("'encoding_format'"));
        check(r#"{"model":"m","input":"one","dimensions":8}"#, Err("'dimensions'"));
        check("{", Err("body"));
    }
}
