//! How far a run is and what it scores, for Prometheus: read from the ledger's counts, so that a coordinator that starts
//! again tells the same.

use prometheus::{Gauge, GaugeVec, IntGauge, IntGaugeVec, Registry};
use valuesim_shared::control::{ArmScores, BudgetUse, CellCounts, MeanOverPeople, RunScores, ScoreSoFar};
use valuesim_shared::id::RunId;
use valuesim_shared::money::NanoUsd;
use valuesim_shared::telemetry::{metrics, register};

/// The label of scores over all questions.
const OVERALL: &str = "overall";

/// The metrics of one run.
#[derive(Debug)]
pub struct RunMetrics {
    run: String,
    waiting: IntGauge,
    under_way: IntGauge,
    finished: IntGauge,
    dead: IntGauge,
    expected: IntGauge,
    paused: IntGauge,
    waits_for_hours: IntGauge,
    /// Without a series while the time is unknown.
    time_left: GaugeVec,
    /// None where the prices of its models are not known.
    cost: Option<Gauge>,
    /// Without a series while the run has no budget.
    budget: GaugeVec,
    accuracy: GaugeVec,
    mae: GaugeVec,
    answers: IntGaugeVec,
}

/// How a run is.
#[derive(Debug, Clone, Copy)]
pub struct RunState {
    /// Its cells.
    pub cells: CellCounts,
    /// What it has spent.
    pub spent: NanoUsd,
    /// How much of its budget is used, if it has one.
    pub budget: Option<BudgetUse>,
    /// Cells finished per second, recently.
    pub cells_per_second: f64,
    /// Whether an order pauses it.
    pub is_paused: bool,
    /// Whether cells wait for cheap hours.
    pub waits_for_hours: bool,
}

impl RunMetrics {
    /// Registers them; what the run costs only where it is priced.
    ///
    /// # Panics
    /// If the registry already has metrics of these names.
    pub fn new(registry: &Registry, RunId(run): &RunId, priced: bool) -> Self {
        let tasks = register(registry, metrics::RUN_TASKS.gauge());
        let cells = |state| tasks.with_label_values(&[run.as_str(), "cell", state]);
        let expected = register(registry, metrics::RUN_EXPECTED_TASKS.gauge());
        let cost = || register(registry, metrics::RUN_COST.fractional_gauge()).with_label_values(&[run.as_str()]);
        Self {
            run: run.clone(),
            waiting: cells("waiting"),
            under_way: cells("under_way"),
            finished: cells("finished"),
            dead: cells("dead"),
            expected: expected.with_label_values(&[run.as_str(), "cell"]),
            paused: register(registry, metrics::RUN_PAUSED.gauge()).with_label_values(&[run.as_str()]),
            waits_for_hours: register(registry, metrics::RUN_WAITS_FOR_HOURS.gauge())
                .with_label_values(&[run.as_str()]),
            time_left: register(registry, metrics::RUN_TIME_LEFT.fractional_gauge()),
            cost: priced.then(cost),
            budget: register(registry, metrics::RUN_BUDGET.fractional_gauge()),
            accuracy: register(registry, metrics::EVAL_ACCURACY.fractional_gauge()),
            mae: register(registry, metrics::EVAL_MAE.fractional_gauge()),
            answers: register(registry, metrics::EVAL_ANSWERS.gauge()),
        }
    }

    /// Sets how the run is.
    pub fn set(&self, state: &RunState) {
        let CellCounts { planned, finished, under_way, dead, .. } = state.cells;
        let set = |gauge: &IntGauge, cells: u64| gauge.set(i64::try_from(cells).unwrap_or(i64::MAX));
        set(&self.waiting, planned.saturating_sub(finished).saturating_sub(under_way).saturating_sub(dead));
        set(&self.under_way, under_way);
        set(&self.finished, finished);
        set(&self.dead, dead);
        set(&self.expected, planned);
        self.paused.set(state.is_paused.into());
        self.waits_for_hours.set(state.waits_for_hours.into());
        if let Some(cost) = &self.cost {
            cost.set(state.spent.dollars());
        }
        if let Some(BudgetUse { limit, spent, reserved }) = state.budget {
            let free = limit - spent - reserved;
            for (part, amount) in [("limit", limit), ("spent", spent), ("reserved", reserved), ("free", free)] {
                self.budget.with_label_values(&[self.run.as_str(), part]).set(amount.dollars());
            }
        }
        let open = planned.saturating_sub(finished + dead) as f64;
        let seconds_left = if open > 0.0 { open / state.cells_per_second } else { 0.0 };
        if seconds_left.is_finite() {
            self.time_left.with_label_values(&[&self.run]).set(seconds_left);
        } else {
            self.time_left.reset();
        }
    }

    /// Sets the scores of the finished cells.
    pub fn set_scores(&self, scores: &RunScores) {
        for arm in &scores.arms {
            self.set_means(arm, OVERALL, &arm.overall);
            for (category, score) in &arm.categories {
                self.set_means(arm, category.name(), score);
                let answers = self.answers.with_label_values(&self.labels(arm, category.name()));
                answers.set(i64::try_from(score.answers).unwrap_or(i64::MAX));
            }
        }
    }

