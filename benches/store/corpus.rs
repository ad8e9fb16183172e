//! Backstories of realistic length for many people.

use std::borrow::Cow;
use std::sync::Arc;

use anyhow::Context as _;
use valuesim_shared::codebook::Codebook;
use valuesim_shared::id::{Fold, QuestionId};
use valuesim_shared::method::Behaviour;
use valuesim_shared::profile::ProfileText;
use valuesim_shared::prompt;
use valuesim_shared::split::Split;
use valuesim_simulator::person::{Conversation, Kind, Message, Person};
use valuesim_simulator::synth::{Synth, SynthRow};

/// Characters of a backstory: the maximum that the paper's models write.
const CHARACTERS: usize = 10_000;

/// In less similar texts, one word in this many is replaced.
const REPLACED_ONE_IN: usize = 4;

/// Backstories by the simulated person, from the profiles of this many respondents.
pub(crate) fn stories(count: u32) -> anyhow::Result<Vec<String>> {
    let codebook = Arc::new(Codebook::built_in());
    let split = Split::new(42, 5)?;
    let person = Person::new(Arc::clone(&codebook), 1);
    let rows = Synth { respondents: count, seed: 7 }.rows().collect::<Vec<_>>();
    let folds: Vec<Fold> = split.folds().collect();
    let tell = |(at, row): (usize, &SynthRow)| {
        let kept = split.kept(folds[at % folds.len()]);
        story(&person, &codebook, row, kept)
    };
    rows.iter().enumerate().map(tell).collect()
}

/// The story of one respondent, extended to its length with the profile's items in question form.
fn story(person: &Person, codebook: &Codebook, row: &SynthRow, kept: &[QuestionId]) -> anyhow::Result<String> {
    let answers = kept.iter().map(|&id| (id, row.codes[id.index()]));
    let profile = ProfileText::new(codebook, Behaviour::Corrected);
    let asked = prompt::story(&profile.natural(answers.clone()));
    let messages = vec![Message { role: Cow::Borrowed("user"), content: Cow::Owned(asked) }];
    let conversation = Conversation { model: Cow::Borrowed("m"), messages };
    let mut text = person.reply(Kind::Story, &conversation.messages, conversation.digest());
    let more = answers.filter_map(|(id, code)| profile.item_with_question(id, code));
    for item in more {
        if text.len() >= CHARACTERS {
            break;
        }
        text.push('\n');
        text.push_str(&item);
    }
    text.truncate(text.floor_char_boundary(CHARACTERS));
    Some(text).filter(|text| !text.is_empty()).context("the simulated person wrote an empty story")
}

/// The same texts with every fourth word drawn from the words of all texts: less similar than a model's.
pub(crate) fn with_other_words(stories: &[String]) -> Vec<String> {
    let mut words: Vec<&str> = stories.iter().take(200).flat_map(|story| story.split(' ')).collect();
    words.sort_unstable();
    words.dedup();
    let mut draw = 0x9e37_79b9_7f4a_7c15_u64;
    let mut other = || {
        draw = draw.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        words[(draw >> 33) as usize % words.len()]
    };
    let change = |story: &String| {
        let changed = story.split(' ').enumerate();
        changed.map(|(at, word)| if at % REPLACED_ONE_IN == 0 { other() } else { word }).collect::<Vec<_>>().join(" ")
    };
    stories.iter().map(change).collect()
}
