//! Shows everything that a run knows about one respondent: the profile, the backstory, and for each question the model's
//! replies, the predictions and the respondent's own answer.

mod rejection;
mod text;

use std::collections::HashMap;

use serde::Serialize;
use valuesim_shared::codebook::{AnswerOption, Question};
use valuesim_shared::id::{Cell, Code, Fold, ModelId, QuestionId, Respondent, RunId};
use valuesim_shared::method::Method;
use valuesim_shared::outcome::CellResult;
use valuesim_shared::profile::ProfileText;
use valuesim_shared::stage::Stage;
use valuesim_shared::store::ReplyText;
use valuesim_shared::task::{RetrievedItem, RetrievedItems};
use valuesim_shared::transcript::{Call, TranscriptError};

use crate::evaluation::{Evaluated, EvaluationError};
use crate::ledger::LedgerError;
use crate::predictions::Replies;
use crate::retrieval::{EmbeddedTexts, Retrieval, VectorsError};
pub use rejection::ShownRejection;
use rejection::rejections;

/// What to show.
#[derive(Debug, Clone)]
pub struct Selection {
    /// Which respondent.
    pub respondent: Respondent,
    /// Only one question, in the fold that holds it out.
    pub question: Option<QuestionId>,
    /// Only one fold.
    pub fold: Option<Fold>,
    /// Only one model, by its name in the experiment.
    pub model: Option<String>,
    /// Whether to show the prompts as well as the replies.
    pub prompts: Prompts,
}

/// Whether prompts are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prompts {
    /// Show only the model's replies.
    Hidden,
    /// Show the prompts, too.
    Shown,
}

/// Why there is nothing to show.
#[derive(Debug, thiserror::Error)]
pub enum ShowError {
    /// The ledger failed.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The vectors that the run retrieves with are not all there.
    #[error(transparent)]
    Vectors(#[from] VectorsError),
    /// A row of the ledger does not fit its fold.
    #[error(transparent)]
    Evaluation(#[from] EvaluationError),
    /// A transcript is damaged.
    #[error("the ledger's transcript of {cell}: {source}")]
    Transcript {
        /// Which cell's.
        cell: Cell,
        /// What is wrong with it.
        source: TranscriptError,
    },
    /// The run has no such model.
    #[error("the run has no model {model:?}: expected one of {}", .known.join(", "))]
    NoSuchModel {
        /// The name that was given.
        model: String,
        /// The names of the run's models.
        known: Vec<String>,
    },
    /// The run has no such respondent.
    #[error("respondent {0} is not in the run's sample of {1}: pass the row number of a respondent in the sample")]
    NotInSample(Respondent, usize),
    /// No fold of the run holds the question out.
    #[error("none of the selected folds holds out {0}: omit --fold, or run the fold that holds it out")]
    NotHeldOut(QuestionId),
    /// The run does not ask the question.
    #[error("{0} is not asked: it is an open question, which never counts for a score; only behaviour `paper` asks it")]
    NotAsked(QuestionId),
    /// None of the cells is finished.
    #[error("none of the selected cells of respondent {0} is finished: continue the run")]
    Unfinished(Respondent),
}

impl ShowError {
    /// Whether the selection is at fault, so that another one may work.
    pub fn is_usage(&self) -> bool {
        matches!(self, Self::NoSuchModel { .. } | Self::NotInSample(..) | Self::NotHeldOut(_) | Self::NotAsked(_))
    }
}

/// One finished cell as it is shown.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ShownCell {
    /// Which run.
    pub run: RunId,
    /// Whether the replies came from the simulated provider.
    pub simulated: bool,
    /// The model, by its name in the experiment.
    pub model: String,
    /// Which respondent.
    pub respondent: Respondent,
    /// Where the respondent lives, ISO alpha-3; `None` if the codebook does not know the country.
    pub country: Option<String>,
    /// Which fold.
    pub fold: Fold,
    /// The profile in natural form.
    pub profile: String,
    /// Whether the cell's transcript was kept.
    pub texts_kept: bool,
    /// The backstory; `None` if no arm needs one.
    pub backstory: Option<ShownBackstory>,
    /// Those of the cell's questions that were selected.
    pub questions: Vec<ShownQuestion>,
}

/// A backstory and how it came about.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ShownBackstory {
    /// How asking for it ended.
    pub ended: &'static str,
    /// Its length in Unicode characters.
    pub characters: u32,
    /// The calls that produced it; empty if they were not kept.
    pub calls: Vec<Call>,
    /// What the provider said, where it did not take the prompt.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rejections: Vec<ShownRejection>,
}

