//! Estimates what the embeddings of a run will take.

use serde::Serialize;
use valuesim_shared::cell::needs_retrieval;
use valuesim_shared::codebook::Codebook;
use valuesim_shared::experiment::Experiment;
use valuesim_shared::method::Method;
use valuesim_shared::money::{NanoUsd, Tokens};
use valuesim_shared::price::{Price, PricedCall};
use valuesim_shared::survey::Survey;

use super::unit::Unit;
use crate::plan::Plan;
use crate::retrieval::EmbeddedTexts;

/// What the embeddings of a run will take, unless some are kept from before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EmbeddingEstimate {
    /// The model's name.
    pub model: String,
    /// Distinct texts, each of which is embedded once.
    pub texts: u64,
    /// Requests.
    pub requests: u64,
    /// Tokens of all texts.
    pub tokens: u64,
    /// Tokens of the longest request.
    pub tokens_per_request: u64,
    /// What they cost at list price; none if the model has no price.
    pub cost: Option<NanoUsd>,
}

pub(super) fn estimate(
    (experiment, methods): (&Experiment, &[Method]),
    plan: &Plan,
    (survey, codebook): (&Survey, &Codebook),
) -> Option<EmbeddingEstimate> {
    let settings = experiment.embeddings.as_ref().filter(|_| needs_retrieval(methods))?;
    let texts = EmbeddedTexts::of(plan.respondents(), plan, survey, (codebook, experiment.behaviour));
    let of_requests = texts.texts().chunks(settings.batch.into());
    let unit = Unit::of_model(experiment, &settings.name);
    let of_requests: Vec<u64> = of_requests.map(|batch| tokens(unit, batch)).collect();
    let all = of_requests.iter().sum();
    let now = PricedCall::at(std::time::SystemTime::now());
    let cost = |price| Price::from(price).cost(Tokens { input: all, ..Tokens::default() }, now);
    Some(EmbeddingEstimate {
        model: settings.name.clone(),
        texts: texts.texts().len() as u64,
        requests: of_requests.len() as u64,
        tokens: all,
        tokens_per_request: of_requests.iter().copied().max().unwrap_or(0),
        cost: settings.price.map(cost),
    })
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "lengths are positive and small")]
fn tokens(unit: Unit, texts: &[impl AsRef<str>]) -> u64 {
    (texts.iter().map(|text| unit.length(text.as_ref())).sum::<f64>() / unit.of_a_token()).round() as u64
}
