//! The tokens of a call as the limits of providers count them: in all, or those of prompts and replies apart.

use std::ops::{Add, AddAssign};

use serde::{Deserialize, Serialize};

use crate::money::Tokens;

/// Which tokens a limit counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenKind {
    /// Those of prompts and replies together.
    All,
    /// Those of prompts.
    Input,
    /// Those of prompts that the provider does not read from its cache, as Anthropic counts them.
    Uncached,
    /// Those of replies.
    Output,
}

impl TokenKind {
    /// All kinds.
    pub const KINDS: [Self; 4] = [Self::All, Self::Input, Self::Uncached, Self::Output];

    /// What is counted, for a sentence.
    pub const fn text(self) -> &'static str {
        match self {
            Self::All => "tokens",
            Self::Input => "input tokens",
            Self::Uncached => "uncached input tokens",
            Self::Output => "output tokens",
        }
    }
}

/// The tokens of one call, or of several.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "[u64; 3]", into = "[u64; 3]")]
pub struct TokenCounts {
    /// Tokens of prompts.
    pub input: u64,
    /// Those of them that the provider does not read from its cache.
    pub uncached: u64,
    /// Tokens of replies.
    pub output: u64,
}

impl TokenCounts {
    /// No tokens.
    pub const NONE: Self = Self { input: 0, uncached: 0, output: 0 };

    /// So many tokens of a prompt, none of them cached.
    pub const fn of_prompt(input: u64) -> Self {
        Self { input, uncached: input, output: 0 }
    }

    /// How many a limit of this kind counts.
    pub const fn of(self, kind: TokenKind) -> u64 {
        match kind {
            TokenKind::All => self.input.saturating_add(self.output),
            TokenKind::Input => self.input,
            TokenKind::Uncached => self.uncached,
            TokenKind::Output => self.output,
        }
    }

    /// What is left when others are taken away, at least none of each.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self {
            input: self.input.saturating_sub(other.input),
            uncached: self.uncached.saturating_sub(other.uncached),
            output: self.output.saturating_sub(other.output),
        }
    }
}

impl Add for TokenCounts {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            input: self.input.saturating_add(other.input),
            uncached: self.uncached.saturating_add(other.uncached),
            output: self.output.saturating_add(other.output),
        }
    }
}

impl AddAssign for TokenCounts {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl From<Tokens> for TokenCounts {
    fn from(Tokens { input, cached, output, .. }: Tokens) -> Self {
        Self { input, uncached: input.saturating_sub(cached), output }
    }
}

impl From<[u64; 3]> for TokenCounts {
    fn from([input, uncached, output]: [u64; 3]) -> Self {
        Self { input, uncached, output }
    }
}

impl From<TokenCounts> for [u64; 3] {
    fn from(TokenCounts { input, uncached, output }: TokenCounts) -> Self {
        [input, uncached, output]
    }
}

/// Something for each kind of tokens.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ByTokenKind<T> {
    /// For those of prompts and replies together.
    pub all: T,
    /// For those of prompts.
    pub input: T,
    /// For those of prompts that are not read from a cache.
    pub uncached: T,
    /// For those of replies.
    pub output: T,
}

impl<T> ByTokenKind<T> {
    /// What `make` makes of each kind.
    pub fn from_fn(mut make: impl FnMut(TokenKind) -> T) -> Self {
        Self {
            all: make(TokenKind::All),
            input: make(TokenKind::Input),
            uncached: make(TokenKind::Uncached),
            output: make(TokenKind::Output),
        }
    }

    /// That of one kind.
    pub const fn get(&self, kind: TokenKind) -> &T {
        match kind {
            TokenKind::All => &self.all,
            TokenKind::Input => &self.input,
            TokenKind::Uncached => &self.uncached,
            TokenKind::Output => &self.output,
        }
    }

    /// That of one kind, to be changed.
    pub const fn get_mut(&mut self, kind: TokenKind) -> &mut T {
        match kind {
            TokenKind::All => &mut self.all,
            TokenKind::Input => &mut self.input,
            TokenKind::Uncached => &mut self.uncached,
            TokenKind::Output => &mut self.output,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_counts_its_own_tokens() {
        let tokens = Tokens { input: 1_000, cached: 640, cache_write: 128, output: 20, reasoning: 5 };
        let counts = TokenCounts::from(tokens);
        assert_eq!(TokenKind::KINDS.map(|kind| counts.of(kind)), [1_020, 1_000, 360, 20]);
        let limits = ByTokenKind::from_fn(|kind| counts.of(kind));
        assert!(TokenKind::KINDS.iter().all(|&kind| *limits.get(kind) == counts.of(kind)));
        assert_eq!(counts.without(counts + counts), TokenCounts::NONE);
    }
}
