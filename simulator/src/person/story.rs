//! Writes a backstory: every sentence of the profile, put in order, with a few words between.

use valuesim_shared::codebook::Category;

use super::draw::Draw;
use super::reader::{Point, Reader};

/// Sentences of a paragraph.
const PARAGRAPH: usize = 15;

/// The backstory of somebody with this profile. No sentence of the profile is changed, so all can be found again.
pub(super) fn write(reader: &Reader, profile: &str, draw: &mut Draw) -> String {
    let mut points = reader.points(profile);
    // What cannot be told stands first, and as it was; all else in the order of the questionnaire.
    points.sort_by_key(|point| point.answer.map(|(question, _)| question));
    let section = |point: &Point<'_>| point.answer.map(|(id, _)| reader.question(id).section.as_str());
    let mut story = String::with_capacity(profile.len() * 5 / 4);
    for section in points.chunk_by(|one, other| section(one) == section(other)) {
        let category = section[0].answer.map(|(question, _)| reader.question(question).category);
        for (at, paragraph) in section.chunks(PARAGRAPH).enumerate() {
            let lead = if at == 0 { opening(category) } else { &MORE };
            add_paragraph(&mut story, lead[draw.below(lead.len())], paragraph);
        }
    }
    story.truncate(story.trim_end().len());
    story
}

fn add_paragraph(story: &mut String, lead: &str, points: &[Point<'_>]) {
    story.push_str(lead);
    let mut gap = ' ';
    for point in points {
        story.push(gap);
        story.push_str(point.text);
        // A sentence without an end of its own gets a line of its own, or it would run into the next.
        gap = if point.text.ends_with(['.', '!', '?']) { ' ' } else { '\n' };
    }
    story.push_str("\n\n");
}

const MORE: [&str; 3] = ["There is more to it.", "Nor is that all.", "A few more things belong here."];

/// Ways to begin what is said about a part of life.
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
