//! What a reader must know about the data before believing the scores.

use std::collections::HashMap;

use valuesim_shared::id::{Code, Country, QUESTIONS, QuestionId, Respondent};
use valuesim_shared::survey::Survey;

use super::scored::Scored;
use crate::grouped::{counted, grouped};

/// With fewer other people of the same country, its most frequent answer is little more than a few people's.
const FEW_OF_A_COUNTRY: usize = 30;

/// The notes, one sentence or two each.
pub(super) fn notes(scored: &Scored<'_>) -> Vec<String> {
    let mut notes = vec![about_chance()];
    notes.extend(few_of_a_country(scored));
    notes.extend(copies(scored.of.survey));
    notes
}

fn about_chance() -> String {
    "`chance` is what a guess among a question's options is expected to score: 1/k of k options, and the mean error over \
     them. It draws no answers."
        .to_owned()
}

/// Countries of scored people with few people in the file.
fn few_of_a_country(scored: &Scored<'_>) -> Option<String> {
    let survey = scored.of.survey;
    let mut people: HashMap<Country, usize> = HashMap::new();
    for respondent in survey.everybody() {
        *people.entry(survey.country(respondent)).or_default() += 1;
    }
    let mut few: Vec<(String, usize)> = Vec::new();
    for person in scored.people {
        let country = survey.country(person.respondent);
        let known = scored.of.codebook.country(country);
        let name = known.map_or_else(|| country.to_string(), |known| known.alpha.clone());
        let count = people.get(&country).copied().unwrap_or(0);
        if count < FEW_OF_A_COUNTRY && !few.iter().any(|(named, _)| *named == name) {
            few.push((name, count));
        }
    }
    few.sort_unstable();
    let (first, count) = few.first()?;
    let countries = match few.len() {
        1 => format!("{first} has {} in the file", counted(*count as u64, "person", "people")),
        several => format!(
            "{} countries have fewer than {FEW_OF_A_COUNTRY} people in the file ({first} has {count})",
            grouped(several as u64)
        ),
    };
    Some(format!("`mode-country` and `median-country` rest on few people here: {countries}."))
}

/// People whose answers to all questions are those of somebody else.
fn copies(survey: &Survey) -> Option<String> {
    let mut seen: HashMap<[u8; 32], u64> = HashMap::with_capacity(survey.respondents());
    for respondent in survey.everybody() {
        *seen.entry(answers_digest(survey, respondent)).or_default() += 1;
    }
    let copied = seen.into_values().filter(|&count| count > 1);
    let (people, sets) = copied.fold((0, 0_u64), |(people, sets), count| (people + count, sets + 1));
    (sets > 0).then(|| {
        format!(
            "{} of the file gave the same answers to all questions as somebody else ({}): for them the \
             baselines, which leave out only the person's own answers, know the answers.",
            counted(people, "person", "people"),
            counted(sets, "set of answers", "sets of answers"),
        )
    })
}

fn answers_digest(survey: &Survey, respondent: Respondent) -> [u8; 32] {
    let mut bytes = Vec::with_capacity(QUESTIONS * size_of::<Code>());
    for question in QuestionId::all() {
        bytes.extend(survey.code(respondent, question).0.to_le_bytes());
    }
    blake3::hash(&bytes).into()
}
