//! The prompts of one cell. Their long texts are encoded once and shared by all of the cell's requests.

use std::sync::Arc;

use valuesim_shared::cell::{Rules, Text, text_of};
use valuesim_shared::id::QuestionId;
use valuesim_shared::prompt::{Retrieved, combined, frame, retrieved_items};
use valuesim_shared::stage::Stage;
use valuesim_shared::task::Task;

use crate::provider::EncodedText;
use crate::run::Run;

/// A prompt: two texts that many requests share, with the question between them.
#[derive(Debug, Clone)]
pub(crate) struct SharedPrompt {
    pub(crate) before: Arc<EncodedText>,
    pub(crate) after: Arc<EncodedText>,
}

impl SharedPrompt {
    /// A prompt that is sent once, with no question to insert.
    pub(crate) fn whole(text: &str) -> Self {
        Self { before: Arc::new(EncodedText::new(text)), after: Arc::new(EncodedText::new("")) }
    }

    /// The prompt of a stage around an encoded text.
    fn of_stage(stage: Stage, text: EncodedText) -> Self {
        let frame = frame(stage.kind()).expect("the stage asks about a question");
        let [before, after] = frame.around(text, EncodedText::new).map(|side| {
            let parts: Vec<&EncodedText> = side.iter().collect();
            Arc::new(EncodedText::joined(&parts))
        });
        Self { before, after }
    }
}

/// The backstories for a cell's prompts, with the stages that wrote them. Empty backstories are left out.
pub(crate) type StoryTexts<'a> = [(Stage, &'a str)];

/// The prompts that a cell's methods need, by stage. Those with another text for each question are made when they are asked.
#[derive(Debug)]
pub(crate) struct CellPrompts(Vec<(Stage, SharedPrompt)>);

impl CellPrompts {
    pub(crate) fn new(rules: &Rules, (run, task): (&Run, &Task), stories: &StoryTexts<'_>) -> Self {
        let mut encoded: Vec<(Text, EncodedText)> = Vec::new();
        let mut prompts = Vec::new();
        for &stage in rules.first_stages() {
            let of = text_of(stage);
            if of == Text::Retrieved {
                continue;
            }
            let known = encoded.iter().find(|(text, _)| *text == of).map(|(_, known)| known.clone());
            let text = known.or_else(|| Some(EncodedText::new(&text(of, (run, task), stories)?)));
            let Some(text) = text else { continue };
            encoded.push((of, text.clone()));
            prompts.push((stage, SharedPrompt::of_stage(stage, text)));
        }
        Self(prompts)
    }

    /// The prompt of a stage that asks about questions; `None` if its backstory is missing.
    pub(crate) fn of(&self, stage: Stage) -> Option<&SharedPrompt> {
        self.0.iter().find(|(of, _)| *of == stage).map(|(_, prompt)| prompt)
    }
}

/// The prompt of `rag` around a question, with the items that the task names for it.
///
/// # Panics
/// If the task does not fit its run, which is checked when the task is taken.
pub(crate) fn with_retrieved((run, task): (&Run, &Task), question: QuestionId) -> SharedPrompt {
    let items = run.retrieved(task, question).expect("a task is checked when it is taken");
    let items: Vec<Retrieved> =
        items.iter().map(|(text, similarity)| Retrieved { text, similarity: *similarity }).collect();
    SharedPrompt::of_stage(Stage::RAG, EncodedText::new(&retrieved_items(&items)))
}

/// The long text of a prompt; `None` if its backstory is missing.
fn text(of: Text, (run, task): (&Run, &Task), stories: &StoryTexts<'_>) -> Option<String> {
    let profile = || run.profile_text().with_questions(run.profile(task));
    let story = || {
        let wanted = of.story()?;
        stories.iter().find(|(stage, _)| *stage == wanted).map(|(_, text)| (*text).to_owned())
    };
    match of {
        Text::Nothing | Text::BackstoryOf(0) | Text::Retrieved => Some(String::new()),
        Text::Profile => Some(profile()),
        Text::Backstory | Text::BackstoryOf(_) => story(),
        Text::Both => Some(combined(&story()?, &profile())),
    }
}
