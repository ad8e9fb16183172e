//! The calls about one question of a cell: which are next after each reply, and what they come to.

use std::sync::Arc;

use crate::call::{CallKey, ReplyText};
use crate::codebook::Question;
use crate::decide::{Decision, ceiling_of_mean, decide};
use crate::id::Code;
use crate::method::{Method, Module};
use crate::outcome::{Decided, Ended};
use crate::prompt::{Opinion, coordinator};
use crate::stage::{Stage, Variant};

use super::reading::{self, Asked};
use super::reask::Reask;
use super::table::{Asks, Recipe, Settle};
use super::{Follows, MissingStories, NextCall, Prompt, Rules};

/// The calls about one question, as far as they are known.
#[derive(Debug)]
pub struct QuestionCalls<'a> {
    rules: &'a Rules,
    question: &'a Question,
    missing: &'a MissingStories,
    /// What is asked or was, in the order of asking; a handful.
    steps: Vec<(Stage, Step)>,
}

/// How far a stage has come.
#[derive(Debug)]
enum Step {
    /// It was asked once.
    Asked(Prompt),
    /// It was asked again after a first reply.
    AskedAgain(Asked, Reask),
    /// It is over.
    Done(Asked),
}

/// What the calls about one question came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuestionResult {
    /// What each module gave, by stage.
    pub modules: Vec<(Stage, Asked)>,
    /// What each method predicts, in the methods' order.
    pub predictions: Vec<(Method, Prediction)>,
}

/// One method's answer to one question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Prediction {
    /// The answer, if there is a valid one.
    pub answer: Option<Code>,
    /// How asking ended.
    pub ended: Ended,
    /// How the answer was decided.
    pub decided: Decided,
    /// How often the model was asked for it.
    pub asked: u8,
}

impl<'a> QuestionCalls<'a> {
    /// Nothing is asked yet.
    pub fn new(rules: &'a Rules, question: &'a Question, missing: &'a MissingStories) -> Self {
        Self { rules, question, missing, steps: Vec::with_capacity(rules.first_stages.len() + 1) }
    }

    /// The calls that can be made before any reply is known.
    pub fn first(&mut self) -> Vec<NextCall> {
        let (rules, missing) = (self.rules, self.missing);
        let possible = rules.first_stages.iter().filter(|stage| !missing.are_in(super::text_of(**stage)));
        possible.map(|&stage| self.ask(stage, Prompt::OfStage)).collect()
    }

    fn ask(&mut self, stage: Stage, prompt: Prompt) -> NextCall {
        self.steps.push((stage, Step::Asked(prompt.clone())));
        NextCall { key: CallKey::first(stage, Some(self.question.id)), prompt, follows: Follows::Nothing }
    }

    /// The calls that can be made now that this reply is known.
    ///
    /// # Panics
    /// Where the call was not one of this question's next ones, or was answered before.
    pub fn reply(&mut self, key: CallKey, reply: &ReplyText) -> Vec<NextCall> {
        let asked = reading::read(self.rules.behaviour, key.stage.kind(), self.question, reply);
        let at = self.steps.iter().position(|(stage, _)| *stage == key.stage).expect("the call was asked for");
        match self.steps.swap_remove(at).1 {
            Step::Asked(prompt) => {
                if let Some(again) = self.ask_again(key, prompt, &asked, reply) {
                    return vec![again];
                }
                self.steps.push((key.stage, Step::Done(asked)));
            }
            Step::AskedAgain(first, how) => self.steps.push((key.stage, Step::Done(first.then(how, asked)))),
            Step::Done(_) => panic!("the call was answered before"),
        }
        self.coordinators()
    }

    /// The second call of a stage, where one helps.
    fn ask_again(&mut self, key: CallKey, prompt: Prompt, asked: &Asked, reply: &ReplyText) -> Option<NextCall> {
        let ReplyText::Text { content, .. } = reply else { return None };
        let how = self.rules.reask(asked.ended)?;
        let follows = match how {
            Reask::Remind => Follows::Reminder { reply: content.clone() },
            Reask::MoreRoom(tokens) => Follows::MoreRoom(tokens),
        };
        self.steps.push((key.stage, Step::AskedAgain(asked.clone(), how)));
        Some(NextCall { key: CallKey { asked_before: how.asked_before(), ..key }, prompt, follows })
    }

    /// Coordinators that are to be asked and were not yet.
    fn coordinators(&mut self) -> Vec<NextCall> {
        let mut calls = Vec::new();
        for (_, recipe) in &self.rules.recipes {
            let Some(stage) = self.coordinator(*recipe).filter(|stage| self.step(*stage).is_none()) else { continue };
            if let Some(prompt) = self.coordinator_prompt(*recipe) {
                calls.push(self.ask(stage, Prompt::Whole(prompt)));
            }
        }
        calls
    }

