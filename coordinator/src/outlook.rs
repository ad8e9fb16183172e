//! What the rest of a run will take, from what its finished cells took.

use std::collections::BTreeMap;

use serde::Serialize;
use valuesim_shared::experiment::Experiment;
use valuesim_shared::id::{ModelId, Respondent};
use valuesim_shared::money::{NanoUsd, Tokens};
use valuesim_shared::outcome::StageSpend;
use valuesim_shared::stage::Stage;

use crate::estimate::Span;
use crate::kept_replies::KeptReplies;
use crate::ledger::{Ledger, LedgerError};
use crate::plan::Plan;
use crate::statistics::t_quantile;

/// The chance that the rest costs more than the interval says; the same for less.
const TAIL: f64 = 0.05;

/// Up to one reply without usage in so many hides less than the interval allows for.
const REPLIES_PER_UNCOUNTED: u64 = 100;

/// What a run has taken and will take, by model.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Outlook {
    /// The models of which cells are finished, in the experiment's order.
    pub models: Vec<ModelOutlook>,
}

/// What one model has taken and will take.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ModelOutlook {
    /// The model, by its place in the experiment.
    pub model: ModelId,
    /// Finished cells.
    pub finished: u64,
    /// Those of them that were taken over from earlier runs. They cost nothing, so they say nothing of the rest.
    pub taken_over: u64,
    /// Cells that are left.
    pub left: u64,
    /// Those of them that will be taken over from earlier runs.
    pub left_to_take_over: u64,
    /// What the finished cells took, by stage.
    pub stages: BTreeMap<Stage, StageTaken>,
    /// Whether the finished cells say what cells cost: the model has a price or its provider states costs, and replies came with
    /// their usage. Otherwise there is no interval.
    pub is_cost_known: bool,
    /// What the cells that are left will take.
    pub remaining: Expected,
    /// What all cells will have taken.
    pub whole: Expected,
}

/// What a stage took in the finished cells.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct StageTaken {
    /// Answered calls.
    pub answered: u64,
    /// Their tokens.
    pub tokens: Tokens,
    /// Their cost.
    pub cost: NanoUsd,
}

/// What cells will take.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Expected {
    /// Answered calls.
    pub calls: u64,
    /// The likely number of tokens.
    pub tokens: Tokens,
    /// The likely cost.
    pub cost: NanoUsd,
    /// The interval in which the cost lies with a chance of 90 %; none from fewer than two cells that were paid for,
    /// or if it is not known what those cost.
    pub interval: Option<Span<NanoUsd>>,
}

impl Outlook {
    /// The outlook of a run of `plan`, which takes over what earlier runs have `kept`.
    pub fn of(
        ledger: &Ledger,
        (experiment, plan): (&Experiment, &Plan),
        kept: &KeptReplies,
    ) -> Result<Self, LedgerError> {
        let mut models = Vec::new();
        for (model, settings) in plan.models().zip(&experiment.models) {
            let has_price = settings.price.is_some() || experiment.simulate.is_some();
            let taken = Taken { has_price, ..Taken::of(ledger, model, kept)? };
            models.extend(taken.outlook(model, plan.cells_per_model()));
        }
        Ok(Self { models })
    }

    /// Whether what was finished says what cells cost, of all models.
    pub fn is_cost_known(&self) -> bool {
        self.models.iter().all(|model| model.is_cost_known)
    }

    /// The interval of what the whole run will have cost; none if cells of a model are left and fewer than two were paid for, or if
    /// it is not known what they cost.
    pub fn interval(&self) -> Option<(NanoUsd, NanoUsd)> {
        let low = self.models.iter().map(|model| model.whole.interval.map(|span| span.low)).sum::<Option<NanoUsd>>()?;
        let high =
            self.models.iter().map(|model| model.whole.interval.map(|span| span.high)).sum::<Option<NanoUsd>>()?;
        Some((low, high)).filter(|_| !self.models.is_empty())
    }

