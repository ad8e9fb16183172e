//! The arms of all runs of a report, with their labels and looks.

use valuesim_shared::method::Method;

use crate::chart::{Look, Series, Value};
use crate::results::{ArmResults, Estimate, Measure, Results};
use crate::table::{COLUMNS, label, papers_row};

/// A figure with more arms would be hard to read.
pub(super) const MAX_ARMS_OF_A_FIGURE: usize = 6;

/// All arms of a report.
#[derive(Debug)]
pub(super) struct Lineup<'a> {
    /// The runs, in the order in which they were named.
    pub(super) runs: &'a [Results],
    /// The arms that ask a model, run by run.
    pub(super) asking: Vec<LineupArm<'a>>,
    /// The arms that ask no model, run by run.
    baselines: Vec<LineupArm<'a>>,
}

/// An arm of a run.
#[derive(Debug, Clone)]
pub(super) struct LineupArm<'a> {
    /// Its run.
    pub(super) run: &'a Results,
    /// Its place among the run's arms.
    pub(super) place: usize,
    /// Its scores.
    pub(super) results: &'a ArmResults,
    /// Its name, with the run's if there are several.
    pub(super) label: String,
    /// How charts show it.
    pub(super) look: Look,
}

/// What an arm is compared for in the paper.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Tables 1 and 3: a method beside others.
    Method,
    /// Tables 2 and 4: `valuesim` without a part.
    Ablation,
    /// Figures 2 and 3: `valuesim` with this number of profile items.
    ProfileScale(u16),
}

impl<'a> Lineup<'a> {
    /// The arms of these runs.
    pub(super) fn new(runs: &'a [Results]) -> Self {
        let mut lineup = Self { runs, asking: Vec::new(), baselines: Vec::new() };
        for run in runs {
            for (place, results) in run.arms.iter().enumerate() {
                lineup.add(run, place, results);
            }
        }
        lineup.give_looks();
        lineup
    }

    fn add(&mut self, run: &'a Results, place: usize, results: &'a ArmResults) {
        let asks_model = results.arm.model.is_some();
        let name = label(run, &results.arm);
        let is_same_everywhere = !asks_model && self.runs.iter().all(|run| same_baseline(run, results).is_some());
        let label = if self.runs.len() == 1 || is_same_everywhere { name } else { format!("{name} ({})", run.run) };
        let arms = if asks_model { &mut self.asking } else { &mut self.baselines };
        let look = if asks_model { Look::Arm(arms.len()) } else { Look::NoModel(arms.len()) };
        arms.push(LineupArm { run, place, results, label, look });
    }

    /// Gives the first colours to the arms that stand side by side in most figures.
    fn give_looks(&mut self) {
        let (methods, others): (Vec<_>, Vec<_>) =
            self.asking.iter_mut().partition(|arm| arm.purpose() == Purpose::Method);
        for (at, arm) in methods.into_iter().chain(others).enumerate() {
            arm.look = Look::Arm(at);
        }
    }

