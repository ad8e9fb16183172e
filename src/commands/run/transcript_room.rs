//! Says before a run which transcripts would be too long to be kept.

use valuesim_coordinator::estimate::{Estimate, ModelEstimate};
use valuesim_shared::experiment::Experiment;
use valuesim_shared::model::ModelSettings;
use valuesim_shared::outcome::MAX_OUTCOME_BYTES;

/// The longest reply that a worker accepts, in bytes.
const LONGEST_REPLY: u64 = 4 << 20;

/// More than the bytes of a token: those of English text have four on average.
const BYTES_OF_A_TOKEN: u64 = 8;

/// What to say, if the replies to the calls of a cell may be longer together than an outcome can be. `cells` is the number of
/// cells of each model.
pub(super) fn warning(experiment: &Experiment, estimate: &Estimate, cells: u64) -> Option<String> {
    let has_room = |(model, ModelEstimate { calls, .. }): (&ModelSettings, &ModelEstimate)| {
        let of_a_reply = model.max_output_tokens.map_or(LONGEST_REPLY, |tokens| u64::from(tokens) * BYTES_OF_A_TOKEN);
        calls.high.div_ceil(cells.max(1)) * of_a_reply.min(LONGEST_REPLY) <= MAX_OUTCOME_BYTES as u64
    };
    let tight = experiment.models.iter().zip(&estimate.models).find(|&of_a_model| !has_room(of_a_model))?;
    Some(format!(
        "--transcripts: a cell of {} whose prompts and replies take more than {} MB has its results and no transcript; to be sure that none \
         does, limit the replies (--max-output-tokens)",
        tight.0.name,
        MAX_OUTCOME_BYTES >> 20
    ))
}

#[cfg(test)]
mod tests {
    use valuesim_coordinator::estimate::{CountedBy, Span};
    use valuesim_shared::money::Tokens;

    use super::*;

    #[test]
    fn replies_that_may_be_too_long_together_are_told_before_the_run() {
        let calls = Span { low: 174, likely: 200, high: 2_320 };
        let of_model = ModelEstimate {
            model: "m".to_owned(),
            stages: Vec::new(),
            calls,
            tokens: Tokens::default(),
            cost: None,
            is_measured: false,
            counted_by: CountedBy::Length,
            uncertain_by: Vec::new(),
            takes: std::time::Duration::ZERO,
        };
        let estimate = Estimate { models: vec![of_model], embeddings: None };
        let said = |max_output_tokens| {
            let model = ModelSettings { max_output_tokens, ..ModelSettings::named("m") };
            warning(&Experiment { models: vec![model], ..Experiment::default() }, &estimate, 10)
        };
        assert!(said(None).is_some_and(|said| said.contains("a cell of m") && said.contains("256 MB")));
        assert_eq!(said(Some(4_000)), None);
        assert!(said(Some(1_000_000)).is_some());
    }
}
