//! Counts how the modules of an arm answer, whether they agree, and what the coordinator makes of it.

use valuesim_shared::cell::{Asks, Recipe, Settle};
use valuesim_shared::decide::ceiling_of_mean;
use valuesim_shared::id::Code;
use valuesim_shared::method::Module;
use valuesim_shared::outcome::{CellResult, Decided, ModuleResult};

use crate::results::{Agreement, CoordinatorResults, HelpAndHarm, ModuleResults, ModuleScore};
use crate::score::{Arm, Prediction, Tallies};

/// The counts of one arm that asks modules.
#[derive(Debug, Clone)]
pub(crate) struct ModuleCounts {
    recipe: Recipe,
    modules: Vec<ModuleScore>,
    agreement: Agreement,
    coordinator: CoordinatorResults,
}

impl ModuleCounts {
    /// `None` for an arm that asks no modules.
    pub(crate) fn of(recipe: Recipe) -> Option<Self> {
        let Asks::Modules(panel, _) = recipe.asks else { return None };
        let module = |&module: &Module| ModuleScore { module, valid: 0, with_truth: 0, correct: 0 };
        Some(Self {
            recipe,
            modules: panel.iter().map(module).collect(),
            agreement: Agreement::default(),
            coordinator: CoordinatorResults::default(),
        })
    }

    /// Adds the arm's predictions in a cell. Where the ledger lacks a module's answers, it counts as giving none.
    pub(crate) fn add(&mut self, tallies: &Tallies<'_>, result: &CellResult, predictions: &[Prediction]) {
        let of_module = |score: &ModuleScore| {
            let stage = self.recipe.module(score.module);
            result.modules.iter().find(|module| module.stage == stage)
        };
        let modules: Vec<Option<&ModuleResult>> = self.modules.iter().map(of_module).collect();
        // Lists that are used again for each question.
        let (mut answers, mut valid) = (Vec::with_capacity(modules.len()), Vec::with_capacity(modules.len()));
        for (at, prediction) in predictions.iter().enumerate() {
            let answer = |module: Option<&ModuleResult>| module.and_then(|module| *module.answers.get(at)?);
            answers.clear();
            answers.extend(modules.iter().copied().map(answer));
            valid.clear();
            valid.extend(answers.iter().copied().flatten());
            let truth = Some(prediction.truth).filter(|&truth| tallies.has_option(prediction.question, truth));
            self.add_answers(prediction, truth, (&answers, &valid));
        }
    }

    /// Adds one prediction, with the truth if it is an option, the answer of each module, and those of them that are valid.
    fn add_answers(
        &mut self,
        prediction: &Prediction,
        truth: Option<Code>,
        (answers, valid): (&[Option<Code>], &[Code]),
    ) {
        for (module, answer) in self.modules.iter_mut().zip(answers) {
            let Some(answer) = answer else { continue };
            module.valid += 1;
            module.with_truth += u64::from(truth.is_some());
            module.correct += u64::from(truth == Some(*answer));
        }
        count_agreement(&mut self.agreement, valid);
        if prediction.decided == Decided::Coordinator {
            let rules = [majority(valid), ceiling_of_mean(answers)];
            count_coordinator(&mut self.coordinator, valid, rules, (prediction.answer, truth));
        }
    }

    /// Adds the counts of other people.
    pub(crate) fn merge(&mut self, other: &Self) {
        for (sum, module) in self.modules.iter_mut().zip(&other.modules) {
            sum.valid += module.valid;
            sum.with_truth += module.with_truth;
            sum.correct += module.correct;
        }
        let Agreement { all_equal, two_equal, all_differ, one_valid, none_valid } = other.agreement;
        self.agreement.all_equal += all_equal;
        self.agreement.two_equal += two_equal;
        self.agreement.all_differ += all_differ;
        self.agreement.one_valid += one_valid;
        self.agreement.none_valid += none_valid;
        self.coordinator.add(&other.coordinator);
    }

    pub(crate) fn results(&self, arm: &Arm) -> ModuleResults {
        let asks_coordinator = matches!(self.recipe.asks, Asks::Modules(_, Settle::Coordinator));
        ModuleResults {
            arm: arm.clone(),
            modules: self.modules.clone(),
            agreement: self.agreement,
            coordinator: asks_coordinator.then_some(self.coordinator),
        }
    }
}

fn count_agreement(agreement: &mut Agreement, valid: &[Code]) {
    let counter = match (valid.len(), majority(valid)) {
        (0, _) => &mut agreement.none_valid,
        (1, _) => &mut agreement.one_valid,
        _ if valid.iter().all(|answer| *answer == valid[0]) => &mut agreement.all_equal,
        (_, Some(_)) => &mut agreement.two_equal,
        (_, None) => &mut agreement.all_differ,
    };
    *counter += 1;
}

/// The answer of more than half of the modules.
fn majority(valid: &[Code]) -> Option<Code> {
    let count = |answer: Code| valid.iter().filter(|&&other| other == answer).count();
    valid.iter().copied().find(|&answer| 2 * count(answer) > valid.len())
}

