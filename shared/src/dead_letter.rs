//! Dead letters: messages that could not be processed, with the reason.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use crate::control::UnixMillis;
use crate::id::{Cell, RunId};
use crate::outcome::{CellOutcome, Unpacked, unpack};
use crate::queue::QueueKind;
use crate::task::{Task, TaskKind};

/// The version of dead letters. Readers show other versions as raw text.
pub const DEAD_LETTER_VERSION: u16 = 1;

/// The longest message that is kept whole though this program cannot read it, in bytes.
const MAX_FOREIGN_BYTES: usize = 64 << 10;

/// The longest dead letter, in bytes: RabbitMQ takes no more than 16 MiB.
const MAX_LETTER_BYTES: usize = 15 << 20;

/// How many bytes are kept of a message that is not kept whole.
const BEGINNING_BYTES: usize = 1 << 10;

/// How many characters of a reason are kept: that of a parser quotes what it read.
const MAX_REASON: usize = 2_000;

/// A message that could not be processed. Messages that the broker itself dead-letters are not wrapped in one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeadLetter {
    /// The writer's [`DEAD_LETTER_VERSION`].
    pub version: u16,
    /// Why it could not be processed.
    pub reason: String,
    /// The original message.
    pub body: DeadBody,
    /// When it was dead-lettered.
    pub at: UnixMillis,
    /// The process that dead-lettered it.
    pub worker: String,
}

/// The bytes of a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeadBody {
    /// UTF-8 text.
    Text(String),
    /// Other bytes, in base64.
    Base64(String),
    /// Of a message that is too long to be kept, or long and foreign: enough to recognise it.
    Beginning {
        /// The BLAKE3 digest of all its bytes, in hexadecimal.
        blake3: String,
        /// How many bytes it has.
        bytes: u64,
        /// The first of them, in base64.
        first: String,
    },
}

/// What to do with a message that cannot be processed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OnBadMessage {
    /// End the process with an error: right if the process wrote all messages itself.
    EndProcess,
    /// Move it to the dead letters and continue.
    DeadLetter {
        /// The process that dead-letters it.
        by: String,
    },
}

/// A message from the dead-letter queue, as far as it can be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadMessage {
    /// The dead letter; `None` if the broker dead-lettered the message itself.
    pub letter: Option<DeadLetter>,
    /// The original message.
    pub body: Vec<u8>,
    /// The content of the original message.
    pub content: DeadContent,
}

/// The content of a dead letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeadContent {
    /// A task that can be replayed.
    Task(Task),
    /// An outcome that can be replayed.
    Outcome(Box<CellOutcome>),
    /// Neither, with the reason.
    Unreadable(String),
}

/// Why a message is not a dead letter.
#[derive(Debug, thiserror::Error)]
pub enum DeadLetterError {
    /// The message is not JSON, or not a dead letter.
    #[error("read a dead letter: {0}")]
    Unreadable(#[from] serde_json::Error),
    /// The dead letter has another version.
    #[error(
        "read a dead letter of version {0}: this program reads version {DEAD_LETTER_VERSION}; use the release that wrote it"
    )]
    Version(u16),
    /// The message in the dead letter is not valid base64.
    #[error("read the message in a dead letter: {0}")]
    Body(#[from] base64::DecodeError),
}

impl DeadLetter {
    /// A dead letter with the current time. Whatever the message is, it has at most 15 MiB.
    pub fn new(body: &[u8], reason: String, worker: String) -> Self {
        let kept = if is_kept_whole(body) { DeadBody::new(body) } else { DeadBody::beginning_of(body) };
        let reason = match reason.char_indices().nth(MAX_REASON) {
            None => reason,
            Some((end, _)) => format!("{}…", &reason[..end]),
        };
        let letter = Self { version: DEAD_LETTER_VERSION, reason, body: kept, at: UnixMillis::now(), worker };
        // As text of a text a message takes up to six times its bytes.
        let is_too_long = body.len() > MAX_LETTER_BYTES / 6 && letter.to_bytes().len() > MAX_LETTER_BYTES;
        if is_too_long { Self { body: DeadBody::beginning_of(body), ..letter } } else { letter }
    }

