//! An experiment with its data: what is decided before the first call, and computed after the last.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use valuesim_coordinator::evaluation::{Evaluated, EvaluationError, check_columns};
use valuesim_coordinator::kept_replies::KeptReplies;
use valuesim_coordinator::ledger::{Ledger, LedgerError};
use valuesim_coordinator::live::{LiveScores, ScoredRun};
use valuesim_coordinator::off_peak::OffPeak;
use valuesim_coordinator::plan::Plan;
use valuesim_coordinator::provenance::Provenance;
use valuesim_coordinator::retrieval::{KeptVectors, VECTORS_FILE, VectorsError};
use valuesim_coordinator::rounds::{InRounds, Rounds, check_rule, plan_so_far};
use valuesim_coordinator::run_id::run_id;
use valuesim_coordinator::statistics::MIN_BEFORE_STOPPING;
use valuesim_shared::cell::{backstories, needs_retrieval};
use valuesim_shared::codebook::Codebook;
use valuesim_shared::embeddings::EmbeddingSettings;
use valuesim_shared::experiment::Experiment;
use valuesim_shared::id::RunId;
use valuesim_shared::manifest::Manifest;
use valuesim_shared::model::ModelSettings;
use valuesim_shared::outcome::StageSpend;
use valuesim_shared::survey::Survey;
use valuesim_simulator::synth::Synth;

use super::run::When;
use crate::exit::{Failure, OrUsage as _};
use crate::output::note;
use crate::progress::Before;
use crate::run_folder::RunFolder;

/// How long to wait for a ledger that another process still has open, and how often to try meanwhile.
const LEDGER_WITHIN: Duration = Duration::from_secs(2);
const LEDGER_AGAIN_AFTER: Duration = Duration::from_millis(50);

/// An experiment with its data: what is decided before the first call.
#[derive(Clone)]
pub(super) struct Job {
    pub(super) run: RunId,
    pub(super) experiment: Experiment,
    pub(super) codebook: Arc<Codebook>,
    pub(super) survey: Arc<Survey>,
    pub(super) plan: Arc<Plan>,
    /// What earlier runs have of its cells.
    pub(super) kept: Arc<KeptReplies>,
    /// When its cells may begin.
    pub(super) when: When,
    /// Whether the command has another budget than when the run was last started.
    pub(super) has_new_budget: bool,
}

impl Job {
    pub(super) fn prepare(experiment: Experiment) -> Result<Self, Failure> {
        let codebook = match &experiment.codebook {
            Some(path) => Codebook::load(path).or_usage()?,
            None => Codebook::built_in(),
        };
        let survey = match &experiment.survey.file {
            Some(file) => {
                let further = experiment.evaluation.further_columns();
                Survey::load_with(file, &codebook, (&further, experiment.survey.id_column.as_deref())).or_usage()?
            }
            None => synthetic(&experiment).survey(),
        };
        check_columns(&survey, &codebook, &experiment.evaluation).or_usage()?;
        let plan = Plan::new(&experiment, &survey, &codebook).or_usage()?;
        check_rule(&experiment, &plan, &survey, &codebook).or_usage()?;
        let run = run_id(&experiment, &plan, &survey, &codebook);
        Ok(Self {
            run,
            experiment,
            codebook: Arc::new(codebook),
            survey: Arc::new(survey),
            plan: Arc::new(plan),
            kept: Arc::default(),
            when: When::Any,
            has_new_budget: false,
        })
    }

    /// Opens or creates the run's ledger, and records the provenance of this execution.
    pub(super) fn open_ledger(&self, folder: &RunFolder) -> Result<Arc<Ledger>, Failure> {
        folder.check_ledger_is_there()?;
        let ledger = self.ledger_soon(&folder.ledger())?;
        ledger.note_provenance(&self.provenance())?;
        folder.write_experiment(&self.experiment)?;
        Ok(Arc::new(ledger))
    }

    /// The run's ledger. A process that was just killed may keep it open for another moment.
    #[expect(clippy::disallowed_methods, reason = "there is no asynchronous runtime yet")]
    fn ledger_soon(&self, path: &Path) -> Result<Ledger, LedgerError> {
        let deadline = Instant::now() + LEDGER_WITHIN;
        loop {
            match Ledger::open(path, &self.run) {
                Err(LedgerError::InUse(_)) if Instant::now() < deadline => std::thread::sleep(LEDGER_AGAIN_AFTER),
                opened => return opened,
            }
        }
    }

