//! The CAB stage: answers a cell's held-out questions with modules, coordinator and single-call arms.

use std::panic::resume_unwind;
use std::sync::Arc;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesOrdered;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use valuesim_shared::codebook::Question;
use valuesim_shared::decide::{Decision, decide};
use valuesim_shared::id::{Code, QuestionId};
use valuesim_shared::method::{Method, Module, Stage};
use valuesim_shared::outcome::{
    ArmResult, CellOutcome, CellResult, Decided, Ended, Letters, ModuleResult, OUTCOME_VERSION, StoryResult,
};
use valuesim_shared::permit::PermitOffice;
use valuesim_shared::prompt::{Opinion, coordinator};
use valuesim_shared::queue::Queue;
use valuesim_shared::store::{Backstory, Store};
use valuesim_shared::task::{Task, TaskKind};

use crate::ask::{Asked, CellCalls};
use crate::attempt::Next;
use crate::context::Context;
use crate::demand::Held;
use crate::halt::Halt;
use crate::prompts::{CellPrompts, SharedPrompt};

/// Answers a cell's held-out questions. Without a backstory the story stage is next.
pub(crate) async fn answer<Q: Queue, S: Store, O: PermitOffice>(
    context: &Arc<Context<Q, S, O>>,
    task: &Arc<Task>,
    held: Held,
    halt: &CancellationToken,
) -> Result<Next, Halt> {
    let backstory = context.store.backstory(&task.run, task.cell).await?;
    if backstory.is_none() && context.run.manifest.needs_backstory() {
        return Ok(Next::Task(task.of_kind(TaskKind::Story)));
    }
    let calls = CellCalls::new(context, task, halt).await?;
    let prompts = CellPrompts::new(&context.run, task, backstory.as_ref());
    let cell = Arc::new(Cell { calls, prompts, backstory });
    let result = Arc::clone(&cell).answer(held).await?;
    let mut spend = cell.calls.spend();
    if let Some(story) = &cell.backstory {
        spend.add(&story.spend);
    }
    let transcript = cell.calls.transcript(cell.backstory.as_ref()).await;
    let outcome =
        CellOutcome { version: OUTCOME_VERSION, run: task.run.clone(), cell: task.cell, result, spend, transcript };
    Ok(Next::Outcome(Box::new(outcome)))
}

/// A cell whose questions are being answered.
struct Cell<Q, S, O> {
    calls: CellCalls<Q, S, O>,
    prompts: CellPrompts,
    backstory: Option<Backstory>,
}

/// What the modules and the coordinator made of one question.
struct Simulated {
    modules: [Asked; 3],
    prediction: Prediction,
}

/// One arm's answer to one question.
struct Prediction {
    answer: Option<Code>,
    ended: Ended,
    decided: Decided,
    asked: u8,
}

impl<Q: Queue, S: Store, O: PermitOffice> Cell<Q, S, O> {
    async fn answer(self: Arc<Self>, mut held: Held) -> Result<CellResult, Halt> {
        let held_out = self.calls.held_out();
        let methods = &self.calls.manifest().methods;
        let mut arms = Vec::new();
        let mut modules = Vec::new();
        let simulate = methods.contains(&Method::ValueSim);
        let ask_all = methods.contains(&Method::FullInfo);
        // All questions go on side by side, each in a task of its own: a reply is read where it arrived.
        let simulated = held_out.iter().filter(|_| simulate).map(|&id| {
            let places = [held.split_one(), held.split_one(), held.split_one()];
            spawn(Arc::clone(&self).simulate(id, places))
        });
        let simulated: Vec<_> = simulated.collect();
        let direct = held_out.iter().filter(|_| ask_all);
        let direct: Vec<_> = direct.map(|&id| spawn(Arc::clone(&self).full_info(id, held.split_one()))).collect();
        // A question that fails or is stopped lets the others finish their calls.
        let (simulated, direct) = (ended(simulated).await, ended(direct).await);
        let simulated: Vec<Simulated> = all_or_halt(simulated)?;
        let direct: Vec<Prediction> = all_or_halt(direct)?;
        if simulate {
            let predictions = simulated.iter().map(|question| &question.prediction);
            arms.push(arm(Method::ValueSim, predictions));
            modules = (0..Module::ALL.len()).map(|at| module_result(at, &simulated)).collect();
        }
        if ask_all {
            arms.push(arm(Method::FullInfo, direct.iter()));
        }
        let story = self.backstory.as_ref().map(story_result);
        Ok(CellResult { story, modules, arms })
    }

    async fn simulate(self: Arc<Self>, id: QuestionId, places: [Held; 3]) -> Result<Simulated, Halt> {
        let question = self.calls.question(id);
        let Some(prompts) = self.prompts.modules() else {
            return Ok(self.without_backstory());
        };
        let asks = Module::ALL.into_iter().zip(prompts).zip(places).map(|((module, prompt), place)| {
            let calls = &self.calls;
            async move {
                // Held until the call is made: a place that the future did not take would be given back at once.
                let _place = place;
                calls.ask_module(module.into(), question, prompt).await
            }
        });
        // Of the three only the one that has news is looked at.
        let answers = asks.collect::<FuturesOrdered<_>>().collect().await;
        let modules: [Asked; 3] = all_or_halt(answers)?.try_into().expect("there are three modules");
        let prediction = self.settle(question, &modules).await?;
        self.calls.predicted(Method::ValueSim, prediction.ended);
        Ok(Simulated { modules, prediction })
    }

