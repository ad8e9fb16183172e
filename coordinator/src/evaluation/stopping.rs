//! The rule that ends the rounds of a run: pure functions of the people's accuracies in the order in which they were drawn.

use valuesim_shared::codebook::Codebook;
use valuesim_shared::experiment::{ArmName, Experiment};
use valuesim_shared::id::{ModelId, Respondent};
use valuesim_shared::method::Method;
use valuesim_shared::survey::Survey;

use super::drawn_from::drawn_from;
use super::groups::{Column, ColumnError};
use crate::ledger::RoundsEnd;
use crate::plan::Plan;
use crate::score::Arm;
use crate::statistics::{
    ALPHA, Bounds, ConfidenceSequence, Interval, MIN_BEFORE_STOPPING, MIN_ROUND, Moments, Population, Sample,
    SequentialTest, Shown, WidthRule,
};

/// A round of a decision is a tenth of the people before it: looking often costs no certainty, and few people are asked in vain.
const DECISION_GROWTH: u64 = 10;

/// What a round leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decision {
    /// Another round, up to this number of people.
    GoOn(u64),
    /// No further round.
    Stop(RoundsEnd),
}

/// When a run has asked enough people.
#[derive(Debug, Clone)]
pub(crate) struct Rule {
    /// The arms whose accuracies it looks at, with their models.
    pub(crate) arms: Vec<(Arm, Option<ModelId>)>,
    aim: Aim,
    /// From whom people are drawn.
    population: Population,
    /// How many may be asked.
    most: u64,
}

#[derive(Debug, Clone)]
enum Aim {
    Precision(WidthRule, Groups),
    Decision,
}

/// The groups that must each be known precisely enough.
#[derive(Debug, Clone)]
struct Groups {
    /// The group of each person in the plan's order; `None` for people of no group.
    of: Vec<Option<usize>>,
    /// How many people of each group there are to draw from.
    populations: Vec<u64>,
    /// How many people there are to draw from.
    everybody: u64,
}

impl Rule {
    /// The rule of an experiment; `None` unless it asks people in rounds. `plan` has everybody who may be asked.
    ///
    /// # Errors
    /// If the column of the groups makes none that is large enough.
    pub(crate) fn of(
        experiment: &Experiment,
        plan: &Plan,
        (survey, codebook): (&Survey, &Codebook),
    ) -> Result<Option<Self>, ColumnError> {
        let sample = &experiment.sample;
        let aim = match (sample.precision, &sample.precision_by) {
            _ if !sample.is_in_rounds() => return Ok(None),
            (None, _) => Aim::Decision,
            (Some(half_width), None) => Aim::Precision(WidthRule { half_width }, Groups::everybody(plan)),
            (Some(half_width), Some(column)) => {
                let drawn_from = drawn_from(experiment, plan, (survey, codebook)).unwrap_or_default();
                let column = Column::named(survey, codebook, column)?;
                Aim::Precision(WidthRule { half_width }, Groups::by(&column, plan, &drawn_from)?)
            }
        };
        let arms = match aim {
            Aim::Precision(..) => all_arms(experiment),
            Aim::Decision => sample.until_decided.iter().map(|name| named_arm(experiment, name)).collect(),
        };
        Ok(Some(Self { arms, aim, population: plan.population(), most: plan.most_respondents() }))
    }

    /// The people of the first round.
    pub(crate) fn first_round(&self) -> u64 {
        MIN_BEFORE_STOPPING.min(self.most)
    }

    /// What the round leads to that ends with `people` people. `accuracies` has those of each arm, by person, NaN for who has none.
    pub(crate) fn after(&self, people: u64, accuracies: &[Vec<f64>]) -> Decision {
        let asked: Vec<&[f64]> = accuracies.iter().map(|arm| first(arm, people)).collect();
        let (reached, next) = match &self.aim {
            Aim::Precision(width, groups) => match groups.needed(*width, &asked) {
                None => (Some(RoundsEnd::Precise), people),
                Some(needed) => (None, WidthRule::next_round(people, needed)),
            },
            Aim::Decision => (self.shown(&asked), people + (people / DECISION_GROWTH).max(MIN_ROUND)),
        };
        match reached {
            Some(end) => Decision::Stop(end),
            None if people >= self.most => Decision::Stop(RoundsEnd::NobodyIsLeft),
            None => Decision::GoOn(next.min(self.most)),
        }
    }

