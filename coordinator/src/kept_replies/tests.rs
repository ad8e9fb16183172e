//! What is found of earlier runs, and that their damaged ledgers stop nobody.

use valuesim_shared::call::{CallKey, ReplyText};
use valuesim_shared::id::{Fold, Respondent};
use valuesim_shared::outcome::{CellResult, CellSpend, OUTCOME_VERSION};
use valuesim_shared::stage::Stage;
use valuesim_shared::transcript::Call;

use super::*;
use crate::evaluation::fixture::Run;

fn cell(row: u32) -> Cell {
    let respondent = Respondent::new(row).expect("not 0");
    Cell { model: ModelId(0), respondent, fold: Fold::new(1).expect("not 0") }
}

fn outcome(run: &RunId, cell: Cell) -> CellOutcome {
    let call = Call {
        key: CallKey::first(Stage::STORY, None),
        messages: vec!["Who?".to_owned()],
        reply: ReplyText::Text { content: "You.".repeat(2_000), cut_off: false },
        tokens: None,
        reported_model: String::new(),
    };
    let result = CellResult {
        story: None,
        scaled_stories: Vec::new(),
        modules: Vec::new(),
        arms: Vec::new(),
        rejections: Vec::new(),
    };
    let (run, transcript) = (run.clone(), Some(Transcript::of([call])));
    CellOutcome { version: OUTCOME_VERSION, run, cell, result, spend: CellSpend::default(), transcript }
}

#[tokio::test]
async fn a_ledger_that_changes_underneath_stops_nobody() {
    let folder = tempfile::tempdir().expect("a folder");
    let (path, run) = (folder.path().join("ledger.redb"), RunId("r1".to_owned()));
    let outcomes: Vec<CellOutcome> = (1..=200).map(|row| outcome(&run, cell(row))).collect();
    Ledger::open(&path, &run).expect("opens").record(&outcomes).expect("writes");
    let ledger = ManuallyDrop::new(Ledger::view(&path).expect("reads"));
    let earlier = EarlierRun {
        run,
        ledger,
        models: vec![Some(ModelId(0))],
        methods: Vec::new(),
        with_replies: (1..=200).map(cell).collect(),
        cells: 200,
        finished: TakenCells::default(),
    };
    let kept = Arc::new(KeptReplies::of(vec![earlier]));
    assert_eq!(kept.of_cell(cell(1)).await, outcomes[0].transcript);
    assert_eq!(kept.of_cell(cell(201)).await, None);
    assert!(!reads_earlier_run());
    let length = std::fs::metadata(&path).expect("is there").len();
    std::fs::write(&path, vec![7; usize::try_from(length).expect("short")]).expect("writes");
    let mut unread = 0;
    for (row, outcome) in (1..).zip(&outcomes) {
        match kept.of_cell(cell(row)).await {
            None => unread += 1,
            found => assert_eq!(found, outcome.transcript),
        }
    }
    assert!(unread > 0, "no page was read again");
}

/// A run that has ended, without the lock on its ledger; the ledger's file is in the folder.
struct Ended {
    folder: tempfile::TempDir,
    experiment: Experiment,
    provenance: Provenance,
    plan: Plan,
}

/// Two models, ten people, five folds; `reopened` are set aside again.
fn ended(lost: impl Fn(Cell) -> bool, reopened: &[Cell]) -> Ended {
    let Run { _folder: folder, experiment, survey, codebook, plan, ledger, .. } = Run::new(10, lost);
    let provenance = Provenance::new(&experiment, &plan, &survey, &codebook);
    ledger.note_provenance(&provenance).expect("writes");
    ledger.reopen(reopened).expect("writes");
    Ended { folder, experiment, provenance, plan }
}

impl Ended {
    fn ledger(&self) -> std::path::PathBuf {
        self.folder.path().join("ledger.redb")
    }

    /// What a run of the same experiment finds in a ledger.
    fn found_in(&self, path: &Path, own: &OwnCells) -> Result<Option<EarlierRun>, LedgerError> {
        EarlierRun::find((path, &self.experiment), (&self.experiment, &self.provenance, &self.plan), own)
    }
}

#[test]
fn nothing_is_taken_for_cells_that_the_run_has_finished_or_reopened() {
    let earlier = ended(|_| false, &[]);
    let taken = |own: &OwnCells| {
        let found = earlier.found_in(&earlier.ledger(), own).expect("reads");
        found.map_or(0, |found| found.taken().0)
    };
    assert_eq!(taken(&OwnCells::default()), 100);
    let (is_lost, reopened) = (|cell: Cell| cell.respondent.row() > 4, cell(2));
    let own = ended(is_lost, &[reopened]);
    let own = OwnCells::read(&own.ledger(), &own.plan).expect("reads");
    assert!(!own.are_all_of(&earlier.plan));
    assert_eq!(taken(&own), 60, "40 are finished or reopened");
    let whole = OwnCells::read(&earlier.ledger(), &earlier.plan).expect("reads");
    assert!(whole.are_all_of(&earlier.plan));
    assert_eq!(taken(&whole), 0);
}

#[test]
fn a_damaged_ledger_is_an_error_or_a_panic_that_can_be_caught() {
    let earlier = ended(|_| false, &[]);
    let sound = std::fs::read(earlier.ledger()).expect("reads");
    let damaged = earlier.folder.path().join("damaged.redb");
    let mut unreadable = 0;
    for at in (0..48).map(|step| step * sound.len() / 48) {
        for kind in 0..3 {
            let mut bytes = sound.clone();
            let end = sound.len().min(at + 512);
            match kind {
                0 => bytes[at..end].fill(0),
                1 => bytes[at..end].fill(0xff),
                _ => bytes.truncate(at),
            }
            std::fs::write(&damaged, bytes).expect("writes");
            let look = || (OwnCells::read(&damaged, &earlier.plan), earlier.found_in(&damaged, &OwnCells::default()));
            let found = catch_unwind(AssertUnwindSafe(look));
            unreadable += u32::from(!matches!(found, Ok((Ok(_), Ok(Some(_))))));
        }
    }
    assert!(unreadable > 48, "each cut, and more: {unreadable}");
}
