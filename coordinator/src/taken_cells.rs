//! The cells that an earlier run has finished and that a run can take over as they are: nothing that decides their results
//! differs.

use std::collections::{HashMap, HashSet};

use valuesim_shared::cell::needs_retrieval;
use valuesim_shared::experiment::Experiment;
use valuesim_shared::id::{Cell, ModelId, RunId};
use valuesim_shared::method::Method;
use valuesim_shared::money::NanoUsd;
use valuesim_shared::outcome::{CellOutcome, CellSpend, OUTCOME_VERSION, ReusedReplies};

use crate::ledger::{Ledger, LedgerError};
use crate::plan::Planned;

/// What a cell came to in the run that paid for it.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Paid {
    /// Replies.
    pub replies: u64,
    /// The cost of its calls.
    pub cost: NanoUsd,
}

/// The cells of a run that an earlier one has finished.
#[derive(Debug, Default)]
pub(crate) struct TakenCells(HashMap<Cell, Paid>);

impl TakenCells {
    /// Those of the plan in the ledger of an earlier run, of which model `theirs` is model `own` of the present run. With
    /// `transcripts`, those alone that have one.
    pub(crate) fn find(
        ledger: &Ledger,
        models: &[Option<ModelId>],
        planned: &Planned,
        transcripts: bool,
    ) -> Result<Self, LedgerError> {
        let mut found = HashMap::new();
        for (own, theirs) in (0..).map(ModelId).zip(models) {
            let Some(theirs) = theirs else { continue };
            let kept =
                if transcripts { ledger.transcript_keys(*theirs)?.collect::<Result<_, _>>()? } else { HashSet::new() };
            for row in ledger.spend(*theirs)? {
                let (cell, spend) = row?;
                let own = Cell { model: own, ..cell };
                if planned.contains(own) && (!transcripts || kept.contains(&cell)) {
                    let total = spend.total();
                    found.insert(own, Paid { replies: total.answered + spend.reused.replies, cost: total.cost });
                }
            }
        }
        Ok(Self(found))
    }

    pub(crate) fn contains(&self, cell: Cell) -> bool {
        self.0.contains_key(&cell)
    }

    /// Leaves out those that another run has, too.
    pub(crate) fn without(&mut self, other: &Self) {
        self.0.retain(|cell, _| !other.contains(*cell));
    }

    /// How many there are, and what they came to.
    pub(crate) fn sum(&self) -> (u64, Paid) {
        let add = |sum: Paid, paid: &Paid| Paid { replies: sum.replies + paid.replies, cost: sum.cost + paid.cost };
        (self.0.len() as u64, self.0.values().fold(Paid::default(), add))
    }
}

/// Whether a cell of one experiment has the same calls as in the other, if also its prompts are the same: the methods, the
/// questions, and what is drawn. What `rag` retrieves depends on vectors, which no provider gives twice to the last digit.
pub(crate) fn have_the_same_calls(one: &Experiment, other: &Experiment) -> bool {
    let draws = |it: &Experiment| it.methods.iter().any(|method| matches!(method, Method::ProfileScale(_)));
    let same_draws = !draws(one) || one.sample.seed == other.sample.seed;
    let same_split = one.split.seed == other.split.seed && one.split.folds == other.split.folds;
    one.methods == other.methods && !needs_retrieval(&one.methods) && same_split && same_draws
}

/// A finished cell of an earlier run as one of the run `present`: with the same result, and without calls of its own.
pub(crate) fn taken(
    ledger: &Ledger,
    theirs: Cell,
    (present, cell): (&RunId, Cell),
    transcripts: bool,
) -> Result<Option<CellOutcome>, LedgerError> {
    let Some((result, spend)) = ledger.row(theirs)? else { return Ok(None) };
    let transcript = if transcripts { ledger.transcript(theirs)? } else { None };
    if transcripts && transcript.is_none() {
        return Ok(None);
    }
    let total = spend.total();
    let mut reused = spend.reused;
    reused.add(ReusedReplies { replies: total.answered, tokens: total.tokens });
    let taken_from = match spend.taken_from {
        Some(first) => first,
        None => ledger.run()?,
    };
    let spend = CellSpend {
        reported_models: spend.reported_models,
        reused,
        oddities: spend.oddities,
        day: spend.day,
        taken_from: Some(taken_from),
        ..CellSpend::default()
    };
    Ok(Some(CellOutcome { version: OUTCOME_VERSION, run: present.clone(), cell, result, spend, transcript }))
}