    fn set_means(&self, arm: &ArmScores, category: &str, score: &ScoreSoFar) {
        let labels = self.labels(arm, category);
        let set = |gauge: &GaugeVec, mean: &Option<MeanOverPeople>| {
            if let Some(mean) = mean {
                gauge.with_label_values(&labels).set(mean.mean);
            }
        };
        set(&self.accuracy, &score.accuracy);
        set(&self.mae, &score.mae);
    }

    fn labels(&self, arm: &ArmScores, category: &str) -> [String; 4] {
        let model = arm.model.clone().unwrap_or_default();
        [self.run.clone(), arm.method.name().into_owned(), model, category.to_owned()]
    }
}

#[cfg(test)]
mod tests {
    use valuesim_shared::codebook::Category;
    use valuesim_shared::control::{CONTROL_VERSION, Scored, UnixMillis};
    use valuesim_shared::method::Method;
    use valuesim_shared::telemetry::Exposition;

    use super::*;

    const CELLS: CellCounts = CellCounts { planned: 10, finished: 4, under_way: 2, dead: 1, at_most: None };

    fn state() -> RunState {
        RunState {
            cells: CELLS,
            spent: NanoUsd(0),
            budget: None,
            cells_per_second: 0.5,
            is_paused: false,
            waits_for_hours: false,
        }
    }

    fn shown(priced: bool, set: impl FnOnce(&RunMetrics)) -> String {
        let exposition = Exposition::new("coordinator");
        let metrics = RunMetrics::new(exposition.registry(), &RunId("r".to_owned()), priced);
        set(&metrics);
        exposition.text(|| ())
    }

    #[test]
    fn a_run_without_prices_shows_no_cost() {
        for priced in [true, false] {
            let text = shown(priced, |metrics| metrics.set(&state()));
            assert_eq!(text.contains("valuesim_run_cost_usd"), priced, "{text}");
            assert!(text.contains("valuesim_run_tasks"), "{text}");
        }
    }

    #[test]
    fn the_time_left_is_known_while_cells_finish_and_the_pause_is_shown() {
        let text = shown(true, |metrics| metrics.set(&state()));
        assert!(text.contains("valuesim_run_eta_seconds{run=\"r\"} 10\n"), "{text}");
        assert!(text.contains("valuesim_run_paused{run=\"r\"} 0\n"), "{text}");
        let text = shown(true, |metrics| {
            metrics.set(&state());
            metrics.set(&RunState { cells_per_second: 0.0, is_paused: true, ..state() });
        });
        assert!(!text.contains("valuesim_run_eta_seconds"), "{text}");
        assert!(text.contains("valuesim_run_paused{run=\"r\"} 1\n"), "{text}");
    }

    /// The scores of four models with all methods and of the baselines.
    fn scores() -> RunScores {
        let mean = MeanOverPeople {
            persons: 3,
            mean: 0.5,
            standard_error: Some(0.1),
            interval: Some([0.25, 0.75]),
            no_interval: None,
        };
        let score = ScoreSoFar { answers: 7, accuracy: Some(mean.clone()), mae: Some(mean) };
        let categories = Category::ALL.map(|category| (category, score.clone()));
        let arm = |method, model: Option<usize>| ArmScores {
            method,
            model: model.map(|number| format!("model-{number}")),
            overall: score.clone(),
            categories: categories.clone().into(),
        };
        let baselines = Method::WITHOUT_MODEL.map(|method| arm(method, None));
        let of_models = (0..4).flat_map(|model| Method::WITH_MODEL.map(|method| arm(method, Some(model))));
        RunScores {
            version: CONTROL_VERSION,
            run: RunId("r".to_owned()),
            simulated: true,
            cells: Scored { scored: 1, planned: 10 },
            persons: Scored { scored: 1, planned: 2 },
            persons_in_part: 1,
            arms: baselines.into_iter().chain(of_models).collect(),
            at: UnixMillis(0),
        }
    }

    #[test]
    fn scores_have_as_many_series_as_arms_and_categories_whatever_the_number_of_people() {
        let text = shown(true, |metrics| {
            metrics.set_scores(&scores());
            metrics.set_scores(&scores());
        });
        let series = |name: &str| text.lines().filter(|line| line.starts_with(name)).count();
        let arms = Method::WITHOUT_MODEL.len() + 4 * Method::WITH_MODEL.len();
        assert_eq!(series("valuesim_eval_accuracy_ratio{"), arms * 10);
        assert_eq!(series("valuesim_eval_mae{"), arms * 10);
        // Without those over all questions: their sum is the number of answers.
        assert_eq!(series("valuesim_eval_answers{"), arms * 9);
        let expected = "valuesim_eval_mae{category=\"Econ.Int\",method=\"mode\",model=\"\",run=\"r\"} 0.5\n";
        assert!(text.contains(expected), "{text}");
        assert!(text.lines().count() < 1_600, "a coordinator of four models has {} lines", text.lines().count());
    }
}