    /// The dead letter as JSON.
    ///
    /// # Panics
    /// Never: a dead letter has no maps.
    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a dead letter can be written as JSON")
    }

    /// Reads a dead letter. Checks the version before the other fields.
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
    /// Reads `message`. Accepts any bytes.
    pub fn read(message: &[u8]) -> Self {
        if !is_letter(message) {
            return Self { letter: None, body: message.to_vec(), content: DeadContent::read(message) };
        }
        let read = DeadLetter::from_bytes(message).and_then(|letter| Ok((letter.body.bytes()?, letter)));
        match read {
            Ok((body, letter)) => Self { content: letter.body.content(&body), letter: Some(letter), body },
            Err(error) => {
                Self { letter: None, body: message.to_vec(), content: DeadContent::Unreadable(error.to_string()) }
            }
        }
    }
}

/// Whether a message is short, or one of this program's own.
fn is_kept_whole(body: &[u8]) -> bool {
    body.len() <= MAX_FOREIGN_BYTES
        || body.len() <= MAX_LETTER_BYTES && !matches!(DeadContent::read(body), DeadContent::Unreadable(_))
}

/// Whether it is a dead letter of any version: only these have both a reason and a body.
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
    /// Reads the content from `body`.
    pub fn read(body: &[u8]) -> Self {
        let no_task = match Task::from_bytes(body) {
            Ok(task) => return Self::Task(task),
            Err(error) => error,
        };
        match outcome(body) {
            Ok(outcome) => Self::Outcome(Box::new(outcome)),
            Err(no_outcome) => Self::Unreadable(format!("neither a task ({no_task}) nor an outcome ({no_outcome})")),
        }
    }

    /// The cell of the task or outcome.
    pub fn cell(&self) -> Option<Cell> {
        match self {
            Self::Task(task) => Some(task.cell),
            Self::Outcome(outcome) => Some(outcome.cell),
            Self::Unreadable(_) => None,
        }
    }

    /// The run of the task or outcome.
    pub fn run(&self) -> Option<&RunId> {
        match self {
            Self::Task(task) => Some(&task.run),
            Self::Outcome(outcome) => Some(&outcome.run),
            Self::Unreadable(_) => None,
        }
    }

    /// The kind of queue from which it is processed; `None` if it cannot be read.
    pub fn queue_kind(&self) -> Option<QueueKind> {
        match self {
            Self::Task(task) => Some(match task.kind {
                TaskKind::Story => QueueKind::Story(task.cell.model),
                TaskKind::Cab => QueueKind::Cab(task.cell.model),
            }),
            Self::Outcome(_) => Some(QueueKind::Results),
            Self::Unreadable(_) => None,
        }
    }
}

fn outcome(body: &[u8]) -> Result<CellOutcome, String> {
    match unpack(body).map_err(|error| error.to_string())? {
        Unpacked::Outcome(outcome) => Ok(*outcome),
        Unpacked::Parts(notice) => Err(format!("a notice that that of cell {} is in the store", notice.cell)),
    }
}

impl DeadBody {
    fn new(bytes: &[u8]) -> Self {
        match std::str::from_utf8(bytes) {
            Ok(text) => Self::Text(text.to_owned()),
            Err(_) => Self::Base64(STANDARD.encode(bytes)),
        }
    }

    fn beginning_of(bytes: &[u8]) -> Self {
        Self::Beginning {
            blake3: blake3::hash(bytes).to_hex().to_string(),
            bytes: bytes.len() as u64,
            first: STANDARD.encode(&bytes[..bytes.len().min(BEGINNING_BYTES)]),
        }
    }

    /// What the message was, whose bytes these are.
    fn content(&self, kept: &[u8]) -> DeadContent {
        match self {
            Self::Text(_) | Self::Base64(_) => DeadContent::read(kept),
            Self::Beginning { blake3, bytes, .. } => DeadContent::Unreadable(format!(
                "only its beginning was kept: it had {bytes} bytes, with the BLAKE3 digest {blake3}"
            )),
        }
    }

