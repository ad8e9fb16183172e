//! What a coordinator shows, and what it does when it is to stop.

use std::collections::HashSet;

use bytes::Bytes;
use valuesim_shared::codebook::Codebook;
use valuesim_shared::experiment::Experiment;
use valuesim_shared::id::{Code, Country, Fold, ModelId, Respondent};
use valuesim_shared::method::Method;
use valuesim_shared::model::ModelSettings;
use valuesim_shared::outcome::{CellOutcome, CellResult, CellSpend, OUTCOME_VERSION};
use valuesim_shared::queue::{MemoryQueue, QueueKind, QueueName};
use valuesim_shared::store::EmbeddedStore;
use valuesim_shared::survey::SurveyBuilder;

use super::*;

fn survey_of_two() -> Survey {
    let mut survey = SurveyBuilder::new();
    for _ in 0..2 {
        survey.push(Country(276), &[Code(1); 290]);
    }
    survey.finish("test")
}

fn outcome(run: &RunId, cell: Cell) -> Bytes {
    let outcome = CellOutcome {
        version: OUTCOME_VERSION,
        run: run.clone(),
        cell,
        result: CellResult { story: None, scaled_stories: Vec::new(), modules: vec![], arms: vec![] },
        spend: CellSpend { stages: [].into(), reported_models: vec![], ..CellSpend::default() },
        transcript: None,
    };
    Bytes::from(serde_json::to_vec(&outcome).expect("JSON"))
}

#[test]
fn cells_that_do_not_come_back_are_shown_until_one_is_finished() {
    let (progress, mut cell_states) = (Progress::default(), CellStates::default());
    progress.show_lost(3);
    progress.show(&cell_states);
    assert_eq!(progress.cells_lost(), 3);
    let respondent = Respondent::new(1).expect("not 0");
    cell_states.finish(Cell { model: ModelId(0), respondent, fold: Fold::new(1).expect("not 0") });
    progress.show(&cell_states);
    assert_eq!((progress.cells_lost(), progress.cells_finished()), (0, 1));
}

#[tokio::test]
async fn outcomes_that_are_at_hand_are_recorded_though_the_run_is_to_stop() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut experiment = Experiment { methods: vec![Method::ValueSim], ..Experiment::default() };
    experiment.models = vec![ModelSettings::named("m")];
    let survey = Arc::new(survey_of_two());
    let plan = Arc::new(Plan::new(&experiment, &survey, &Codebook::built_in()).expect("a plan"));
    let manifest = Manifest::of(RunId("r1".to_owned()), &experiment, Codebook::built_in());
    let ledger = Arc::new(Ledger::open(&folder.path().join("ledger.redb"), &manifest.run).expect("a ledger"));
    let queue = MemoryQueue::new(100);
    let store = EmbeddedStore::open(&folder.path().join("store")).expect("a store");
    let cursor = Cursor::at(&folder.path().join("cursor"));
    let coordinator = Coordinator::new(&manifest, Arc::clone(&plan), survey, ledger, (queue.clone(), store), 10)
        .expect("a coordinator")
        .on_lasting_queues(cursor, "test".to_owned());
    let done: Vec<Cell> = plan.cells_of(ModelId(0)).take(3).collect();
    let results = QueueName { run: manifest.run.clone(), kind: QueueKind::Results };
    for &cell in &done {
        queue.publish(&results, outcome(&manifest.run, cell)).await.expect("published");
    }
    let stop = CancellationToken::new();
    stop.cancel();
    assert_eq!(coordinator.run(&stop).await.expect("stops"), RunEnd::Interrupted);
    assert_eq!(coordinator.finished_cells().into_iter().collect::<HashSet<_>>(), done.into_iter().collect());
    assert!(queue.try_take(&results).is_none(), "they are acknowledged");
}