    /// What the coordinator of a method is to be asked, where its modules are done and differ.
    fn coordinator_prompt(&self, recipe: Recipe) -> Option<Arc<str>> {
        let Asks::Modules(panel, _) = recipe.asks else { return None };
        let heard = panel.iter().map(|&module| self.done(recipe.module(module)));
        let heard = heard.collect::<Option<Vec<&Asked>>>()?;
        if decide(&answers(&heard)) != Decision::AskCoordinator {
            return None;
        }
        let opinion = |module: Module| {
            let asked = panel.iter().position(|&of| of == module).map(|at| heard[at]);
            asked.map_or(Opinion { answer: None, analysis: "" }, |asked| Opinion {
                answer: asked.answer,
                analysis: &asked.analysis,
            })
        };
        Some(coordinator(self.question, &Module::ALL.map(opinion)).into())
    }

    /// The stage that asks the coordinator for a method. The coordinator's prompt is the same whether a module was not asked or
    /// gave neither answer nor analysis; in the second case a method with all modules shares the call of the one without it.
    fn coordinator(&self, recipe: Recipe) -> Option<Stage> {
        let own = recipe.coordinator()?;
        let Asks::Modules(panel, _) = recipe.asks else { return Some(own) };
        let says_nothing = |&module: &Module| {
            let asked = self.module(recipe.module(module));
            asked.is_some_and(|asked| asked.answer.is_none() && asked.analysis.is_empty())
        };
        let mut silent = panel.iter().copied().filter(says_nothing);
        let (Some(silent), None) = (silent.next(), silent.next()) else { return Some(own) };
        let same = Stage::of(own.kind(), Variant::Without(silent));
        let mut others = self.rules.recipes.iter().map(|(_, other)| other);
        let is_shared = others.any(|other| other.reads == recipe.reads && other.coordinator() == Some(same));
        Some(if panel.len() == Module::ALL.len() && is_shared { same } else { own })
    }

    fn step(&self, stage: Stage) -> Option<&Step> {
        self.steps.iter().find(|(of, _)| *of == stage).map(|(_, step)| step)
    }

    fn done(&self, stage: Stage) -> Option<&Asked> {
        match self.step(stage)? {
            Step::Done(asked) => Some(asked),
            Step::Asked(_) | Step::AskedAgain(..) => None,
        }
    }

    /// What the calls came to; none while replies are missing.
    pub fn result(&self) -> Option<QuestionResult> {
        let predictions = self.rules.recipes.iter().map(|&(method, recipe)| Some((method, self.predict(recipe)?)));
        let predictions = predictions.collect::<Option<_>>()?;
        let module_stages = self.rules.first_stages.iter().filter(|stage| stage.kind().module().is_some());
        let modules = module_stages.map(|&stage| Some((stage, self.module(stage)?))).collect::<Option<_>>()?;
        Some(QuestionResult { modules, predictions })
    }

    /// What a module gave. Without a backstory there is nothing to ask it about.
    fn module(&self, stage: Stage) -> Option<Asked> {
        if self.missing.are_in(super::text_of(stage)) {
            return Some(Asked::nothing(Ended::NoBackstory));
        }
        self.done(stage).cloned()
    }

    fn predict(&self, recipe: Recipe) -> Option<Prediction> {
        match recipe.asks {
            Asks::Once(kind) => {
                if self.missing.are_in(recipe.reads) {
                    let ended = Ended::NoBackstory;
                    return Some(Prediction { answer: None, ended, decided: Decided::Direct, asked: 0 });
                }
                let asked = self.done(Stage::plain(kind))?;
                Some(Prediction {
                    answer: asked.answer,
                    ended: asked.ended,
                    decided: Decided::Direct,
                    asked: asked.times,
                })
            }
            Asks::Modules(panel, settle) => {
                let heard = panel.iter().map(|&module| self.module(recipe.module(module)));
                let heard = heard.collect::<Option<Vec<Asked>>>()?;
                self.settle(recipe, settle, &heard.iter().collect::<Vec<_>>())
            }
        }
    }

    fn settle(&self, recipe: Recipe, settle: Settle, heard: &[&Asked]) -> Option<Prediction> {
        let asked = heard.iter().map(|module| module.times).sum();
        let agreed = |answer, decided| {
            let reminded = heard.iter().any(|module| module.ended == Ended::Reminded);
            let ended = if reminded { Ended::Reminded } else { Ended::Answered };
            Prediction { answer: Some(answer), ended, decided, asked }
        };
        Some(match decide(&answers(heard)) {
            Decision::Agreed { answer, decided } => agreed(answer, decided),
            Decision::NoValidAnswer => {
                let first = heard.first().map_or(Ended::Invalid, |module| module.ended);
                let ended = if heard.iter().all(|module| module.ended == first) { first } else { Ended::Invalid };
                Prediction { answer: None, ended, decided: Decided::NoValidAnswers, asked }
            }
            Decision::AskCoordinator if settle == Settle::CeilingOfMean => {
                agreed(ceiling_of_mean(&answers(heard))?, Decided::Average)
            }
            Decision::AskCoordinator => {
                let last = self.done(self.coordinator(recipe)?)?;
                let asked = asked + last.times;
                Prediction { answer: last.answer, ended: last.ended, decided: Decided::Coordinator, asked }
            }
        })
    }
}

fn answers(heard: &[&Asked]) -> Vec<Option<Code>> {
    heard.iter().map(|module| module.answer).collect()
}
