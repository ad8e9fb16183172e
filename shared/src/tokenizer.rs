//! Counts tokens as OpenAI's models do, whose vocabularies are published.
//!
//! A vocabulary takes a tenth of a second and up to 50 MB when it is first used, and nothing before. Other vendors' tokenizers
//! are not here: what their replies reported is a better measure than a tokenizer of somebody else.

mod model_name;

use tiktoken_rs::{CoreBPE, cl100k_base_singleton, o200k_base_singleton};

/// Longer texts are counted in pieces of so many bytes: the library's regular expressions overflow their stack, and panic, on
/// a million spaces, and the time for a single word of a million letters is out of proportion.
const LONGEST_PIECE: usize = 32 << 10;

/// Tokens around each message of a chat: three of its frame and one of its role (OpenAI's cookbook, "How to count tokens with
/// tiktoken", `num_tokens_from_messages`, models from `gpt-3.5-turbo-0613` on).
const TOKENS_AROUND_A_MESSAGE: u64 = 4;

/// Tokens with which every reply of a chat is primed (as above).
const TOKENS_BEFORE_THE_REPLY: u64 = 3;

/// A published tokenizer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tokenizer {
    /// `cl100k_base`: GPT-3.5, GPT-4, and OpenAI's models for embeddings.
    Cl100k,
    /// `o200k_base`: GPT-4o and later, the o series, and gpt-oss.
    O200k,
}

impl Tokenizer {
    /// The tokenizer of a model, by its name at a provider. None for a name that only begins like a known one: a wrong tokenizer
    /// is worse than none.
    pub fn of_model(name: &str) -> Option<Self> {
        model_name::tokenizer(name)
    }

    /// The number of tokens of a text. Words such as `<|endoftext|>` count as the text that they are.
    pub fn count(self, text: &str) -> u64 {
        let vocabulary = self.vocabulary();
        pieces(text).map(|piece| vocabulary.count_ordinary(piece) as u64).sum()
    }

    /// The number of tokens of a chat's prompt whose messages have these texts. What a provider adds by itself, such as a
    /// system prompt or a schema, is not in it.
    pub fn count_chat<'a>(self, messages: impl IntoIterator<Item = &'a str>) -> u64 {
        let messages = messages.into_iter().map(|text| TOKENS_AROUND_A_MESSAGE + self.count(text));
        messages.sum::<u64>() + TOKENS_BEFORE_THE_REPLY
    }

    fn vocabulary(self) -> &'static CoreBPE {
        match self {
            Self::Cl100k => cl100k_base_singleton(),
            Self::O200k => o200k_base_singleton(),
        }
    }
}

/// Cuts a text into pieces that are short enough, after the end of a line where there is one.
fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let longest = &rest[..rest.floor_char_boundary(LONGEST_PIECE)];
        let is_last = longest.len() == rest.len();
        let end = if is_last { rest.len() } else { longest.rfind('\n').map_or(longest.len(), |at| at + 1) };
        let (piece, others) = rest.split_at(end);
        rest = others;
        (!piece.is_empty()).then_some(piece)
    })
}

#[cfg(test)]
mod tests;
