//! The task message: write a cell's backstory, or answer its questions.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::id::{Cell, Code, RunId};
use crate::transcript::Transcript;

mod retrieved;

pub use retrieved::{MAX_RETRIEVED, RetrievedItem, RetrievedItems};

/// The version of the task message. Readers refuse other versions.
pub const TASK_VERSION: u16 = 1;

/// A task. Small, because everything that the tasks of a run share is in the run's manifest.
///
/// It contains the codes of the profile only, never held-out answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Task {
    /// The writer's [`TASK_VERSION`].
    pub version: u16,
    /// What to do.
    pub kind: TaskKind,
    /// The run that the task belongs to.
    pub run: RunId,
    /// The cell.
    pub cell: Cell,
    /// The respondent's codes for the questions that the fold keeps, in the fold's order.
    pub profile: PackedCodes,
    /// The part of the profile for each backstory of `profile-scale(N)`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub draws: Vec<ProfileDraw>,
    /// For `rag`: the items of the profile that were retrieved for each question that is asked.
    #[serde(default, skip_serializing_if = "RetrievedItems::is_empty")]
    pub retrieved: RetrievedItems,
    /// The calls of this cell in another run. Their replies are used in place of calls with the very same messages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept: Option<Transcript>,
    /// The errors of earlier attempts: faults of the task or of this program, not of a provider.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<String>,
}

/// The part of a profile from which `profile-scale(N)` makes a backstory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProfileDraw {
    /// The number of answers.
    pub items: u16,
    /// Their positions in [`Task::profile`], counted from 0, in the order drawn.
    pub places: PackedCodes,
}

impl ProfileDraw {
    /// A draw of these positions.
    ///
    /// # Panics
    /// If there are more than 65,535.
    pub fn of(places: impl IntoIterator<Item = u16>) -> Self {
        let places: Vec<Code> = places.into_iter().map(|place| Code(place.into())).collect();
        let items = u16::try_from(places.len()).expect("a profile has fewer than 65,536 answers");
        Self { items, places: PackedCodes(places) }
    }

    /// The positions; `None` if one is outside a profile of `answers` answers, or if their number is not `items`.
    pub fn places(&self, answers: usize) -> Option<Vec<usize>> {
        let places = self.places.0.iter().map(|place| usize::try_from(place.0).ok().filter(|&place| place < answers));
        let places: Vec<usize> = places.collect::<Option<_>>()?;
        (places.len() == usize::from(self.items)).then_some(places)
    }
}

/// The kinds of tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskKind {
    /// Write the cell's backstory.
    Story,
    /// Answer the cell's questions: modules, coordinator, single-call arms.
    Cab,
}

/// Why a message is not a task.
#[derive(Debug, thiserror::Error)]
pub enum TaskError {
    /// The message is not JSON, or not a task.
    #[error("read a task message: {0}")]
    Unreadable(#[from] serde_json::Error),
    /// The message has another version.
    #[error(
        "read a task message of version {0}: this program reads version {TASK_VERSION}; run workers of the same release as the coordinator"
    )]
    Version(u16),
}

impl Task {
    /// The message as JSON.
    ///
    /// # Panics
    /// Never: all maps of a task have text keys, and writing to memory does not fail.
    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a task can be written as JSON")
    }

    /// The task of another kind for the same cell.
    #[must_use]
    pub fn of_kind(&self, kind: TaskKind) -> Self {
        Self { kind, ..self.clone() }
    }

    /// Reads a message. Checks the version before the other fields.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, TaskError> {
        Self::read(bytes, TASK_VERSION)
    }

    /// Like [`from_bytes`](Self::from_bytes), for a reader that knows all versions up to `newest`.
    pub fn read(bytes: &[u8], newest: u16) -> Result<Self, TaskError> {
        #[derive(Deserialize)]
        struct Head {
            version: u16,
        }
        let head: Head = serde_json::from_slice(bytes)?;
        if !(1..=newest).contains(&head.version) {
            return Err(TaskError::Version(head.version));
        }
        Ok(serde_json::from_slice(bytes)?)
    }
}

/// A compact list of codes: zigzag variable-length integers, written as base64 in JSON.
///
/// 232 codes, most of them below 64, take about 320 characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackedCodes(pub Vec<Code>);

impl PackedCodes {
    fn pack(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.0.len() + 16);
        for code in &self.0 {
            let mut rest = zigzag(code.0);
            while rest >= 0x80 {
                bytes.push(low_seven_bits(rest) | 0x80);
                rest >>= 7;
            }
            bytes.push(low_seven_bits(rest));
        }
        bytes
    }

    fn unpack(bytes: &[u8]) -> Option<Self> {
        let mut codes = Vec::with_capacity(bytes.len());
        let (mut value, mut shift) = (0_u64, 0);
        for &byte in bytes {
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 != 0 {
                shift += 7;
                // Five groups of seven bits hold any 32-bit integer.
                if shift > 28 {
                    return None;
                }
                continue;
            }
            codes.push(Code(unzigzag(u32::try_from(value).ok()?)));
            (value, shift) = (0, 0);
        }
        let complete = shift == 0;
        complete.then_some(Self(codes))
    }
}

