//! Lists the texts of a run that need a vector, each once.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use valuesim_shared::codebook::Codebook;
use valuesim_shared::id::{Code, Fold, QuestionId, Respondent};
use valuesim_shared::method::Behaviour;
use valuesim_shared::profile::ProfileText;
use valuesim_shared::prompt::question_block;
use valuesim_shared::split::Split;
use valuesim_shared::survey::Survey;

use crate::plan::Plan;

/// The position of a text among those of a run.
pub(super) type TextNumber = usize;

/// The distinct texts of a run that need a vector: the items of profiles in question form, and the questions that are
/// asked. As in the paper's code a question is embedded with its options, and all texts without white space around them.
#[derive(Debug)]
pub struct EmbeddedTexts {
    texts: Vec<String>,
    /// The text of each item.
    items: BTreeMap<(QuestionId, Code), TextNumber>,
    /// The text of each question that is asked.
    questions: BTreeMap<QuestionId, TextNumber>,
}

impl EmbeddedTexts {
    /// The texts of some of a plan's respondents.
    pub fn of(
        respondents: &[Respondent],
        plan: &Plan,
        survey: &Survey,
        (codebook, behaviour): (&Codebook, Behaviour),
    ) -> Self {
        let writer = ProfileText::new(codebook, behaviour);
        let mut all = Self { texts: Vec::new(), items: BTreeMap::new(), questions: BTreeMap::new() };
        let mut numbers = HashMap::new();
        for question in questions(plan, |split, fold| split.kept(fold)) {
            for code in codes(respondents, survey, question) {
                if let Some(text) = writer.item_with_question(question, code) {
                    all.items.insert((question, code), number(&mut numbers, &mut all.texts, &text));
                }
            }
        }
        for question in questions(plan, |split, fold| split.asked(fold)) {
            let text = question_block(codebook.question(question));
            all.questions.insert(question, number(&mut numbers, &mut all.texts, &text));
        }
        all
    }

    /// The texts in a fixed order.
    pub fn texts(&self) -> &[String] {
        &self.texts
    }

    /// The items, in ascending order.
    pub(super) fn items(&self) -> &BTreeMap<(QuestionId, Code), TextNumber> {
        &self.items
    }

    /// The questions that are asked, in ascending order.
    pub(super) fn questions(&self) -> &BTreeMap<QuestionId, TextNumber> {
        &self.questions
    }
}

/// The questions that a side of the plan's folds has.
fn questions<'a>(plan: &'a Plan, side: impl Fn(&'a Split, Fold) -> &'a [QuestionId]) -> BTreeSet<QuestionId> {
    plan.folds().iter().flat_map(|&fold| side(plan.split(), fold)).copied().collect()
}

/// The codes that respondents gave to a question, each once, in ascending order.
fn codes(respondents: &[Respondent], survey: &Survey, question: QuestionId) -> Vec<Code> {
    let mut codes: Vec<Code> = respondents.iter().map(|&respondent| survey.code(respondent, question)).collect();
    codes.sort_unstable();
    codes.dedup();
    codes
}

/// The number of a text, which is added unless it is there.
fn number(numbers: &mut HashMap<String, TextNumber>, texts: &mut Vec<String>, text: &str) -> TextNumber {
    let text = text.trim();
    if let Some(&number) = numbers.get(text) {
        return number;
    }
    numbers.insert(text.to_owned(), texts.len());
    texts.push(text.to_owned());
    texts.len() - 1
}