    /// Without a backstory there is nothing to ask the modules about: the story's ending is theirs too.
    fn without_backstory(&self) -> Simulated {
        let ended = self.backstory.as_ref().map_or(Ended::Invalid, |story| story.ended);
        let nothing = || Asked { answer: None, analysis: String::new(), ended, times: 0 };
        self.calls.predicted(Method::ValueSim, ended);
        let prediction = Prediction { answer: None, ended, decided: Decided::NoValidAnswers, asked: 0 };
        Simulated { modules: [nothing(), nothing(), nothing()], prediction }
    }

    async fn settle(&self, question: &Question, modules: &[Asked; 3]) -> Result<Prediction, Halt> {
        let asked = modules.iter().map(|module| module.times).sum();
        match decide(&[modules[0].answer, modules[1].answer, modules[2].answer]) {
            Decision::Agreed { answer, decided } => {
                let reminded = modules.iter().any(|module| module.ended == Ended::Reminded);
                let ended = if reminded { Ended::Reminded } else { Ended::Answered };
                Ok(Prediction { answer: Some(answer), ended, decided, asked })
            }
            Decision::NoValidAnswer => {
                let ended = modules[0].ended;
                let ended = if modules.iter().all(|module| module.ended == ended) { ended } else { Ended::Invalid };
                Ok(Prediction { answer: None, ended, decided: Decided::NoValidAnswers, asked })
            }
            Decision::AskCoordinator => {
                let opinions =
                    modules.each_ref().map(|module| Opinion { answer: module.answer, analysis: &module.analysis });
                let prompt = SharedPrompt::whole(&coordinator(question, &opinions));
                let last = self.calls.ask_coordinator(question, &prompt).await?;
                let asked = asked + last.times;
                Ok(Prediction { answer: last.answer, ended: last.ended, decided: Decided::Coordinator, asked })
            }
        }
    }

    async fn full_info(self: Arc<Self>, id: QuestionId, _place: Held) -> Result<Prediction, Halt> {
        let question = self.calls.question(id);
        let prompt = self.prompts.full_info().expect("the arm's prompt is made with the cell's");
        let Asked { answer, ended, times, .. } = self.calls.ask_single(Stage::FullInfo, question, prompt).await?;
        self.calls.predicted(Method::FullInfo, ended);
        Ok(Prediction { answer, ended, decided: Decided::Direct, asked: times })
    }
}

fn spawn<T: Send + 'static>(question: impl Future<Output = T> + Send + 'static) -> AbortOnDropHandle<T> {
    AbortOnDropHandle::new(tokio::spawn(question))
}

/// What the questions' tasks came to, in their order.
async fn ended<T>(questions: Vec<AbortOnDropHandle<T>>) -> Vec<T> {
    let mut all = Vec::with_capacity(questions.len());
    for question in questions {
        // Nothing aborts them while they are waited for, so what is no value is a panic, which is this task's too.
        all.push(question.await.unwrap_or_else(|broken| resume_unwind(broken.into_panic())));
    }
    all
}

fn story_result(story: &Backstory) -> StoryResult {
    let characters = u32::try_from(story.text.chars().count()).unwrap_or(u32::MAX);
    StoryResult { ended: story.ended, characters, asked: story.asked }
}

fn module_result(at: usize, questions: &[Simulated]) -> ModuleResult {
    let asked = || questions.iter().map(|question| &question.modules[at]);
    ModuleResult {
        module: Module::ALL[at],
        answers: asked().map(|module| module.answer).collect(),
        ended: Letters(asked().map(|module| module.ended).collect()),
    }
}

fn arm<'a>(method: Method, predictions: impl Iterator<Item = &'a Prediction> + Clone) -> ArmResult {
    ArmResult {
        method,
        answers: predictions.clone().map(|prediction| prediction.answer).collect(),
        ended: Letters(predictions.clone().map(|prediction| prediction.ended).collect()),
        decided: Letters(predictions.clone().map(|prediction| prediction.decided).collect()),
        asked: predictions.map(|prediction| prediction.asked).collect(),
    }
}

/// All values, or the worst reason why one is missing: a failure before a stop.
fn all_or_halt<T>(ended: Vec<Result<T, Halt>>) -> Result<Vec<T>, Halt> {
    let mut values = Vec::with_capacity(ended.len());
    let mut worst = None;
    for end in ended {
        match end {
            Ok(value) => values.push(value),
            Err(failed @ Halt::Failed(_)) => worst = Some(failed),
            Err(Halt::Stopped) => worst = worst.or(Some(Halt::Stopped)),
        }
    }
    worst.map_or(Ok(values), Err)
}
