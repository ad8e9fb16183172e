//! Reads responses with embeddings in OpenAI's shape, and refuses what no similarity can be computed from.

use std::borrow::Cow;
use std::fmt;

use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use valuesim_shared::money::Tokens;

use super::super::error::{CallError, CallErrorKind};
use super::{malformed, model_name, nested_error, usage::Usage};

/// The vectors of the texts of one request.
#[derive(Debug, Clone, PartialEq)]
pub struct Vectors {
    /// One for each text, in the order of the texts. All have the same length, and none is empty or all zeros.
    pub vectors: Vec<Vec<f64>>,
    /// Tokens as the provider counted them; `None` if it did not say.
    pub tokens: Option<Tokens>,
    /// The model as the provider names it.
    pub model: String,
}

#[derive(Deserialize)]
struct Response<'a> {
    #[serde(borrow, default)]
    model: Option<Cow<'a, str>>,
    #[serde(default)]
    data: Option<Vec<Entry>>,
    #[serde(default)]
    usage: Option<Usage>,
    #[serde(default)]
    error: Option<Value>,
}

#[derive(Deserialize)]
struct Entry {
    /// The position of its text in the request; servers that leave it out answer in order.
    #[serde(default)]
    index: Option<u64>,
    embedding: Numbers,
}

/// Reads the body of a response with status 200 to a request with `texts` texts.
pub(in super::super) fn vectors(body: &str, texts: usize) -> Result<Vectors, CallError> {
    let response: Response<'_> = serde_json::from_str(body.trim()).map_err(|error| unreadable(body, &error))?;
    if let Some(error) = response.error.filter(|error| !error.is_null()) {
        return Err(nested_error(200, &error));
    }
    let Some(entries) = response.data else { return Err(malformed("it has no field data")) };
    Ok(Vectors {
        vectors: usable(in_order(entries, texts)?)?,
        tokens: response.usage.as_ref().and_then(Usage::tokens),
        model: response.model.as_deref().map(model_name).unwrap_or_default(),
    })
}

/// A body that is not JSON, or not of this shape. Only one that speaks of embeddings comes from the model.
fn unreadable(body: &str, error: &serde_json::Error) -> CallError {
    if body.contains("\"embedding\"") { no_vectors(&error.to_string()) } else { malformed(&error.to_string()) }
}

/// The vectors in the order of the texts, whatever the order of the answer.
fn in_order(entries: Vec<Entry>, texts: usize) -> Result<Vec<Vec<f64>>, CallError> {
    if entries.len() != texts {
        return Err(no_vectors(&format!("it has {} vectors for {texts} texts", entries.len())));
    }
    if entries.iter().all(|entry| entry.index.is_none()) {
        return Ok(entries.into_iter().map(|entry| entry.embedding.0).collect());
    }
    let mut ordered = vec![None; texts];
    for Entry { index, embedding } in entries {
        let place = index.and_then(|index| ordered.get_mut(usize::try_from(index).ok()?));
        match (place, index) {
            (Some(place @ None), _) => *place = Some(embedding.0),
            (_, Some(index)) => return Err(no_vectors(&format!("index {index} is there twice or past {texts} texts"))),
            (_, None) => return Err(no_vectors("some vectors have an index and some have none")),
        }
    }
    // As many as there are places, and none of them twice.
    Ok(ordered.into_iter().flatten().collect())
}

fn usable(vectors: Vec<Vec<f64>>) -> Result<Vec<Vec<f64>>, CallError> {
    let length = vectors.first().map_or(0, Vec::len);
    for (at, vector) in vectors.iter().enumerate() {
        if vector.is_empty() {
            return Err(no_vectors(&format!("the vector of text {at} is empty")));
        }
        if vector.len() != length {
            let found = vector.len();
            return Err(no_vectors(&format!("the vectors of one request have {length} and {found} numbers")));
        }
        let square: f64 = vector.iter().map(|number| number * number).sum();
        if !(square.is_finite() && square > 0.0) {
            return Err(no_vectors(&format!(
                "the vector of text {at} has no direction: its length is {}",
                square.sqrt()
            )));
        }
    }
    Ok(vectors)
}

fn no_vectors(reason: &str) -> CallError {
    CallError::new(CallErrorKind::NoVectors, Some(200), reason)
}

/// The numbers of a vector. JSON has no NaN or infinity; servers that met one write `null`, or no JSON at all.
#[derive(Debug)]
struct Numbers(Vec<f64>);

impl<'de> Deserialize<'de> for Numbers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NumbersVisitor)
    }
}

struct NumbersVisitor;

