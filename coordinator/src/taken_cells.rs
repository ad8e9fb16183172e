//! The cells that an earlier run has finished and that a run can take over as they are: nothing that decides their results
//! differs.

use std::collections::{BTreeSet, HashMap};
use std::time::SystemTime;

use valuesim_shared::cell::needs_retrieval;
use valuesim_shared::day::Day;
use valuesim_shared::experiment::Experiment;
use valuesim_shared::id::{Cell, ModelId, RunId};
use valuesim_shared::method::Method;
use valuesim_shared::money::NanoUsd;
use valuesim_shared::outcome::{CellOutcome, CellSpend, OUTCOME_VERSION, ReusedReplies};
use valuesim_shared::price::Price;

use crate::cell_bitmap::CellBitmap;
use crate::ledger::{Ledger, LedgerError};
use crate::plan::{Plan, Planned};

/// What a cell came to in the run that paid for it.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Paid {
    /// Replies.
    pub replies: u64,
    /// The cost of its calls; at list price, if it was taken over there, too.
    pub cost: NanoUsd,
}

/// The run that takes cells over.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Taker<'a> {
    pub(crate) experiment: &'a Experiment,
    pub(crate) planned: &'a Planned,
    /// The cells for which it takes nothing over.
    pub(crate) own: &'a CellBitmap,
}

impl Taker<'_> {
    /// Whether the cell is left to it.
    pub(crate) fn wants(&self, cell: Cell) -> bool {
        self.planned.contains(cell) && !self.own.contains(cell)
    }
}

/// A cell that an earlier run has finished.
#[derive(Debug, Clone, Copy)]
struct Found {
    paid: Paid,
    /// Whether that run made the calls itself.
    is_payer: bool,
}

/// The cells of a run that an earlier one has finished.
#[derive(Debug, Default)]
pub(crate) struct TakenCells(HashMap<Cell, Found>);

impl TakenCells {
    /// Those that are left to the present run and that are in the ledger of an earlier one, of which model `theirs` is model `own` of
    /// the present run. If that keeps transcripts, those alone that have one.
    pub(crate) fn find(ledger: &Ledger, models: &[Option<ModelId>], taker: Taker<'_>) -> Result<Self, LedgerError> {
        let transcripts = taker.experiment.transcripts;
        let mut found = HashMap::new();
        for (own, theirs) in (0..).map(ModelId).zip(models) {
            let Some(theirs) = theirs else { continue };
            let kept =
                if transcripts { with_transcript(ledger, (own, *theirs), taker)? } else { CellBitmap::default() };
            let settings = &taker.experiment.models[usize::from(own.0)];
            let is_taken = |cell| {
                let own = Cell { model: own, ..cell };
                taker.wants(own) && (!transcripts || kept.contains(own))
            };
            for row in ledger.spend_where(*theirs, is_taken)? {
                let (cell, spend) = row?;
                found.insert(Cell { model: own, ..cell }, Found::of(&spend, settings.price.as_ref()));
            }
        }
        Ok(Self(found))
    }

    pub(crate) fn contains(&self, cell: Cell) -> bool {
        self.0.contains_key(&cell)
    }

    pub(crate) fn cells(&self) -> impl Iterator<Item = Cell> + '_ {
        self.0.keys().copied()
    }

    /// Leaves each cell to one run: to the one that paid for it, or else to the first.
    pub(crate) fn share_out<'a>(runs: impl IntoIterator<Item = &'a mut Self>) {
        let mut runs: Vec<&mut Self> = runs.into_iter().collect();
        let mut owners: HashMap<Cell, (bool, usize)> = HashMap::new();
        for (at, run) in runs.iter().enumerate() {
            for (&cell, found) in &run.0 {
                let owner = owners.entry(cell).or_insert((found.is_payer, at));
                if found.is_payer && !owner.0 {
                    *owner = (true, at);
                }
            }
        }
        for (at, run) in runs.iter_mut().enumerate() {
            run.0.retain(|cell, _| owners.get(cell).is_some_and(|&(_, owner)| owner == at));
        }
    }

    /// How many there are, and what they came to.
    pub(crate) fn sum(&self) -> (u64, Paid) {
        let add = |sum: Paid, Found { paid, .. }: &Found| Paid {
            replies: sum.replies + paid.replies,
            cost: sum.cost + paid.cost,
        };
        (self.0.len() as u64, self.0.values().fold(Paid::default(), add))
    }
}

