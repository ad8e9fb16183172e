//! Writes a profile as text: a sentence for each answer, or each question with its answer.

use std::borrow::Cow;

use crate::codebook::{Codebook, OpenValues, Question};
use crate::id::{Code, Country, QuestionId};
use crate::method::Behaviour;

/// Writes profiles in the words of a codebook.
///
/// Both forms have one item for each answer, in the order of the profile, joined by newlines. They omit answers that are
/// not among the options. [`Behaviour::Corrected`] also omits missing values and codes whose meaning depends on the
/// country, writes country names, and gives the chosen label instead of the bare code of [`Behaviour::Paper`].
#[derive(Debug, Clone, Copy)]
pub struct ProfileText<'a> {
    codebook: &'a Codebook,
    behaviour: Behaviour,
}

impl<'a> ProfileText<'a> {
    /// A writer for the codebook's questions.
    pub const fn new(codebook: &'a Codebook, behaviour: Behaviour) -> Self {
        Self { codebook, behaviour }
    }

    /// The natural form of a profile, from which a backstory is written.
    pub fn natural(&self, answers: impl IntoIterator<Item = (QuestionId, Code)>) -> String {
        join(answers.into_iter().filter_map(|(id, code)| self.natural_item(id, code)))
    }

    /// The question form of a profile, for methods without a backstory.
    pub fn with_questions(&self, answers: impl IntoIterator<Item = (QuestionId, Code)>) -> String {
        join(answers.into_iter().filter_map(|(id, code)| self.item_with_question(id, code)))
    }

    /// The sentence for one answer.
    pub fn natural_item(&self, id: QuestionId, code: Code) -> Option<Cow<'a, str>> {
        let question = self.codebook.question(id);
        let natural = &question.natural;
        if !natural.sentences.is_empty() {
            let sentence = natural.sentences.iter().find(|(of, _)| *of == code)?;
            return self.is_included(code).then_some(Cow::Borrowed(sentence.1.as_str()));
        }
        let value = match self.behaviour {
            Behaviour::Paper => Cow::Owned(code.to_string()),
            Behaviour::Corrected => self.readable(question, code)?,
        };
        Some(Cow::Owned(match &natural.template {
            Some(template) => template.replace("{value}", &value),
            None => format!("{}: {value}", natural.text),
        }))
    }

    /// One question with its options' labels and the answer.
    pub fn item_with_question(&self, id: QuestionId, code: Code) -> Option<String> {
        let question = self.codebook.question(id);
        let value = match self.behaviour {
            Behaviour::Paper => bare_code(question, code)?,
            Behaviour::Corrected => self.readable(question, code)?,
        };
        let labels = question.options.iter().map(|option| option.label.as_str());
        Some(join(std::iter::once(question.text.as_str()).chain(labels).chain([value.as_ref()])))
    }

    fn is_included(&self, code: Code) -> bool {
        self.behaviour == Behaviour::Paper || !code.is_missing()
    }

    /// An answer in words that a model can understand; `None` if there are none.
    fn readable(&self, question: &'a Question, code: Code) -> Option<Cow<'a, str>> {
        if code.is_missing() {
            return None;
        }
        if !question.options.is_empty() {
            return question.label(code).map(Cow::Borrowed);
        }
        match question.open {
            Some(OpenValues::Country) => self.country(code).map(Cow::Borrowed),
            Some(OpenValues::Local) => None,
            Some(OpenValues::Number) | None => Some(Cow::Owned(code.to_string())),
        }
    }

    fn country(&self, code: Code) -> Option<&'a str> {
        let country = Country(u16::try_from(code.0).ok()?);
        Some(self.codebook.country(country)?.name.as_str())
    }
}

/// The answer as the paper's code writes it: its number, which must be an option unless the question is open.
fn bare_code(question: &Question, code: Code) -> Option<Cow<'static, str>> {
    let sayable = question.options.is_empty() || question.has_option(code);
    sayable.then(|| Cow::Owned(code.to_string()))
}

