//! A small run of two models for tests, with a ledger of outcomes that look like some.

use tokio_util::sync::CancellationToken;
use valuesim_shared::codebook::Codebook;
use valuesim_shared::experiment::{Experiment, Users};
use valuesim_shared::id::{Cell, Code, Country, QUESTIONS, QuestionId, RunId};
use valuesim_shared::method::{Behaviour, Method};
use valuesim_shared::model::ModelSettings;
use valuesim_shared::outcome::{
    ArmResult, CellOutcome, CellResult, CellSpend, CodeString, Decided, Ended, ModuleResult, OUTCOME_VERSION,
};
use valuesim_shared::stage::Stage;
use valuesim_shared::survey::{Survey, SurveyBuilder};

use super::Evaluated;
use crate::fixture;
use crate::ledger::Ledger;
use crate::plan::Plan;
use crate::results::Results;

/// A run of two models on a small survey: the first knows most answers, the second fewer.
pub(crate) struct Run {
    pub(crate) _folder: tempfile::TempDir,
    pub(crate) id: RunId,
    pub(crate) experiment: Experiment,
    pub(crate) survey: Survey,
    pub(crate) codebook: Codebook,
    pub(crate) plan: Plan,
    pub(crate) ledger: Ledger,
}

/// A number below `below` that looks drawn, the same every time.
fn drawn(seed: usize, below: usize) -> usize {
    (seed.wrapping_mul(2_654_435_761) >> 7) % below
}

/// People of two countries, with few missing answers.
fn survey(people: usize) -> Survey {
    let mut builder = SurveyBuilder::new();
    let codebook = fixture::codebook();
    for person in 0..people {
        let country = Country(if person % 4 == 0 { 36 } else { 76 });
        let code = |index: usize| match codebook.questions()[index].options.as_slice() {
            _ if drawn(person * 31 + index, 25) == 0 => Code(-1),
            [] => Code(30),
            options => options[drawn(person * 7 + index * 3, options.len())].code,
        };
        builder.push(country, &std::array::from_fn::<_, QUESTIONS, _>(code));
    }
    builder.finish("synthetic")
}

impl Run {
    /// All respondents with the method `valuesim`; `lost` says which cells are not finished.
    pub(crate) fn new(people: usize, lost: impl Fn(Cell) -> bool) -> Self {
        let methods = vec![Method::ValueSim];
        Self::of(Experiment { methods, ..Experiment::default() }, people, lost)
    }

    /// All respondents with the methods and the behaviour of an experiment.
    pub(crate) fn of(mut experiment: Experiment, people: usize, lost: impl Fn(Cell) -> bool) -> Self {
        experiment.sample.users.get_or_insert(Users::All);
        experiment.models = ["good", "bad"].map(ModelSettings::named).to_vec();
        let (survey, codebook) = (survey(people), fixture::codebook());
        let plan = Plan::new(&experiment, &survey, &codebook).expect("a plan");
        let folder = tempfile::tempdir().expect("a folder");
        let id = RunId("r1".to_owned());
        let ledger = Ledger::open(&folder.path().join("ledger.redb"), &id).expect("opens");
        let run = Self { _folder: folder, id, experiment, survey, codebook, plan, ledger };
        run.record(&run.cells().into_iter().filter(|&cell| !lost(cell)).collect::<Vec<_>>());
        run
    }

    /// All its cells.
    pub(crate) fn cells(&self) -> Vec<Cell> {
        self.plan.models().flat_map(|model| self.plan.cells_of(model).collect::<Vec<_>>()).collect()
    }

    /// Writes cells into the ledger.
    pub(crate) fn record(&self, cells: &[Cell]) {
        let outcomes: Vec<_> = cells.iter().map(|&cell| self.outcome(cell)).collect();
        self.ledger.record(&outcomes).expect("writes");
    }

    pub(crate) fn evaluated(&self) -> Evaluated<'_> {
        let Self { id: run, experiment, survey, codebook, plan, ledger, .. } = self;
        Evaluated { run, experiment, plan, survey, codebook, ledger, vectors: None }
    }

    pub(crate) fn results(&self) -> Results {
        self.evaluated().score(&CancellationToken::new()).expect("scores")
    }

    /// The outcome of a cell: the first model is right three times in four, the second once in two; behaviour `paper` has
    /// answers that are not options, too.
    pub(crate) fn outcome(&self, cell: Cell) -> CellOutcome {
        let methods = Method::table_order(&self.experiment.methods);
        let arms: Vec<ArmResult> =
            methods.into_iter().zip(0..).map(|(method, at)| self.arm(cell, method, at)).collect();
        let module = |stage| {
            let (answers, ended) = (arms[0].answers.clone(), arms[0].ended.clone());
            ModuleResult { stage, answers, ended }
        };
        let modules = [Stage::COGNITIVE, Stage::AFFECTIVE, Stage::BEHAVIORAL].map(module).to_vec();
        CellOutcome {
            version: OUTCOME_VERSION,
            run: self.id.clone(),
            cell,
            result: CellResult { story: None, scaled_stories: Vec::new(), modules, arms, rejections: Vec::new() },
            spend: CellSpend::default(),
            transcript: None,
        }
    }

    fn arm(&self, cell: Cell, method: Method, at: usize) -> ArmResult {
        let right_of_four = if cell.model.0 == 0 { 3 } else { 2 };
        let answer = |&question: &QuestionId| {
            let seed = cell.respondent.index() * 290 + question.index() + at * 1_000_003;
            let knows = drawn(seed, 4) < right_of_four;
            let code = self.survey.code(cell.respondent, question);
            let is_off = self.experiment.behaviour == Behaviour::Paper && drawn(seed + 2, 11) == 0;
            match knows && !code.is_missing() {
                _ if is_off => Some(Code(99)),
                true => Some(code),
                false => Some(Code(1)).filter(|_| drawn(seed + 1, 9) > 0),
            }
        };
        let answers: Vec<Option<Code>> = self.plan.split().asked(cell.fold).iter().map(answer).collect();
        let ended = |answer: &Option<Code>| if answer.is_some() { Ended::Answered } else { Ended::Refused };
        let ended = CodeString(answers.iter().map(ended).collect());
        let decided = CodeString(vec![Decided::Unanimous; answers.len()]);
        let asked = vec![3; answers.len()];
        ArmResult { method, ended, decided, asked, answers }
    }
}
