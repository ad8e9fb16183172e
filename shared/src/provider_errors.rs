//! What providers say when they fail a call or end a reply, from `shared/data/provider_errors.toml`.

use std::sync::LazyLock;

use serde::Deserialize;

/// What a provider's words mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Meaning {
    /// The account is out of credit, or a spending limit is reached.
    NoMoney,
    /// The prompt violates a policy.
    Policy,
    /// The prompt does not fit the model's context.
    TooLong,
    /// The key is wrong.
    WrongKey,
    /// There is no such model.
    UnknownModel,
    /// There are too many requests or tokens.
    RateLimit,
    /// The provider is overloaded.
    Overloaded,
}

/// What a `finish_reason` says of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FinishReason {
    /// It is whole.
    Whole,
    /// It reached the length limit.
    CutOff,
    /// The provider's filter stopped it.
    Refused,
    /// The provider failed while it was written.
    Interrupted,
    /// It is none of the known ones.
    Unknown,
}

/// The words of all providers.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProviderErrors {
    /// When they were looked up, as `2026-11-27`.
    pub checked: String,
    /// Codes and types of errors, in full.
    pub code: Vec<Words>,
    /// Parts of messages, in lower case.
    pub phrase: Vec<Words>,
    finish: Finish,
}

/// Words with one meaning.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Words {
    /// What any of them means.
    pub means: Meaning,
    /// Whose words they are.
    pub provider: String,
    /// The words.
    pub any: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Finish {
    whole: Vec<String>,
    cut_off: Vec<String>,
    refused: Vec<String>,
    interrupted: Vec<String>,
}

static BUILT_IN: LazyLock<ProviderErrors> =
    LazyLock::new(|| toml::from_str(include_str!("../data/provider_errors.toml")).expect("a test reads the file"));

impl ProviderErrors {
    /// The words that this release knows.
    pub fn built_in() -> &'static Self {
        &BUILT_IN
    }

    /// What a code or type of an error means, if it is known.
    pub fn code(&self, code: &str) -> Option<Meaning> {
        let is_it = |word: &String| word.eq_ignore_ascii_case(code);
        self.code.iter().find(|words| words.any.iter().any(is_it)).map(|words| words.means)
    }

    /// Whether the message of an error has a phrase with this meaning. `message` is in lower case.
    pub fn says(&self, message: &str, meaning: Meaning) -> bool {
        let mut phrases = self.phrase.iter().filter(|words| words.means == meaning).flat_map(|words| &words.any);
        phrases.any(|phrase| message.contains(phrase.as_str()))
    }

    /// What a `finish_reason` says.
    pub fn finish_reason(&self, reason: &str) -> FinishReason {
        let Finish { whole, cut_off, refused, interrupted } = &self.finish;
        let known = [
            (whole, FinishReason::Whole),
            (cut_off, FinishReason::CutOff),
            (refused, FinishReason::Refused),
            (interrupted, FinishReason::Interrupted),
        ];
        let is_it = |word: &String| word.eq_ignore_ascii_case(reason);
        known.into_iter().find(|(words, _)| words.iter().any(is_it)).map_or(FinishReason::Unknown, |(_, says)| says)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::day::Day;

    #[test]
    fn every_word_names_its_provider_and_is_there_once() {
        let words = ProviderErrors::built_in();
        assert!(words.checked.parse::<Day>().is_ok(), "{}", words.checked);
        for list in [&words.code, &words.phrase] {
            let mut all: Vec<String> = list.iter().flat_map(|of| &of.any).map(|word| word.to_lowercase()).collect();
            let count = all.len();
            all.sort();
            all.dedup();
            assert_eq!(all.len(), count, "a word is there twice");
            assert!(all.iter().all(|word| !word.is_empty()) && list.iter().all(|of| !of.provider.is_empty()));
        }
        let phrases = words.phrase.iter().flat_map(|of| &of.any);
        assert!(phrases.clone().all(|phrase| *phrase == phrase.to_lowercase()), "phrases are in lower case");
    }

    #[test]
    fn words_are_looked_up_by_kind() {
        let words = ProviderErrors::built_in();
        assert_eq!(words.code("insufficient_quota"), Some(Meaning::NoMoney));
        assert_eq!(words.code("resource_exhausted"), Some(Meaning::RateLimit));
        assert_eq!(words.code("something_new"), None);
        assert!(words.says("content exists risk", Meaning::Policy));
        assert!(!words.says("content exists risk", Meaning::TooLong));
        assert_eq!(words.finish_reason("LENGTH"), FinishReason::CutOff);
        assert_eq!(words.finish_reason("insufficient_system_resource"), FinishReason::Interrupted);
        assert_eq!(words.finish_reason("of_a_new_kind"), FinishReason::Unknown);
    }
}
