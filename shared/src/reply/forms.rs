//! The forms in which models wrap and label answers, from `shared/data/replies.toml`.

use std::sync::LazyLock;

use serde::Deserialize;

/// All forms.
pub(super) static FORMS: LazyLock<Forms> =
    LazyLock::new(|| toml::from_str(include_str!("../../data/replies.toml")).expect("a test reads the file"));

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Forms {
    /// Tags around reasoning, by their brackets.
    pub(super) reasoning: Vec<Tags>,
    /// Marks around reasoning that are no tags.
    pub(super) reasoning_pair: Vec<Pair>,
    pub(super) channels: Channels,
    pub(super) ends: Ends,
    pub(super) labels: Labels,
    pub(super) framing: Framing,
    pub(super) numbers: Numbers,
}

/// Tags with the same brackets. A slash after the opening bracket makes a closing tag.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Tags {
    pub(super) open: String,
    pub(super) close: String,
    /// In lower case.
    pub(super) names: Vec<String>,
}

/// A mark before reasoning and the one behind it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Pair {
    pub(super) open: String,
    pub(super) close: String,
}

/// The channels of the format harmony.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Channels {
    /// Comes before the name of any channel.
    pub(super) mark: String,
    /// Begins the head of the channel that is for the reader.
    #[serde(rename = "final")]
    pub(super) last: String,
    /// Ends the head of a channel.
    pub(super) message: String,
    /// How a reply begins whose marks were dropped.
    pub(super) flat_opening: String,
    /// What comes before the text for the reader in such a reply.
    pub(super) flat_final: String,
}

/// Ends of a reply.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Ends {
    pub(super) tokens: Vec<String>,
}

/// Words that label an answer.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Labels {
    /// In lower case.
    pub(super) answer: Vec<String>,
}

/// Talk around a backstory, in lower case.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Framing {
    /// What a first line of talk begins with.
    pub(super) openings: Vec<String>,
    /// What it names.
    pub(super) names: Vec<String>,
    /// What a last line of talk begins with.
    pub(super) closings: Vec<String>,
}

/// Number words, from zero up.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Numbers {
    pub(super) words: Vec<String>,
}