    /// How many finished cells were taken over from earlier runs.
    pub fn taken_over(&self) -> u64 {
        self.models.iter().map(|model| model.taken_over).sum()
    }
}

/// What the finished cells of a model took, those apart that cost nothing because they were taken over.
#[derive(Default)]
struct Taken {
    unpaid: u64,
    /// Cells that are not finished and that earlier runs have.
    to_take_over: u64,
    costs: Vec<f64>,
    /// The same by person: the cells of a person are alike.
    of_people: BTreeMap<Respondent, f64>,
    total: StageSpend,
    stages: BTreeMap<Stage, StageTaken>,
    has_price: bool,
}

impl Taken {
    fn of(ledger: &Ledger, model: ModelId, kept: &KeptReplies) -> Result<Self, LedgerError> {
        let mut taken = Self { to_take_over: kept.finished_of(model), ..Self::default() };
        for row in ledger.spend(model)? {
            let (cell, spend) = row?;
            taken.to_take_over -= u64::from(kept.has_finished(cell));
            if spend.taken_from.is_some() {
                taken.unpaid += 1;
                continue;
            }
            let total = spend.total();
            *taken.of_people.entry(cell.respondent).or_default() += total.cost.0 as f64;
            taken.costs.push(total.cost.0 as f64);
            taken.total.add(&total);
            for (&stage, spend) in &spend.stages {
                let of_stage = taken.stages.entry(stage).or_insert(StageTaken {
                    answered: 0,
                    tokens: Tokens::default(),
                    cost: NanoUsd(0),
                });
                of_stage.answered += spend.answered;
                of_stage.tokens += spend.tokens;
                of_stage.cost += spend.cost;
            }
        }
        Ok(taken)
    }

    /// Whether the costs are those of the finished cells, and not 0 because nobody knows them.
    fn is_cost_known(&self) -> bool {
        let StageSpend { answered, without_usage, cost, unsure, .. } = &self.total;
        let is_uncounted = without_usage * REPLIES_PER_UNCOUNTED > *answered && unsure.at_most != Tokens::default();
        self.costs.is_empty() || ((self.has_price || *cost > NanoUsd(0)) && !is_uncounted)
    }

    /// None without a finished cell.
    fn outlook(self, model: ModelId, cells: u64) -> Option<ModelOutlook> {
        let finished = self.costs.len() as u64 + self.unpaid;
        if finished == 0 {
            return None;
        }
        let left = cells.saturating_sub(finished);
        let taken = Expected {
            calls: self.total.answered,
            tokens: self.total.tokens,
            cost: self.total.cost,
            interval: Some(Span { low: self.total.cost, likely: self.total.cost, high: self.total.cost }),
        };
        let left_to_take_over = self.to_take_over.min(left);
        let remaining = self.remaining(left - left_to_take_over);
        let whole = Expected {
            calls: taken.calls + remaining.calls,
            tokens: sum(taken.tokens, remaining.tokens),
            cost: taken.cost + remaining.cost,
            interval: remaining.interval.map(|span| span.plus(taken.cost)),
        };
        let (taken_over, is_cost_known, stages) = (self.unpaid, self.is_cost_known(), self.stages);
        Some(ModelOutlook {
            model,
            finished,
            taken_over,
            left,
            left_to_take_over,
            stages,
            is_cost_known,
            remaining,
            whole,
        })
    }