impl<'de> Visitor<'de> for NumbersVisitor {
    type Value = Numbers;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of numbers")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<Numbers, A::Error> {
        let mut numbers = Vec::with_capacity(parts.size_hint().unwrap_or(0));
        while let Some(number) = parts.next_element()? {
            numbers.push(number);
        }
        Ok(Numbers(numbers))
    }

    fn visit_str<E: serde::de::Error>(self, _: &str) -> Result<Numbers, E> {
        Err(E::custom("the vector is text, as with encoding_format base64, which was not asked for"))
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<Numbers, E> {
        Err(E::custom("the vector is null"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn vectors_come_in_the_order_of_the_texts() {
        let body = json!({
            "object": "list",
            "data": [
                {"object": "embedding", "index": 1, "embedding": [0.0, 2]},
                {"object": "embedding", "index": 0, "embedding": [1, 0.5]},
            ],
            "model": "m-001",
            "usage": {"prompt_tokens": 8, "total_tokens": 8},
        });
        let read = vectors(&body.to_string(), 2).expect("reads");
        assert_eq!(read.vectors, [[1.0, 0.5], [0.0, 2.0]]);
        assert_eq!(read.tokens, Some(Tokens { input: 8, cached: 0, output: 0, ..Tokens::default() }));
        assert_eq!(read.model, "m-001");
        let bare = r#"{"data":[{"embedding":[1]},{"embedding":[2]}]}"#;
        assert_eq!(vectors(bare, 2).expect("reads").vectors, [[1.0], [2.0]]);
    }

    #[track_caller]
    fn check(data: &str, kind: CallErrorKind, reason: &str) {
        let body = format!(r#"{{"data":{data},"usage":{{"prompt_tokens":1}}}}"#);
        let error = vectors(&body, 2).expect_err(&body);
        let message = error.message.unwrap_or_default();
        assert!(error.kind == kind && message.contains(reason), "{:?} {message}", error.kind);
    }

    #[test]
    fn what_is_no_list_of_usable_vectors_is_refused_with_its_reason() {
        use CallErrorKind::{Malformed, NoVectors};
        check(r#"[{"embedding":[1]}]"#, NoVectors, "1 vectors for 2 texts");
        check(r#"[{"embedding":[1]},{"embedding":[1]},{"embedding":[1]}]"#, NoVectors, "3 vectors for 2 texts");
        check(r#"[{"index":0,"embedding":[1]},{"index":0,"embedding":[1]}]"#, NoVectors, "index 0 is there twice");
        check(r#"[{"index":0,"embedding":[1]},{"index":2,"embedding":[1]}]"#, NoVectors, "past 2 texts");
        check(r#"[{"index":0,"embedding":[1]},{"embedding":[1]}]"#, NoVectors, "some have none");
        check(r#"[{"embedding":[1]},{"embedding":[]}]"#, NoVectors, "text 1 is empty");
        check(r#"[{"embedding":[1]},{"embedding":[1,2]}]"#, NoVectors, "1 and 2 numbers");
        check(r#"[{"embedding":[1]},{"embedding":[0,0]}]"#, NoVectors, "1 and 2 numbers");
        check(r#"[{"embedding":[1]},{"embedding":[0]}]"#, NoVectors, "has no direction");
        check(r#"[{"embedding":[1]},{"embedding":[1e200]}]"#, NoVectors, "has no direction");
        check(r#"[{"embedding":[1]},{"embedding":[null]}]"#, NoVectors, "null");
        check(r#"[{"embedding":[1]},{"embedding":[NaN]}]"#, NoVectors, "line 1");
        check(r#"[{"embedding":[1]},{"embedding":[Infinity]}]"#, NoVectors, "line 1");
        check(r#"[{"embedding":[1]},{"embedding":[1e999]}]"#, NoVectors, "out of range");
        check(r#"[{"embedding":[1]},{"embedding":null}]"#, NoVectors, "the vector is null");
        check(r#"[{"embedding":[1]},{"embedding":[[1]]}]"#, NoVectors, "invalid type");
        check(r#"[{"embedding":[1]},{"embedding":"AACAPw=="}]"#, NoVectors, "base64, which was not asked for");
        check("null", Malformed, "no field data");
    }

    #[test]
    fn a_page_without_embeddings_and_an_error_inside_a_200_are_what_they_are() {
        let kind = |body: &str| vectors(body, 1).expect_err(body).kind;
        assert_eq!(kind("<html>Bad gateway</html>"), CallErrorKind::Malformed);
        assert_eq!(kind(""), CallErrorKind::Malformed);
        assert_eq!(kind(r#"{"error":{"message":"Rate limit","code":429}}"#), CallErrorKind::RateLimited);
    }

    proptest! {
        #[test]
        fn vectors_arrive_as_they_are(
            (all, order) in (1_usize..5, 1_usize..4).prop_flat_map(|(count, length)| {
                let vector = prop::collection::vec(0.001_f64..1.0, length);
                (prop::collection::vec(vector, count), Just((0..count).collect::<Vec<_>>()).prop_shuffle())
            }),
        ) {
            let entries: Vec<Value> =
                order.iter().map(|&index| json!({"index": index, "embedding": all[index]})).collect();
            let read = vectors(&json!({"data": entries}).to_string(), all.len()).expect("reads");
            prop_assert_eq!(read.vectors, all);
        }

        #[test]
        fn any_bytes_are_read_or_refused(body in ".{0,200}", texts in 0_usize..3) {
            let _ = vectors(&body, texts);
        }
    }
}
