//! Finds the answers in a profile or backstory and the question in a prompt, by comparing them with a codebook.

use std::collections::HashMap;
use std::sync::Arc;

use valuesim_shared::codebook::{Codebook, OpenValues, Question};
use valuesim_shared::id::{Code, QuestionId};

/// An answer to a question.
type Answer = (QuestionId, Code);

/// A codebook, indexed so that its sentences and questions can be found in other texts.
#[derive(Debug)]
pub(super) struct Reader {
    codebook: Arc<Codebook>,
    sentences: HashMap<String, Answer>,
    /// The largest number of parts in one sentence, where every possible sentence end starts a new part.
    most_parts: usize,
    templates: Vec<Template>,
    by_first_line: HashMap<String, Vec<QuestionId>>,
}

/// A sentence that contains a number.
#[derive(Debug)]
struct Template {
    question: QuestionId,
    before: String,
    after: String,
}

/// A statement in a profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Statement<'a> {
    /// The question it answers and the answer, if recognised.
    pub(super) answer: Option<Answer>,
    /// The statement as a sentence.
    pub(super) text: &'a str,
}

/// A question as a prompt asks it.
#[derive(Debug)]
pub(super) struct AskedQuestion<'a> {
    /// The question's text.
    pub(super) text: &'a str,
    /// Its codebook entry, if there is one with the same text and options.
    pub(super) question: Option<&'a Question>,
    /// The options' codes, in the order of the prompt; none for an open question.
    pub(super) codes: Vec<Code>,
    /// The options' labels.
    pub(super) labels: Vec<&'a str>,
}

impl Reader {
    pub(super) fn new(codebook: Arc<Codebook>) -> Self {
        let mut sentences = HashMap::new();
        let mut templates = Vec::new();
        let mut by_first_line: HashMap<String, Vec<QuestionId>> = HashMap::new();
        for question in codebook.questions() {
            by_first_line.entry(first_line(&question.text).to_owned()).or_default().push(question.id);
            templates.extend(Template::of(question));
            for (code, sentence) in &question.natural.sentences {
                sentences.entry(sentence.trim().to_owned()).or_insert((question.id, *code));
            }
        }
        let most_parts = sentences.keys().map(|sentence| sentence_ends(sentence).count()).max().unwrap_or(1);
        Self { codebook, sentences, most_parts, templates, by_first_line }
    }

    /// The codebook entry of a question.
    pub(super) fn question(&self, id: QuestionId) -> &Question {
        self.codebook.question(id)
    }

    /// The fixed sentence for an answer in a profile, if there is one.
    pub(super) fn sentence(&self, id: QuestionId, code: Code) -> Option<&str> {
        let sentences = &self.codebook.question(id).natural.sentences;
        sentences.iter().find(|(of, _)| *of == code).map(|(_, sentence)| sentence.as_str())
    }

    /// The answers in a text, in the order of the questions, at most one for each.
    pub(super) fn answers(&self, text: &str) -> Vec<Answer> {
        let mut answers: Vec<Answer> =
            self.statements(text).into_iter().filter_map(|statement| statement.answer).collect();
        answers.sort_unstable_by_key(|(question, _)| *question);
        answers.dedup_by_key(|(question, _)| *question);
        answers
    }

    /// The statements in a text: items in question form, known sentences, and any other text.
    pub(super) fn statements<'a>(&'a self, text: &'a str) -> Vec<Statement<'a>> {
        let mut statements = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            let read = if let Some((answer, read)) = self.item(rest) {
                let text = self.sentence(answer.0, answer.1).unwrap_or(&rest[..read]);
                statements.push(Statement { answer: Some(answer), text: text.trim() });
                read
            } else {
                let line = first_line(rest);
                self.add_sentences(line, &mut statements);
                line.len()
            };
            rest = rest[read..].trim_start_matches(['\n', '\r']);
        }
        statements
    }

    /// Whether a text begins with an answer in question form, as a profile in that form does.
    pub(super) fn begins_with_item(&self, text: &str) -> bool {
        self.item(text.trim_start()).is_some()
    }

    /// The item in question form at the start of a text, and its length.
    fn item(&self, text: &str) -> Option<(Answer, usize)> {
        let questions = self.by_first_line.get(first_line(text))?;
        questions.iter().find_map(|&id| {
            let question = self.codebook.question(id);
            let mut rest = after_line(text, &question.text)?;
            for option in &question.options {
                rest = after_line(rest, &option.label)?;
            }
            let value = first_line(rest);
            let read = text.len() - rest.len() + value.len();
            Some(((id, code_of(question, value)?), read))
        })
    }

    /// Adds the sentences of a line. Text between known sentences is added unchanged.
    fn add_sentences<'a>(&'a self, line: &'a str, statements: &mut Vec<Statement<'a>>) {
        let ends: Vec<usize> = sentence_ends(line).collect();
        let (mut start, mut at) = (0, 0);
        while at < ends.len() {
            let last = ends.len().min(at + self.most_parts);
            // The longest first: one sentence may be the beginning of another.
            let known = (at..last).rev().find_map(|end| {
                let answer = self.answer(line[start..ends[end]].trim())?;
                Some((answer, end))
            });
            let end = known.map_or(at, |(_, end)| end);
            let text = line[start..ends[end]].trim();
            if !text.is_empty() {
                statements.push(Statement { answer: known.map(|(answer, _)| answer), text });
            }
            (start, at) = (ends[end], end + 1);
        }
    }

    /// The answer that a sentence states.
    fn answer(&self, sentence: &str) -> Option<Answer> {
        let known = self.sentences.get(sentence).copied();
        known.or_else(|| self.templates.iter().find_map(|template| template.answer(sentence)))
    }

    /// The question in a block: its text, followed by its options, if any.
    pub(super) fn asked<'a>(&'a self, block: &'a str) -> AskedQuestion<'a> {
        let (text, options) = block.rsplit_once("\nOptions:\n").unwrap_or((block, ""));
        self.asked_from_parts(text, options)
    }

    /// The question with this text and these options.
    pub(super) fn asked_from_parts<'a>(&'a self, text: &'a str, options: &'a str) -> AskedQuestion<'a> {
        let (codes, labels): (Vec<Code>, Vec<&str>) = options.lines().filter_map(option).unzip();
        let same_text = self.by_first_line.get(first_line(text)).into_iter().flatten();
        let mut entries = same_text.map(|&id| self.codebook.question(id)).filter(|question| question.text == text);
        let question =
            entries.find(|question| question.options.iter().map(|option| option.code).eq(codes.iter().copied()));
        AskedQuestion { text, question, codes, labels }
    }
}