    /// The prediction interval of the sum of `left` further cells like those that are finished: mean, variance and Student's t of the
    /// costs of people, whose cells are alike, or of cells where there is a single person.
    fn interval(&self, left: f64) -> Option<Span<NanoUsd>> {
        if !self.is_cost_known() {
            return None;
        }
        if left == 0.0 {
            return Some(Span { low: NanoUsd(0), likely: NanoUsd(0), high: NanoUsd(0) });
        }
        let of_people: Vec<f64> = self.of_people.values().copied().collect();
        let units = if of_people.len() > 1 { &of_people } else { &self.costs };
        let (count, left) = (units.len() as f64, left / self.costs.len() as f64 * units.len() as f64);
        if units.len() < 2 {
            return None;
        }
        let mean = units.iter().sum::<f64>() / count;
        let squares: f64 = units.iter().map(|cost| (cost - mean).powi(2)).sum();
        let variance = squares / (count - 1.0) * (left + left * left / count);
        let half = t_quantile(TAIL, count - 1.0) * variance.sqrt();
        let likely = mean * left;
        let amount = |nano: f64| NanoUsd(rounded(nano.max(0.0)));
        Some(Span { low: amount(likely - half), likely: amount(likely), high: amount(likely + half) })
    }

    /// What `left` further cells will take.
    fn remaining(&self, left: u64) -> Expected {
        let (cells, count) = (self.costs.len().max(1) as f64, left as f64);
        let share = |number: u64| rounded(number as f64 / cells * count);
        let tokens = self.total.tokens;
        let interval = self.interval(count);
        Expected {
            calls: share(self.total.answered),
            tokens: Tokens {
                input: share(tokens.input),
                cached: share(tokens.cached),
                cache_write: share(tokens.cache_write),
                output: share(tokens.output),
                reasoning: share(tokens.reasoning),
            },
            cost: NanoUsd(share(self.total.cost.0)),
            interval,
        }
    }
}

fn sum(mut one: Tokens, other: Tokens) -> Tokens {
    one += other;
    one
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "sums of counts are positive and below 2^63"
)]
fn rounded(number: f64) -> u64 {
    number.round() as u64
}

#[cfg(test)]
mod tests {
    use valuesim_shared::outcome::UncertainSpend;

    use super::*;

    fn taken(costs: &[u64]) -> Taken {
        let total = costs.iter().sum();
        Taken {
            costs: costs.iter().map(|&cost| cost as f64).collect(),
            total: StageSpend { answered: 10 * costs.len() as u64, cost: NanoUsd(total), ..StageSpend::default() },
            has_price: true,
            ..Taken::default()
        }
    }

    /// Random numbers, the same each time.
    struct Random(u64);