    /// The arms without a model; one that has the same scores in all runs is there once.
    pub(super) fn baselines(&self) -> Vec<&LineupArm<'a>> {
        let mut found: Vec<&LineupArm<'a>> = Vec::new();
        for arm in &self.baselines {
            if found.iter().all(|known| known.label != arm.label) {
                found.push(arm);
            }
        }
        found
    }

    /// The arms without a model of one run.
    pub(super) fn baselines_of(&self, run: &Results) -> Vec<&LineupArm<'a>> {
        self.baselines.iter().filter(|arm| arm.is_of(run)).collect()
    }

    /// The arms of Tables 1 and 3 of one run.
    pub(super) fn methods_of(&self, run: &Results) -> Vec<&LineupArm<'a>> {
        self.methods().into_iter().filter(|arm| arm.is_of(run)).collect()
    }

    /// The arms with a purpose.
    pub(super) fn with_purpose(&self, wanted: impl Fn(Purpose) -> bool) -> Vec<&LineupArm<'a>> {
        self.asking.iter().filter(|arm| wanted(arm.purpose())).collect()
    }

    /// The arms of Tables 1 and 3; all that ask a model if there are none.
    pub(super) fn methods(&self) -> Vec<&LineupArm<'a>> {
        let methods = self.with_purpose(|purpose| purpose == Purpose::Method);
        if methods.is_empty() { self.asking.iter().collect() } else { methods }
    }

    /// These arms in groups that one figure can show, each with the group's name: all of them, or model by model.
    pub(super) fn figures(&self, arms: &[&LineupArm<'a>]) -> Vec<(String, Vec<LineupArm<'a>>)> {
        if arms.len() <= MAX_ARMS_OF_A_FIGURE {
            return vec![(String::new(), arms.iter().copied().cloned().collect())];
        }
        let mut groups: Vec<(String, Vec<LineupArm<'a>>)> = Vec::new();
        for &arm in arms {
            let name = self.model_name(arm);
            match groups.iter_mut().find(|(group, arms)| *group == name && arms.len() < MAX_ARMS_OF_A_FIGURE) {
                Some((_, arms)) => arms.push(arm.clone()),
                None => groups.push((name, vec![arm.clone()])),
            }
        }
        groups
    }

    /// The arm's model, with its run if there are several.
    pub(super) fn model_name(&self, arm: &LineupArm<'_>) -> String {
        let model = arm.results.arm.model.clone().unwrap_or_default();
        if self.runs.len() > 1 { format!("{model} ({})", arm.run.run) } else { model }
    }

    /// The best arm without a model by a measure, and chance: what every figure shows beside the others.
    pub(super) fn yardsticks(&self, measure: Measure) -> Vec<LineupArm<'a>> {
        let arms = self.baselines();
        let chance = arms.iter().copied().find(|arm| arm.results.arm.method == Method::Chance);
        let best = best(&arms, measure);
        let chance = chance.filter(|chance| best.is_none_or(|best| best.label != chance.label));
        best.into_iter().chain(chance).cloned().collect()
    }

    /// The best arm without a model of one run.
    pub(super) fn best_baseline_of(&self, run: &Results, measure: Measure) -> Option<&LineupArm<'a>> {
        best(&self.baselines_of(run), measure)
    }

    /// The suffix of titles if replies or survey are not real.
    pub(super) fn marks(&self) -> &'static str {
        let simulated = self.runs.iter().filter(|run| run.simulated).count();
        match self.runs {
            [run] => run.marks(),
            [first, ..] if simulated == self.runs.len() || simulated == 0 => first.marks(),
            [first, ..] if first.synthetic_survey => " - SIMULATED IN PART - SYNTHETIC SURVEY",
            _ => " - SIMULATED IN PART",
        }
    }

    /// What figures say where replies or survey are not real.
    pub(super) fn warning(&self) -> String {
        self.marks().trim_start_matches(" - ").to_owned()
    }
}

/// The arm of a run that has the same method without a model and the same scores.
fn same_baseline<'a>(run: &'a Results, arm: &ArmResults) -> Option<&'a ArmResults> {
    run.arms.iter().find(|other| other.arm == arm.arm && other.score == arm.score)
}

fn best<'l, 'a>(arms: &[&'l LineupArm<'a>], measure: Measure) -> Option<&'l LineupArm<'a>> {
    let mut best: Option<(&LineupArm<'a>, f64)> = None;
    for &arm in arms {
        let Some(score) = arm.headline(measure) else { continue };
        if best.is_none_or(|(_, so_far)| measure.is_better(score.value, so_far)) {
            best = Some((arm, score.value));
        }
    }
    best.map(|(arm, _)| arm)
}

impl LineupArm<'_> {
    /// Whether it is an arm of this run.
    pub(super) fn is_of(&self, run: &Results) -> bool {
        std::ptr::eq(self.run, run)
    }

    /// The headline score over all questions.
    pub(super) fn headline(&self, measure: Measure) -> Option<Value> {
        self.results.score.overall.headline(measure).map(Value::from)
    }

    /// What the paper published for its method and model by category and overall, if that may stand beside the run.
    pub(super) fn published(&self, measure: Measure) -> Option<(String, [f64; COLUMNS])> {
        let may_stand_here = self.run.published_elsewhere.is_empty();
        let model = self.results.arm.model.as_deref().filter(|_| may_stand_here)?;
        papers_row(measure, self.results.arm.method, model)
    }

    /// The arm as a chart's series.
    pub(super) fn series(&self) -> Series {
        Series { label: self.label.clone(), look: self.look }
    }

    /// What the paper compares such an arm for.
    pub(super) fn purpose(&self) -> Purpose {
        match self.results.arm.method {
            Method::NoCab
            | Method::NoStory
            | Method::Average
            | Method::NoCognitive
            | Method::NoAffective
            | Method::NoBehavioral => Purpose::Ablation,
            Method::ProfileScale(items) => Purpose::ProfileScale(items),
            _ => Purpose::Method,
        }
    }
}

impl From<Estimate> for Value {
    fn from(estimate: Estimate) -> Self {
        let ends = estimate.uncertainty.interval().map(|interval| (interval.lower, interval.upper));
        Self { value: estimate.mean, interval: ends }
    }
}
