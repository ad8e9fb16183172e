//! What a coordinator shows, and what it does when it is to stop.

use std::collections::HashSet;

use bytes::Bytes;
use valuesim_shared::codebook::Codebook;
use valuesim_shared::dead_letter::DeadLetter;
use valuesim_shared::experiment::Experiment;
use valuesim_shared::id::{Code, Country, Fold, ModelId, QuestionId, Respondent};
use valuesim_shared::method::{Method, Module};
use valuesim_shared::model::ModelSettings;
use valuesim_shared::outcome::{
    ArmResult, CellOutcome, CellResult, CellSpend, CodeString, Decided, Ended, ModuleResult, OUTCOME_VERSION,
    StoryResult,
};
use valuesim_shared::queue::{Delivery as _, MemoryQueue, QueueKind, QueueName};
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

/// The outcome of a cell whose modules always chose the first option.
fn outcome(run: &RunId, plan: &Plan, cell: Cell) -> CellOutcome {
    let codebook = Codebook::built_in();
    let asked = plan.split().asked(cell.fold);
    let first = |&id: &QuestionId| Some(codebook.question(id).options[0].code);
    let answers: Vec<Option<Code>> = asked.iter().map(first).collect();
    let ended = CodeString(vec![Ended::Answered; asked.len()]);
    let module = |module: Module| ModuleResult { stage: module.into(), answers: answers.clone(), ended: ended.clone() };
    let modules = Module::ALL.map(module).to_vec();
    let decided = CodeString(vec![Decided::Unanimous; asked.len()]);
    let arm = ArmResult { method: Method::ValueSim, asked: vec![3; asked.len()], answers, ended, decided };
    let story = Some(StoryResult { ended: Ended::Answered, characters: 900, asked: 1 });
    let result = CellResult { story, scaled_stories: Vec::new(), modules, arms: vec![arm], rejections: Vec::new() };
    CellOutcome {
        version: OUTCOME_VERSION,
        run: run.clone(),
        cell,
        result,
        spend: CellSpend::default(),
        transcript: None,
    }
}

fn message(outcome: &CellOutcome) -> Bytes {
    Bytes::from(serde_json::to_vec(outcome).expect("JSON"))
}

/// A coordinator of a run with two people on lasting queues.
struct Run {
    _folder: tempfile::TempDir,
    id: RunId,
    plan: Arc<Plan>,
    queue: MemoryQueue,
    ledger: Arc<Ledger>,
    coordinator: Coordinator<MemoryQueue, EmbeddedStore>,
}

impl Run {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut experiment = Experiment { methods: vec![Method::ValueSim], ..Experiment::default() };
        experiment.models = vec![ModelSettings::named("m")];
        let survey = Arc::new(survey_of_two());
        let plan = Arc::new(Plan::new(&experiment, &survey, &Codebook::built_in()).expect("a plan"));
        let id = RunId("r1".to_owned());
        let manifest = Manifest::of(id.clone(), &experiment, Codebook::built_in());
        let ledger = Arc::new(Ledger::open(&folder.path().join("ledger.redb"), &id).expect("a ledger"));
        let queue = MemoryQueue::new(100);
        let store = EmbeddedStore::open(&folder.path().join("store")).expect("a store");
        let cursor = Cursor::at(&folder.path().join("cursor"));
        let servers = (queue.clone(), store);
        let coordinator = Coordinator::new(&manifest, Arc::clone(&plan), survey, Arc::clone(&ledger), servers, 10)
            .expect("a coordinator")
            .on_lasting_queues(cursor, "test".to_owned());
        Self { _folder: folder, id, plan, queue, ledger, coordinator }
    }

    fn queue_name(&self, kind: QueueKind) -> QueueName {
        QueueName { run: self.id.clone(), kind }
    }

    async fn send(&self, outcome: &CellOutcome) {
        self.queue.publish(&self.queue_name(QueueKind::Results), message(outcome)).await.expect("published");
    }

    /// Takes and forgets the tasks of all cells, as they are sent.
    async fn lose_all_sent(&self) {
        let tasks = self.queue_name(QueueKind::Story(ModelId(0)));
        for _ in 0..self.plan.cells() {
            self.queue.take(&tasks, 1).await.expect("takes").ack().await.expect("acknowledged");
        }
    }

    /// Lets it record what is at hand.
    async fn record(&self) {
        let stop = CancellationToken::new();
        stop.cancel();
        assert_eq!(self.coordinator.run(&stop).await.expect("stops"), RunEnd::Interrupted);
        assert!(self.queue.try_take(&self.queue_name(QueueKind::Results)).is_none(), "they are acknowledged");
    }
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
    let run = Run::new();
    let done: Vec<Cell> = run.plan.cells_of(ModelId(0)).take(3).collect();
    for &cell in &done {
        run.send(&outcome(&run.id, &run.plan, cell)).await;
    }
    run.record().await;
    assert_eq!(run.coordinator.finished_cells().into_iter().collect::<HashSet<_>>(), done.into_iter().collect());
}

#[tokio::test]
async fn a_forged_outcome_is_refused_with_the_reason_and_the_genuine_one_behind_it_counts() {
    let run = Run::new();
    let cell = run.plan.cells_of(ModelId(0)).next().expect("there is one");
    let genuine = outcome(&run.id, &run.plan, cell);
    let (mut short, mut armless) = (genuine.clone(), genuine.clone());
    short.result.arms[0].answers.truncate(10);
    armless.result.arms.clear();
    for outcome in [&short, &armless, &genuine] {
        run.send(outcome).await;
    }
    run.record().await;
    let rows: Vec<_> = run.ledger.results(ModelId(0)).expect("reads").map(|row| row.expect("sound")).collect();
    assert_eq!(rows, [(cell, genuine.result)]);
    let mut reasons = Vec::new();
    while let Some(letter) = run.queue.try_take(&run.queue_name(QueueKind::Dead)) {
        reasons.push(DeadLetter::from_bytes(letter.body()).expect("a dead letter").reason);
        letter.ack().await.expect("acknowledged");
    }
    let [first, second] = &reasons[..] else { panic!("{reasons:?}") };
    assert!(first.contains("does not fit the plan: valuesim has 10 answers, expected "), "{first}");
    assert!(second.contains("does not fit the plan: a result of valuesim is missing"), "{second}");
}

#[tokio::test]
async fn cells_that_are_lost_again_wait_for_the_end_of_a_pause() {
    let run = Run::new();
    let stop = CancellationToken::new();
    let losing = async {
        run.lose_all_sent().await;
        assert!(!run.coordinator.waits_to_send_again());
        run.coordinator.nothing_is_under_way();
        run.lose_all_sent().await;
        assert!(!run.coordinator.waits_to_send_again(), "they were sent at once");
        run.coordinator.nothing_is_under_way();
        // A test that waits for ever has failed.
        while !run.coordinator.waits_to_send_again() {
            tokio::task::yield_now().await;
        }
        stop.cancel();
    };
    let (end, ()) = tokio::join!(run.coordinator.run(&stop), losing);
    assert_eq!(end.expect("stops"), RunEnd::Interrupted);
}
