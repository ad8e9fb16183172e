//! Renders the prompts of all methods, byte for byte as the paper's code does.

mod template;

use std::fmt::Write as _;

use crate::codebook::Question;
use crate::id::Code;
use crate::method::Module;
use crate::similarity::Similarity;
use crate::stage::StageKind;
use template::{
    AFFECTIVE, BEHAVIORAL, COGNITIVE, COMBINED, COORDINATOR, FULL_INFO, NO_CAB, NO_PROFILE, RAG, STORY, Template,
};

pub use template::prompts_digest;

/// The prompt for a backstory, from a profile in natural form.
pub fn story(profile_text: &str) -> String {
    STORY.fill(&[("profile_text", profile_text)])
}

/// The text that the modules of the `combined` method read instead of the backstory alone.
pub fn combined(backstory: &str, profile_text: &str) -> String {
    COMBINED.fill(&[("backstory", backstory), ("profile_text", profile_text)])
}

/// A prompt about a question, with everything but the question filled in.
///
/// The long text that all questions of a cell share is in memory once: a prompt is [`before`](Self::before), the
/// [`question_block`] and [`after`](Self::after), each of which can be encoded once for all requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuestionPrompt {
    before: String,
    after: String,
}

impl QuestionPrompt {
    /// A module's prompt. `profile_text` is the backstory, or the text that the method uses instead.
    pub fn module(module: Module, profile_text: &str) -> Self {
        Self::around_question(of_module(module), &[("profile_text", profile_text)])
    }

    /// The prompt of `full-info`, from a profile in question form.
    pub fn full_info(profile_text: &str) -> Self {
        Self::around_question(FULL_INFO, &[("profile_text", profile_text)])
    }

    /// The prompt of `no-cab`.
    pub fn no_cab(backstory: &str) -> Self {
        Self::around_question(NO_CAB, &[("backstory", backstory)])
    }

    /// The prompt of `no-profile`.
    pub fn no_profile() -> Self {
        Self::around_question(NO_PROFILE, &[])
    }

    /// The prompt of `rag`, from the items retrieved for the question, best first.
    pub fn rag(items: &[Retrieved]) -> Self {
        Self::around_question(RAG, &[("retrieved_items", &retrieved_items(items))])
    }

    fn around_question(template: Template, values: &[(&str, &str)]) -> Self {
        let (before, after) = template.around("question_text_with_options");
        Self { before: before.fill(values), after: after.fill(values) }
    }

    /// The text before the question.
    pub fn before(&self) -> &str {
        &self.before
    }

    /// The text after the question.
    pub fn after(&self) -> &str {
        &self.after
    }

    /// The whole prompt.
    pub fn ask(&self, question: &Question) -> String {
        [&self.before, question_block(question).as_str(), &self.after].concat()
    }
}

/// The fixed text around the respondent's text and the question in the prompts of a stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    /// The text before the first of the two, between them, and after the second.
    parts: [&'static str; 3],
    text: TextPosition,
}

/// Where the respondent's text is in a prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextPosition {
    /// Before the question, so the questions of a cell share a long prefix.
    BeforeQuestion,
    /// After the question.
    AfterQuestion,
    /// Nowhere: the prompt does not mention the respondent.
    Nowhere,
}

/// The frame of a stage that asks about a question; `None` for backstories and coordinators, whose prompts have no frame.
pub fn frame(kind: StageKind) -> Option<Frame> {
    let (template, text) = match kind {
        StageKind::Cognitive => (COGNITIVE, "profile_text"),
        StageKind::Affective => (AFFECTIVE, "profile_text"),
        StageKind::Behavioral => (BEHAVIORAL, "profile_text"),
        StageKind::FullInfo => (FULL_INFO, "profile_text"),
        StageKind::NoCab => (NO_CAB, "backstory"),
        StageKind::NoProfile => (NO_PROFILE, ""),
        StageKind::Rag => (RAG, "retrieved_items"),
        StageKind::Story | StageKind::Coordinator | StageKind::Embeddings => return None,
    };
    Some(Frame::of(template, text))
}

