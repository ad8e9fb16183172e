//! The prompts of one cell. Their long texts are encoded once and shared by all its requests.

use std::sync::Arc;

use valuesim_shared::method::{Method, Module};
use valuesim_shared::prompt::{QuestionPrompt, module_frame};
use valuesim_shared::store::Backstory;
use valuesim_shared::task::Task;

use crate::provider::EncodedText;
use crate::run::Run;

/// A prompt with a place for the question between two texts that many requests share.
#[derive(Debug, Clone)]
pub(crate) struct SharedPrompt {
    pub(crate) before: Arc<EncodedText>,
    pub(crate) after: Arc<EncodedText>,
}

impl SharedPrompt {
    /// A prompt that is asked once, with nothing to fill in.
    pub(crate) fn whole(text: &str) -> Self {
        Self { before: Arc::new(EncodedText::new(text)), after: Arc::new(EncodedText::new("")) }
    }

    /// A module's prompt, around a backstory that is encoded already.
    fn of_module(module: Module, story: &EncodedText) -> Self {
        let [before, between, after] = module_frame(module).map(EncodedText::new);
        Self { before: Arc::new(EncodedText::joined(&[&before, story, &between])), after: Arc::new(after) }
    }

    fn of(prompt: &QuestionPrompt) -> Self {
        Self { before: Arc::new(EncodedText::new(prompt.before())), after: Arc::new(EncodedText::new(prompt.after())) }
    }
}

/// The prompts that a cell's arms need.
#[derive(Debug)]
pub(crate) struct CellPrompts {
    modules: Option<[SharedPrompt; 3]>,
    full_info: Option<SharedPrompt>,
}

impl CellPrompts {
    pub(crate) fn new(run: &Run, task: &Task, backstory: Option<&Backstory>) -> Self {
        let modules = backstory.filter(|story| !story.text.is_empty()).map(|story| {
            let story = EncodedText::new(&story.text);
            Module::ALL.map(|module| SharedPrompt::of_module(module, &story))
        });
        let full_info = run.manifest.methods.contains(&Method::FullInfo).then(|| {
            let profile = run.profile_text().with_questions(run.profile(task));
            SharedPrompt::of(&QuestionPrompt::full_info(&profile))
        });
        Self { modules, full_info }
    }

    /// The modules' prompts in the order of [`Module::ALL`]; none where there is no backstory.
    pub(crate) fn modules(&self) -> Option<&[SharedPrompt; 3]> {
        self.modules.as_ref()
    }

    pub(crate) fn full_info(&self) -> Option<&SharedPrompt> {
        self.full_info.as_ref()
    }
}
