//! A question for unit tests.

use super::{AnswerOption, Category, Level, Natural, Question};
use crate::id::{Code, QuestionId};

impl Question {
    /// A nominal question with this text and these options, and nothing else. Tests that need more update its fields.
    pub(crate) fn example(id: QuestionId, text: &str, options: &[(i32, &str)]) -> Self {
        let option = |&(code, label): &(i32, &str)| AnswerOption { code: Code(code), label: label.to_owned() };
        Self {
            id,
            text: text.to_owned(),
            options: options.iter().map(option).collect(),
            natural: Natural { text: String::new(), sentences: Vec::new(), template: None },
            level: Level::Nominal,
            direction: None,
            section: String::new(),
            category: Category::Core,
            scale: Vec::new(),
            missing: Vec::new(),
            open: None,
            range: None,
        }
    }
}
