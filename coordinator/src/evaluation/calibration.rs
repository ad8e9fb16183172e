//! Whether the scored people are like those of the survey file.

use super::groups::Column;
use super::scored::Scored;
use crate::results::{Calibration, CalibrationGroup, MAX_GROUPS};

/// The name of those without a value.
const NO_ANSWER: &str = "no answer";

/// The scored people beside those of the file, column by column.
pub(super) fn calibration(scored: &Scored<'_>) -> Vec<Calibration> {
    scored.columns.iter().filter(|_| !scored.people.is_empty()).map(|column| of_column(scored, column)).collect()
}

fn of_column(scored: &Scored<'_>, column: &Column) -> Calibration {
    let file = scored.of.survey.respondents();
    let in_file = column.sizes(scored.of.survey.everybody());
    let in_sample = column.sizes(scored.people.iter().map(|person| person.respondent));
    let without = |all: usize, sizes: &[u64]| all as u64 - sizes.iter().sum::<u64>();
    let rest = (without(scored.people.len(), &in_sample), without(file, &in_file));
    let named = column.groups.iter().zip(in_sample.into_iter().zip(in_file));
    let named = named.map(|(name, counts)| (name.label.as_str(), counts));
    let group = |(label, (in_sample, in_file)): (&str, (u64, u64))| CalibrationGroup {
        label: label.to_owned(),
        scored: in_sample,
        scored_share: in_sample as f64 / scored.people.len() as f64,
        file: in_file,
        file_share: in_file as f64 / file as f64,
    };
    let all: Vec<CalibrationGroup> = named.chain([(NO_ANSWER, rest)]).map(group).collect();
    let distance = all.iter().map(|group| (group.scored_share - group.file_share).abs()).sum::<f64>() / 2.0;
    Calibration { column: column.name.clone(), title: column.title.clone(), groups: largest(all), distance }
}

/// The groups with the most people in the file, in the order of their values.
fn largest(groups: Vec<CalibrationGroup>) -> Vec<CalibrationGroup> {
    let mut order: Vec<(usize, CalibrationGroup)> = groups.into_iter().enumerate().collect();
    order.retain(|(_, group)| group.file > 0);
    order.sort_by_key(|(_, group)| std::cmp::Reverse(group.file));
    order.truncate(MAX_GROUPS);
    order.sort_unstable_by_key(|(at, _)| *at);
    order.into_iter().map(|(_, group)| group).collect()
}
