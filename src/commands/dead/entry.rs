//! An entry in the list of dead letters: its id, and its JSON form.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;
use serde_json::{Value, json};
use valuesim_shared::dead_letter::{DeadContent, DeadMessage};
use valuesim_shared::id::{Cell, Fold, ModelId, Respondent};
use valuesim_shared::task::TaskKind;

/// A dead letter in its queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DeadEntry {
    /// Its position in the queue, counted from 1: changes when others are removed.
    pub(super) number: usize,
    pub(super) id: LetterId,
    pub(super) found: DeadMessage,
}

/// The permanent id of a dead letter: the first eight hexadecimal digits of its digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(crate) struct LetterId(String);

/// The dead letters that are asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Which {
    Cell(Cell),
    Id(LetterId),
    Number(usize),
}

/// Number of digits of an id.
const ID_DIGITS: usize = 8;

impl DeadEntry {
    /// Reads a dead letter from its message.
    pub(super) fn read(number: usize, message: &[u8]) -> Self {
        Self { number, id: LetterId::of(message), found: DeadMessage::read(message) }
    }

    /// The kind of its message.
    pub(super) fn kind(&self) -> &'static str {
        kind(&self.found)
    }

    /// Why it is a dead letter.
    pub(super) fn reason(&self) -> &str {
        reason(&self.found)
    }

    /// The earlier failures of its task.
    pub(super) fn history(&self) -> &[String] {
        match &self.found.content {
            DeadContent::Task(task) => &task.history,
            DeadContent::Outcome(_) | DeadContent::Unreadable(_) => &[],
        }
    }

    /// The entry without its message, as JSON.
    pub(super) fn listed(&self) -> Value {
        let letter = self.found.letter.as_ref();
        json!({
            "number": self.number,
            "letter": self.id,
            "cell": self.found.content.cell().map(cell_name),
            "kind": self.kind(),
            "reason": self.reason(),
            "at": letter.map(|letter| letter.at),
            "worker": letter.map(|letter| &letter.worker),
        })
    }

    /// The entry with its message, as JSON.
    pub(super) fn whole(&self) -> Value {
        let message = match &self.found.content {
            DeadContent::Task(task) => json!(task),
            DeadContent::Outcome(outcome) => json!(outcome),
            DeadContent::Unreadable(_) => json!(String::from_utf8_lossy(&self.found.body)),
        };
        let mut whole = self.listed();
        whole["message"] = message;
        whole
    }
}

/// The kind of a dead message.
pub(super) fn kind(found: &DeadMessage) -> &'static str {
    match &found.content {
        DeadContent::Task(task) => match task.kind {
            TaskKind::Story => "story task",
            TaskKind::Cab => "CAB task",
        },
        DeadContent::Outcome(_) => "outcome",
        DeadContent::Unreadable(_) => "unreadable",
    }
}

/// Why a message is dead.
pub(super) fn reason(found: &DeadMessage) -> &str {
    match (&found.letter, &found.content) {
        (Some(letter), _) => &letter.reason,
        (None, DeadContent::Unreadable(why)) => why,
        (None, DeadContent::Task(_) | DeadContent::Outcome(_)) => {
            "the broker moved it here: it was delivered more often than the broker allows, and never finished"
        }
    }
}

impl LetterId {
    /// The id of a dead letter with this message.
    pub(super) fn of(message: &[u8]) -> Self {
        Self(blake3::hash(message).to_hex()[..ID_DIGITS].to_owned())
    }
}

impl fmt::Display for LetterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for LetterId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let is_id = text.len() == ID_DIGITS && text.bytes().all(|digit| digit.is_ascii_hexdigit());
        is_id.then(|| Self(text.to_ascii_lowercase())).ok_or_else(|| {
            format!("expected the id of a letter: {ID_DIGITS} hexadecimal digits, as `valuesim dead list` shows it")
        })
    }
}

impl Which {
    /// Whether `letter` is asked for.
    pub(super) fn is(&self, letter: &DeadEntry) -> bool {
        match self {
            Self::Cell(cell) => letter.found.content.cell() == Some(*cell),
            Self::Id(id) => letter.id == *id,
            Self::Number(number) => letter.number == *number,
        }
    }
}

impl FromStr for Which {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.contains('/') {
            return cell(text).map(Self::Cell);
        }
        if let Ok(id) = text.parse() {
            return Ok(Self::Id(id));
        }
        let number = text.parse().ok().filter(|&number| number > 0).map(Self::Number);
        number.ok_or_else(|| "expected a cell (MODEL/RESPONDENT/FOLD), a letter's id or a number from 1".to_owned())
    }
}

impl fmt::Display for Which {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cell(cell) => write!(f, "of cell {}", cell_name(*cell)),
            Self::Id(id) => id.fmt(f),
            Self::Number(number) => write!(f, "number {number}"),
        }
    }
}

/// Parses a cell on the command line.
pub(in super::super) fn cell(text: &str) -> Result<Cell, String> {
    let read = || {
        let [model, respondent, fold] = text.split('/').collect::<Vec<_>>().try_into().ok()?;
        let model = ModelId(model.parse().ok()?);
        let respondent = Respondent::new(respondent.parse().ok()?)?;
        Some(Cell { model, respondent, fold: Fold::new(fold.parse().ok()?)? })
    };
    read().ok_or_else(|| {
        "expected a cell MODEL/RESPONDENT/FOLD, such as 0/17/2: models count from 0, respondents and folds from 1"
            .to_owned()
    })
}

/// A cell as it is written on the command line.
pub(in super::super) fn cell_name(Cell { model, respondent, fold }: Cell) -> String {
    format!("{}/{respondent}/{fold}", model.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_read_back_what_they_are_called() {
        for name in ["0/17/2", "12/97220/5", "0/1/1"] {
            assert_eq!(cell(name).map(cell_name).as_deref(), Ok(name));
        }
        for text in ["", "0", "0/1", "0/1/1/1", "0/0/1", "0/1/0", "a/1/1", "-1/1/1", "0/1/256", "0/ 1/1"] {
            assert!(cell(text).is_err_and(|error| error.contains("MODEL/RESPONDENT/FOLD")), "{text}");
        }
    }

    #[test]
    fn a_letter_is_asked_for_by_cell_id_or_number() {
        let number = |number| Ok(Which::Number(number));
        assert_eq!("3".parse(), number(3));
        assert_eq!("1234567".parse(), number(1_234_567));
        assert_eq!("00ABcdef".parse(), Ok(Which::Id(LetterId("00abcdef".to_owned()))));
        assert_eq!("0/17/2".parse(), cell("0/17/2").map(Which::Cell));
        for text in ["", "0", "-1", "x", "abcdefgh", "0/17"] {
            assert!(text.parse::<Which>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_letter_keeps_its_id_wherever_it_stands() {
        let [first, second] = [1, 2].map(|number| DeadEntry::read(number, b"no task"));
        assert_eq!(first.id, second.id);
        assert_eq!(first.id.to_string().parse(), Ok(first.id.clone()));
        assert_ne!(DeadEntry::read(1, b"another").id, first.id);
    }
}
