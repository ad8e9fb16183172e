//! Dead letters: messages that could not be dealt with, with the reason, for people to look at.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use crate::control::UnixMillis;
use crate::id::{Cell, RunId};
use crate::outcome::{CellOutcome, OUTCOME_VERSION};
use crate::queue::Lane;
use crate::task::{Task, TaskKind};

/// The version of dead letters; a reader shows others as they are.
pub const DEAD_LETTER_VERSION: u16 = 1;

/// A message that could not be dealt with. The broker puts some there itself, bare: those are no [`DeadLetter`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeadLetter {
    /// [`DEAD_LETTER_VERSION`] of the writer.
    pub version: u16,
    /// Why nobody could deal with it.
    pub reason: String,
    /// The message as it was.
    pub body: DeadBody,
    /// When it was given up.
    pub at: UnixMillis,
    /// The process that gave it up.
    pub worker: String,
}

/// A message, whatever bytes it has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeadBody {
    /// It is text.
    Text(String),
    /// It is no text; base64 of its bytes.
    Base64(String),
}

/// What becomes of a message that cannot be dealt with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OnBadMessage {
    /// It ends the process with an error: right where all messages are the process's own.
    EndProcess,
    /// It goes to the dead letters, and the process goes on.
    DeadLetter {
        /// The process that parks it.
        by: String,
    },
}

/// What a message of the dead letters is, as far as it can be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadMessage {
    /// Why it is there; none where the broker put it there itself.
    pub letter: Option<DeadLetter>,
    /// The message that could not be dealt with.
    pub body: Vec<u8>,
    /// What that message is.
    pub content: DeadContent,
}

/// What a dead letter holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeadContent {
    /// Work that can be tried again.
    Task(Task),
    /// A finished cell that can be handed in again.
    Outcome(Box<CellOutcome>),
    /// Neither, and why.
    Unreadable(String),
}

/// Why a message is no dead letter.
#[derive(Debug, thiserror::Error)]
pub enum DeadLetterError {
    /// It is no JSON, or has not the fields of a dead letter.
    #[error("read a dead letter: {0}")]
    Unreadable(#[from] serde_json::Error),
    /// It has another version.
    #[error(
        "read a dead letter of version {0}: this program reads version {DEAD_LETTER_VERSION}; use the release that wrote it"
    )]
    Version(u16),
    /// The message in it is not what base64 gives.
    #[error("read the message in a dead letter: {0}")]
    Body(#[from] base64::DecodeError),
}

impl DeadLetter {
    /// A letter of this moment.
    pub fn new(body: &[u8], reason: String, worker: String) -> Self {
        Self { version: DEAD_LETTER_VERSION, reason, body: DeadBody::new(body), at: UnixMillis::now(), worker }
    }

    /// The letter as it is kept: JSON.
    ///
    /// # Panics
    /// Never: a dead letter has no map.
    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a dead letter can be written as JSON")
    }

    /// Reads a letter; refuses other versions before it looks at the rest.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DeadLetterError> {
        #[derive(Deserialize)]
        struct Head {
            version: u16,
        }
        let head: Head = serde_json::from_slice(bytes)?;
        if head.version != DEAD_LETTER_VERSION {
            return Err(DeadLetterError::Version(head.version));
        }
        Ok(serde_json::from_slice(bytes)?)
    }
}

impl DeadMessage {
    /// What `message` is. Any bytes are something.
    pub fn read(message: &[u8]) -> Self {
        if !is_letter(message) {
            return Self { letter: None, body: message.to_vec(), content: DeadContent::read(message) };
        }
        let read = DeadLetter::from_bytes(message).and_then(|letter| Ok((letter.body.bytes()?, letter)));
        match read {
            Ok((body, letter)) => Self { content: DeadContent::read(&body), letter: Some(letter), body },
            Err(error) => {
                Self { letter: None, body: message.to_vec(), content: DeadContent::Unreadable(error.to_string()) }
            }
        }
    }
}

/// Whether it is a letter of any version, and no bare message: those have neither reason nor body.
fn is_letter(message: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Letter {
        #[serde(rename = "reason")]
        _reason: IgnoredAny,
        #[serde(rename = "body")]
        _body: IgnoredAny,
    }
    serde_json::from_slice::<Letter>(message).is_ok()
}

impl DeadContent {
    /// What `body` is.
    pub fn read(body: &[u8]) -> Self {
        let no_task = match Task::from_bytes(body) {
            Ok(task) => return Self::Task(task),
            Err(error) => error,
        };
        match outcome(body) {
            Ok(outcome) => Self::Outcome(Box::new(outcome)),
            Err(no_outcome) => Self::Unreadable(format!("no task ({no_task}) and no outcome ({no_outcome})")),
        }
    }

    /// The cell that it is about.
    pub fn cell(&self) -> Option<Cell> {
        match self {
            Self::Task(task) => Some(task.cell),
            Self::Outcome(outcome) => Some(outcome.cell),
            Self::Unreadable(_) => None,
        }
    }

