//! How far an arm's predicted distribution of answers is from the true one, for one question in one group.

use valuesim_shared::codebook::{Level, Question};
use valuesim_shared::method::Method;

use super::scored::Scored;
use crate::results::DistanceKind;
use crate::statistics::{jensen_shannon, variance_ratio, wasserstein};

/// A question as distances between distributions see it.
pub(super) struct Distances<'a> {
    pub(super) question: &'a Question,
    pub(super) kind: DistanceKind,
    /// For each code of the scale, its rank among the options; all options if there is no scale.
    ranks: Vec<usize>,
    /// The places of these on the scale, from 0 to 1.
    positions: Vec<f64>,
}

/// A distance and a variance ratio.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Found {
    pub(super) distance: f64,
    pub(super) variance_ratio: Option<f64>,
}

impl<'a> Distances<'a> {
    /// `None` for open questions.
    pub(super) fn of(question: &'a Question) -> Option<Self> {
        if question.options.is_empty() {
            return None;
        }
        let has_scale = matches!(question.level, Level::Ordinal | Level::Binary) && question.scale.len() > 1;
        let rank = |code| question.options.iter().position(|option| option.code == code);
        let ranks: Vec<usize> = if has_scale {
            question.scale.iter().filter_map(|&code| rank(code)).collect()
        } else {
            (0..question.options.len()).collect()
        };
        let last = ranks.len().saturating_sub(1).max(1) as f64;
        let positions = (0..ranks.len()).map(|at| at as f64 / last).collect();
        let kind = if has_scale { DistanceKind::Wasserstein } else { DistanceKind::JensenShannon };
        Some(Self { question, kind, ranks, positions })
    }

    /// The distance for an arm in a group; `None` if nobody of the group has a true and a predicted answer on the scale.
    pub(super) fn find(&self, scored: &Scored<'_>, group: usize, arm: usize) -> Option<Found> {
        let answers = &scored.counts.answers;
        let truth = self.shares(answers.truth(group, self.question.id));
        let predicted = match scored.arms[arm].arm.method {
            // What a guess is expected to be.
            Method::Chance => vec![1.0; self.ranks.len()],
            _ => self.shares(answers.predicted(group, self.question.id, arm)),
        };
        Some(match self.kind {
            DistanceKind::Wasserstein => Found {
                distance: wasserstein(&self.positions, &predicted, &truth)?,
                variance_ratio: variance_ratio(&self.positions, &predicted, &truth),
            },
            DistanceKind::JensenShannon => {
                Found { distance: jensen_shannon(&predicted, &truth)?, variance_ratio: None }
            }
        })
    }

    fn shares(&self, counts: &[u32]) -> Vec<f64> {
        self.ranks.iter().map(|&rank| f64::from(counts[rank])).collect()
    }
}

/// The mean of some numbers; `None` if there are none.
pub(super) fn mean(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let (mut sum, mut count) = (0.0, 0_u64);
    for value in values {
        sum += value;
        count += 1;
    }
    (count > 0).then(|| sum / count as f64)
}