/// One question with all replies and predictions about it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ShownQuestion {
    /// Which question.
    pub question: QuestionId,
    /// Its wording.
    pub text: String,
    /// Its answer options.
    pub options: Vec<AnswerOption>,
    /// The items of the profile that were retrieved for it, best first; empty unless an arm retrieves.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub retrieved: Vec<ShownItem>,
    /// What the modules answered.
    pub modules: Vec<ShownModule>,
    /// What the arms predicted.
    pub predictions: Vec<ShownPrediction>,
    /// What the respondent answered; `None` if the survey has no answer.
    pub truth: Option<ShownAnswer>,
    /// The calls about it; empty if they were not kept. They have no messages if prompts are hidden.
    pub calls: Vec<Call>,
    /// What the provider said to prompts about it that it did not take.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rejections: Vec<ShownRejection>,
}

/// An answer with its label.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ShownAnswer {
    /// The answer's number.
    pub code: Code,
    /// Its label; `None` for open questions.
    pub label: Option<String>,
}

/// An item of the profile that was retrieved for a question.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ShownItem {
    /// The question that it answers.
    pub question: QuestionId,
    /// Its wording.
    pub text: String,
    /// The respondent's answer.
    pub answer: Option<ShownAnswer>,
    /// The cosine similarity to the question that is asked, as the prompt shows it.
    pub similarity: String,
}

/// A module's answer to a question.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ShownModule {
    /// Which module, and from which text.
    #[serde(rename = "module")]
    pub stage: Stage,
    /// Its answer.
    pub answer: Option<ShownAnswer>,
    /// How asking it ended.
    pub ended: &'static str,
}

/// An arm's prediction for a question.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ShownPrediction {
    /// The arm's method; its model is the cell's.
    pub method: Method,
    /// What it predicts.
    pub answer: Option<ShownAnswer>,
    /// How asking ended.
    pub ended: &'static str,
    /// How the answer was decided.
    pub decided: &'static str,
    /// How many times the model was asked.
    pub asked: u8,
}

/// The selected finished cells, by model and fold.
pub fn show(of: &Evaluated<'_>, selection: &Selection) -> Result<Vec<ShownCell>, ShowError> {
    let respondent = selection.respondent;
    if !of.plan.respondents().contains(&respondent) {
        return Err(ShowError::NotInSample(respondent, of.plan.respondents().len()));
    }
    let folds = folds(of, selection)?;
    let retrieval = retrieval(of, respondent)?;
    let mut shown = Vec::new();
    for model in models(of, selection)? {
        for row in of.ledger.results_of(model, respondent)? {
            let (cell, result) = row?;
            if folds.contains(&cell.fold) {
                let retrieved = retrieval.as_ref().map(|retrieval| retrieval.of_cell(of.plan, of.survey, cell));
                let retrieved = retrieved.unwrap_or_default();
                shown.push(CellView { of, selection, cell, result: &result, retrieved }.cell()?);
            }
        }
    }
    if shown.is_empty() { Err(ShowError::Unfinished(respondent)) } else { Ok(shown) }
}

/// Retrieves again as the run did, for one respondent; none unless it retrieves, or if its vectors are gone.
fn retrieval(of: &Evaluated<'_>, respondent: Respondent) -> Result<Option<Retrieval>, VectorsError> {
    let Some(vectors) = of.vectors.filter(|vectors| !vectors.is_empty()) else { return Ok(None) };
    let texts = EmbeddedTexts::of(&[respondent], of.plan, of.survey, (of.codebook, of.experiment.behaviour));
    Retrieval::new(&texts, vectors).map(Some)
}

fn models(of: &Evaluated<'_>, selection: &Selection) -> Result<Vec<ModelId>, ShowError> {
    let Some(wanted) = &selection.model else { return Ok(of.plan.models().collect()) };
    let known: Vec<String> = of.experiment.models.iter().map(|model| model.name.clone()).collect();
    let found = of.plan.models().zip(&known).find(|(_, name)| *name == wanted);
    match found {
        Some((model, _)) => Ok(vec![model]),
        None => Err(ShowError::NoSuchModel { model: wanted.clone(), known }),
    }
}

fn folds(of: &Evaluated<'_>, selection: &Selection) -> Result<Vec<Fold>, ShowError> {
    let wanted = |fold: &Fold| selection.fold.is_none_or(|only| only == *fold);
    let asks = |fold: &Fold| selection.question.is_none_or(|question| of.plan.split().asked(*fold).contains(&question));
    let folds: Vec<Fold> = of.plan.folds().iter().copied().filter(|fold| wanted(fold) && asks(fold)).collect();
    match selection.question {
        Some(question) if of.plan.not_asked().contains(&question) => Err(ShowError::NotAsked(question)),
        Some(question) if folds.is_empty() => Err(ShowError::NotHeldOut(question)),
        _ => Ok(folds),
    }
}

/// A finished cell that is being prepared for display.
struct CellView<'a> {
    of: &'a Evaluated<'a>,
    selection: &'a Selection,
    cell: Cell,
    result: &'a CellResult,
    retrieved: RetrievedItems,
}