    /// The bytes of the original message, or the first of them.
    pub fn bytes(&self) -> Result<Vec<u8>, base64::DecodeError> {
        match self {
            Self::Text(text) => Ok(text.as_bytes().to_vec()),
            Self::Base64(text) | Self::Beginning { first: text, .. } => STANDARD.decode(text),
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
    fn the_format_of_dead_letters_is_fixed() {
        check(b"{}", r#"{"version":1,"reason":"no task","body":{"text":"{}"},"at":5,"worker":"w1"}"#);
        check(b"\xff\x00", r#"{"version":1,"reason":"no task","body":{"base64":"/wA="},"at":5,"worker":"w1"}"#);
    }

    const TASK: &str =
        r#"{"version":1,"kind":"cab","run":"r1","cell":{"model":2,"respondent":7,"fold":1},"profile":"AgM"}"#;

    /// Reads a message, both bare and in a dead letter.
    fn check_content(body: &[u8], expected_kind: Option<QueueKind>, says: &str) {
        let bare = DeadMessage::read(body);
        assert_eq!((&bare.letter, &bare.body[..]), (&None, body));
        let letter = DeadLetter::new(body, "no luck".to_owned(), "w1".to_owned());
        let in_letter = DeadMessage::read(&letter.to_bytes());
        assert_eq!((in_letter.letter, &in_letter.body[..]), (Some(letter), body));
        assert_eq!(in_letter.content, bare.content);
        assert_eq!(bare.content.queue_kind(), expected_kind);
        assert!(format!("{:?}", bare.content).contains(says), "{:?}", bare.content);
    }

    #[test]
    fn wrapped_and_bare_messages_are_read_alike() {
        check_content(TASK.as_bytes(), Some(QueueKind::Cab(ModelId(2))), "kind: Cab");
        check_content(TASK.replace("cab", "story").as_bytes(), Some(QueueKind::Story(ModelId(2))), "kind: Story");
        let outcome = r#"{"version":1,"run":"r1","cell":{"model":2,"respondent":7,"fold":1},"result":{"arms":[]},"spend":{"stages":{},"reported_models":[]}}"#;
        check_content(outcome.as_bytes(), Some(QueueKind::Results), "CellOutcome");
        check_content(br#"{"version":2,"kind":"cab"}"#, None, "version 2");
        check_content(b"\xff\x00", None, "Unreadable");
        check_content(b"", None, "Unreadable");
    }

    #[test]
    fn unreadable_dead_letters_keep_their_bytes() {
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

    #[test]
    fn long_foreign_messages_are_kept_as_digest_size_and_beginning() {
        let utf16: Vec<u8> = "Übung".repeat(40_000).encode_utf16().flat_map(u16::to_le_bytes).collect();
        for body in [vec![0; 3 << 20], vec![b'x'; 20 << 20], utf16, format!("[{}1]", "1,".repeat(900_000)).into_bytes()]
        {
            let written = DeadLetter::new(&body, "\0".repeat(5 << 20), "w1".to_owned()).to_bytes();
            assert!(written.len() < 20_000, "{} bytes", written.len());
            let found = DeadMessage::read(&written);
            let letter = found.letter.expect("a letter");
            let DeadBody::Beginning { blake3, bytes, .. } = letter.body else { panic!("it was kept whole") };
            assert_eq!((blake3, bytes), (blake3::hash(&body).to_hex().to_string(), body.len() as u64));
            assert_eq!(found.body, body[..BEGINNING_BYTES]);
            let DeadContent::Unreadable(why) = found.content else { panic!("it was read") };
            assert!(why.contains("only its beginning was kept"), "{why}");
        }
    }

    #[test]
    fn a_long_task_is_kept_whole_and_can_be_replayed() {
        let history = format!(r#""history":["{}"]}}"#, "x".repeat(1 << 20));
        let task = TASK.strip_suffix('}').expect("an object").to_owned() + "," + &history;
        let found = DeadMessage::read(&DeadLetter::new(task.as_bytes(), String::new(), String::new()).to_bytes());
        assert!(matches!(found.content, DeadContent::Task(_)));
        assert_eq!(found.body, task.as_bytes());
    }

    proptest! {
        #[test]
        fn any_message_is_read_back_from_its_dead_letter(body in prop::collection::vec(any::<u8>(), 0..64)) {
            let letter = DeadLetter::new(&body, String::new(), String::new());
            prop_assert_eq!(DeadMessage::read(&letter.to_bytes()).body, body);
        }
    }
}