    /// The run that it belongs to.
    pub fn run(&self) -> Option<&RunId> {
        match self {
            Self::Task(task) => Some(&task.run),
            Self::Outcome(outcome) => Some(&outcome.run),
            Self::Unreadable(_) => None,
        }
    }

    /// Where it waits for somebody to deal with it; nowhere, if it cannot be read.
    pub fn lane(&self) -> Option<Lane> {
        match self {
            Self::Task(task) => Some(match task.kind {
                TaskKind::Story => Lane::Story(task.cell.model),
                TaskKind::Cab => Lane::Cab(task.cell.model),
            }),
            Self::Outcome(_) => Some(Lane::Results),
            Self::Unreadable(_) => None,
        }
    }
}

fn outcome(body: &[u8]) -> Result<CellOutcome, String> {
    let outcome: CellOutcome = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    match outcome.version {
        OUTCOME_VERSION => Ok(outcome),
        other => Err(format!("version {other}, expected {OUTCOME_VERSION}")),
    }
}

impl DeadBody {
    fn new(bytes: &[u8]) -> Self {
        match std::str::from_utf8(bytes) {
            Ok(text) => Self::Text(text.to_owned()),
            Err(_) => Self::Base64(STANDARD.encode(bytes)),
        }
    }

    /// The bytes of the message as it was.
    pub fn bytes(&self) -> Result<Vec<u8>, base64::DecodeError> {
        match self {
            Self::Text(text) => Ok(text.as_bytes().to_vec()),
            Self::Base64(text) => STANDARD.decode(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::id::ModelId;

    fn check(body: &[u8], json: &str) {
        let letter = DeadLetter { at: UnixMillis(5), ..DeadLetter::new(body, "no task".to_owned(), "w1".to_owned()) };
        assert_eq!(String::from_utf8(letter.to_bytes()).expect("text"), json);
        assert_eq!(serde_json::from_str::<DeadLetter>(json).expect("reads"), letter);
    }

    #[test]
    fn a_letter_is_written_and_read_to_the_letter() {
        check(b"{}", r#"{"version":1,"reason":"no task","body":{"text":"{}"},"at":5,"worker":"w1"}"#);
        check(b"\xff\x00", r#"{"version":1,"reason":"no task","body":{"base64":"/wA="},"at":5,"worker":"w1"}"#);
    }

    const TASK: &str =
        r#"{"version":1,"kind":"cab","run":"r1","cell":{"model":2,"respondent":7,"fold":1},"profile":"AgM"}"#;

    /// A message as it is, and in a letter.
    fn check_held(body: &[u8], expected_lane: Option<Lane>, says: &str) {
        let bare = DeadMessage::read(body);
        assert_eq!((&bare.letter, &bare.body[..]), (&None, body));
        let letter = DeadLetter::new(body, "no luck".to_owned(), "w1".to_owned());
        let in_letter = DeadMessage::read(&letter.to_bytes());
        assert_eq!((in_letter.letter, &in_letter.body[..]), (Some(letter), body));
        assert_eq!(in_letter.content, bare.content);
        assert_eq!(bare.content.lane(), expected_lane);
        assert!(format!("{:?}", bare.content).contains(says), "{:?}", bare.content);
    }

    #[test]
    fn a_letter_is_opened_and_a_bare_message_is_taken_as_it_is() {
        check_held(TASK.as_bytes(), Some(Lane::Cab(ModelId(2))), "kind: Cab");
        check_held(TASK.replace("cab", "story").as_bytes(), Some(Lane::Story(ModelId(2))), "kind: Story");
        let outcome = r#"{"version":1,"run":"r1","cell":{"model":2,"respondent":7,"fold":1},"result":{"arms":[]},"spend":{"stages":{},"reported_models":[]}}"#;
        check_held(outcome.as_bytes(), Some(Lane::Results), "CellOutcome");
        check_held(br#"{"version":2,"kind":"cab"}"#, None, "version 2");
        check_held(b"\xff\x00", None, "Unreadable");
        check_held(b"", None, "Unreadable");
    }

    #[test]
    fn a_letter_of_another_version_or_with_a_damaged_body_is_kept_as_it_is() {
        for (letter, says) in [
            (r#"{"version":2,"reason":"x","body":{"new":1}}"#, "dead letter of version 2"),
            (r#"{"version":1,"reason":"x","body":{"base64":"?"},"at":5,"worker":"w1"}"#, "message in a dead letter"),
            (r#"{"version":1,"reason":"x","body":{"text":"x"}}"#, "missing field `at`"),
        ] {
            let found = DeadMessage::read(letter.as_bytes());
            assert_eq!((found.letter, &found.body[..]), (None, letter.as_bytes()));
            let DeadContent::Unreadable(why) = found.content else { panic!("{letter} was read") };
            assert!(why.contains(says), "{why}");
        }
    }

    proptest! {
        #[test]
        fn any_message_survives_its_letter(body in prop::collection::vec(any::<u8>(), 0..64)) {
            let letter = DeadLetter::new(&body, String::new(), String::new());
            prop_assert_eq!(DeadMessage::read(&letter.to_bytes()).body, body);
        }
    }
}
