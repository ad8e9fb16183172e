//! Scores of groups of people, and which groups are predicted better or worse than everybody else.

use super::distribution::{Distances, mean};
use super::groups::Column;
use super::parallel::in_parallel;
use super::scored::{Scored, direction};
use crate::results::{
    Breakdown, DistanceKind, Extremes, GroupArm, GroupDifference, GroupResults, MAX_GROUPS, MIN_GROUP_PEOPLE, Measure,
    Verdict,
};
use crate::statistics::{Difference, Moments, Population, Sample, judge, rests};

/// How many of the best and of the worst groups are listed.
const LISTED: usize = 5;

/// One column's groups with their people.
struct Grouped<'a> {
    scored: &'a Scored<'a>,
    /// All questions with options.
    distances: &'a [Distances<'a>],
    column: &'a Column,
    /// Scored people of each group.
    sizes: Vec<u64>,
    /// People of each group among those from whom the sample was drawn.
    populations: Option<Vec<u64>>,
}

/// The scores of all columns' groups.
pub(super) fn breakdowns(scored: &Scored<'_>) -> Vec<Breakdown> {
    let drawn_from = scored.drawn_from();
    let distances: Vec<Distances<'_>> = scored.of.codebook.questions().iter().filter_map(Distances::of).collect();
    in_parallel(scored.columns, |column| {
        let sizes = column.sizes(scored.people.iter().map(|person| person.respondent));
        let populations = drawn_from.as_ref().map(|people| column.sizes(people.iter().copied()));
        Grouped { scored, distances: &distances, column, sizes, populations }.breakdown()
    })
}

