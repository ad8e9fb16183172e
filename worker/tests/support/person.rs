//! Answers every prompt of a cell well, and always alike: what comes out does not depend on what went wrong before.

use serde_json::Value;
use valuesim_shared::codebook::{Codebook, Question};
use valuesim_shared::id::{Code, Fold};
use valuesim_shared::split::{PAPER_FOLDS, PAPER_SEED, Split};

use super::server::{Request, completion};

/// The backstory that it writes.
pub(crate) const BACKSTORY: &str = "You live in a house by the sea.";

/// Somebody who knows the questions that a fold holds out.
pub(crate) struct Person {
    questions: Vec<Question>,
}

impl Person {
    pub(crate) fn new(fold: Fold) -> Self {
        let codebook = Codebook::built_in();
        let split = Split::new(PAPER_SEED, PAPER_FOLDS).expect("splits");
        Self { questions: split.held_out(fold).iter().map(|&id| codebook.question(id).clone()).collect() }
    }

    /// A completion with the answer. The affective module differs from the others, so that the coordinator is asked.
    pub(crate) fn reply(&self, request: &Request) -> Value {
        let prompt = request.prompt();
        if prompt.starts_with("You are a background story writer") {
            return completion(BACKSTORY, "stop");
        }
        if prompt == "Reply with the number 1." {
            return completion("1", "stop");
        }
        let question = self.asked_in(prompt);
        let answer = if prompt.contains("affective dimensions") { last(question) } else { first(question) };
        completion(&format!("Answer: {answer}\nAnalysis: You would."), "stop")
    }

    /// The question that a prompt is about: of those in it the one that ends last, as profiles come before.
    fn asked_in(&self, prompt: &str) -> &Question {
        let place = |question: &Question| prompt.rfind(&question.text).map(|at| (at + question.text.len(), at));
        let asked = self.questions.iter().filter_map(|question| Some((place(question)?, question)));
        // Of two that end at the same place, one is the end of the other: the longer one was meant.
        let asked = asked.max_by_key(|((end, start), _)| (*end, std::cmp::Reverse(*start)));
        asked.expect("the prompt has a question in it").1
    }
}

fn first(question: &Question) -> Code {
    question.options.first().map_or_else(|| least(question), |option| option.code)
}

fn last(question: &Question) -> Code {
    question.options.last().map_or_else(|| least(question), |option| option.code)
}

fn least(question: &Question) -> Code {
    Code(question.range.map_or(1, |(least, _)| least.max(0)))
}
