//! How each question was answered and predicted, and how near the predicted distributions are to the true ones.

use valuesim_shared::codebook::Question;
use valuesim_shared::method::Method;

use super::distribution::{Distances, mean};
use super::groups::{COUNTRY, Column};
use super::parallel::in_parallel;
use super::scored::Scored;
use crate::results::{ByCountry, DistanceKind, DistributionSummary, MIN_GROUP_PEOPLE, QuestionArm, QuestionResults};
use crate::score::Tally;
use crate::statistics::{Bounds, Estimate, Moments};

/// Group 0 is everybody.
const EVERYBODY: usize = 0;

/// The results of all questions with options that anybody was asked.
pub(super) fn questions(scored: &Scored<'_>) -> Vec<QuestionResults> {
    let countries = Countries::of(scored);
    let found = in_parallel(scored.of.codebook.questions(), |question| results(scored, question, countries.as_ref()));
    found.into_iter().flatten().collect()
}

/// The countries with enough people for a distance.
struct Countries<'a> {
    column: &'a Column,
    large: Vec<usize>,
}

impl<'a> Countries<'a> {
    /// `None` if people have no countries.
    fn of(scored: &Scored<'a>) -> Option<Self> {
        let column = scored.columns.iter().find(|column| column.name == COUNTRY)?;
        let sizes = column.sizes(scored.people.iter().map(|person| person.respondent));
        let large = (0..column.groups.len()).filter(|&group| sizes[group] >= MIN_GROUP_PEOPLE).collect();
        Some(Self { column, large })
    }
}

fn results(scored: &Scored<'_>, question: &Question, countries: Option<&Countries<'_>>) -> Option<QuestionResults> {
    let distances = Distances::of(question)?;
    let truth = scored.counts.answers.truth(EVERYBODY, question.id).to_vec();
    if truth.iter().all(|&count| count == 0) {
        return None;
    }
    let arm = |arm| question_arm(scored, &distances, countries, arm);
    Some(QuestionResults {
        question: question.id,
        text: question.text.clone(),
        category: question.category,
        level: question.level,
        options: question.options.clone(),
        truth: truth.into_iter().map(u64::from).collect(),
        distance_kind: distances.kind,
        arms: (0..scored.arms.len()).map(arm).collect(),
    })
}

fn question_arm(
    scored: &Scored<'_>,
    distances: &Distances<'_>,
    countries: Option<&Countries<'_>>,
    arm: usize,
) -> QuestionArm {
    let question = distances.question;
    let tally = scored.counts.scorers[arm].question(question.id);
    let confusion: Vec<&[u32]> = scored.counts.answers.confusion(question.id, arm).collect();
    let draws_answers = scored.arms[arm].arm.method != Method::Chance;
    let asks_model = scored.arms[arm].model.is_some();
    let predicted = scored.counts.answers.predicted(EVERYBODY, question.id, arm);
    let overall = distances.find(scored, EVERYBODY, arm);
    let counts = |row: &&[u32]| row[..question.options.len()].iter().map(|&count| count.into()).collect();
    QuestionArm {
        counted: tally.counted,
        accuracy: accuracy(scored, arm, tally),
        mae: tally.mae(),
        predicted: if draws_answers { predicted.iter().map(|&count| count.into()).collect() } else { Vec::new() },
        invalid: confusion.iter().filter_map(|row| row.last()).map(|&count| u64::from(count)).sum(),
        distance: overall.map(|found| found.distance),
        variance_ratio: overall.and_then(|found| found.variance_ratio),
        by_country: countries.and_then(|countries| by_country(scored, distances, countries, arm)),
        confusion: if asks_model { confusion.iter().map(counts).collect() } else { Vec::new() },
    }
}

/// The share of right answers to one question, one from each person. What chance expects is the same share of each.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count of right answers is whole")]
fn accuracy(scored: &Scored<'_>, arm: usize, tally: &Tally) -> Option<Estimate> {
    let moments = if scored.arms[arm].arm.method == Method::Chance {
        repeated(tally.correct / tally.counted as f64, tally.counted)
    } else {
        let right = tally.correct as u64;
        let mut moments = repeated(1.0, right);
        moments.merge(&repeated(0.0, tally.counted - right));
        moments
    };
    moments.estimate(scored.sample(), Bounds::SHARE)
}

/// The moments of one value that occurs so often.
fn repeated(value: f64, count: u64) -> Moments {
    let (mut all, mut power, mut left) = (Moments::default(), Moments::of(&[value]), count);
    while left > 0 {
        if left % 2 == 1 {
            all.merge(&power);
        }
        let same = power;
        power.merge(&same);
        left /= 2;
    }
    all
}

fn by_country(
    scored: &Scored<'_>,
    distances: &Distances<'_>,
    countries: &Countries<'_>,
    arm: usize,
) -> Option<ByCountry> {
    let column = countries.column;
    let of_country = |&group: &usize| Some((group, distances.find(scored, column.first + group, arm)?));
    let found: Vec<_> = countries.large.iter().filter_map(of_country).collect();
    let worst = found.iter().max_by(|(_, one), (_, other)| one.distance.total_cmp(&other.distance))?;
    Some(ByCountry {
        countries: found.len() as u64,
        mean_distance: mean(found.iter().map(|(_, found)| found.distance))?,
        worst: column.groups[worst.0].value.clone(),
        worst_distance: worst.1.distance,
        mean_variance_ratio: mean(found.iter().filter_map(|(_, found)| found.variance_ratio)),
    })
}

/// An arm's distances over all questions.
pub(super) fn distribution(questions: &[QuestionResults], arm: usize) -> DistributionSummary {
    let of_kind =
        |kind| questions.iter().filter(move |question| question.distance_kind == kind).map(move |q| &q.arms[arm]);
    let count = |kind| of_kind(kind).filter(|arm| arm.distance.is_some()).count() as u64;
    let overall = |kind| mean(of_kind(kind).filter_map(|arm| arm.distance));
    let within = |kind| mean(of_kind(kind).filter_map(|arm| Some(arm.by_country.as_ref()?.mean_distance)));
    let mut ratios: Vec<f64> = questions.iter().filter_map(|question| question.arms[arm].variance_ratio).collect();
    ratios.sort_unstable_by(f64::total_cmp);
    let (scale, nominal) = (DistanceKind::Wasserstein, DistanceKind::JensenShannon);
    let is_one = |question: &&QuestionResults| {
        let predicted = &question.arms[arm].predicted;
        predicted.iter().filter(|&&count| count > 0).count() == 1
    };
    DistributionSummary {
        scale_questions: count(scale),
        wasserstein: overall(scale),
        nominal_questions: count(nominal),
        jensen_shannon: overall(nominal),
        wasserstein_within_countries: within(scale),
        jensen_shannon_within_countries: within(nominal),
        variance_ratio: ratios.get(ratios.len() / 2).map(|&upper| f64::midpoint(ratios[(ratios.len() - 1) / 2], upper)),
        questions_with_one_prediction: questions.iter().filter(is_one).count() as u64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeated_values_have_the_moments_of_a_list() {
        for count in [0, 1, 2, 3, 7, 100, 1023] {
            let list = vec![0.25; usize::try_from(count).expect("small")];
            assert_eq!(repeated(0.25, count), Moments::of(&list));
        }
    }
}
