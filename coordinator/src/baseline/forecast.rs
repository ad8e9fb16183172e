//! What a question's baselines predict for each answer that a respondent may have given, computed once.

use valuesim_shared::id::Code;

use super::counts::{Counts, Group};

/// What is predicted for the people of each group, by the person's own answer, which is left out of the counts.
#[derive(Debug)]
pub(super) struct Forecast {
    counts: Counts,
    /// By group, then own answer, or none.
    modes: Vec<Option<Code>>,
    medians: Vec<Option<Code>>,
}

impl Forecast {
    /// From the counts of everybody and of so many countries.
    pub(super) fn new(counts: Counts, countries: usize) -> Self {
        let groups = || [Group::Everybody].into_iter().chain((0..countries).map(Group::Country));
        let modes = groups().flat_map(|group| by_own_answer(&counts, group, Counts::mode)).collect();
        let medians = groups().flat_map(|group| by_own_answer(&counts, group, Counts::median)).collect();
        Self { counts, modes, medians }
    }

    /// The group's most frequent answer, with the answer `own` of one of its people left out; `None` if none remains.
    pub(super) fn mode(&self, group: Group, own: Code) -> Option<Code> {
        self.modes[self.place(group, own)]
    }

    /// The group's lower median, with the answer `own` of one of its people left out; the mode if there is no scale.
    pub(super) fn median(&self, group: Group, own: Code) -> Option<Code> {
        self.medians[self.place(group, own)]
    }

    fn place(&self, group: Group, own: Code) -> usize {
        let answers = self.counts.of(group).len();
        group.position() * (answers + 1) + self.counts.rank(own).unwrap_or(answers)
    }
}

/// What is predicted when one of each answer is left out, and last what is when none is. An answer that nobody of the group
/// gave is nobody's own.
fn by_own_answer(
    counts: &Counts,
    group: Group,
    predict: impl Fn(&Counts, Group, Option<usize>) -> Option<Code>,
) -> Vec<Option<Code>> {
    let of_all = predict(counts, group, None);
    let given = counts.of(group).iter().enumerate();
    let without = given.map(|(rank, &count)| if count > 0 { predict(counts, group, Some(rank)) } else { of_all });
    without.chain([of_all]).collect()
}