    /// The manifest that the run's workers read.
    pub(super) fn manifest(&self, models: Vec<ModelSettings>) -> Manifest {
        Manifest { models, ..Manifest::of(self.run.clone(), &self.experiment, Codebook::clone(&self.codebook)) }
    }

    /// What the finished cells and the embeddings took.
    pub(super) fn done_before(&self, ledger: &Ledger, embeddings: &StageSpend) -> Result<Before, LedgerError> {
        let mut before = Before { spend: embeddings.clone(), ..Before::default() };
        let of_each_cell = backstories(&self.experiment.methods) as u64;
        for model in self.plan.models() {
            for row in ledger.spend(model)? {
                before.spend.add(&row?.1.total());
                before.backstories += of_each_cell;
            }
        }
        Ok(before)
    }

    /// The plan of the first round; none unless people are asked in rounds.
    pub(super) fn first_round(&self) -> Option<Plan> {
        self.experiment.sample.is_in_rounds().then(|| self.plan.first(MIN_BEFORE_STOPPING))
    }

    /// The rounds that are left; none unless people are asked in rounds.
    pub(super) fn rounds(&self, ledger: &Arc<Ledger>) -> Result<Option<Arc<Rounds>>, EvaluationError> {
        let Self { run, experiment, codebook, survey, plan, .. } = self.clone();
        let of = InRounds { run, experiment, plan, survey, codebook, tell: note };
        Ok(Rounds::of(of, Arc::clone(ledger))?.map(Arc::new))
    }

    /// The same with the people alone whom the run's rounds have come to.
    pub(super) fn so_far(&self, ledger: &Ledger) -> Result<Self, EvaluationError> {
        let plan = plan_so_far((&self.experiment, &self.plan), (&self.survey, &self.codebook), ledger)?;
        Ok(Self { plan: Arc::new(plan), ..self.clone() })
    }

    /// The run in the form in which it is scored.
    pub(super) fn evaluated<'a>(&'a self, ledger: &'a Ledger, vectors: Option<&'a KeptVectors>) -> Evaluated<'a> {
        let Self { run, experiment, codebook, survey, plan, .. } = self;
        Evaluated { run, experiment, plan, survey, codebook, ledger, vectors }
    }

    /// Starts to score the finished cells while the run goes on.
    pub(super) fn live_scores(&self, ledger: &Arc<Ledger>) -> LiveScores {
        LiveScores::start(ScoredRun {
            run: self.run.clone(),
            experiment: self.experiment.clone(),
            plan: Arc::clone(&self.plan),
            survey: Arc::clone(&self.survey),
            codebook: Arc::clone(&self.codebook),
            ledger: Arc::clone(ledger),
        })
    }

    /// The settings of the run's embeddings; none unless a method retrieves.
    pub(super) fn embeddings(&self) -> Option<&EmbeddingSettings> {
        self.experiment.embeddings.as_ref().filter(|_| needs_retrieval(&self.experiment.methods))
    }

    /// The vectors that the run's folder keeps; none unless a method retrieves.
    pub(super) fn vectors(&self, folder: &RunFolder) -> Result<Option<KeptVectors>, VectorsError> {
        let path = folder.path().join(VECTORS_FILE);
        self.embeddings().map(|settings| KeptVectors::open(&path, &settings.name)).transpose()
    }

    /// Lets cells wait for cheap hours, if they are to.
    pub(super) fn off_peak(&self) -> Option<OffPeak> {
        (self.when == When::OffPeak).then(|| OffPeak::of(&self.experiment.models, note))
    }

    /// The provenance of this execution.
    pub(super) fn provenance(&self) -> Provenance {
        let with_replies = self.kept.runs().iter().filter(|earlier| earlier.cells() > 0);
        Provenance {
            kept_replies_of: with_replies.map(|earlier| earlier.run().clone()).collect(),
            ..Provenance::new(&self.experiment, &self.plan, &self.survey, &self.codebook)
        }
    }
}

fn synthetic(experiment: &Experiment) -> Synth {
    let respondents = experiment.survey.synthetic.expect("a resolved experiment has a survey");
    Synth { respondents, seed: experiment.survey.synthetic_seed }
}