impl Grouped<'_> {
    fn breakdown(&self) -> Breakdown {
        let moments = self.moments();
        let mut groups: Vec<usize> = (0..self.sizes.len()).filter(|&group| self.sizes[group] > 0).collect();
        let all = groups.len();
        // The largest, in the order of their values.
        groups.sort_by_key(|&group| std::cmp::Reverse(self.sizes[group]));
        groups.truncate(MAX_GROUPS);
        groups.sort_unstable();
        let grouped: u64 = self.sizes.iter().sum();
        Breakdown {
            column: self.column.name.clone(),
            title: self.column.title.clone(),
            persons_without: self.scored.people.len() as u64 - grouped,
            groups_left_out: (all - groups.len()) as u64,
            groups: groups.into_iter().map(|group| self.group(group, &moments)).collect(),
            extremes: self.extremes(&moments),
        }
    }

    /// The moments of people's scores by arm and measure, then group.
    fn moments(&self) -> Vec<[Vec<Moments>; 2]> {
        let of_arm = |arm| Measure::ALL.map(|measure| self.moments_of(arm, measure));
        (0..self.scored.arms.len()).map(of_arm).collect()
    }

    fn moments_of(&self, arm: usize, measure: Measure) -> Vec<Moments> {
        let mut moments = vec![Moments::default(); self.sizes.len()];
        let people = self.scored.people.iter().zip(self.scored.counts.scorers[arm].people());
        for (person, score) in people {
            let group = self.column.group(person.respondent);
            if let Some((group, score)) = group.zip(score.score(None, measure)) {
                moments[group].add(score);
            }
        }
        moments
    }

    /// Of whom a group's people are a sample.
    fn sample(&self, group: usize) -> Sample {
        match &self.populations {
            Some(populations) => {
                Sample { people: self.sizes[group], population: Population::Finite(populations[group]) }
            }
            None => Sample::of_unlimited(self.sizes[group]),
        }
    }

    fn group(&self, group: usize, moments: &[[Vec<Moments>; 2]]) -> GroupResults {
        let arm = |(arm, of_arm): (usize, &[Vec<Moments>; 2])| {
            let scorer = &self.scored.counts.scorers[arm];
            let [accuracy, mae] =
                [0, 1].map(|at| of_arm[at][group].estimate(self.sample(group), scorer.bounds(Measure::ALL[at])));
            let [wasserstein, jensen_shannon] = self.distances(group, arm);
            GroupArm { accuracy, mae, wasserstein, jensen_shannon }
        };
        let name = &self.column.groups[group];
        GroupResults {
            value: name.value.clone(),
            label: name.label.clone(),
            persons: self.sizes[group],
            population: self.populations.as_ref().map(|populations| populations[group]),
            few: self.sizes[group] < MIN_GROUP_PEOPLE,
            arms: moments.iter().enumerate().map(arm).collect(),
        }
    }

    /// The mean distances over questions with and without a scale.
    fn distances(&self, group: usize, arm: usize) -> [Option<f64>; 2] {
        let found = self.distances.iter().filter_map(|distances| {
            Some((distances.kind, distances.find(self.scored, self.column.first + group, arm)?.distance))
        });
        let found: Vec<(DistanceKind, f64)> = found.collect();
        [DistanceKind::Wasserstein, DistanceKind::JensenShannon]
            .map(|kind| mean(found.iter().filter(|(of_kind, _)| *of_kind == kind).map(|&(_, distance)| distance)))
    }

    fn extremes(&self, moments: &[[Vec<Moments>; 2]]) -> Vec<Extremes> {
        let arms = self.scored.model_arms().into_iter();
        arms.flat_map(|arm| [0, 1].map(|at| self.extremes_of(arm, Measure::ALL[at], &moments[arm][at]))).collect()
    }

    /// Each group with enough people against everybody else who has a group.
    fn extremes_of(&self, arm: usize, measure: Measure, moments: &[Moments]) -> Extremes {
        let bounds = self.scored.counts.scorers[arm].bounds(measure);
        let rests = rests(moments);
        let (grouped, people) = (self.sizes.iter().sum::<u64>(), self.populations.as_ref().map(|all| all.iter().sum()));
        let rest_sample = |group: usize| match (people, &self.populations) {
            (Some(people), Some(populations)) => {
                let population: u64 = people;
                let population = Population::Finite(population - populations[group]);
                Sample { people: grouped - self.sizes[group], population }
            }
            _ => Sample::of_unlimited(grouped - self.sizes[group]),
        };
        let compared = (0..moments.len()).filter(|&group| self.sizes[group] >= MIN_GROUP_PEOPLE);
        let compared: Vec<(usize, Difference)> = compared
            .filter_map(|group| {
                let one = moments[group].estimate(self.sample(group), bounds)?;
                let other = rests[group].estimate(rest_sample(group), bounds)?;
                Some((group, Difference::of_groups(&one, &other)))
            })
            .collect();
        let family: Vec<Difference> = compared.iter().map(|(_, difference)| *difference).collect();
        let judged = judge(&family, direction(measure), self.scored.difference_bounds(measure));
        let mut all: Vec<GroupDifference> = compared
            .iter()
            .zip(judged)
            .map(|((group, difference), judgement)| GroupDifference {
                label: self.column.groups[*group].label.clone(),
                persons: self.sizes[*group],
                difference: difference.mean,
                p_holm: judgement.adjusted_p,
                verdict: judgement.verdict,
            })
            .collect();
        all.sort_by(|one, other| match measure {
            Measure::Accuracy => other.difference.total_cmp(&one.difference),
            Measure::Mae => one.difference.total_cmp(&other.difference),
        });
        let is_better = |group: &&GroupDifference| group.verdict == Verdict::Better;
        let is_worse = |group: &&GroupDifference| group.verdict == Verdict::Worse;
        Extremes {
            arm: self.scored.arms[arm].arm.clone(),
            measure,
            compared: all.len() as u64,
            best: all.iter().filter(is_better).take(LISTED).cloned().collect(),
            worst: all.iter().rev().filter(is_worse).take(LISTED).cloned().collect(),
        }
    }
}
