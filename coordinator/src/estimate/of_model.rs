//! What is known of one model's prompts and replies, measured or assumed.

use valuesim_shared::cell::{self, Text};
use valuesim_shared::stage::{Stage, StageKind};

use super::lengths::{ANALYSIS_TOKENS, Lengths};
use super::measured::MeasuredModel;

/// Tokens in a reply that consists of an option and its label.
const SINGLE_ANSWER_TOKENS: u64 = 12;

/// What is known of one model's prompts and replies.
pub(super) struct OfModel<'a> {
    pub(super) lengths: &'a Lengths,
    pub(super) measured: Option<&'a MeasuredModel>,
    /// The length of a token.
    of_a_token: f64,
    /// The mean length of its backstories.
    pub(super) story: f64,
    /// Tokens of a reply with an analysis, and of one without.
    pub(super) analysis: u64,
    pub(super) single_answer: u64,
}

impl<'a> OfModel<'a> {
    /// A model of which nothing was measured.
    pub(super) fn assumed(lengths: &'a Lengths, model: &str) -> Self {
        Self {
            lengths,
            measured: None,
            of_a_token: lengths.unit.of_a_token(),
            story: lengths.story_reply(model),
            analysis: ANALYSIS_TOKENS,
            single_answer: SINGLE_ANSWER_TOKENS,
        }
    }

    /// A model that earlier runs called. `lengths` are in characters.
    pub(super) fn measured(lengths: &'a Lengths, model: &str, measured: &'a MeasuredModel) -> Self {
        let assumed = Self::assumed(lengths, model);
        let without_story = |stage: Stage| {
            let has_story = !matches!(cell::text_of(stage), Text::Nothing | Text::Profile);
            let is_known = stage.kind() == StageKind::Story || !has_story;
            (is_known && stage.kind() != StageKind::Coordinator).then(|| lengths.prompt(stage, assumed.story))
        };
        let of_a_token = measured.characters_per_token(without_story).unwrap_or(assumed.of_a_token);
        let is_analysis = |kind| {
            matches!(kind, StageKind::Coordinator | StageKind::Cognitive | StageKind::Affective | StageKind::Behavioral)
        };
        let is_single =
            |kind| matches!(kind, StageKind::FullInfo | StageKind::NoCab | StageKind::NoProfile | StageKind::Rag);
        let story = measured.reply(|kind| kind == StageKind::Story);
        Self {
            measured: Some(measured),
            of_a_token,
            story: story.map_or(assumed.story, |tokens| tokens as f64 * of_a_token),
            analysis: measured.reply(is_analysis).unwrap_or(ANALYSIS_TOKENS),
            single_answer: measured.reply(is_single).unwrap_or(SINGLE_ANSWER_TOKENS),
            ..assumed
        }
    }

    /// The same if no reply may be longer than so many tokens.
    pub(super) fn with_replies_of_at_most(self, tokens: u64) -> Self {
        Self {
            story: self.story.min(tokens as f64 * self.of_a_token),
            analysis: self.analysis.min(tokens),
            single_answer: self.single_answer.min(tokens),
            ..self
        }
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "lengths are positive and small")]
    pub(super) fn tokens(&self, length: f64) -> u64 {
        (length / self.of_a_token).round() as u64
    }
}
