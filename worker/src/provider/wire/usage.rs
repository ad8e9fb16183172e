//! Parses the numbers of tokens that a provider reports.

use serde::Deserialize;
use serde_json::Value;
use valuesim_shared::money::{NanoUsd, Tokens};

/// The documented fields of usage, whatever their values are.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Usage {
    prompt_tokens: Option<Value>,
    completion_tokens: Option<Value>,
    /// OpenAI, vLLM, llama.cpp, OpenRouter; may be null.
    prompt_tokens_details: Option<Value>,
    /// OpenAI; may be null.
    completion_tokens_details: Option<Value>,
    /// DeepSeek.
    prompt_cache_hit_tokens: Option<Value>,
    /// OpenRouter: what the call cost, in US dollars.
    cost: Option<Value>,
    /// OpenRouter: whether the call used the customer's own key, so that its vendor charges it, too.
    is_byok: Option<Value>,
    /// OpenRouter; may be null.
    cost_details: Option<Value>,
}

impl Usage {
    /// The tokens, also from numbers that are written as text or with a fraction. `None` if the tokens of the prompt are
    /// missing, or those of prompt or reply are invalid: half a count would hide costs.
    pub(super) fn tokens(&self) -> Option<Tokens> {
        let input = count(self.prompt_tokens.as_ref()?)?;
        let output = self.completion_tokens.as_ref().map_or(Some(0), count)?;
        let of_prompt = |field: &str| self.prompt_tokens_details.as_ref()?.get(field);
        let cached = of_prompt("cached_tokens").or(self.prompt_cache_hit_tokens.as_ref()).and_then(count).unwrap_or(0);
        let cached = cached.min(input);
        let cache_write = of_prompt("cache_write_tokens").and_then(count).unwrap_or(0).min(input - cached);
        let reasoning = self.completion_tokens_details.as_ref().and_then(|details| details.get("reasoning_tokens"));
        let reasoning = reasoning.and_then(count).unwrap_or(0).min(output);
        Some(Tokens { input, cached, cache_write, output, reasoning })
    }

    /// What the call cost, if the provider says so.
    pub(super) fn cost(&self) -> Option<NanoUsd> {
        let charged = dollars(self.cost.as_ref()?)?;
        let is_own_key = self.is_byok.as_ref().and_then(Value::as_bool).unwrap_or(false);
        let upstream = self.cost_details.as_ref().and_then(|details| details.get("upstream_inference_cost"));
        let upstream = upstream.filter(|_| is_own_key).and_then(dollars).unwrap_or(NanoUsd(0));
        Some(charged + upstream)
    }
}

/// A number of tokens, however it is written. A fraction counts as a whole token.
fn count(value: &Value) -> Option<u64> {
    if let Some(count) = value.as_u64() {
        return Some(count);
    }
    let number = value.as_f64().or_else(|| value.as_str()?.trim().parse().ok())?;
    let is_count = (0.0..=MAX_TOKENS).contains(&number);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range was checked")]
    is_count.then_some(number.ceil() as u64)
}

/// An amount of US dollars.
fn dollars(value: &Value) -> Option<NanoUsd> {
    const MAX_USD: f64 = 1e6;
    let usd = value.as_f64().filter(|usd| (0.0..=MAX_USD).contains(usd))?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range was checked")]
    Some(NanoUsd((usd * 1e9).round() as u64))
}

/// More tokens than any model reads or writes. Larger numbers that are not plain integers are invalid.
const MAX_TOKENS: f64 = 1e12;

#[cfg(test)]
mod tests {
    use super::super::completion;
    use super::*;

