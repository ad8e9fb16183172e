//! Where respondents stand in the survey: at their row, unless a column of the file names them.

use std::collections::HashMap;
use std::sync::Arc;

use crate::id::Respondent;

/// The largest id that a column may give a respondent: sets of respondents have a bit for each id up to the largest.
pub const MAX_ID: u32 = 10_000_000;

/// The positions of respondents, counted from 0. Cheap to clone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Places(Option<Arc<Ids>>);

#[derive(Debug, PartialEq, Eq)]
struct Ids {
    in_order: Vec<Respondent>,
    places: HashMap<Respondent, usize>,
}

/// Collects the ids of respondents, row by row.
#[derive(Debug, Default)]
pub(super) struct IdsBuilder {
    in_order: Vec<Respondent>,
    /// For each the line of the file.
    lines: HashMap<Respondent, u64>,
}

impl IdsBuilder {
    /// Adds the next one; returns the earlier line that has the same id, if there is one.
    pub(super) fn push(&mut self, id: Respondent, line: u64) -> Option<u64> {
        self.in_order.push(id);
        self.lines.insert(id, line)
    }

    pub(super) fn finish(self) -> Places {
        let places = self.in_order.iter().copied().zip(0..).collect();
        Places(Some(Arc::new(Ids { in_order: self.in_order, places })))
    }
}

impl Places {
    /// The position of a respondent who is one of the survey's.
    ///
    /// # Panics
    /// If a column names respondents, and none of them so.
    pub fn of(&self, respondent: Respondent) -> usize {
        self.0.as_ref().map_or_else(|| respondent.index(), |ids| ids.places[&respondent])
    }

    /// The respondent at a position.
    ///
    /// # Panics
    /// If a column names respondents, and there are fewer.
    pub(super) fn respondent(&self, index: usize) -> Respondent {
        self.0.as_ref().map_or_else(|| Respondent::from_index(index), |ids| ids.in_order[index])
    }

    /// Whether a survey with this many respondents has this one.
    pub(super) fn has(&self, respondent: Respondent, count: usize) -> bool {
        self.0.as_ref().map_or_else(|| respondent.index() < count, |ids| ids.places.contains_key(&respondent))
    }

    /// The ids in the order of the file; none if rows are the respondents' names.
    pub(super) fn ids(&self) -> &[Respondent] {
        self.0.as_ref().map_or(&[], |ids| &ids.in_order)
    }
}