    impl Random {
        fn uniform(&mut self) -> f64 {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            ((self.0 >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
        }

        fn lognormal(&mut self, sigma: f64) -> f64 {
            let normal = (-2.0 * self.uniform().ln()).sqrt() * (std::f64::consts::TAU * self.uniform()).cos();
            (sigma * normal).exp()
        }
    }

    /// How many of 1,000 runs cost what the pilot of their first people said with a chance of 90 %. A person's two cells are alike.
    fn covered(people: u32, of_pilot: u32, sigma: f64) -> u32 {
        let mut random = Random(7);
        let mut covered = 0;
        for _ in 0..1_000 {
            let (mut taken, mut bill) = (Taken { has_price: true, ..Taken::default() }, 0.0);
            for person in 1..=people {
                let alike = 1e9 * random.lognormal(sigma);
                let cells = [alike * random.lognormal(0.1), alike * random.lognormal(0.1)];
                bill += cells.iter().sum::<f64>();
                if person <= of_pilot {
                    taken.costs.extend(cells);
                    taken.of_people.insert(Respondent::new(person).expect("not 0"), cells.iter().sum());
                    taken.total.cost = NanoUsd(rounded(bill));
                }
            }
            let whole = taken.outlook(ModelId(0), u64::from(2 * people)).expect("has cells").whole;
            let interval = whole.interval.expect("two people");
            covered += u32::from((interval.low.0 as f64..=interval.high.0 as f64).contains(&bill));
        }
        covered
    }

    #[test]
    fn the_bill_lies_in_the_interval_of_a_pilot_as_often_as_it_says() {
        for (of_pilot, sigma) in [(2, 0.2), (3, 0.3), (5, 0.3), (10, 0.2), (20, 0.4)] {
            let covered = covered(100, of_pilot, sigma);
            assert!((850..=970).contains(&covered), "{covered} of 1000 with {of_pilot} people and sigma {sigma}");
        }
    }

    #[test]
    fn the_rest_is_expected_to_be_like_what_is_finished() {
        let outlook = taken(&[90, 100, 110]).outlook(ModelId(0), 103).expect("has cells");
        assert_eq!((outlook.left, outlook.remaining.cost, outlook.whole.cost), (100, NanoUsd(10_000), NanoUsd(10_300)));
        assert_eq!((outlook.remaining.calls, outlook.whole.calls), (1_000, 1_030));
        let interval = outlook.remaining.interval.expect("three cells");
        // s = 10, sqrt(100 + 100² / 3) = 58.6, t = 2.92.
        assert!(
            (8_280..8_300).contains(&interval.low.0) && (11_700..11_720).contains(&interval.high.0),
            "{interval:?}"
        );
    }

    #[test]
    fn a_single_cell_gives_no_interval_and_none_gives_no_outlook() {
        assert_eq!(taken(&[90]).outlook(ModelId(0), 5).expect("has a cell").remaining.interval, None);
        assert_eq!(taken(&[]).outlook(ModelId(0), 5), None);
    }

    #[test]
    fn cells_that_were_taken_over_are_finished_and_say_nothing_of_the_cost() {
        let outlook = Taken { unpaid: 100, ..taken(&[90, 110]) }.outlook(ModelId(0), 112).expect("has cells");
        let alone = taken(&[90, 110]).outlook(ModelId(0), 12).expect("has cells");
        assert_eq!((outlook.finished, outlook.taken_over, outlook.left), (102, 100, 10));
        assert_eq!((outlook.remaining, outlook.whole), (alone.remaining, alone.whole));
        let before =
            Taken { unpaid: 40, to_take_over: 60, ..taken(&[90, 110]) }.outlook(ModelId(0), 112).expect("has cells");
        assert_eq!((before.left, before.left_to_take_over), (70, 60));
        assert_eq!(
            (before.remaining, before.whole),
            (alone.remaining, alone.whole),
            "it counts before it is done, too"
        );
        let unpaid = |cells| {
            let only = Taken { unpaid: 100, ..Taken::default() }.outlook(ModelId(0), cells).expect("has cells");
            Outlook { models: vec![only] }.interval()
        };
        assert_eq!((unpaid(1_000), unpaid(100)), (None, Some((NanoUsd(0), NanoUsd(0)))));
    }

    #[test]
    fn what_nobody_knows_is_not_zero() {
        let free = [0, 0];
        let check = |taken: Taken, is_known: bool| {
            let outlook = taken.outlook(ModelId(0), 10).expect("has cells");
            assert_eq!((outlook.is_cost_known, outlook.whole.interval.is_some()), (is_known, is_known));
        };
        check(taken(&free), true);
        check(Taken { has_price: false, ..taken(&free) }, false);
        check(Taken { has_price: false, ..taken(&[90, 110]) }, true);
        let without_usage = |replies| {
            let mut all = taken(&[9_000, 11_000]);
            let at_most = Tokens { input: 100, ..Tokens::default() };
            all.total.unsure = UncertainSpend { at_most, ..UncertainSpend::default() };
            (all.total.without_usage, all.total.answered) = (replies, 200);
            all
        };
        check(without_usage(2), true);
        check(without_usage(3), false);
    }

    #[test]
    fn a_finished_run_costs_what_it_has_cost() {
        let whole = taken(&[90, 110]).outlook(ModelId(0), 2).expect("has cells").whole;
        let interval = whole.interval.expect("two cells");
        assert_eq!((whole.cost, interval.low, interval.high), (NanoUsd(200), NanoUsd(200), NanoUsd(200)));
    }
}
