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
    total_tokens: Option<Value>,
    /// Anthropic, and OpenAI's newer API.
    input_tokens: Option<Value>,
    output_tokens: Option<Value>,
    /// OpenAI, vLLM, llama.cpp, OpenRouter; may be null.
    prompt_tokens_details: Option<Value>,
    input_tokens_details: Option<Value>,
    /// OpenAI; may be null.
    completion_tokens_details: Option<Value>,
    output_tokens_details: Option<Value>,
    /// xAI, Perplexity: beside the completion.
    reasoning_tokens: Option<Value>,
    /// DeepSeek.
    prompt_cache_hit_tokens: Option<Value>,
    /// Moonshot, Together.
    cached_tokens: Option<Value>,
    /// Anthropic, and LiteLLM for it.
    cache_read_input_tokens: Option<Value>,
    cache_creation_input_tokens: Option<Value>,
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
        let (cached, cache_write) = (self.cached(), self.cache_write());
        let input = match &self.prompt_tokens {
            Some(prompt) => count(prompt)?,
            // Anthropic counts what it reads from the cache and writes to it apart.
            None if self.cache_read_input_tokens.is_some() || self.cache_creation_input_tokens.is_some() => {
                count(self.input_tokens.as_ref()?)?.saturating_add(cached).saturating_add(cache_write)
            }
            None => count(self.input_tokens.as_ref()?)?,
        };
        let output = self.output(input)?;
        let cached = cached.min(input);
        let reasoning = self.reasoning().min(output);
        Some(Tokens { input, cached, cache_write: cache_write.min(input - cached), output, reasoning })
    }

    /// The tokens of the reply, reasoning included. Some providers count reasoning beside the completion: then the total tells,
    /// or more reasoning than completion.
    fn output(&self, input: u64) -> Option<u64> {
        let completion = self.completion_tokens.as_ref().or(self.output_tokens.as_ref()).map_or(Some(0), count)?;
        let beside =
            if self.reasoning() > completion { completion.saturating_add(self.reasoning()) } else { completion };
        let total = self.total_tokens.as_ref().and_then(count);
        Some(total.map_or(beside, |total| completion.max(total.saturating_sub(input))))
    }

    fn reasoning(&self) -> u64 {
        let details = [&self.completion_tokens_details, &self.output_tokens_details];
        let inside = details.into_iter().flatten().find_map(|details| count(details.get("reasoning_tokens")?));
        inside.or_else(|| count(self.reasoning_tokens.as_ref()?)).unwrap_or(0)
    }

    fn cached(&self) -> u64 {
        let beside = [&self.prompt_cache_hit_tokens, &self.cache_read_input_tokens, &self.cached_tokens];
        let inside = self.of_prompt(&["cached_tokens", "cache_read_tokens"]);
        inside.or_else(|| beside.into_iter().flatten().find_map(count)).unwrap_or(0)
    }

    fn cache_write(&self) -> u64 {
        // OpenAI and OpenRouter; LiteLLM; vLLM.
        let inside = self.of_prompt(&["cache_write_tokens", "cache_creation_tokens", "created_cache_tokens"]);
        inside.or_else(|| count(self.cache_creation_input_tokens.as_ref()?)).unwrap_or(0)
    }

    /// The first of these details of the prompt that is there.
    fn of_prompt(&self, any_of: &[&str]) -> Option<u64> {
        let details = [&self.prompt_tokens_details, &self.input_tokens_details];
        let mut details = details.into_iter().flatten();
        details.find_map(|details| any_of.iter().find_map(|field| count(details.get(field)?)))
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

    fn all(usage: &str) -> Option<Tokens> {
        completion(&format!(r#"{{"choices":[{{"message":{{"content":"2"}}}}],"usage":{usage}}}"#))
            .expect("reads")
            .tokens
    }

    #[test]
    fn reasoning_is_output_wherever_it_stands() {
        let check = |usage: &str, output, reasoning| {
            let tokens = all(usage).expect(usage);
            assert_eq!((tokens.output, tokens.reasoning), (output, reasoning), "{usage}");
        };
        let details = r#""completion_tokens_details":{"reasoning_tokens":2809}"#;
        check(&format!(r#"{{"prompt_tokens":1499,"completion_tokens":10,"total_tokens":4318,{details}}}"#), 2819, 2809);
        check(&format!(r#"{{"prompt_tokens":1499,"completion_tokens":10,{details}}}"#), 2819, 2809);
        check(&format!(r#"{{"prompt_tokens":9,"completion_tokens":3000,"total_tokens":3009,{details}}}"#), 3000, 2809);
        check(r#"{"prompt_tokens":9,"completion_tokens":5,"total_tokens":14,"reasoning_tokens":3}"#, 5, 3);
        check(r#"{"prompt_tokens":9,"completion_tokens":5,"total_tokens":2}"#, 5, 0);
        check(r#"{"prompt_tokens":9,"completion_tokens":5,"total_tokens":"many"}"#, 5, 0);
    }

    #[test]
    fn writes_to_the_cache_are_counted_apart() {
        let expected = Some(Tokens { input: 100, cached: 20, cache_write: 30, output: 4, reasoning: 0 });
        let openai = r#"{"prompt_tokens":100,"completion_tokens":4,"prompt_tokens_details":{"cached_tokens":20,"cache_write_tokens":30}}"#;
        let vllm = r#"{"prompt_tokens":100,"completion_tokens":4,"prompt_tokens_details":{"cached_tokens":20,"created_cache_tokens":30}}"#;
        let litellm = r#"{"prompt_tokens":100,"completion_tokens":4,"cache_read_input_tokens":20,"cache_creation_input_tokens":30}"#;
        let anthropic =
            r#"{"input_tokens":50,"output_tokens":4,"cache_read_input_tokens":20,"cache_creation_input_tokens":30}"#;
        for usage in [openai, vllm, litellm, anthropic] {
            assert_eq!(all(usage), expected, "{usage}");
        }
        let newer = r#"{"input_tokens":100,"output_tokens":4,"input_tokens_details":{"cached_tokens":20}}"#;
        assert_eq!(all(newer), Some(Tokens { input: 100, cached: 20, output: 4, ..Tokens::default() }));
        let moonshot = r#"{"prompt_tokens":100,"completion_tokens":4,"cached_tokens":20}"#;
        assert_eq!(all(moonshot).map(|tokens| tokens.cached), Some(20));
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