/// The calls of a cell, by question; the backstory's calls have none.
type Calls = HashMap<Option<QuestionId>, Vec<Call>>;

impl CellView<'_> {
    fn cell(&self) -> Result<ShownCell, ShowError> {
        let Self { of, cell, result, .. } = self;
        let calls = self.calls()?;
        let texts_kept = calls.is_some();
        let mut calls = calls.unwrap_or_default();
        let country = of.codebook.country(of.survey.country(cell.respondent));
        let backstory = result.story.as_ref().map(|story| ShownBackstory {
            ended: story.ended.name(),
            characters: story.characters,
            calls: calls.remove(&None).unwrap_or_default(),
            rejections: rejections(result, None),
        });
        Ok(ShownCell {
            run: of.run.clone(),
            simulated: of.replies() == Replies::Simulated,
            model: of.experiment.models[cell.model.0 as usize].name.clone(),
            respondent: cell.respondent,
            country: country.map(|country| country.alpha.clone()),
            fold: cell.fold,
            profile: self.profile(),
            texts_kept,
            backstory,
            questions: self.questions(&mut calls)?,
        })
    }

    fn profile(&self) -> String {
        let Self { of, cell, .. } = self;
        let kept = of.plan.split().kept(cell.fold).iter();
        let answers = kept.map(|&question| (question, of.survey.code(cell.respondent, question)));
        ProfileText::new(of.codebook, of.experiment.behaviour).natural(answers)
    }

    fn calls(&self) -> Result<Option<Calls>, ShowError> {
        let Some(transcript) = self.of.ledger.transcript(self.cell)? else { return Ok(None) };
        let mut calls = Calls::new();
        for call in transcript.calls() {
            let mut call = call.map_err(|source| ShowError::Transcript { cell: self.cell, source })?;
            if self.selection.prompts == Prompts::Hidden {
                call.messages = Vec::new();
            }
            calls.entry(call.key.question).or_default().push(call);
        }
        Ok(Some(calls))
    }

    fn questions(&self, calls: &mut Calls) -> Result<Vec<ShownQuestion>, ShowError> {
        let Self { of, cell, result, selection, .. } = self;
        let mut arms = Vec::new();
        for arm in &result.arms {
            arms.push((arm.method, of.predictions(*cell, result, arm.method)?));
        }
        let asked = of.plan.split().asked(cell.fold);
        let wanted = |id: &QuestionId| selection.question.is_none_or(|only| only == *id);
        let questions = asked.iter().enumerate().filter(|(_, id)| wanted(id)).map(|(at, &id)| {
            let question = of.codebook.question(id);
            let truth = of.survey.code(cell.respondent, id);
            let predictions = arms.iter().map(|(method, predictions)| ShownPrediction {
                method: *method,
                answer: answer(question, predictions[at].answer),
                ended: predictions[at].ended.name(),
                decided: predictions[at].decided.name(),
                asked: predictions[at].asked,
            });
            ShownQuestion {
                question: id,
                text: question.text.clone(),
                options: question.options.clone(),
                retrieved: self.retrieved(at),
                modules: self.modules(question, at),
                predictions: predictions.collect(),
                truth: answer(question, Some(truth).filter(|truth| !truth.is_missing())),
                calls: calls.remove(&Some(id)).unwrap_or_default(),
                rejections: rejections(result, Some(id)),
            }
        });
        Ok(questions.collect())
    }

    fn retrieved(&self, at: usize) -> Vec<ShownItem> {
        let Self { of, cell, .. } = self;
        let kept = of.plan.split().kept(cell.fold);
        let item = |item: &RetrievedItem| {
            let question = of.codebook.question(*kept.get(usize::from(item.place))?);
            Some(ShownItem {
                question: question.id,
                text: question.text.clone(),
                answer: answer(question, Some(of.survey.code(cell.respondent, question.id))),
                similarity: item.similarity.to_string(),
            })
        };
        self.retrieved.0.get(at).into_iter().flatten().filter_map(item).collect()
    }

    fn modules(&self, question: &Question, at: usize) -> Vec<ShownModule> {
        let modules = self.result.modules.iter().map(|module| ShownModule {
            stage: module.stage,
            answer: answer(question, module.answers.get(at).copied().flatten()),
            ended: module.ended.0.get(at).map_or("missing", |ended| ended.name()),
        });
        modules.collect()
    }
}

fn answer(question: &Question, code: Option<Code>) -> Option<ShownAnswer> {
    code.map(|code| ShownAnswer { code, label: question.label(code).map(str::to_owned) })
}

impl ShownCell {
    /// The cell as text for people. It may contain anything that a model wrote, so print it through
    /// [`crate::terminal_escape::visible`].
    pub fn text(&self) -> String {
        text::text(self)
    }
}