impl Frame {
    fn of(template: Template, text: &str) -> Self {
        let (before, after) = template.around("question_text_with_options");
        if text.is_empty() {
            return Self { parts: [before.text(), "", after.text()], text: TextPosition::Nowhere };
        }
        if before.has(text) {
            let (first, between) = before.around(text);
            Self { parts: [first.text(), between.text(), after.text()], text: TextPosition::BeforeQuestion }
        } else {
            let (between, last) = after.around(text);
            Self { parts: [before.text(), between.text(), last.text()], text: TextPosition::AfterQuestion }
        }
    }

    /// Where the respondent's text is.
    pub const fn text_position(&self) -> TextPosition {
        self.text
    }

    /// The parts before and after the question, with the respondent's `text` among them. `fixed` converts parts of the frame
    /// to the type of the text.
    pub fn around<T>(&self, text: T, fixed: impl Fn(&'static str) -> T) -> [Vec<T>; 2] {
        let [first, between, last] = self.parts.map(fixed);
        match self.text {
            TextPosition::BeforeQuestion => [vec![first, text, between], vec![last]],
            TextPosition::AfterQuestion => [vec![first], vec![between, text, last]],
            TextPosition::Nowhere => [vec![first], vec![last]],
        }
    }
}

fn of_module(module: Module) -> Template {
    match module {
        Module::Cognitive => COGNITIVE,
        Module::Affective => AFFECTIVE,
        Module::Behavioral => BEHAVIORAL,
    }
}

/// A profile item retrieved for a question.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Retrieved<'a> {
    /// The item in question form.
    pub text: &'a str,
    /// The item's cosine similarity to the question.
    pub similarity: Similarity,
}

/// The items retrieved for a question as the prompt of `rag` shows them, one after the other.
pub fn retrieved_items(items: &[Retrieved<'_>]) -> String {
    let lines = items.iter().map(|item| format!("- {} [similarity: {}]", item.text, item.similarity));
    lines.collect::<Vec<_>>().join("\n")
}

/// One module's answer to a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opinion<'a> {
    /// The answer, if it is valid.
    pub answer: Option<Code>,
    /// The module's analysis.
    pub analysis: &'a str,
}

/// The coordinator's prompt, from the modules' opinions in the order of [`Module::ALL`].
pub fn coordinator(question: &Question, opinions: &[Opinion; 3]) -> String {
    let [cognitive, affective, behavioral] = opinions;
    let options = if question.options.is_empty() { "No options available".to_owned() } else { option_lines(question) };
    COORDINATOR.fill(&[
        ("question_text", &question.text),
        ("options_text", &options),
        ("cognitive_answer", &cognitive.answer_text()),
        ("cognitive_analysis", cognitive.analysis),
        ("affective_answer", &affective.answer_text()),
        ("affective_analysis", affective.analysis),
        ("behavioral_answer", &behavioral.answer_text()),
        ("behavioral_analysis", behavioral.analysis),
    ])
}

impl Opinion<'_> {
    fn answer_text(&self) -> String {
        self.answer.map_or_else(|| "None".to_owned(), |code| code.to_string())
    }
}

/// A question as shown in prompts: the text, followed by the options if there are any.
pub fn question_block(question: &Question) -> String {
    if question.options.is_empty() {
        return question.text.clone();
    }
    format!("{}\nOptions:\n{}", question.text, option_lines(question))
}

fn option_lines(question: &Question) -> String {
    let mut lines = String::new();
    for (at, option) in question.options.iter().enumerate() {
        let end_of_last = if at == 0 { "" } else { "\n" };
        write!(lines, "{end_of_last}{}: {}", option.code, option.label).expect("writing to memory does not fail");
    }
    lines
}

