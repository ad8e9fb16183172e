//! Recognises talk around a backstory, which is kept and counted.

use super::forms::FORMS;
use super::refusal::straight_apostrophe;
use super::value::is_decoration;

/// The longest line that is taken for talk, in characters: paragraphs of backstories are longer.
const LONGEST_TALK: usize = 240;

/// Whether a backstory begins or ends with talk to whoever asked for it: "Here is the backstory:", "Let me know if ...".
pub fn is_framed(story: &str) -> bool {
    let lines = || story.lines().filter(|line| line.contains(char::is_alphanumeric));
    let [first, last] = [lines().next(), lines().next_back()].map(|line| plain(line.unwrap_or("")));
    let framing = &FORMS.framing;
    let begins = |line: &str, with: &[String]| with.iter().any(|opening| line.starts_with(opening.as_str()));
    let opens = begins(&first, &framing.openings) && framing.names.iter().any(|name| first.contains(name.as_str()));
    opens || begins(&last, &framing.closings)
}

/// A short line in lower case and without what decorates it; empty if it is longer.
fn plain(line: &str) -> String {
    if line.chars().nth(LONGEST_TALK).is_some() {
        return String::new();
    }
    let said = line.trim_start_matches(|c| is_decoration(c) || c == '-');
    said.chars().map(straight_apostrophe).collect::<String>().to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn talk_before_and_after_a_backstory_is_seen() {
        for framed in [
            "Here is the backstory:\n\nYou were born in 1973.\n\nLet me know if you want changes!",
            "Sure! Here’s a detailed narrative of this person:\n\nYou grew up by the sea.",
            "**Certainly!** Below is the backstory.\n\n---\n\nYou live in Lima.",
            "You were born in 1973.\n\n*Note: some answers were missing.*",
            "You were born in 1973.\n\n---\nWould you like me to expand on any part?\n",
        ] {
            assert!(is_framed(framed), "{framed}");
        }
        for plain in [
            "You were born in 1973.",
            "## Backstory\n\nYou were born in 1973.",
            "Of course you love your family. You were born in 1973.",
            "Here is where you were born. You never left.",
            "",
            "\n\n---\n",
        ] {
            assert!(!is_framed(plain), "{plain}");
        }
        assert!(!is_framed(&format!("Sure of your story, {}", "you moved on, ".repeat(40))));
    }
}