impl Template {
    /// The template of an open question whose code is the number itself.
    fn of(question: &Question) -> Option<Self> {
        if question.open != Some(OpenValues::Number) {
            return None;
        }
        let (before, after) = question.natural.template.as_ref()?.split_once("{value}")?;
        Some(Self { question: question.id, before: before.to_owned(), after: after.to_owned() })
    }

    fn answer(&self, sentence: &str) -> Option<Answer> {
        let number = sentence.strip_prefix(self.before.as_str())?.strip_suffix(self.after.trim_end())?;
        Some((self.question, Code(number.parse().ok()?)))
    }
}

/// Reads an option's line: `code: label`.
fn option(line: &str) -> Option<(Code, &str)> {
    let (code, label) = line.split_once(':')?;
    Some((Code(code.trim().parse().ok()?), label.trim()))
}

/// The code of an answer given by its label or as a number.
fn code_of(question: &Question, value: &str) -> Option<Code> {
    let labelled = question.options.iter().find(|option| option.label == value).map(|option| option.code);
    labelled.or_else(|| value.parse().ok().map(Code))
}

fn first_line(text: &str) -> &str {
    text.split('\n').next().unwrap_or_default()
}

/// The text after `line`, if it begins with that whole line.
fn after_line<'a>(text: &'a str, line: &str) -> Option<&'a str> {
    text.strip_prefix(line)?.strip_prefix('\n')
}

/// Where sentences of a line may end: after `.`, `!`, `?` or a closing mark before a space, and at the end of the line.
fn sentence_ends(line: &str) -> impl Iterator<Item = usize> + '_ {
    let bytes = line.as_bytes();
    let inner = bytes.windows(2).enumerate().filter_map(|(at, pair)| {
        let is_end = pair[1] == b' ' && matches!(pair[0], b'.' | b'!' | b'?' | b'"' | b'\'' | b')');
        is_end.then_some(at + 1)
    });
    inner.chain([line.len()])
}

#[cfg(test)]
mod tests {
    use valuesim_shared::method::Behaviour;
    use valuesim_shared::profile::ProfileText;
    use valuesim_shared::prompt;

    use super::*;

    /// An answer to each question that has options: the `nth`, or the last.
    fn answers(codebook: &Codebook, nth: usize) -> Vec<Answer> {
        let answer = |question: &Question| {
            let option = question.options.get(nth).or(question.options.last())?;
            Some((question.id, option.code))
        };
        codebook.questions().iter().filter_map(answer).collect()
    }

    #[test]
    fn every_sentence_and_item_of_the_codebook_is_read_back() {
        let codebook = Arc::new(Codebook::built_in());
        let reader = Reader::new(Arc::clone(&codebook));
        for nth in 0..12 {
            let answers = answers(&codebook, nth);
            for behaviour in [Behaviour::Paper, Behaviour::Corrected] {
                let writer = ProfileText::new(&codebook, behaviour);
                let natural = writer.natural(answers.iter().copied());
                assert_eq!(reader.answers(&natural), answers, "natural form, {behaviour}");
                assert_eq!(reader.answers(&natural.replace('\n', " ")), answers, "running text, {behaviour}");
                let form = writer.with_questions(answers.iter().rev().copied());
                assert_eq!(reader.answers(&form), answers, "question form, {behaviour}");
            }
        }
    }

    #[test]
    fn numbers_in_sentences_are_read() {
        let codebook = Arc::new(Codebook::built_in());
        let reader = Reader::new(Arc::clone(&codebook));
        let age = QuestionId::new(262).unwrap();
        let said = ProfileText::new(&codebook, Behaviour::Corrected).natural_item(age, Code(43)).unwrap();
        assert_eq!(reader.answers(&format!("To begin with. {said} And so on.")), [(age, Code(43))]);
    }

    #[test]
    fn every_question_block_is_recognised() {
        let codebook = Arc::new(Codebook::built_in());
        let reader = Reader::new(Arc::clone(&codebook));
        for question in codebook.questions() {
            let block = prompt::question_block(question);
            let asked = reader.asked(&block);
            assert_eq!(asked.question.map(|question| question.id), Some(question.id), "{block}");
            assert_eq!(asked.labels.len(), question.options.len());
        }
    }

    #[test]
    fn sentences_end_at_marks_before_a_space() {
        let ends = |line: &str| sentence_ends(line).collect::<Vec<_>>();
        assert_eq!(ends("One. Two? (Three!) Fo.ur"), [4, 9, 18, 24]);
        assert_eq!(ends("No end"), [6]);
    }

    #[test]
    fn option_lines_are_read() {
        assert_eq!(option("1: Yes: always"), Some((Code(1), "Yes: always")));
        assert_eq!(option("-3: Not asked"), Some((Code(-3), "Not asked")));
        assert_eq!(option("No options available"), None);
    }
}