fn low_seven_bits(value: u32) -> u8 {
    u8::try_from(value & 0x7f).expect("seven bits fit a byte")
}

/// Maps 0, -1, 1, -2, 2 to 0, 1, 2, 3, 4, so that small codes of either sign stay short.
const fn zigzag(value: i32) -> u32 {
    ((value << 1) ^ (value >> 31)).cast_unsigned()
}

const fn unzigzag(value: u32) -> i32 {
    (value >> 1).cast_signed() ^ -((value & 1).cast_signed())
}

impl Serialize for PackedCodes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD_NO_PAD.encode(self.pack()))
    }
}

impl<'de> Deserialize<'de> for PackedCodes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        let bytes = STANDARD_NO_PAD.decode(text.as_bytes()).map_err(D::Error::custom)?;
        Self::unpack(&bytes).ok_or_else(|| D::Error::custom("packed codes are truncated or too large"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::id::{Fold, ModelId, Respondent};
    use crate::similarity::Similarity;

    fn task(codes: Vec<Code>) -> Task {
        let respondent = Respondent::new(83_811).expect("not 0");
        let fold = Fold::new(1).expect("not 0");
        Task {
            version: TASK_VERSION,
            kind: TaskKind::Story,
            run: RunId("r1".to_owned()),
            cell: Cell { model: ModelId(0), respondent, fold },
            profile: PackedCodes(codes),
            draws: Vec::new(),
            retrieved: RetrievedItems::default(),
            kept: None,
            history: Vec::new(),
        }
    }

    /// The message on the wire. A change here needs a new version and an entry in CHANGELOG.md.
    const ON_THE_WIRE: &str = r#"{"version":1,"kind":"story","run":"r1","cell":{"model":0,"respondent":83811,"fold":1},"profile":"AgME6A/I2Go"}"#;

    #[test]
    fn the_message_format_is_fixed() {
        let task = task([1, -2, 2, 1012, 874_020].map(Code).to_vec());
        assert_eq!(String::from_utf8(task.to_bytes()).expect("text"), ON_THE_WIRE);
        assert_eq!(Task::from_bytes(ON_THE_WIRE.as_bytes()).expect("reads"), task);
    }

    #[test]
    fn draws_are_written_only_if_there_are_any() {
        let drawn = Task { draws: vec![ProfileDraw::of([2, 0, 64])], ..task(Vec::new()) };
        let json = String::from_utf8(drawn.to_bytes()).expect("is text");
        assert!(json.ends_with(r#","draws":[{"items":3,"places":"BACAAQ"}]}"#), "{json}");
        assert_eq!(Task::from_bytes(json.as_bytes()).expect("reads"), drawn);
        let places = |of: &ProfileDraw, answers| of.places(answers);
        assert_eq!(places(&drawn.draws[0], 65), Some(vec![2, 0, 64]));
        assert_eq!(places(&drawn.draws[0], 64), None, "one position is outside the profile");
        assert_eq!(places(&ProfileDraw { items: 4, ..drawn.draws[0].clone() }, 65), None, "one position is missing");
    }

    #[test]
    fn retrieved_items_are_written_only_if_there_are_any() {
        let item = RetrievedItem { place: 1, similarity: Similarity::of(0.25) };
        let retrieving = Task { retrieved: RetrievedItems(vec![vec![item]]), ..task(Vec::new()) };
        let json = String::from_utf8(retrieving.to_bytes()).expect("is text");
        assert!(json.ends_with(r#","retrieved":"AgKIJw"}"#), "{json}");
        assert_eq!(Task::from_bytes(json.as_bytes()).expect("reads"), retrieving);
    }

    #[test]
    fn a_task_contains_the_errors_of_earlier_attempts() {
        let failed = Task { history: vec!["broke off".to_owned()], ..task(Vec::new()) };
        let message = failed.to_bytes();
        assert!(message.ends_with(br#","profile":"","history":["broke off"]}"#));
        assert_eq!(Task::from_bytes(&message).expect("reads"), failed);
    }

    #[test]
    fn another_version_is_refused_before_the_other_fields() {
        let newer = r#"{"version":2,"whatever":"came later"}"#;
        assert!(matches!(Task::from_bytes(newer.as_bytes()), Err(TaskError::Version(2))));
    }

    #[test]
    fn a_profile_of_ordinary_codes_keeps_the_message_under_a_kilobyte() {
        let message = task((0..232).map(|i| Code(i % 11)).collect()).to_bytes();
        assert!(message.len() < 1024, "{} bytes", message.len());
    }

    proptest! {
        #[test]
        fn packed_codes_are_unpacked_again(codes in prop::collection::vec(any::<i32>(), 0..300)) {
            let packed = PackedCodes(codes.into_iter().map(Code).collect());
            prop_assert_eq!(PackedCodes::unpack(&packed.pack()), Some(packed));
        }

        #[test]
        fn any_bytes_are_unpacked_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            if let Some(codes) = PackedCodes::unpack(&bytes) {
                prop_assert!(codes.0.len() <= bytes.len());
            }
        }
    }
}