    /// Which of the two arms is better, as one sequence of tests shows that may be looked at after every person.
    fn shown(&self, asked: &[&[f64]]) -> Option<RoundsEnd> {
        let mut test = SequentialTest::new(0.0, self.population, Bounds::DIFFERENCE, ALPHA);
        for difference in differences(asked) {
            test.add(difference).expect("accuracies are shares");
        }
        test.shown().map(|shown| match shown {
            Shown::Above => RoundsEnd::FirstIsBetter,
            Shown::Below => RoundsEnd::SecondIsBetter,
        })
    }

    /// The mean difference of the two arms of a decision, with an interval that holds whenever the rounds stop.
    pub(crate) fn difference(&self, accuracies: &[Vec<f64>]) -> Option<(f64, Interval)> {
        let Aim::Decision = self.aim else { return None };
        let asked: Vec<&[f64]> = accuracies.iter().map(Vec::as_slice).collect();
        let mut sequence = ConfidenceSequence::new(self.population, Bounds::DIFFERENCE, ALPHA);
        let mut moments = Moments::default();
        for difference in differences(&asked) {
            sequence.add(difference).expect("accuracies are shares");
            moments.add(difference);
        }
        Some((moments.mean()?, sequence.interval()))
    }

    /// The widest half-width of all arms and groups of a precision; `None` where one of them has no interval yet.
    pub(crate) fn half_width(&self, accuracies: &[Vec<f64>]) -> Option<f64> {
        let Aim::Precision(_, groups) = &self.aim else { return None };
        let widths = accuracies.iter().flat_map(|arm| groups.half_widths(arm));
        widths.reduce(|one, other| Some(one?.max(other?))).flatten()
    }
}

fn first(values: &[f64], people: u64) -> &[f64] {
    &values[..usize::try_from(people).unwrap_or(usize::MAX).min(values.len())]
}

/// The differences of the people who have both accuracies, in their order.
fn differences<'a>(arms: &[&'a [f64]]) -> impl Iterator<Item = f64> + use<'a> {
    let [one, other] = [arms[0], arms[1]];
    one.iter().zip(other).map(|(one, other)| one - other).filter(|difference| !difference.is_nan())
}

impl Groups {
    /// Everybody together.
    fn everybody(plan: &Plan) -> Self {
        let everybody = everybody(plan);
        Self { of: vec![Some(0); plan.respondents().len()], populations: vec![everybody], everybody }
    }

    /// The groups of a column that can have as many people as a rule needs to stop.
    fn by(column: &Column, plan: &Plan, drawn_from: &[Respondent]) -> Result<Self, ColumnError> {
        let sizes = column.sizes(drawn_from.iter().copied());
        let mut place = vec![None; sizes.len()];
        let mut populations = Vec::new();
        for (group, &size) in sizes.iter().enumerate().filter(|&(_, &size)| size >= MIN_BEFORE_STOPPING) {
            place[group] = Some(populations.len());
            populations.push(size);
        }
        if populations.is_empty() {
            return Err(ColumnError::TooFewPeople { column: column.name.clone() });
        }
        let of = plan.respondents().iter().map(|&person| place[column.group(person)?]).collect();
        Ok(Self { of, populations, everybody: everybody(plan) })
    }

    fn moments(&self, accuracies: &[f64]) -> Vec<Moments> {
        let mut moments = vec![Moments::default(); self.populations.len()];
        for (&group, &accuracy) in self.of.iter().zip(accuracies) {
            if let Some(group) = group.filter(|_| !accuracy.is_nan()) {
                moments[group].add(accuracy);
            }
        }
        moments
    }

    /// How many people are needed in all until each group is known precisely enough, judged by what is known so far; `None` if
    /// each is.
    fn needed(&self, width: WidthRule, asked: &[&[f64]]) -> Option<u64> {
        let all = asked.iter().flat_map(|arm| self.moments(arm).into_iter().zip(&self.populations).collect::<Vec<_>>());
        let open = all.filter(|(moments, population)| {
            let population = Population::Finite(**population);
            let sample = Sample { people: moments.count(), population };
            moments.estimate(sample, Bounds::SHARE).is_none_or(|estimate| !width.is_met(&estimate, population))
        });
        open.map(|(moments, &population)| {
            let of_group = width.people_needed(&moments, Population::Finite(population)).unwrap_or(population);
            self.of_all(of_group, population)
        })
        .max()
    }