/// The cells of model `own` of the taker that are left to it and have a transcript as those of model `theirs` in the ledger.
pub(crate) fn with_transcript(
    ledger: &Ledger,
    (own, theirs): (ModelId, ModelId),
    taker: Taker<'_>,
) -> Result<CellBitmap, LedgerError> {
    let mut cells = CellBitmap::default();
    for cell in ledger.transcript_keys(theirs)? {
        cells.extend(Some(Cell { model: own, ..cell? }).filter(|&cell| taker.wants(cell)));
    }
    Ok(cells)
}

impl Found {
    /// The row of a cell that was taken over has no cost: the tokens of its replies do, at the model's price.
    fn of(spend: &CellSpend, price: Option<&Price>) -> Self {
        let (total, reused) = (spend.total(), spend.reused);
        let is_payer = spend.taken_from.is_none();
        let at_list_price = || {
            let mean_input = reused.tokens.input / reused.replies.max(1);
            let day = spend.day.unwrap_or_else(|| Day::of(SystemTime::now()));
            price.map(|price| price.dearest_rates(mean_input, day, 1).cost(reused.tokens)).unwrap_or_default()
        };
        let cost = if is_payer { total.cost } else { at_list_price() };
        Self { paid: Paid { replies: total.answered + reused.replies, cost }, is_payer }
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

/// The runs that paid for cells which a run has taken over.
pub(crate) fn runs_taken_from(ledger: &Ledger, plan: &Plan) -> Result<BTreeSet<RunId>, LedgerError> {
    let mut runs = BTreeSet::new();
    for model in plan.models() {
        for row in ledger.spend(model)? {
            runs.extend(row?.1.taken_from);
        }
    }
    Ok(runs)
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

#[cfg(test)]
mod tests {
    use valuesim_shared::id::{Fold, Respondent};
    use valuesim_shared::money::Tokens;
    use valuesim_shared::outcome::StageSpend;
    use valuesim_shared::stage::Stage;

    use super::*;

    fn cell(row: u32) -> Cell {
        let respondent = Respondent::new(row).expect("not 0");
        Cell { model: ModelId(0), respondent, fold: Fold::new(1).expect("not 0") }
    }

    #[test]
    fn a_cell_that_was_taken_over_is_priced_by_its_replies_and_left_to_the_run_that_paid() {
        let price = Price::flat(1.0, None, 2.0);
        let tokens = Tokens { input: 1_000, output: 100, ..Tokens::default() };
        let calls = StageSpend { answered: 5, tokens, cost: NanoUsd(1_200_000), ..StageSpend::default() };
        let paid = CellSpend { stages: [(Stage::STORY, calls)].into(), ..CellSpend::default() };
        let taken = CellSpend {
            reused: ReusedReplies { replies: 5, tokens },
            taken_from: Some(RunId("payer".to_owned())),
            ..CellSpend::default()
        };
        let found = |spend| Found::of(spend, Some(&price));
        assert_eq!(found(&taken).paid, found(&paid).paid);

        let mut runs = [
            TakenCells([(cell(1), found(&taken)), (cell(2), found(&taken))].into()),
            TakenCells([(cell(1), found(&paid)), (cell(2), found(&taken))].into()),
        ];
        TakenCells::share_out(&mut runs);
        let of = |run: &TakenCells| run.0.keys().copied().collect::<Vec<_>>();
        assert_eq!(runs.each_ref().map(of), [vec![cell(2)], vec![cell(1)]]);
    }
}
