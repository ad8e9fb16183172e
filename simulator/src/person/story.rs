//! Writes a backstory: the sentences of the profile in the order of the questionnaire, with an opening per paragraph.

use valuesim_shared::codebook::Category;

use super::reader::{Reader, Statement};
use super::rng::Rng;

/// The maximum number of sentences in a paragraph.
const SENTENCES_PER_PARAGRAPH: usize = 15;

/// The backstory of a person with this profile. Keeps every sentence unchanged, so that all can be read back.
pub(super) fn write(reader: &Reader, profile: &str, rng: &mut Rng) -> String {
    let mut statements = reader.statements(profile);
    // Unrecognised sentences come first, in their original order; all others in the order of the questionnaire.
    statements.sort_by_key(|statement| statement.answer.map(|(question, _)| question));
    let section = |statement: &Statement<'_>| statement.answer.map(|(id, _)| reader.question(id).section.as_str());
    let mut story = String::with_capacity(profile.len() * 5 / 4);
    for section in statements.chunk_by(|one, other| section(one) == section(other)) {
        let category = section[0].answer.map(|(question, _)| reader.question(question).category);
        for (at, paragraph) in section.chunks(SENTENCES_PER_PARAGRAPH).enumerate() {
            let lead = if at == 0 { opening(category) } else { &MORE };
            add_paragraph(&mut story, lead[rng.below(lead.len())], paragraph);
        }
    }
    story.truncate(story.trim_end().len());
    story
}

fn add_paragraph(story: &mut String, lead: &str, statements: &[Statement<'_>]) {
    story.push_str(lead);
    let mut gap = ' ';
    for statement in statements {
        story.push(gap);
        story.push_str(statement.text);
        // Without end punctuation, a sentence needs a line break, or it would run into the next one.
        gap = if statement.text.ends_with(['.', '!', '?']) { ' ' } else { '\n' };
    }
    story.push_str("\n\n");
}

const MORE: [&str; 3] = ["There is more to it.", "Nor is that all.", "A few more things belong here."];

/// Opening sentences for a section.
fn opening(category: Option<Category>) -> &'static [&'static str] {
    match category {
        None => &["These are the plain facts about you.", "To begin with the facts of your life."],
        Some(Category::Core) => &["Some things matter to you more than others.", "This is what you hold dear."],
        Some(Category::Happiness) => &["As for how life feels to you.", "Here is how you are doing."],
        Some(Category::Trust) => &["As for the people and institutions around you.", "You live among others."],
        Some(Category::Economy) => &["Money and work have taught you a few things.", "As for the economy."],
        Some(Category::Security) => &["Then there is the question of newcomers and of safety.", "You look about you."],
        Some(Category::Tech) => &["Science and technology touch your life as well.", "The modern world is with you."],
        Some(Category::Morals) => &["You have your ideas of right and wrong.", "As for faith and morals."],
        Some(Category::Politics) => &["Politics is a part of your life too.", "As for how your country is run."],
        Some(Category::Demographics) => &["This is where you stand in life.", "A word about your circumstances."],
    }
}