    /// Among how many people so many of a group are expected.
    fn of_all(&self, of_group: u64, population: u64) -> u64 {
        let among = (u128::from(of_group) * u128::from(self.everybody)).div_ceil(u128::from(population.max(1)));
        u64::try_from(among).unwrap_or(u64::MAX)
    }

    fn half_widths(&self, accuracies: &[f64]) -> Vec<Option<f64>> {
        let groups = self.moments(accuracies).into_iter().zip(&self.populations);
        groups
            .map(|(moments, &population)| {
                let sample = Sample { people: moments.count(), population: Population::Finite(population) };
                moments.estimate(sample, Bounds::SHARE).and_then(|estimate| WidthRule::half_width_of(&estimate))
            })
            .collect()
    }
}

/// How many people there are to draw from.
fn everybody(plan: &Plan) -> u64 {
    match plan.population() {
        Population::Finite(people) => people,
        Population::Unlimited => u64::MAX,
    }
}

/// All arms that ask a model.
fn all_arms(experiment: &Experiment) -> Vec<(Arm, Option<ModelId>)> {
    let models = (0..).map(ModelId).zip(&experiment.models);
    let methods = Method::table_order(&experiment.methods);
    models
        .flat_map(|(id, model)| {
            methods.iter().map(move |&method| (Arm::with_model(method, &model.name), Some(id))).collect::<Vec<_>>()
        })
        .collect()
}

