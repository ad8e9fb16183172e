//! What a call costs: once it is answered, and as far as that can be known before.

use std::time::SystemTime;

use valuesim_shared::model::ModelSettings;
use valuesim_shared::money::{NanoUsd, Tokens};
use valuesim_shared::outcome::{StageSpend, UncertainSpend};
use valuesim_shared::price::{Price, PricedCall};
use valuesim_shared::stage::{Stage, StageKind};
use valuesim_shared::tokenizer::Tokenizer;

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

/// What a reply says besides its tokens.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Uncounted<'a> {
    /// The model that answered.
    pub(crate) model: &'a str,
    /// Its text.
    pub(crate) text: &'a str,
    /// The price of its call.
    pub(crate) price: Option<&'a Price>,
}

/// What an answered request used whose tokens the provider did not report: as the tokenizer of the model counts them that
/// answered, or else by the length of the texts. What a model thinks without showing it is in neither, so the bound stays.
pub(crate) fn counted(
    reply: Uncounted<'_>,
    conversation: &Conversation<'_>,
    uncertain: &UncertainSpend,
) -> UncertainSpend {
    let (input, output) = match Tokenizer::of_model(reply.model) {
        Some(tokenizer) => {
            let messages = conversation.messages();
            (tokenizer.count_chat(messages.iter().map(String::as_str)), tokenizer.count(reply.text))
        }
        None => (uncertain.likely.input, (reply.text.len() as u64).div_ceil(BYTES_PER_TOKEN)),
    };
    let bound = uncertain.at_most;
    let at_most = Tokens { input: bound.input.max(input), output: bound.output.max(output), ..bound };
    let known = with_costs(Tokens { input, output, ..Tokens::default() }, at_most, (reply.price, None));
    UncertainSpend { at_most_cost: known.at_most_cost.max(uncertain.at_most_cost), ..known }
}

/// What one request may use, as far as that can be known before its reply. The likely tokens are only what is reserved until
/// a few replies have been counted, so no tokenizer is asked: it would double the CPU time of a call.
pub(crate) fn uncertain_spend(model: &ModelSettings, stage: Stage, conversation: &Conversation<'_>) -> UncertainSpend {
    let bytes = conversation.bytes() as u64;
    let limit = conversation.most_output_tokens().or(model.max_output_tokens);
    let longest = u64::from(limit.unwrap_or(LONGEST_OUTPUT_TOKENS));
    let expected = if stage.kind() == StageKind::Story { EXPECTED_STORY_TOKENS } else { EXPECTED_OUTPUT_TOKENS };
    let likely = Tokens { input: bytes / BYTES_PER_TOKEN, output: longest.min(expected), ..Tokens::default() };
    // No tokenizer makes more than one token of each byte. A bound for a budget cannot rely on a tokenizer: a router may
    // let another model answer, and what a provider adds to a prompt is in nobody's count.
    let at_most = Tokens { input: bytes, output: longest, ..Tokens::default() };
    with_costs(likely, at_most, price_of(model))
}

/// What one request for embeddings may use. Vectors have no tokens.
pub(crate) fn uncertain_spend_on_texts(model: &ModelSettings, texts: &[&str]) -> UncertainSpend {
    let bytes: u64 = texts.iter().map(|text| text.len() as u64).sum();
    let tokens = |input| Tokens { input, ..Tokens::default() };
    with_costs(tokens(bytes / BYTES_PER_TOKEN), tokens(bytes), price_of(model))
}

/// What an answered request for embeddings used whose tokens the provider did not report.
pub(crate) fn counted_texts(model: &ModelSettings, texts: &[&str], uncertain: &UncertainSpend) -> UncertainSpend {
    let Some(tokenizer) = Tokenizer::of_model(model.name_at_provider()) else { return *uncertain };
    let input = texts.iter().map(|text| tokenizer.count(text)).sum();
    with_costs(Tokens { input, ..Tokens::default() }, uncertain.at_most, price_of(model))
}

/// The price of a model, and the service tier that its requests ask for.
fn price_of(model: &ModelSettings) -> (Option<&Price>, Option<&str>) {
    (model.price.as_ref(), model.asked_tier())
}

/// Adds the costs of tokens at a price and an asked service tier; 0 without a price.
fn with_costs(likely: Tokens, at_most: Tokens, (price, tier): (Option<&Price>, Option<&str>)) -> UncertainSpend {
    let now = PricedCall::at(SystemTime::now());
    let likely_cost = price.map(|price| price.cost(likely, now)).unwrap_or_default();
    let at_most_cost = price.map(|price| price.cost_at_most(at_most, tier)).unwrap_or_default();
    UncertainSpend { likely, likely_cost, at_most, at_most_cost }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::EncodedText;

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

    fn counted_of(model: &str, prompt: &str, text: &str) -> UncertainSpend {
        let (settings, [prompt, nothing]) = (ModelSettings::named(model), [prompt, ""].map(EncodedText::new));
        let (conversation, price) = (Conversation::new(&prompt, None, &nothing), Price::flat(1.0, None, 2.0));
        let uncertain = uncertain_spend(&settings, Stage::NO_PROFILE, &conversation);
        counted(Uncounted { model, text, price: Some(&price) }, &conversation, &uncertain)
    }

    #[test]
    fn tokens_that_were_not_reported_are_counted_by_the_tokenizer_of_the_model_or_by_length() {
        let (prompt, reply) = ("tiktoken is \"great\"!\nお誕生日おめでとう", "tiktoken is great!");
        let by_tokenizer = counted_of("gpt-4o-2024-11-20", prompt, reply);
        let expected = Tokenizer::O200k.count_chat([prompt]);
        assert_eq!((by_tokenizer.likely.input, by_tokenizer.likely.output), (expected, 6));
        assert_eq!(by_tokenizer.likely_cost, NanoUsd(1_000 * expected + 2_000 * 6));
        let by_length = counted_of("of-somebody", prompt, reply);
        assert_eq!((by_length.likely.input, by_length.likely.output), (EncodedText::new(prompt).bytes() as u64 / 4, 5));
        assert!(by_length.at_most.input >= prompt.len() as u64 && by_length.at_most.output >= 16_384);
    }

    #[test]
    fn embeddings_without_usage_are_counted_as_well() {
        let texts = ["tiktoken is great!", "2 + 2 = 4"];
        let check = |name: &str, expected: u64| {
            let model = ModelSettings { price: Some(Price::flat(1.0, None, 0.0)), ..ModelSettings::named(name) };
            let used = counted_texts(&model, &texts, &uncertain_spend_on_texts(&model, &texts));
            assert_eq!((used.likely.input, used.likely_cost), (expected, NanoUsd(1_000 * expected)), "{name}");
            assert_eq!((used.at_most.input, used.at_most_cost), (27, NanoUsd(27_000)), "{name}");
        };
        check("text-embedding-3-small", 6 + 7);
        check("of-somebody", 27 / 4);
    }

    #[test]
    fn a_reply_that_is_longer_than_was_asked_for_widens_the_bound() {
        let used = counted_of("gpt-4o", "p", &"no ".repeat(40_000));
        assert_eq!((used.at_most.output, used.at_most_cost), (used.likely.output, used.likely_cost));
    }

    #[test]
    fn a_reply_without_usage_is_marked_and_its_likely_cost_counted() {
        let without = answered(Billed::default(), Some(&Price::flat(1.0, None, 1.0)), &uncertain());
        assert_eq!((without.without_usage, without.cost, without.unsure), (1, NanoUsd(0), uncertain()));
    }
}
