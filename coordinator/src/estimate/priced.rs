//! Puts a price on the stages of a model's calls, and sums them: the one way in which an estimate is priced.

use std::time::Duration;

use valuesim_shared::model::ModelSettings;
use valuesim_shared::money::{NanoUsd, Tokens};
use valuesim_shared::price::Price;

use super::duration::takes;
use super::{CallHours, CountedBy, Estimate, ModelEstimate, Span, StageEstimate, UncertainBy};

impl Estimate {
    /// What all models and the embeddings cost together; `None` if one of them has no price.
    pub fn cost(&self) -> Option<Span<NanoUsd>> {
        let of_models = self.models.iter().map(|model| model.cost);
        let of_embeddings = self.embeddings.iter().map(|embeddings| embeddings.cost.map(Span::exactly));
        let costs = of_models.chain(of_embeddings).collect::<Option<Vec<_>>>()?;
        Some(sum(costs.into_iter()))
    }
}

impl ModelEstimate {
    /// What the same calls cost at this price in these hours.
    pub fn cost_at(&self, price: &Price, hours: CallHours) -> Span<NanoUsd> {
        sum(self.stages.iter().map(|stage| stage.cost_at(price, (hours, self.takes))))
    }
}

impl StageEstimate {
    fn cost_at(&self, price: &Price, (hours, takes): (CallHours, Duration)) -> Span<NanoUsd> {
        let of_a_call = hours.cost(price, self.tokens_per_call, takes);
        Span {
            low: of_a_call.low.times(self.calls.low),
            likely: of_a_call.likely.times(self.calls.likely),
            high: of_a_call.high.times(self.calls.high),
        }
    }
}

/// A model's estimate from its stages, which have no cost yet.
pub(super) fn model_estimate(
    model: &ModelSettings,
    mut stages: Vec<StageEstimate>,
    (counted_by, hours): (CountedBy, CallHours),
) -> ModelEstimate {
    let calls_of = |pick: fn(&Span<u64>) -> u64| stages.iter().map(|stage| pick(&stage.calls)).sum();
    let calls = Span {
        low: calls_of(|calls| calls.low),
        likely: calls_of(|calls| calls.likely),
        high: calls_of(|calls| calls.high),
    };
    let mut tokens = Tokens::default();
    for stage in &stages {
        tokens += stage.tokens_per_call.times(stage.calls.likely);
    }
    let takes = takes(model, calls.likely, tokens);
    if let Some(price) = &model.price {
        for stage in &mut stages {
            stage.cost = Some(stage.cost_at(price, (hours, takes)));
        }
    }
    ModelEstimate {
        model: model.name.clone(),
        is_measured: counted_by == CountedBy::EarlierRuns,
        counted_by,
        calls,
        tokens,
        cost: model.price.as_ref().map(|_| sum(stages.iter().filter_map(|stage| stage.cost))),
        uncertain_by: uncertain_by(&stages),
        takes,
        stages,
    }
}

fn uncertain_by(stages: &[StageEstimate]) -> Vec<UncertainBy> {
    let is_certain = |calls: Span<u64>| calls.low == calls.high;
    let disagreement = stages.iter().any(|stage| !is_certain(stage.calls)).then_some(UncertainBy::Disagreement);
    // Where the calls are certain, only the hours move the cost.
    let moves = |cost: Span<NanoUsd>| cost.low < cost.high;
    let by_hours = |stage: &StageEstimate| is_certain(stage.calls) && stage.cost.is_some_and(moves);
    let hours = stages.iter().any(by_hours).then_some(UncertainBy::Hours);
    disagreement.into_iter().chain(hours).collect()
}

fn sum(costs: impl Iterator<Item = Span<NanoUsd>>) -> Span<NanoUsd> {
    costs.fold(Span::exactly(NanoUsd(0)), |sum, cost| Span {
        low: sum.low + cost.low,
        likely: sum.likely + cost.likely,
        high: sum.high + cost.high,
    })
}

#[cfg(test)]
mod tests {
    use std::time::{SystemTime, UNIX_EPOCH};

    use valuesim_shared::stage::Stage;

    use super::*;

    /// A Monday, 00:00 UTC.
    fn monday() -> SystemTime {
        UNIX_EPOCH + Duration::from_hours(4 * 24)
    }