/// The reminder sent to a model whose reply cannot be read: the format and the valid numbers.
///
/// Part of the corrected behaviour only; the paper's code has no such message.
pub fn reminder(question: &Question) -> String {
    let codes: Vec<String> = question.options.iter().map(|option| option.code.to_string()).collect();
    let asked_for = if codes.is_empty() { "a number".to_owned() } else { format!("one of: {}", codes.join(", ")) };
    template::REMINDER.fill(&[("asked_for", &asked_for)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::QuestionId;

    fn question(labels: &[&str]) -> Question {
        let options: Vec<(i32, &str)> = (0..).zip(labels.iter().copied()).collect();
        Question::example(QuestionId::from_index(0), "Do you like {profile_text}?", &options)
    }

    #[test]
    fn text_that_looks_like_a_placeholder_is_not_filled_in() {
        let prompt = QuestionPrompt::module(Module::Cognitive, "{question_text_with_options} {x}");
        let asked = prompt.ask(&question(&["{profile_text}"]));
        assert!(asked.contains("\n{question_text_with_options} {x}\n"), "{asked}");
        assert!(asked.contains("Do you like {profile_text}?\nOptions:\n0: {profile_text}\n"), "{asked}");
    }

    #[test]
    fn prompts_of_a_cell_differ_only_in_the_question() {
        let prompt = QuestionPrompt::module(Module::Behavioral, "a long story");
        let question = question(&["No", "Yes"]);
        assert!(prompt.before().contains("a long story"));
        assert!(!prompt.after().contains("a long story"));
        assert_eq!(
            prompt.ask(&question),
            format!("{}{}{}", prompt.before(), question_block(&question), prompt.after())
        );
    }

    #[test]
    fn a_frame_around_its_text_and_question_gives_the_prompt() {
        let text = "a {long} story";
        let check = |kind, prompt: QuestionPrompt| {
            let sides = frame(kind)
                .expect("the stage asks about a question")
                .around(text, |part| part)
                .map(|side| side.concat());
            assert_eq!(sides, [prompt.before(), prompt.after()], "{kind}");
        };
        for module in Module::ALL {
            check(module.into(), QuestionPrompt::module(module, text));
        }
        check(StageKind::FullInfo, QuestionPrompt::full_info(text));
        check(StageKind::NoCab, QuestionPrompt::no_cab(text));
        check(StageKind::NoProfile, QuestionPrompt::no_profile());
        let items = [Retrieved { text: "an item\nin lines", similarity: Similarity::of(0.5) }];
        let shown = retrieved_items(&items);
        let sides = frame(StageKind::Rag).expect("asks about a question").around(shown.as_str(), |part| part);
        let prompt = QuestionPrompt::rag(&items);
        assert_eq!(sides.map(|side| side.concat()), [prompt.before(), prompt.after()]);
        let without = [StageKind::Story, StageKind::Coordinator, StageKind::Embeddings];
        assert!(without.into_iter().all(|kind| frame(kind).is_none()));
    }

    #[test]
    fn prompts_share_a_prefix_if_the_text_comes_first() {
        let position = |kind| frame(kind).map(|frame| frame.text_position());
        assert_eq!(position(StageKind::Cognitive), Some(TextPosition::BeforeQuestion));
        assert_eq!(position(StageKind::FullInfo), Some(TextPosition::AfterQuestion));
        assert_eq!(position(StageKind::NoCab), Some(TextPosition::AfterQuestion));
        assert_eq!(position(StageKind::Rag), Some(TextPosition::AfterQuestion));
        assert_eq!(position(StageKind::NoProfile), Some(TextPosition::Nowhere));
    }

    #[test]
    fn the_reminder_names_the_codes() {
        let check = |labels: &[&str], end: &str| {
            let text = reminder(&question(labels));
            assert!(text.ends_with(end), "{text}");
        };
        check(&["No", "Yes"], "`Answer: ` followed by one of: 0, 1");
        check(&[], "`Answer: ` followed by a number");
    }
}