fn join(items: impl Iterator<Item = impl AsRef<str>>) -> String {
    let mut text = String::new();
    for (at, item) in items.enumerate() {
        if at > 0 {
            text.push('\n');
        }
        text.push_str(item.as_ref());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codebook::{CountryName, Natural, Question};

    const OPTIONS: u16 = 1;
    const NUMBER: u16 = 2;
    const COUNTRY: u16 = 3;
    const LOCAL: u16 = 4;
    const BARE: u16 = 5;

    fn question(id: QuestionId) -> Question {
        let natural = |template: &str| Natural {
            text: "Answer".to_owned(),
            sentences: Vec::new(),
            template: Some(template.to_owned()),
        };
        let sentences = vec![(Code(2), "You drink tea.".to_owned()), (Code(-3), "You were not asked.".to_owned())];
        let (options, natural, open) = match id.number() {
            OPTIONS => (&[(2, "Yes"), (0, "No")][..], Natural { text: String::new(), sentences, template: None }, None),
            NUMBER => (&[][..], natural("You have {value} cats."), Some(OpenValues::Number)),
            COUNTRY => (&[][..], natural("You were born in {value}."), Some(OpenValues::Country)),
            LOCAL => (&[][..], natural("You vote for {value}."), Some(OpenValues::Local)),
            _ => (&[][..], Natural { template: None, ..natural("") }, None),
        };
        Question { natural, open, ..Question::example(id, "What?", options) }
    }

    fn check(number: u16, code: i32, paper: [Option<&str>; 2], corrected: [Option<&str>; 2]) {
        let country = CountryName { code: Country(36), alpha: "AUS".to_owned(), name: "Australia".to_owned() };
        let codebook = Codebook::new("test".to_owned(), QuestionId::all().map(question).collect(), vec![country]);
        let codebook = codebook.expect("all questions");
        let id = QuestionId::new(number).expect("in range");
        for (behaviour, expected) in [(Behaviour::Paper, paper), (Behaviour::Corrected, corrected)] {
            let writer = ProfileText::new(&codebook, behaviour);
            let written =
                [writer.natural_item(id, Code(code)).map(Cow::into_owned), writer.item_with_question(id, Code(code))];
            assert_eq!(written, expected.map(|text| text.map(str::to_owned)), "{id} = {code}, {behaviour}");
        }
    }

    #[test]
    fn options_are_written_as_sentence_or_label() {
        let sentence = Some("You drink tea.");
        check(OPTIONS, 2, [sentence, Some("What?\nYes\nNo\n2")], [sentence, Some("What?\nYes\nNo\nYes")]);
        check(OPTIONS, 9, [None, None], [None, None]);
        check(OPTIONS, -3, [Some("You were not asked."), None], [None, None]);
    }

    #[test]
    fn numbers_are_written_unchanged_and_missing_codes_only_by_the_paper() {
        let (sentence, with_question) = (Some("You have 3 cats."), Some("What?\n3"));
        check(NUMBER, 3, [sentence, with_question], [sentence, with_question]);
        check(NUMBER, -4, [Some("You have -4 cats."), Some("What?\n-4")], [None, None]);
        check(BARE, 3, [Some("Answer: 3"), Some("What?\n3")], [Some("Answer: 3"), Some("What?\n3")]);
    }

    #[test]
    fn known_countries_are_written_by_name() {
        let paper = [Some("You were born in 36."), Some("What?\n36")];
        check(COUNTRY, 36, paper, [Some("You were born in Australia."), Some("What?\nAustralia")]);
        let paper = [Some("You were born in 99999."), Some("What?\n99999")];
        check(COUNTRY, 99_999, paper, [None, None]);
    }

    #[test]
    fn country_specific_codes_are_written_only_by_the_paper() {
        check(LOCAL, 36_001, [Some("You vote for 36001."), Some("What?\n36001")], [None, None]);
    }
}
