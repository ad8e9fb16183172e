//! Recognises a model that declines to answer.

/// The beginnings of refusals. Only unmistakable ones, because the model is not asked again after a refusal.
const OPENINGS: [&str; 22] = [
    "i'm not comfortable speculating",
    "i'm not comfortable predicting",
    "i don't think i should guess",
    "as an ai ",
    "as an ai,",
    "as a language model",
    "as a large language model",
    "i am an ai",
    "i'm an ai",
    "i'm sorry",
    "i am sorry",
    "sorry, ",
    "i apologize",
    "my apologies",
    "i cannot ",
    "i can't ",
    "i can not ",
    "i am unable ",
    "i'm unable ",
    "i am not able ",
    "i'm not able ",
    "i must decline",
];

/// The longest refusal to write a backstory, in characters. The shortest backstories of the paper's models have ten times as many.
const LONGEST_REFUSAL: usize = 600;

/// Whether the model declined to write a backstory: it begins like a refusal and is short.
pub(super) fn declines_a_story(story: &str) -> bool {
    is_refusal(story) && story.chars().nth(LONGEST_REFUSAL).is_none()
}

/// Whether a reply without an answer begins like a refusal.
pub(super) fn is_refusal(reply: &str) -> bool {
    let longest = 40;
    let start: String = reply.trim_start().chars().take(longest).map(straight_apostrophe).collect();
    let start = start.to_ascii_lowercase();
    OPENINGS.iter().any(|opening| start.starts_with(opening))
}

pub(super) fn straight_apostrophe(c: char) -> char {
    if matches!(c, '’' | '‘' | 'ʼ') { '\'' } else { c }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_recognised_by_their_beginning() {
        let check = |text: &str, expected: bool| assert_eq!(is_refusal(text), expected, "{text}");
        check("As an AI I cannot answer this question.", true);
        check("\n I’m sorry, but I can't help with that.", true);
        check("This person would say: I'm sorry.", false);
        check("As an airport worker you care about noise.", false);
        check("Sorry", false);
        check("", false);
    }
}