/// Counts the coordinator's answer beside the modules' and what the two rules would give.
fn count_coordinator(
    counts: &mut CoordinatorResults,
    valid: &[Code],
    [majority, average]: [Option<Code>; 2],
    (answer, truth): (Option<Code>, Option<Code>),
) {
    counts.asked += 1;
    if let Some(answer) = answer {
        counts.valid += 1;
        let counter = match majority {
            Some(majority) if answer == majority => &mut counts.followed_majority,
            Some(_) if valid.contains(&answer) => &mut counts.followed_minority,
            None if valid.contains(&answer) => &mut counts.followed_one,
            _ => &mut counts.own_answer,
        };
        *counter += 1;
    }
    let Some(truth) = truth else { return };
    let is_right = answer == Some(truth);
    if let Some(majority) = majority {
        counts.against_majority.count(is_right, majority == truth);
    }
    if let Some(average) = average {
        counts.against_average.count(is_right, average == truth);
    }
}

impl HelpAndHarm {
    fn count(&mut self, coordinator_is_right: bool, rule_is_right: bool) {
        self.compared += 1;
        self.helped += u64::from(coordinator_is_right && !rule_is_right);
        self.harmed += u64::from(!coordinator_is_right && rule_is_right);
    }

    fn add(&mut self, other: &Self) {
        self.compared += other.compared;
        self.helped += other.helped;
        self.harmed += other.harmed;
    }
}

impl CoordinatorResults {
    fn add(&mut self, other: &Self) {
        self.asked += other.asked;
        self.valid += other.valid;
        self.followed_majority += other.followed_majority;
        self.followed_minority += other.followed_minority;
        self.followed_one += other.followed_one;
        self.own_answer += other.own_answer;
        self.against_majority.add(&other.against_majority);
        self.against_average.add(&other.against_average);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;
    use valuesim_shared::cell::recipe;
    use valuesim_shared::method::{Behaviour, Method};
    use valuesim_shared::outcome::{CodeString, Ended};
    use valuesim_shared::stage::Stage;

    /// What the three modules answer, how it was decided, the arm's answer, and the truth, for one question each.
    type Asked = ([Option<i32>; 3], Decided, Option<i32>, i32);

    fn counted(method: Method, asked: &[Asked]) -> ModuleResults {
        let questions: Vec<_> = fixture::codebook().questions()[..asked.len()].iter().map(|q| q.id).collect();
        let stages = [Stage::COGNITIVE, Stage::AFFECTIVE, Stage::BEHAVIORAL];
        let module = |(at, stage): (usize, Stage)| ModuleResult {
            stage,
            answers: asked.iter().map(|(answers, ..)| answers[at].map(Code)).collect(),
            ended: CodeString(vec![Ended::Answered; asked.len()]),
        };
        let modules = stages.into_iter().enumerate().map(module).collect();
        let result =
            CellResult { story: None, scaled_stories: Vec::new(), modules, arms: Vec::new(), rejections: Vec::new() };
        let prediction = |(&(_, decided, answer, truth), &question): (&Asked, _)| Prediction {
            decided,
            ..Prediction::without_model(question, Code(truth), answer.map(Code))
        };
        let predictions: Vec<Prediction> = asked.iter().zip(&questions).map(prediction).collect();
        let mut counts = ModuleCounts::of(recipe(method).expect("asks a model")).expect("asks modules");
        let codebook = fixture::codebook();
        counts.add(&Tallies::new(&codebook, Behaviour::Corrected), &result, &predictions);
        let before = counts.clone();
        counts.merge(&before);
        counts.results(&Arm::with_model(method, "m"))
    }

    #[test]
    fn agreement_and_what_the_coordinator_makes_of_it_are_counted() {
        use Decided::{Coordinator, NoValidAnswers, SingleAnswer, Unanimous};
        let asked: [Asked; 7] = [
            ([Some(1), Some(1), Some(1)], Unanimous, Some(1), 1),
            ([Some(1), None, None], SingleAnswer, Some(1), 2),
            ([None; 3], NoValidAnswers, None, 1),
            // The majority is wrong, and so is the mean of 5/3, rounded up.
            ([Some(2), Some(2), Some(1)], Coordinator, Some(1), 1),
            // The majority is right; 4/3 rounded up is wrong.
            ([Some(1), Some(1), Some(2)], Coordinator, Some(3), 1),
            // No majority; the mean is right.
            ([Some(1), Some(2), Some(3)], Coordinator, Some(1), 2),
            ([Some(1), Some(1), Some(3)], Coordinator, Some(1), -2),
        ];
        let found = counted(Method::ValueSim, &asked);
        let twice = Agreement { all_equal: 2, two_equal: 6, all_differ: 2, one_valid: 2, none_valid: 2 };
        assert_eq!(found.agreement, twice);
        let cognitive = ModuleScore { module: Module::Cognitive, valid: 12, with_truth: 10, correct: 4 };
        assert_eq!(found.modules[0], cognitive);
        let expected = CoordinatorResults {
            asked: 8,
            valid: 8,
            followed_majority: 2,
            followed_minority: 2,
            followed_one: 2,
            own_answer: 2,
            against_majority: HelpAndHarm { compared: 4, helped: 2, harmed: 2 },
            against_average: HelpAndHarm { compared: 6, helped: 2, harmed: 2 },
        };
        assert_eq!(found.coordinator, Some(expected));
    }

    #[test]
    fn arms_without_a_coordinator_or_without_modules_have_no_counts_of_them() {
        let asked: [Asked; 1] = [([Some(1), Some(2), Some(2)], Decided::Average, Some(2), 2)];
        assert_eq!(counted(Method::Average, &asked).coordinator, None);
        let panel = counted(Method::NoAffective, &asked);
        assert_eq!(panel.modules.len(), 2);
        assert_eq!(panel.agreement, Agreement { all_differ: 2, ..Agreement::default() });
        assert!(ModuleCounts::of(recipe(Method::FullInfo).expect("asks a model")).is_none());
    }
}
