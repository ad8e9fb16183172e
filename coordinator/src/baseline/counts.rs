//! Counts how often each answer to one question was given, overall and by country.

use valuesim_shared::codebook::{Level, Question};
use valuesim_shared::id::Code;

use crate::code_ranks::CodeRanks;

/// Whose answers are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Group {
    /// All respondents of the survey.
    Everybody,
    /// Those of one country, by its position among the survey's countries.
    Country(usize),
}

impl Group {
    /// The group's position: everybody's is 0.
    pub(super) fn position(self) -> usize {
        match self {
            Self::Everybody => 0,
            Self::Country(at) => 1 + at,
        }
    }
}

/// The counts of one question's answers. A rank is an answer's position in the codebook's order.
#[derive(Debug)]
pub(super) struct Counts {
    /// The answers by rank.
    codes: Vec<Code>,
    ranks: CodeRanks,
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
        let ranks = CodeRanks::new(&codes);
        let scale = scale_of(question, &codes, &ranks);
        Self { answers: vec![0; codes.len() * (1 + countries)], codes, ranks, scale }
    }

    /// Counts the answer of a respondent in `country`, both there and overall; ignores missing and unknown codes.
    pub(super) fn add(&mut self, country: Group, code: Code) {
        let Some(rank) = self.rank(code) else { return };
        for group in [Group::Everybody, country] {
            let at = group.position() * self.codes.len() + rank;
            self.answers[at] += 1;
        }
    }

    /// The rank of an answer; `None` if it is missing or unknown.
    pub(super) fn rank(&self, code: Code) -> Option<usize> {
        self.ranks.rank(code)
    }

    /// How often each answer was given in a group, by rank.
    pub(super) fn of(&self, group: Group) -> &[u32] {
        &self.answers[group.position() * self.codes.len()..][..self.codes.len()]
    }

    /// The group's most frequent answer, with one answer of rank `own` left out; `None` if no answer remains.
    pub(super) fn mode(&self, group: Group, own: Option<usize>) -> Option<Code> {
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

    /// The group's lower median, with one answer of rank `own` left out; the mode if there is no scale.
    pub(super) fn median(&self, group: Group, own: Option<usize>) -> Option<Code> {
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

    /// How many in the group gave the answer of a rank, with one answer of rank `own` left out.
    fn others(&self, group: Group, own: Option<usize>) -> impl Fn(usize) -> u32 {
        let counts = self.of(group);
        move |rank| counts[rank] - u32::from(own == Some(rank))
    }
}

/// The ranks of a question's answers in the order of its scale.
fn scale_of(question: &Question, codes: &[Code], ranks: &CodeRanks) -> Vec<usize> {
    match question.level {
        Level::Ordinal | Level::Binary => question.scale.iter().filter_map(|&code| ranks.rank(code)).collect(),
        Level::Numeric => {
            let mut ascending: Vec<usize> = (0..codes.len()).collect();
            ascending.sort_unstable_by_key(|&rank| codes[rank]);
            ascending
        }
        Level::Nominal | Level::NominalOpen => Vec::new(),
    }
}

fn distinct(codes: impl Iterator<Item = Code>) -> Vec<Code> {
    codes.collect::<std::collections::BTreeSet<_>>().into_iter().collect()
}
