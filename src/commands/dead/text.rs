//! Formats dead letters for a terminal.

use indicatif::HumanCount;
use valuesim_coordinator::terminal_escape::visible;
use valuesim_shared::control::UnixMillis;
use valuesim_shared::dead_letter::DeadContent;

use super::entry::{DeadEntry, cell_name};
use crate::age::ago;
use crate::columns::{NOTHING, columns, one_line, shortened};

/// Characters of a reason in the list.
const MAX_REASON_CHARS: usize = 70;

/// Characters of a message that cannot be read.
const MAX_MESSAGE_CHARS: usize = 2_000;

/// A line for each entry. `waiting` is the total number.
pub(super) fn list(letters: &[DeadEntry], waiting: u32, now: UnixMillis) -> String {
    if letters.is_empty() {
        return "no dead letters\n".to_owned();
    }
    let header = ["number", "letter", "cell", "holds", "given up", "by", "why"].map(str::to_owned);
    let rows: Vec<_> = std::iter::once(header).chain(letters.iter().map(|letter| row(letter, now))).collect();
    let mut text = columns("", &rows);
    if waiting as usize > letters.len() {
        text +=
            &format!("these are the first {} of {}\n", HumanCount(letters.len() as u64), HumanCount(waiting.into()));
    }
    text
}

fn row(letter: &DeadEntry, now: UnixMillis) -> [String; 7] {
    let written = letter.found.letter.as_ref();
    [
        letter.number.to_string(),
        letter.id.to_string(),
        letter.found.content.cell().map_or_else(|| NOTHING.to_owned(), cell_name),
        letter.kind().to_owned(),
        written.map_or_else(|| NOTHING.to_owned(), |written| ago(written.at, now)),
        written.map_or_else(|| NOTHING.to_owned(), |written| written.worker.clone()),
        shortened(letter.reason(), MAX_REASON_CHARS),
    ]
}

/// All entries in full.
pub(super) fn show(letters: &[DeadEntry], now: UnixMillis) -> String {
    if letters.is_empty() {
        return "no dead letters\n".to_owned();
    }
    let texts: Vec<String> = letters.iter().map(|letter| show_one(letter, now)).collect();
    texts.join("\n")
}

fn show_one(letter: &DeadEntry, now: UnixMillis) -> String {
    let mut facts = vec![["holds", letter.kind()].map(str::to_owned)];
    let mut say = |what: &str, text: String| facts.push([what.to_owned(), text]);
    if let Some(cell) = letter.found.content.cell() {
        say("cell", format!("{} ({cell})", cell_name(cell)));
    }
    say("why", letter.reason().to_owned());
    if let Some(written) = &letter.found.letter {
        say("given up", format!("{} ({}), by {}", ago(written.at, now), written.at, written.worker));
        if let DeadContent::Unreadable(why) = &letter.found.content {
            say("unreadable", why.clone());
        }
    }
    for (number, failure) in (1..).zip(letter.history()) {
        say(if number == 1 { "history" } else { "" }, format!("{number}. {failure}"));
    }
    let message = message(letter);
    let message = message.lines().map(|line| format!("  {line}\n"));
    let mut text = format!("letter {}, number {}\n{}", letter.id, letter.number, columns("  ", &facts));
    text += "\n";
    text.extend(message);
    text
}

/// The message itself: for a task, with the codes of its profile.
fn message(letter: &DeadEntry) -> String {
    match &letter.found.content {
        DeadContent::Task(task) => {
            let codes: Vec<String> = task.profile.0.iter().map(ToString::to_string).collect();
            let (run, codes) = (one_line(&task.run.0), codes.join(" "));
            format!(
                "task of run {run}, message version {}\nprofile, {} codes: {codes}",
                task.version,
                task.profile.0.len()
            )
        }
        DeadContent::Outcome(outcome) => {
            visible(&serde_json::to_string_pretty(outcome).expect("an outcome can be written as JSON")).into_owned()
        }
        DeadContent::Unreadable(_) => {
            let body = &letter.found.body;
            let text = shortened(&String::from_utf8_lossy(body), MAX_MESSAGE_CHARS);
            format!("{} bytes: {text}", HumanCount(body.len() as u64))
        }
    }
}

#[cfg(test)]
mod tests {
    use valuesim_shared::dead_letter::DeadLetter;

    use super::*;

    const TASK: &str = r#"{"version":1,"kind":"cab","run":"r1","cell":{"model":1,"respondent":83811,"fold":5},"profile":"AgME6A/I2Go","history":["w1: it broke\noff","w2: \u001b[2J"]}"#;
    const OUTCOME: &str = r#"{"version":1,"run":"r1","cell":{"model":0,"respondent":7,"fold":1},"result":{"arms":[]},"spend":{"stages":{},"reported_models":["m\u001b"]}}"#;

    fn letters() -> Vec<DeadEntry> {
        let letter = |body: &[u8], reason: &str| {
            let letter = DeadLetter::new(body, reason.to_owned(), "h1-71-00c0ffee".to_owned());
            DeadLetter { at: UnixMillis(1_795_492_800_000), ..letter }.to_bytes()
        };
        let messages = [
            letter(
                TASK.as_bytes(),
                "it broke off 5 times, at last: index out of bounds: the len is 3 but the index is 7",
            ),
            TASK.replace("cab", "story").into_bytes(),
            letter(OUTCOME.as_bytes(), "cell of another plan"),
            letter(b"\xff\x1b[31mred", "read a task message: expected value at line 1 column 1"),
            br#"{"version":9,"reason":"x","body":{}}"#.to_vec(),
        ];
        messages.iter().zip(1..).map(|(message, number)| DeadEntry::read(number, message)).collect()
    }

    const NOW: UnixMillis = UnixMillis(1_795_492_980_000);

    #[test]
    fn a_list_of_letters() {
        insta::assert_snapshot!(list(&letters(), 12, NOW));
        assert_eq!(list(&[], 0, NOW), "no dead letters\n");
    }

    #[test]
    fn letters_in_full() {
        insta::assert_snapshot!(show(&letters(), NOW));
    }

    #[test]
    fn letters_for_programs() {
        let lines: Vec<String> =
            letters().iter().map(|letter| format!("{}\n{}\n", letter.listed(), letter.whole())).collect();
        insta::assert_snapshot!(lines.concat());
    }
}
