//! Results with something in every section, for the tests of reports.

use valuesim_shared::codebook::{AnswerOption, Category, Level};
use valuesim_shared::id::{Code, QuestionId, Respondent};
use valuesim_shared::method::{Method, Module};

use crate::call_dates::{CallDates, Day};
use crate::results::{
    Agreement, Breakdown, Calibration, CalibrationGroup, Comparison, CoordinatorResults, DistanceKind, Estimate,
    Extremes, GroupArm, GroupDifference, GroupResults, HelpAndHarm, Interval, IntervalKind, Measure, ModuleResults,
    ModuleScore, NoInterval, PairedTest, PeopleResults, Person, Power, QuestionArm, QuestionResults, Results,
    Uncertainty, Verdict,
};
use crate::score::Arm;

/// The results of a run in which every name of others is `name`.
pub(super) fn full(name: &str) -> Results {
    let mut results = crate::fixture::results(name);
    let arm = results.arms[0].arm.clone();
    let baseline = Arm::without_model(Method::Mode);
    results.provenance = vec!["valuesim 0.1.0".to_owned(), "survey digest: 6b1f".to_owned()];
    let day = |text: &str| text.parse::<Day>().expect("a day");
    results.call_dates = Some(CallDates { first: day("2026-11-27"), last: day("2026-12-03") });
    results.questions = vec![question(name, 0, results.arms.len()), question(name, 1, results.arms.len())];
    results.breakdowns = vec![breakdown(name, &arm, results.arms.len())];
    results.calibration = vec![calibration(name)];
    results.people = vec![people(name, &arm)];
    results.modules = vec![modules(&arm)];
    results.comparisons = vec![comparison(&arm, &baseline, None), comparison(&arm, &baseline, Some(Category::Trust))];
    results.power = vec![Power {
        arm,
        against: baseline,
        measure: Measure::Mae,
        persons: 4,
        detectable_difference: 0.21,
        persons_for_a_hundredth: Some(1800),
    }];
    results
}

fn estimate(mean: f64) -> Estimate {
    Estimate { persons: 4, mean, standard_error: Some(0.05), uncertainty: interval(mean), stratified_degrees: None }
}

fn interval(mean: f64) -> Uncertainty {
    Uncertainty::Interval(Interval { lower: mean - 0.1, upper: mean + 0.1, kind: IntervalKind::StudentT })
}

fn question(name: &str, at: usize, arms: usize) -> QuestionResults {
    let option = |code| AnswerOption { code: Code(code), label: format!("{name} {code}") };
    let arm = |place: usize| QuestionArm {
        counted: 4,
        accuracy: Some(estimate(0.2 + 0.1 * (at + place) as f64)),
        mae: Some(0.3),
        predicted: vec![1, 2, 1],
        invalid: 0,
        distance: Some(0.12),
        variance_ratio: (place == 0).then_some(0.7),
        by_country: None,
        confusion: if place < 2 { vec![vec![1, 1, 0], vec![0, 1, 0], vec![0, 0, 1]] } else { Vec::new() },
    };
    QuestionResults {
        question: QuestionId::all().nth(at).expect("there are 290 questions"),
        text: format!("Do you trust {name}?"),
        category: Category::Trust,
        level: Level::Ordinal,
        options: vec![option(1), option(2), option(3)],
        truth: vec![2, 1, 1],
        distance_kind: DistanceKind::Wasserstein,
        arms: (0..arms).map(arm).collect(),
    }
}

fn breakdown(name: &str, arm: &Arm, arms: usize) -> Breakdown {
    let scores = |mean| GroupArm {
        accuracy: Some(estimate(mean)),
        mae: Some(Estimate {
            standard_error: None,
            uncertainty: Uncertainty::NoInterval(NoInterval::OnePerson),
            ..estimate(1.0 - mean)
        }),
        wasserstein: Some(0.1),
        jensen_shannon: None,
    };
    let group = |(value, persons): (usize, u64)| GroupResults {
        value: value.to_string(),
        label: format!("{name} {value}"),
        persons,
        population: None,
        few: persons < 15,
        arms: vec![scores(0.4 + 0.1 * value as f64); arms],
    };
    let difference = |difference, verdict| GroupDifference {
        label: name.to_owned(),
        persons: 20,
        difference,
        p_holm: Some(0.01),
        verdict,
    };
    Breakdown {
        column: "Q260".to_owned(),
        title: format!("sex {name}"),
        persons_without: 1,
        groups: [(1, 20), (2, 3)].map(group).to_vec(),
        groups_left_out: 2,
        extremes: vec![Extremes {
            arm: arm.clone(),
            measure: Measure::Accuracy,
            compared: 2,
            best: vec![difference(0.08, Verdict::Better)],
            worst: vec![difference(-0.08, Verdict::NotDistinguishable)],
        }],
    }
}

fn calibration(name: &str) -> Calibration {
    let group = |label: &str, scored| CalibrationGroup {
        label: label.to_owned(),
        scored,
        scored_share: scored as f64 / 4.0,
        file: 1000,
        file_share: 0.5,
    };
    let groups = vec![group(name, 3), group("no answer", 1)];
    Calibration { column: "Q260".to_owned(), title: "sex".to_owned(), groups, distance: 0.25 }
}

fn people(name: &str, arm: &Arm) -> PeopleResults {
    let person = |row: usize, correct: u64| Person {
        respondent: Respondent::from_index(row - 1),
        about: vec![("country".to_owned(), name.to_owned())],
        counted: 200,
        correct,
        accuracy: correct as f64 / 200.0,
        mae: Some(0.2),
    };
    let mut histogram = vec![0; 20];
    (histogram[9], histogram[12]) = (3, 1);
    PeopleResults {
        arm: arm.clone(),
        accuracy_histogram: histogram,
        best: vec![person(7, 122)],
        worst: vec![person(3, 94)],
    }
}

fn modules(arm: &Arm) -> ModuleResults {
    let module = |module| ModuleScore { module, valid: 1000, with_truth: 900, correct: 450 };
    let helped = HelpAndHarm { compared: 100, helped: 9, harmed: 5 };
    ModuleResults {
        arm: arm.clone(),
        modules: Module::ALL.map(module).to_vec(),
        agreement: Agreement { all_equal: 700, two_equal: 250, all_differ: 40, one_valid: 8, none_valid: 2 },
        coordinator: Some(CoordinatorResults {
            asked: 290,
            valid: 288,
            followed_majority: 200,
            followed_minority: 50,
            followed_one: 30,
            own_answer: 8,
            against_majority: helped,
            against_average: helped,
        }),
    }
}

fn comparison(arm: &Arm, against: &Arm, category: Option<Category>) -> Comparison {
    Comparison {
        arm: arm.clone(),
        against: against.clone(),
        category,
        measure: Measure::Mae,
        persons: 4,
        difference: -0.05,
        uncertainty: interval(-0.05),
        adjusted_uncertainty: interval(-0.05),
        test: Some(PairedTest { t: Some(-3.1), p: 0.0001, p_holm: 0.0004, wilcoxon_p: Some(0.02), effect_size: None }),
        verdict: Verdict::Better,
    }
}