fn named_arm(experiment: &Experiment, ArmName { method, model }: &ArmName) -> (Arm, Option<ModelId>) {
    let id = (0..).map(ModelId).zip(&experiment.models).find(|(_, known)| Some(&known.name) == model.as_ref());
    (Arm { method: *method, model: model.clone() }, id.map(|(id, _)| id))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const EVERYBODY: u64 = 2_000;

    fn arm(method: Method) -> (Arm, Option<ModelId>) {
        (Arm::with_model(method, "m"), Some(ModelId(0)))
    }

    fn rule(aim: Aim, most: u64) -> Rule {
        let arms = vec![arm(Method::ValueSim), arm(Method::FullInfo)];
        Rule { arms, aim, population: Population::Finite(EVERYBODY), most }
    }

    fn precision(half_width: f64, of: Vec<Option<usize>>, populations: Vec<u64>) -> Aim {
        Aim::Precision(WidthRule { half_width }, Groups { of, populations, everybody: EVERYBODY })
    }

    fn of_everybody(half_width: f64, most: usize) -> Rule {
        rule(precision(half_width, vec![Some(0); most], vec![EVERYBODY]), most as u64)
    }

    /// Numbers that look drawn, from `least` to `least` + 0.5.
    fn drawn(people: usize, seed: usize, least: f64) -> Vec<f64> {
        let number = |person: usize| ((person + 1) * (seed + 7)).wrapping_mul(2_654_435_761) >> 9 & 1_023;
        (0..people).map(|person| least + number(person) as f64 / 2_046.0).collect()
    }

    /// The people of all rounds, and how they end.
    fn rounds(rule: &Rule, accuracies: &[Vec<f64>]) -> (Vec<u64>, RoundsEnd) {
        let mut people = vec![rule.first_round()];
        loop {
            match rule.after(people[people.len() - 1], accuracies) {
                Decision::GoOn(next) => people.push(next),
                Decision::Stop(end) => return (people, end),
            }
        }
    }

    #[test]
    fn a_precise_run_is_as_precise_as_it_is_to_be_and_its_last_round_was_needed() {
        let rule = of_everybody(0.015, 2_000);
        let accuracies = [drawn(2_000, 1, 0.2), drawn(2_000, 2, 0.4)];
        let (people, end) = rounds(&rule, &accuracies);
        assert_eq!(end, RoundsEnd::Precise);
        let reached = |people: u64| {
            let asked = accuracies.each_ref().map(|arm| first(arm, people).to_vec());
            rule.half_width(&asked).expect("people")
        };
        let [.., before, last] = people[..] else { panic!("one round: {people:?}") };
        assert!(reached(last) <= 0.015 && reached(before) > 0.015, "{people:?}");
        assert!(people.len() < 8 && last < 400, "few rounds, and few too many people: {people:?}");
    }

    #[test]
    fn rounds_begin_with_fifty_people_and_end_with_the_last_who_may_be_asked() {
        let alike = [vec![0.5; 300], vec![0.25; 300]];
        assert_eq!(rounds(&of_everybody(0.4, 300), &alike), (vec![50], RoundsEnd::Precise));
        let various = [drawn(300, 1, 0.2), drawn(300, 2, 0.4)];
        let (people, end) = rounds(&of_everybody(1e-6, 300), &various);
        assert_eq!((people.last(), end), (Some(&300), RoundsEnd::NobodyIsLeft));
        let mut small = of_everybody(1e-6, 30);
        small.population = Population::Finite(30);
        small.aim = precision(1e-6, vec![Some(0); 30], vec![30]);
        assert_eq!(rounds(&small, &various), (vec![30], RoundsEnd::Precise), "everybody was asked");
    }

    #[test]
    fn each_group_gets_fifty_people_of_its_own() {
        let tenth: Vec<Option<usize>> = (0..2_000).map(|person| Some(usize::from(person % 10 == 0))).collect();
        let rule = rule(precision(0.4, tenth, vec![1_800, 200]), 2_000);
        let (people, end) = rounds(&rule, &[drawn(2_000, 1, 0.2), drawn(2_000, 2, 0.4)]);
        assert_eq!((people, end), (vec![50, 100, 200, 400, 500], RoundsEnd::Precise));
    }

    #[test]
    fn who_belongs_to_no_group_and_who_has_no_accuracy_counts_nowhere() {
        let mut of = vec![Some(0); 200];
        of[..40].fill(None);
        let mut one = drawn(200, 1, 0.2);
        one[40..50].fill(f64::NAN);
        let rule = rule(precision(0.4, of, vec![EVERYBODY]), 200);
        assert_eq!(rounds(&rule, &[one, drawn(200, 2, 0.4)]), (vec![50, 100], RoundsEnd::Precise));
    }

    #[test]
    fn a_decision_names_the_better_arm_whichever_stands_first() {
        let (good, bad) = (drawn(400, 1, 0.4), drawn(400, 2, 0.2));
        let decision = rule(Aim::Decision, 400);
        let (people, end) = rounds(&decision, &[good.clone(), bad.clone()]);
        assert_eq!(end, RoundsEnd::FirstIsBetter);
        assert_eq!(rounds(&decision, &[bad.clone(), good.clone()]), (people.clone(), RoundsEnd::SecondIsBetter));
        let asked = [good, bad].map(|arm| first(&arm, people[people.len() - 1]).to_vec());
        let (mean, interval) = decision.difference(&asked).expect("people");
        assert!(0.0 < interval.lower && interval.contains(mean), "{interval:?}");
    }

    #[test]
    fn arms_that_are_the_same_stay_undecided() {
        let same = drawn(200, 1, 0.4);
        let (people, end) = rounds(&rule(Aim::Decision, 200), &[same.clone(), same]);
        assert_eq!((people.last(), end), (Some(&200), RoundsEnd::NobodyIsLeft));
        assert_eq!(people[..7], [50, 60, 70, 80, 90, 100, 110], "a tenth, at least ten");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn a_decision_depends_on_nobody_who_was_not_asked(seed in 0_usize..1_000, people in 50_u64..150, half_width in 0.01..0.1_f64) {
            let (some, others) = (drawn(300, seed, 0.2), drawn(300, seed + 1, 0.25));
            let changed = |arm: &[f64]| -> Vec<f64> { [first(arm, people), &vec![0.99; 150]].concat() };
            for rule in [of_everybody(half_width, 300), rule(Aim::Decision, 300)] {
                let decision = rule.after(people, &[some.clone(), others.clone()]);
                prop_assert_eq!(decision, rule.after(people, &[changed(&some), changed(&others)]));
                if let Decision::GoOn(next) = decision {
                    prop_assert!(people < next && next <= 300 && next <= 2 * people);
                }
            }
        }
    }
}
