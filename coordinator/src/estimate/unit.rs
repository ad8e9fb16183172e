//! What the lengths of prompts are measured in: the tokens of the model where its tokenizer is known, else characters.

use valuesim_shared::experiment::Experiment;
use valuesim_shared::tokenizer::Tokenizer;

/// Characters of English text per token: 4.76 (DeepSeek-V3) to 5.37 (Llama-3.1) in the backstories that the paper's
/// authors published; plain sentences with numbers have slightly fewer characters per token.
const CHARACTERS_PER_TOKEN: f64 = 4.9;

/// What lengths are measured in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    /// Characters, of which about five make a token.
    Characters,
    /// Tokens of this tokenizer.
    Tokens(Tokenizer),
}

impl Unit {
    /// Tokens for a model whose tokenizer is known. A simulated model has none: it counts by the length of texts.
    pub(super) fn of_model(experiment: &Experiment, name: &str) -> Self {
        let tokenizer = Tokenizer::of_model(name).filter(|_| experiment.simulate.is_none());
        tokenizer.map_or(Self::Characters, Self::Tokens)
    }

    /// The length of a text.
    pub(super) fn length(self, text: &str) -> f64 {
        match self {
            Self::Characters => text.chars().count() as f64,
            Self::Tokens(tokenizer) => tokenizer.count(text) as f64,
        }
    }

    /// The length of a token.
    pub(super) fn of_a_token(self) -> f64 {
        match self {
            Self::Characters => CHARACTERS_PER_TOKEN,
            Self::Tokens(_) => 1.0,
        }
    }

    /// The length of prose that has so many characters.
    pub(super) fn of_prose(self, characters: f64) -> f64 {
        characters / CHARACTERS_PER_TOKEN * self.of_a_token()
    }

    /// What a provider puts around a prompt of one message. Where characters are counted, this is lost in the error.
    pub(super) fn around_a_prompt(self) -> f64 {
        match self {
            Self::Characters => 0.0,
            Self::Tokens(tokenizer) => tokenizer.count_chat([""]) as f64,
        }
    }
}
