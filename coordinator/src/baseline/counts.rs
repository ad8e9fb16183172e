//! Counts how often each answer to one question was given, overall and by country.

use valuesim_shared::codebook::{Level, Question};
use valuesim_shared::id::Code;

/// Whose answers are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Group {
    /// All respondents of the survey.
    Everybody,
    /// Those of one country, by its position among the survey's countries.
    Country(usize),
}

/// The counts of one question's answers. A rank is an answer's position in the codebook's order.
#[derive(Debug)]
pub(super) struct Counts {
    /// The answers by rank.
    codes: Vec<Code>,
    /// Ranks by code, ascending by code.
    ranks: Vec<(Code, usize)>,
    /// Ranks in the order of the scale; empty if the question has none.
    scale: Vec<usize>,
    /// A counter for each rank: everybody first, then each country.
    answers: Vec<u32>,
}

impl Counts {
    /// Counters at zero. An open question's possible answers are those that occur in `answers`.
    pub(super) fn new(question: &Question, answers: impl Iterator<Item = Code>, countries: usize) -> Self {
        let codes = if question.options.is_empty() {
            distinct(answers.filter(|code| !code.is_missing()))
        } else {
            question.options.iter().map(|option| option.code).collect()
        };
        let mut ranks: Vec<(Code, usize)> = codes.iter().copied().zip(0..).collect();
        ranks.sort_unstable();
        let mut counts = Self { answers: vec![0; codes.len() * (1 + countries)], codes, ranks, scale: Vec::new() };
        counts.scale = counts.scale_of(question);
        counts
    }

    fn scale_of(&self, question: &Question) -> Vec<usize> {
        match question.level {
            Level::Ordinal | Level::Binary => question.scale.iter().filter_map(|&code| self.rank(code)).collect(),
            Level::Numeric => self.ranks.iter().map(|&(_, rank)| rank).collect(),
            Level::Nominal | Level::NominalOpen => Vec::new(),
        }
    }

    /// Counts the answer of a respondent in `country`, both there and overall; ignores missing and unknown codes.
    pub(super) fn add(&mut self, country: Group, code: Code) {
        let Some(rank) = self.rank(code) else { return };
        for group in [Group::Everybody, country] {
            let at = self.first_of(group) + rank;
            self.answers[at] += 1;
        }
    }

    /// The group's most frequent answer, with one answer `own` left out; `None` if no answer remains.
    pub(super) fn mode(&self, group: Group, own: Code) -> Option<Code> {
        let others = self.others(group, own);
        let mut best = (None, 0);
        for (rank, &code) in self.codes.iter().enumerate() {
            let count = others(rank);
            if count > best.1 {
                best = (Some(code), count);
            }
        }
        best.0
    }

    /// The group's lower median, with one answer `own` left out; the mode if there is no scale.
    pub(super) fn median(&self, group: Group, own: Code) -> Option<Code> {
        if self.scale.is_empty() {
            return self.mode(group, own);
        }
        let others = self.others(group, own);
        let answers: u32 = self.scale.iter().map(|&rank| others(rank)).sum();
        let mut up_to_median = answers.div_ceil(2);
        for &rank in &self.scale {
            let count = others(rank);
            if count > 0 && count >= up_to_median {
                return Some(self.codes[rank]);
            }
            up_to_median -= count;
        }
        None
    }

    /// How many in the group gave the answer of a rank, with one answer `own` left out.
    fn others(&self, group: Group, own: Code) -> impl Fn(usize) -> u32 {
        let own = self.rank(own);
        let first = self.first_of(group);
        let counts = &self.answers[first..first + self.codes.len()];
        move |rank| counts[rank] - u32::from(own == Some(rank))
    }

    fn rank(&self, code: Code) -> Option<usize> {
        let at = self.ranks.binary_search_by_key(&code, |&(code, _)| code).ok()?;
        Some(self.ranks[at].1)
    }

    fn first_of(&self, group: Group) -> usize {
        let groups_before = match group {
            Group::Everybody => 0,
            Group::Country(at) => 1 + at,
        };
        groups_before * self.codes.len()
    }
}

fn distinct(codes: impl Iterator<Item = Code>) -> Vec<Code> {
    codes.collect::<std::collections::BTreeSet<_>>().into_iter().collect()
}
