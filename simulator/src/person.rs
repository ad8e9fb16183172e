//! A simulated person: answers survey prompts about a respondent without a language model.
//!
//! It knows the sentences of a codebook, so it can read known answers from a backstory or a profile. From these it
//! estimates a few traits, and from the traits the odds of every other answer: the more answers the text contains, the
//! better the prediction. Each prompt adds its own noise to the odds, so the three modules often disagree; the
//! coordinator averages the odds that they state, which reduces the noise. There is more noise in an answer given at once,
//! about a profile in question form, and about people of whom language models are known to be ignorant.
//!
//! ```text
//! messages -> Kind and Prompt (what is asked, about whom) -> Knowledge (answers, traits) -> Odds -> reply text
//! ```

mod conversation;
mod items;
mod judgement;
mod knowledge;
mod lru_map;
mod odds;
mod prompt;
mod reader;
mod reply_text;
mod rng;
mod story;

use std::sync::Arc;

use valuesim_shared::codebook::{Codebook, Question};
use valuesim_shared::id::Code;

pub use conversation::{Conversation, Message};
use knowledge::{Knowledge, ProfileCache};
pub(crate) use lru_map::LruMap;
use odds::Odds;
pub use prompt::Kind;
use prompt::{Opinions, Prompt, Subject};
use reader::{AskedQuestion, Reader};
pub(crate) use rng::{Purpose, Rng, halves};

use crate::traits::TraitModel;

/// Answers as the person described in the prompt would.
///
/// Pure: the reply depends only on the conversation, its digest, the codebook and the seed.
#[derive(Debug)]
pub struct Person {
    reader: Reader,
    traits: TraitModel,
    profiles: ProfileCache,
    seed: u64,
}

impl Person {
    /// A person that reads texts with this codebook. Other wording still gets an answer, but a poor one.
    pub fn new(codebook: Arc<Codebook>, seed: u64) -> Self {
        let traits = TraitModel::new(&codebook);
        Self { reader: Reader::new(codebook), traits, profiles: ProfileCache::new(), seed }
    }

    /// The reply to a conversation of this kind; `digest` distinguishes conversations and models.
    pub fn reply(&self, kind: Kind, messages: &[Message<'_>], digest: u128) -> String {
        // Later messages only repeat the request.
        let text = messages.first().map_or("", |message| &*message.content);
        let rng = |purpose| Rng::new(digest, self.seed, purpose, 0);
        match Prompt::read(kind, text) {
            Prompt::Story { profile } => story::write(&self.reader, profile, &mut rng(Purpose::Story)),
            Prompt::Question { subject, block } => self.answer(kind, subject, block, &mut rng(Purpose::Answer)),
            Prompt::Coordinator { question, options, opinions } => self.coordinate(question, options, &opinions),
            Prompt::Other { block } => self.answer_other(block, &mut rng(Purpose::Answer)),
        }
    }

    fn answer(&self, kind: Kind, subject: Subject<'_>, block: &str, rng: &mut Rng) -> String {
        let knowledge = match subject {
            Subject::Unspecified => self.profiles.nobody(&self.traits),
            Subject::Described(list) if kind == Kind::Rag => {
                self.profiles.read(&items::plain(list), &self.reader, &self.traits)
            }
            Subject::Described(profile) => self.profiles.read(profile, &self.reader, &self.traits),
        };
        let asked = self.reader.asked(block);
        let odds = self.odds(&asked, &knowledge, judgement::sigma(kind, &knowledge), rng);
        match kind {
            Kind::FullInfo | Kind::Rag => reply_text::option(&asked, odds.best()),
            Kind::NoCab | Kind::NoProfile => format!("Q: {}", reply_text::option(&asked, odds.best())),
            _ => reply_text::module(kind, &asked, &odds, &self.reasons(&asked, &knowledge)),
        }
    }

    /// The odds of the answers, with this prompt's noise.
    fn odds(&self, asked: &AskedQuestion<'_>, knowledge: &Knowledge, sigma: f64, rng: &mut Rng) -> Odds {
        if asked.codes.is_empty() {
            return Odds::certain(plausible_number(asked.question, rng));
        }
        let known = asked.question.map(|question| self.traits.probabilities(question.id, &knowledge.traits));
        let odds = match known {
            Some(probabilities) if probabilities.len() == asked.codes.len() => Odds::new(&asked.codes, &probabilities),
            _ => Odds::guessed(&asked.codes, asked.text),
        };
        odds.with_noise(sigma, rng)
    }

    /// The known answers nearest to the question in the questionnaire, where related questions are.
    fn reasons(&self, asked: &AskedQuestion<'_>, knowledge: &Knowledge) -> Vec<&str> {
        let Some(question) = asked.question else { return Vec::new() };
        knowledge.nearest(question.id).filter_map(|(id, code)| self.reader.sentence(id, code)).take(2).collect()
    }

    fn coordinate(&self, question: &str, options: &str, opinions: &Opinions<'_>) -> String {
        let asked = self.reader.asked_from_parts(question, options);
        let stated: Vec<Odds> = opinions.iter().filter_map(|opinion| Odds::stated(opinion)).collect();
        match Odds::pooled(&stated) {
            Some(odds) => reply_text::coordinator(&asked, &odds),
            // No module gave a usable answer: the first option is as good as any.
            None => reply_text::coordinator(&asked, &Odds::certain(asked.codes.first().copied().unwrap_or(Code(1)))),
        }
    }

    fn answer_other(&self, block: &str, rng: &mut Rng) -> String {
        let asked = self.reader.asked(block);
        if asked.codes.is_empty() {
            return reply_text::GREETING.to_owned();
        }
        let odds = Odds::guessed(&asked.codes, asked.text).with_noise(judgement::SIGMA, rng);
        format!("{} would be my choice. (simulated)", odds.best())
    }
}

/// A plausible answer to a question without options.
fn plausible_number(question: Option<&Question>, rng: &mut Rng) -> Code {
    let (least, most) = question.and_then(|question| question.range).unwrap_or((1, 10));
    // The middle half of the range: few people are a hundred years old.
    let span = usize::try_from(most.saturating_sub(least)).unwrap_or(0);
    let above = span / 4 + rng.below(span / 2 + 1);
    Code(least.saturating_add(i32::try_from(above).unwrap_or(0)))
}
