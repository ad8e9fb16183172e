//! The sections of the report on tests between arms, groups of people, distributions, modules and calibration.

use super::markdown_table::table;
use crate::grouped::grouped;
use crate::results::{Comparison, HelpAndHarm, ModuleResults, Results, Uncertainty};
use crate::table::{label, number, percent, probability};

/// A section with a table, or nothing where there are no rows.
fn section(heading: &str, header: &[&str], rows: Vec<Vec<String>>, note: &str) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let header = header.iter().map(|&name| name.to_owned()).collect();
    format!("## {heading}\n\n{}\n\n{note}", table(header, rows))
}

/// The tests between arms, overall.
pub(super) fn comparisons(results: &Results) -> String {
    let row = |comparison: &Comparison| {
        let test = comparison.test.as_ref();
        vec![
            label(results, &comparison.arm),
            label(results, &comparison.against),
            comparison.measure.name().to_owned(),
            grouped(comparison.persons),
            signed(comparison.difference) + &ends(comparison.uncertainty),
            test.map_or_else(|| "-".to_owned(), |test| probability(test.p_holm)),
            test.and_then(|test| test.wilcoxon_p).map_or_else(|| "-".to_owned(), probability),
            test.and_then(|test| test.effect_size).map_or_else(|| "-".to_owned(), signed),
            comparison.verdict.to_string(),
        ]
    };
    let overall = results.comparisons.iter().filter(|comparison| comparison.category.is_none());
    section(
        "Which arm is better",
        &["Arm", "Against", "Measure", "People", "Difference", "p (Holm)", "p (Wilcoxon)", "Effect size", "The arm is"],
        overall.map(row).collect(),
        "Paired t tests on the people whom both arms predicted, overall; `results.json` also has the categories. Holm's correction \
         is over all comparisons of a measure, Wilcoxon's test stands beside without it. Below ten people there is no verdict.",
    )
}

fn signed(value: f64) -> String {
    format!("{value:+.3}")
}

fn ends(uncertainty: Uncertainty) -> String {
    uncertainty
        .interval()
        .map_or_else(String::new, |interval| format!(" ({:+.3} to {:+.3})", interval.lower, interval.upper))
}

/// The groups that are predicted better and worse than everybody else.
pub(super) fn groups(results: &Results) -> String {
    let mut rows = Vec::new();
    for breakdown in &results.breakdowns {
        for extremes in &breakdown.extremes {
            let groups = |list: &[crate::results::GroupDifference]| {
                let named = list.iter().map(|group| format!("{} ({})", group.label, signed(group.difference)));
                if list.is_empty() { "-".to_owned() } else { named.collect::<Vec<_>>().join(", ") }
            };
            if extremes.compared > 1 {
                rows.push(vec![
                    breakdown.title.clone(),
                    label(results, &extremes.arm),
                    extremes.measure.name().to_owned(),
                    extremes.compared.to_string(),
                    groups(&extremes.best),
                    groups(&extremes.worst),
                ]);
            }
        }
    }
    section(
        "Who is simulated well, and who is not",
        &["By", "Arm", "Measure", "Groups compared", "Better than everybody else", "Worse than everybody else"],
        rows,
        "Groups of at least 15 people against everybody else (Welch's test, Holm's correction over the groups of a column); in \
         brackets the difference of the mean scores. `results.json` has every group's scores.",
    )
}

/// How near the predicted distributions are to the true ones.
pub(super) fn distributions(results: &Results) -> String {
    let row = |arm: &crate::results::ArmResults| {
        let found = &arm.distribution;
        vec![
            label(results, &arm.arm),
            number(found.wasserstein),
            number(found.wasserstein_within_countries),
            number(found.jensen_shannon),
            number(found.jensen_shannon_within_countries),
            number(found.variance_ratio),
            found.questions_with_one_prediction.to_string(),
        ]
    };
    let any = results.arms.iter().any(|arm| arm.distribution.scale_questions + arm.distribution.nominal_questions > 0);
    let rows = if any { results.model_arms().chain(results.no_model_arms()).map(row).collect() } else { Vec::new() };
    section(
        "Distributions of answers",
        &[
            "Arm",
            "Wasserstein",
            "within countries",
            "Jensen-Shannon",
            "within countries",
            "Variance ratio",
            "Questions with one prediction",
        ],
        rows,
        "Mean distance between the distributions of predicted and true answers, over questions: Wasserstein with a scale, \
         Jensen-Shannon without; 0 is the same distribution. The variance ratio (median over questions) is below 1 where predicted \
         people are more alike than real ones.",
    )
}

/// How often modules agree, and what the coordinator makes of it.
pub(super) fn modules(results: &Results) -> String {
    let row = |found: &ModuleResults| {
        let agreement = &found.agreement;
        let all = agreement.all_equal
            + agreement.two_equal
            + agreement.all_differ
            + agreement.one_valid
            + agreement.none_valid;
        let share = |count: u64, of: u64| percent((of > 0).then(|| count as f64 / of as f64));
        let coordinator = found.coordinator.unwrap_or_default();
        let help = |against: HelpAndHarm| match against.compared {
            0 => "-".to_owned(),
            compared => format!("{} / {}", share(against.helped, compared), share(against.harmed, compared)),
        };
        vec![
            label(results, &found.arm),
            share(agreement.all_equal, all),
            share(agreement.two_equal, all),
            share(agreement.all_differ, all),
            share(coordinator.asked, all),
            share(coordinator.followed_majority, coordinator.followed_majority + coordinator.followed_minority),
            help(coordinator.against_majority),
            help(coordinator.against_average),
        ]
    };
    section(
        "Modules and coordinator",
        &[
            "Arm",
            "All equal",
            "Two equal",
            "All differ",
            "Coordinator asked",
            "Followed the majority",
            "Helped / harmed against the majority",
            "against the average",
        ],
        results.modules.iter().map(row).collect(),
        "Shares of predictions. `Followed the majority` is the share of the coordinator's choices between two modules and a third; \
         `helped` and `harmed` are shares of its answers where it is right and the rule wrong, and the other way round.",
    )
}

/// How far the scored people are from those of the file.
pub(super) fn calibration(results: &Results) -> String {
    let rows = results.calibration.iter().map(|column| {
        let most = column.groups.iter().max_by(|one, other| {
            let gap = |group: &crate::results::CalibrationGroup| (group.scored_share - group.file_share).abs();
            gap(one).total_cmp(&gap(other))
        });
        let gap = most.map_or_else(
            || "-".to_owned(),
            |group| {
                let [scored, file] = [group.scored_share, group.file_share].map(|share| percent(Some(share)));
                format!("{}: {scored} beside {file}", group.label)
            },
        );
        vec![column.title.clone(), percent(Some(column.distance)), gap]
    });
    section(
        "The scored people beside those of the file",
        &["By", "Would have to be exchanged", "Largest gap"],
        rows.collect(),
        "The share of people who would have to be exchanged for the sample to have the file's shares.",
    )
}
