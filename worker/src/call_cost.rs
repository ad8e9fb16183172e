//! What a call costs: once it is answered, and as far as that can be known before.

use std::time::SystemTime;

use valuesim_shared::model::ModelSettings;
use valuesim_shared::money::{NanoUsd, Tokens};
use valuesim_shared::outcome::{StageSpend, UncertainSpend};
use valuesim_shared::price::{Price, PricedCall};
use valuesim_shared::stage::{Stage, StageKind};

use crate::provider::Conversation;

/// The expected length of an answer with its analysis, in tokens.
const EXPECTED_OUTPUT_TOKENS: u64 = 200;

/// The expected length of a backstory, in tokens. The paper's models write 1,100 to 4,200.
const EXPECTED_STORY_TOKENS: u64 = 2_500;

/// The longest reply if no limit is set, in tokens: the longest that current models write by default.
const LONGEST_OUTPUT_TOKENS: u32 = 16_384;

/// Bytes of an English prompt per token, estimated a little low so that the count of tokens is on the safe side.
const BYTES_PER_TOKEN: u64 = 4;

/// What a reply says of its price.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Billed<'a> {
    /// The tokens as the provider counted them, if it did.
    pub(crate) tokens: Option<Tokens>,
    /// The cost as the provider states it, if it does.
    pub(crate) cost: Option<NanoUsd>,
    /// The service tier that the reply names.
    pub(crate) service_tier: Option<&'a str>,
    /// The model that the reply names, if it names one.
    pub(crate) model: Option<&'a str>,
}

/// What an answered attempt used. The provider's own statement of the cost goes before the price.
pub(crate) fn answered(billed: Billed<'_>, price: Option<&Price>, uncertain: &UncertainSpend) -> StageSpend {
    let Billed { tokens: reported, cost, service_tier, model } = billed;
    let tokens = reported.unwrap_or_default();
    let call = PricedCall { ended: SystemTime::now(), service_tier, model };
    let priced = || price.map(|price| price.cost(tokens, call)).unwrap_or_default();
    let is_uncertain = reported.is_none() && cost.is_none();
    StageSpend {
        answered: 1,
        without_usage: u64::from(reported.is_none()),
        tokens,
        cost: cost.unwrap_or_else(priced),
        unsure: if is_uncertain { *uncertain } else { UncertainSpend::default() },
        ..StageSpend::default()
    }
}

/// What one request may use, as far as that can be known before its reply.
pub(crate) fn uncertain_spend(model: &ModelSettings, stage: Stage, conversation: &Conversation<'_>) -> UncertainSpend {
    let bytes = conversation.bytes() as u64;
    let limit = conversation.most_output_tokens().or(model.max_output_tokens);
    let longest = u64::from(limit.unwrap_or(LONGEST_OUTPUT_TOKENS));
    let expected = if stage.kind() == StageKind::Story { EXPECTED_STORY_TOKENS } else { EXPECTED_OUTPUT_TOKENS };
    let likely = Tokens { input: bytes / BYTES_PER_TOKEN, output: longest.min(expected), ..Tokens::default() };
    // No tokenizer makes more than one token of each byte.
    let at_most = Tokens { input: bytes, output: longest, ..Tokens::default() };
    with_costs(likely, at_most, model.price.as_ref())
}

/// What one request for embeddings may use. Vectors have no tokens.
pub(crate) fn uncertain_spend_on_texts(model: &ModelSettings, texts: &[&str]) -> UncertainSpend {
    let bytes: u64 = texts.iter().map(|text| text.len() as u64).sum();
    let tokens = |input| Tokens { input, ..Tokens::default() };
    with_costs(tokens(bytes / BYTES_PER_TOKEN), tokens(bytes), model.price.as_ref())
}

/// Adds the costs of tokens at a price; 0 without a price.
fn with_costs(likely: Tokens, at_most: Tokens, price: Option<&Price>) -> UncertainSpend {
    let now = PricedCall::at(SystemTime::now());
    let likely_cost = price.map(|price| price.cost(likely, now)).unwrap_or_default();
    let at_most_cost = price.map(|price| price.cost_at_most(at_most)).unwrap_or_default();
    UncertainSpend { likely, likely_cost, at_most, at_most_cost }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uncertain() -> UncertainSpend {
        UncertainSpend { likely_cost: NanoUsd(7), ..UncertainSpend::default() }
    }

    #[test]
    fn the_providers_own_cost_goes_before_the_price() {
        let tokens = Some(Tokens { input: 1000, output: 10, ..Tokens::default() });
        let price = Price::flat(1.0, None, 1.0);
        let cost = |cost| answered(Billed { tokens, cost, ..Billed::default() }, Some(&price), &uncertain()).cost;
        assert_eq!([cost(None), cost(Some(NanoUsd(5)))], [NanoUsd(1_010_000), NanoUsd(5)]);
    }

    #[test]
    fn a_reply_without_usage_is_marked_and_its_likely_cost_counted() {
        let without = answered(Billed::default(), Some(&Price::flat(1.0, None, 1.0)), &uncertain());
        assert_eq!((without.without_usage, without.cost, without.unsure), (1, NanoUsd(0), uncertain()));
    }
}