    /// `expected` holds the tokens of the prompt, those of them that came from the cache, and those of the reply.
    fn check(usage: &str, expected: Option<[u64; 3]>) {
        let body = format!(r#"{{"choices":[{{"message":{{"content":"2"}}}}],"usage":{usage}}}"#);
        let reply = completion(&body).unwrap_or_else(|error| panic!("{error}: {body}"));
        let found = reply.tokens.map(|tokens| [tokens.input, tokens.cached, tokens.output]);
        assert_eq!((reply.content.as_str(), found), ("2", expected), "{usage}");
    }

    #[test]
    fn usage_of_all_shapes_is_parsed() {
        check(r#"{"prompt_tokens":9,"completion_tokens":1,"total_tokens":10}"#, Some([9, 0, 1]));
        check(r#"{"prompt_tokens":9,"completion_tokens":1,"prompt_tokens_details":null}"#, Some([9, 0, 1]));
        let openai = r#"{"prompt_tokens":2000,"completion_tokens":9,"prompt_tokens_details":{"cached_tokens":1024,"audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":3}}"#;
        check(openai, Some([2000, 1024, 9]));
        let deepseek =
            r#"{"prompt_tokens":9,"completion_tokens":1,"prompt_cache_hit_tokens":4,"prompt_cache_miss_tokens":5}"#;
        check(deepseek, Some([9, 4, 1]));
        check(r#"{"prompt_tokens":9,"prompt_tokens_details":{"cached_tokens":99}}"#, Some([9, 9, 0]));
        check("null", None);
        check("{}", None);
    }

    #[test]
    fn parts_are_never_more_than_the_whole() {
        let body = r#"{"choices":[{"message":{"content":"2"}}],"usage":{"prompt_tokens":9,"completion_tokens":4,
            "prompt_tokens_details":{"cached_tokens":5,"cache_write_tokens":7},
            "completion_tokens_details":{"reasoning_tokens":3}}}"#;
        let expected = Tokens { input: 9, cached: 5, cache_write: 4, output: 4, reasoning: 3 };
        assert_eq!(completion(body).expect("reads").tokens, Some(expected));
    }

    #[test]
    fn the_providers_own_cost_is_read_with_that_of_the_customers_own_key() {
        let cost = |usage: &str| {
            let body = format!(r#"{{"choices":[{{"message":{{"content":"2"}}}}],"usage":{usage}}}"#);
            completion(&body).expect("reads").cost
        };
        assert_eq!(cost(r#"{"prompt_tokens":9,"cost":0.00014}"#), Some(NanoUsd(140_000)));
        let details = r#""cost_details":{"upstream_inference_cost":0.001}"#;
        assert_eq!(cost(&format!(r#"{{"prompt_tokens":9,"cost":0.0001,{details}}}"#)), Some(NanoUsd(100_000)));
        assert_eq!(
            cost(&format!(r#"{{"prompt_tokens":9,"cost":0.0001,"is_byok":true,{details}}}"#)),
            Some(NanoUsd(1_100_000))
        );
        for nonsense in ["-1", "\"much\"", "null", "1e300"] {
            assert_eq!(cost(&format!(r#"{{"prompt_tokens":9,"cost":{nonsense}}}"#)), None, "{nonsense}");
        }
    }

    #[test]
    fn unusual_numbers_are_parsed_and_invalid_ones_never_spoil_a_reply() {
        check(r#"{"prompt_tokens":9.0,"completion_tokens":"1"}"#, Some([9, 0, 1]));
        check(r#"{"prompt_tokens":" 9 ","completion_tokens":0.5}"#, Some([9, 0, 1]));
        check(r#"{"prompt_tokens":9,"completion_tokens":1,"prompt_cache_hit_tokens":-4}"#, Some([9, 0, 1]));
        check(
            r#"{"prompt_tokens":9,"completion_tokens":1,"prompt_tokens_details":{"cached_tokens":"4"}}"#,
            Some([9, 4, 1]),
        );
        check(r#"{"prompt_tokens":9,"completion_tokens":1,"prompt_tokens_details":[]}"#, Some([9, 0, 1]));
        for nonsense in ["-1", "-0.5", "1e300", "\"many\"", "\"NaN\"", "true", "[9]", "{}"] {
            check(&format!(r#"{{"prompt_tokens":{nonsense},"completion_tokens":1}}"#), None);
            check(&format!(r#"{{"prompt_tokens":9,"completion_tokens":{nonsense}}}"#), None);
        }
        check("-1", None);
        check("\"none\"", None);
        check("[]", None);
    }
}
