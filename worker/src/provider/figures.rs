//! Reads the figures in errors about limits: how much a call needs, and how much there is.

/// What an error says of a model's context.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ContextFigures {
    /// The tokens that fit the context.
    limit: u32,
    /// The tokens of the prompt.
    prompt: u32,
    /// The tokens that the reply may have.
    output: u32,
}

impl ContextFigures {
    /// Reads the figures as OpenAI, vLLM, DeepSeek and TGI write them; `None` if one is missing. `message` is in lower case.
    pub(super) fn read(message: &str) -> Option<Self> {
        let limit =
            number_after(message, &["context length is", "context length of", "must be <=", "supports at most"])?;
        let prompt =
            number_before(message, &[" in the messages", " in your prompt", " input tokens", " `inputs` tokens"])?;
        let output = number_before(message, &[" in the completion", " for the completion", " `max_new_tokens`"]);
        let output = output.or_else(|| number_after(message, &["is too large:", "is too large ("]))?;
        Some(Self { limit, prompt, output })
    }

    /// Whether a shorter reply would let the prompt pass: the prompt leaves room for as much again.
    pub(super) fn fits_without_the_setting(self) -> bool {
        self.prompt <= self.limit / 2 && self.prompt.saturating_add(self.output) > self.limit
    }
}

/// What a call needs and the limit of a minute, if the call alone is above it (OpenAI, Groq: `Limit 6000, Requested 7000`).
/// `message` is in lower case.
pub(super) fn beyond_the_limit(message: &str) -> Option<(u32, u32)> {
    let limit = number_after(message, &["limit: ", "limit "])?;
    let needed = number_after(message, &["requested: ", "requested "])?;
    (needed > limit && limit > 0).then_some((needed, limit))
}

/// The number right after the first of these words that has one.
fn number_after(message: &str, any_of: &[&str]) -> Option<u32> {
    let after = |words: &&str| {
        message.match_indices(*words).find_map(|(at, found)| {
            let rest = message[at + found.len()..].trim_start_matches(['(', ' ', ':', '`', '\'']);
            let end = rest.find(|c: char| !c.is_ascii_digit() && c != ',').unwrap_or(rest.len());
            parse(&rest[..end])
        })
    };
    any_of.iter().find_map(after)
}

/// The number right before the first of these words that has one.
fn number_before(message: &str, any_of: &[&str]) -> Option<u32> {
    let before = |words: &&str| {
        message.match_indices(*words).find_map(|(at, _)| {
            let rest = message[..at].strip_suffix(" tokens").unwrap_or(&message[..at]);
            let start = rest.rfind(|c: char| !c.is_ascii_digit() && c != ',').map_or(0, |at| at + 1);
            // The character before the number may have several bytes.
            parse(rest.get(start..)?)
        })
    };
    any_of.iter().find_map(before)
}

fn parse(digits: &str) -> Option<u32> {
    let plain: String = digits.chars().filter(|&c| c != ',').collect();
    plain.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_figures_of_a_context_are_read_as_providers_write_them() {
        let check = |message: &str, expected: Option<[u32; 3]>, fits: bool| {
            let figures = ContextFigures::read(&message.to_lowercase());
            assert_eq!(figures.map(|it| [it.limit, it.prompt, it.output]), expected, "{message}");
            assert_eq!(figures.is_some_and(ContextFigures::fits_without_the_setting), fits, "{message}");
        };
        check(
            "This model has a maximum context length of 8192 tokens. However, you requested 11000 tokens (3000 in the messages, 8000 in the completion).",
            Some([8192, 3000, 8000]),
            true,
        );
        check(
            "This model's maximum context length is 8192 tokens. However, you requested 8500 tokens (8200 in the messages, 300 in the completion).",
            Some([8192, 8200, 300]),
            false,
        );
        check(
            "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4097. Given: 5000 `inputs` tokens and 512 `max_new_tokens`",
            Some([4097, 5000, 512]),
            false,
        );
        check(
            "'max_tokens' or 'max_completion_tokens' is too large: 8000. This model's maximum context length is 8192 tokens and your request has 3,000 input tokens (8000 > 8192 - 3000).",
            Some([8192, 3000, 8000]),
            true,
        );
        check("This model's maximum context length is 8192 tokens.", None, false);
        check("é in the messages, ï in the completion, context length is ü", None, false);
    }

    #[test]
    fn a_call_above_the_limit_of_a_minute_is_recognised() {
        let check =
            |message: &str, expected| assert_eq!(beyond_the_limit(&message.to_lowercase()), expected, "{message}");
        check("on tokens per minute (TPM): Limit 6000, Requested 7000, please reduce", Some((7000, 6000)));
        check("tokens per min (TPM): Limit: 6,000 / min. Requested: 7,000", Some((7000, 6000)));
        check("tokens per min (TPM): Limit 9000, Used 8000, Requested 2000", None);
        check("Rate limit reached", None);
        check("the limit 0 was requested 7", None);
    }
}
