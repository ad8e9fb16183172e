//! A simulated person: answers survey prompts from what it is told about somebody, without a language model.
//!
//! It knows the sentences of a codebook, so it can tell from a backstory or a profile which answers somebody gave. From
//! these it estimates a few traits, and from the traits the odds of every other answer: the more it is told, the better
//! it does. Each prompt reads the odds with an error of its own, so that the three modules often disagree; the
//! coordinator weighs the odds that they state, which evens their errors out.
//!
//! ```text
//! messages -> Kind and Prompt (what is asked, about whom) -> Knowledge (answers, traits) -> Odds -> words
//! ```

mod conversation;
mod draw;
mod knowledge;
mod odds;
mod prompt;
mod reader;
mod recent;
mod story;
mod words;

use std::sync::Arc;

use valuesim_shared::codebook::{Codebook, Question};
use valuesim_shared::id::Code;

pub use conversation::{Conversation, Message};
pub(crate) use draw::{Draw, Purpose, halves};
use knowledge::{Knowledge, KnownProfiles};
use odds::Odds;
pub use prompt::Kind;
use prompt::{About, Opinions, Prompt};
use reader::{Asked, Reader};
pub(crate) use recent::Recent;

use crate::traits::TraitModel;

/// Somebody who answers as the text in a prompt says that they would.
///
/// Pure: the reply follows from the conversation, its digest, the codebook and the seed.
#[derive(Debug)]
pub struct Person {
    reader: Reader,
    traits: TraitModel,
    known: KnownProfiles,
    seed: u64,
}

impl Person {
    /// A person that reads texts with this codebook. With texts in other words it still answers, if poorly.
    pub fn new(codebook: Arc<Codebook>, seed: u64) -> Self {
        let traits = TraitModel::new(&codebook);
        Self { reader: Reader::new(codebook), traits, known: KnownProfiles::new(), seed }
    }

    /// What the person says to a conversation of this kind; `digest` tells conversations, and models, apart.
    pub fn reply(&self, kind: Kind, messages: &[Message<'_>], digest: u128) -> String {
        // Later messages only ask for the same again.
        let text = messages.first().map_or("", |message| &*message.content);
        let draw = |purpose| Draw::new(digest, self.seed, purpose, 0);
        match Prompt::read(kind, text) {
            Prompt::Story { profile } => story::write(&self.reader, profile, &mut draw(Purpose::Story)),
            Prompt::Question { about, block } => self.answer(kind, about, block, &mut draw(Purpose::Answer)),
            Prompt::Coordinator { question, options, opinions } => self.settle(question, options, &opinions),
            Prompt::Other { block } => self.answer_politely(block, &mut draw(Purpose::Answer)),
        }
    }

    fn answer(&self, kind: Kind, about: About<'_>, block: &str, draw: &mut Draw) -> String {
        let knowledge = match about {
            About::Nobody => self.known.nobody(&self.traits),
            About::Somebody(profile) => self.known.read(profile, &self.reader, &self.traits),
        };
        let asked = self.reader.asked(block);
        let odds = self.odds(&asked, &knowledge, draw);
        match kind {
            Kind::FullInfo => words::option(&asked, odds.best()),
            Kind::NoCab | Kind::NoProfile => format!("Q: {}", words::option(&asked, odds.best())),
            _ => words::module(kind, &asked, &odds, &self.reasons(&asked, &knowledge)),
        }
    }

    /// The odds of the answers as this prompt reads them.
    fn odds(&self, asked: &Asked<'_>, knowledge: &Knowledge, draw: &mut Draw) -> Odds {
        if asked.codes.is_empty() {
            return Odds::certain(plausible_number(asked.question, draw));
        }
        let known = asked.question.map(|question| self.traits.probabilities(question.id, &knowledge.traits));
        let odds = match known {
            Some(probabilities) if probabilities.len() == asked.codes.len() => Odds::new(&asked.codes, &probabilities),
            _ => Odds::guessed(&asked.codes, asked.text),
        };
        odds.misread(draw)
    }

    /// The known answers that lie nearest to the question in the questionnaire, which is where its like are.
    fn reasons(&self, asked: &Asked<'_>, knowledge: &Knowledge) -> Vec<&str> {
        let Some(question) = asked.question else { return Vec::new() };
        knowledge.nearest(question.id).filter_map(|(id, code)| self.reader.sentence(id, code)).take(2).collect()
    }

    fn settle(&self, question: &str, options: &str, opinions: &Opinions<'_>) -> String {
        let asked = self.reader.asked_apart(question, options);
        let stated: Vec<Odds> = opinions.iter().filter_map(|opinion| Odds::stated(opinion)).collect();
        match Odds::pooled(&stated) {
            Some(odds) => words::coordinator(&asked, &odds),
            // Nobody said anything that can be weighed: the first option is as good as any.
            None => words::coordinator(&asked, &Odds::certain(asked.codes.first().copied().unwrap_or(Code(1)))),
        }
    }

    fn answer_politely(&self, block: &str, draw: &mut Draw) -> String {
        let asked = self.reader.asked(block);
        if asked.codes.is_empty() {
            return words::GREETING.to_owned();
        }
        let odds = Odds::guessed(&asked.codes, asked.text).misread(draw);
        format!("{} would be my choice. (simulated)", odds.best())
    }
}

/// A number that could be the answer to a question without options.
fn plausible_number(question: Option<&Question>, draw: &mut Draw) -> Code {
    let (least, most) = question.and_then(|question| question.range).unwrap_or((1, 10));
    // The middle half of the range: few people are a hundred years old.
    let span = usize::try_from(most.saturating_sub(least)).unwrap_or(0);
    let above = span / 4 + draw.below(span / 2 + 1);
    Code(least.saturating_add(i32::try_from(above).unwrap_or(0)))
}