    /// Twice as dear from 01:00 to 04:00, and four times above 10,000 tokens.
    fn model(requests_per_minute: u32) -> ModelSettings {
        let price = serde_json::json!({
            "input_usd_per_million": 1.0,
            "output_usd_per_million": 2.0,
            "variants": [
                { "hours": ["01:00-04:00"], "input_usd_per_million": 2.0, "output_usd_per_million": 4.0 },
                { "above_input_tokens": 10_000, "input_usd_per_million": 4.0, "output_usd_per_million": 8.0 },
            ],
        });
        let mut model = ModelSettings::named("m");
        model.price = Some(serde_json::from_value(price).expect("a price"));
        model.limits.requests_per_minute = Some(requests_per_minute);
        model
    }

    fn stage(stage: Stage, calls: Span<u64>) -> StageEstimate {
        let tokens_per_call = Tokens { input: 2_000, output: 500, ..Tokens::default() };
        StageEstimate { stage, calls, tokens_per_call, cost: None }
    }

    fn estimate(requests_per_minute: u32, hours: CallHours) -> ModelEstimate {
        let stages = vec![
            stage(Stage::COGNITIVE, Span::exactly(600)),
            stage(Stage::COORDINATOR, Span { low: 0, likely: 200, high: 600 }),
        ];
        model_estimate(&model(requests_per_minute), stages, (CountedBy::Length, hours))
    }

    fn cents(span: Span<NanoUsd>) -> [u64; 3] {
        [span.low, span.likely, span.high].map(|NanoUsd(nano)| nano / 10_000_000)
    }

    #[test]
    fn a_short_run_costs_what_the_hour_costs_and_its_stages_sum_to_it() {
        let cheap = estimate(100_000, CallHours::From(monday()));
        assert_eq!(cheap.stages.iter().map(|stage| cents(stage.cost.unwrap())[1]).collect::<Vec<_>>(), [180, 60]);
        assert_eq!(cents(cheap.cost.unwrap()), [180, 240, 360]);
        assert_eq!(cheap.uncertain_by, [UncertainBy::Disagreement]);
        let dear = estimate(100_000, CallHours::From(monday() + Duration::from_hours(1)));
        assert_eq!(cents(dear.cost.unwrap()), [360, 480, 720]);
    }

    #[test]
    fn a_long_run_costs_the_average_of_its_hours_between_the_cheapest_and_the_dearest() {
        // 480 calls, one a minute, take eight hours, three of which are twice as dear.
        let estimate = |hours| {
            let stages = vec![stage(Stage::COGNITIVE, Span::exactly(480))];
            model_estimate(&model(1), stages, (CountedBy::Length, hours))
        };
        let any = estimate(CallHours::From(monday()));
        assert_eq!(any.takes, Duration::from_hours(8));
        assert_eq!(cents(any.cost.unwrap()), [144, 144 * 11 / 8, 288]);
        assert_eq!(any.uncertain_by, [UncertainBy::Hours]);
        let cheapest = estimate(CallHours::CheapestFrom(monday()));
        assert_eq!(cents(cheapest.cost.unwrap()), [144, 144, 144]);
        assert_eq!(cheapest.uncertain_by, []);
        let at_any_hour = cheapest.cost_at(model(1).price.as_ref().unwrap(), CallHours::CheapestFrom(monday()).any());
        assert_eq!(at_any_hour, any.cost.unwrap(), "what it saves is the difference");
    }

    #[test]
    fn many_small_calls_are_not_priced_like_one_long_one() {
        // Together they have 1,600,000 tokens, and each is below 10,000.
        assert_eq!(cents(estimate(100_000, CallHours::From(monday())).cost.unwrap())[1], 240);
    }

    #[test]
    fn models_cost_together_what_they_cost_apart() {
        let one = || estimate(100_000, CallHours::From(monday()));
        let two = Estimate { models: vec![one(), one()], embeddings: None };
        assert_eq!(cents(two.cost().unwrap()), [360, 480, 720]);
        let unknown = Estimate { models: vec![one(), ModelEstimate { cost: None, ..one() }], embeddings: None };
        assert_eq!(unknown.cost(), None);
    }

    #[test]
    fn a_model_without_a_price_has_no_cost() {
        let unknown = ModelSettings { price: None, ..model(1) };
        let stages = vec![stage(Stage::COGNITIVE, Span::exactly(600))];
        let estimate = model_estimate(&unknown, stages, (CountedBy::Length, CallHours::From(monday())));
        assert_eq!((estimate.cost, estimate.stages[0].cost), (None, None));
    }
}
