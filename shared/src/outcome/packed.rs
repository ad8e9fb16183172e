//! An outcome as a message: as JSON; compressed, if a broker does not take it as it is; or, if not even that, a notice of
//! where in the store its parts are.
//!
//! ```text
//! {"version":...             the outcome
//! 28 b5 2f fd ...            the outcome, compressed (a frame of Zstandard)
//! {"parts":...               a notice; the store has the compressed outcome in parts
//! ```

use std::io::{self, ErrorKind, Read as _};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{CellOutcome, OUTCOME_VERSION};
use crate::id::{Cell, RunId};

/// The longest outcome as JSON, in bytes. What is longer has a transcript, and travels and is kept without it. It bounds what
/// a message can make its reader allocate.
pub const MAX_OUTCOME_BYTES: usize = 256 << 20;

/// The length of the parts of an outcome in the store, in bytes.
const PART_BYTES: usize = 4 << 20;

/// Fast: most of a long outcome is a transcript, which is compressed already.
const COMPRESSION_LEVEL: i32 = 1;

/// How frames of Zstandard begin (RFC 8878, section 3.1.1).
const FRAME_BEGINS: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// An outcome on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Packed {
    /// It is one message.
    Message(Bytes),
    /// The parts belong into the store, and then the notice is the message.
    Parts(PartsNotice, Vec<Bytes>),
}

/// Says that an outcome is in the store, in parts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PartsNotice {
    /// How many parts there are.
    pub parts: u32,
    /// The length of all parts together, in bytes.
    pub bytes: u64,
    /// The BLAKE3 digest of all parts together, in hexadecimal.
    pub digest: String,
    /// The version of the outcome in them.
    pub version: u16,
    /// The run that the cell belongs to.
    pub run: RunId,
    /// The cell.
    pub cell: Cell,
}

/// What a message on a results queue says.
#[derive(Debug)]
pub enum Unpacked {
    /// It is the outcome.
    Outcome(Box<CellOutcome>),
    /// The outcome is in the store.
    Parts(PartsNotice),
}

/// Why a message is no outcome.
#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    /// It is not JSON, or no outcome.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    /// It cannot be decompressed, or is too long.
    #[error("it cannot be decompressed to an outcome of at most {MAX_OUTCOME_BYTES} bytes: {0}")]
    Compressed(io::Error),
    /// It has another version.
    #[error("it has version {0}, expected {OUTCOME_VERSION}")]
    Version(u16),
    /// The parts are not those of the notice.
    #[error("its parts in the store are damaged or incomplete")]
    Parts,
}

/// Packs an outcome for a queue whose messages have at most `most` bytes. Takes the transcript out of one that is longer than
/// [`MAX_OUTCOME_BYTES`].
///
/// # Panics
/// Never: an outcome can be written as JSON, and memory can be written to.
pub fn pack(outcome: &mut CellOutcome, most: usize) -> Packed {
    pack_within(MAX_OUTCOME_BYTES, outcome, most)
}

fn pack_within(longest: usize, outcome: &mut CellOutcome, most: usize) -> Packed {
    let json = |outcome: &CellOutcome| serde_json::to_vec(outcome).expect("an outcome can be written as JSON");
    let mut text = json(outcome);
    if text.len() > longest {
        tracing::warn!(cell = %outcome.cell, bytes = text.len(), "a transcript is too long to be kept");
        outcome.transcript = None;
        text = json(outcome);
    }
    if text.len() <= most {
        return Packed::Message(text.into());
    }
    let frame = zstd::bulk::compress(&text, COMPRESSION_LEVEL).expect("memory can be written to");
    let frame = Bytes::from(frame);
    if frame.len() <= most {
        return Packed::Message(frame);
    }
    let parts: Vec<Bytes> =
        (0..frame.len()).step_by(PART_BYTES).map(|at| frame.slice(at..frame.len().min(at + PART_BYTES))).collect();
    let notice = PartsNotice {
        parts: u32::try_from(parts.len()).unwrap_or(u32::MAX),
        bytes: frame.len() as u64,
        digest: blake3::hash(&frame).to_hex().to_string(),
        version: outcome.version,
        run: outcome.run.clone(),
        cell: outcome.cell,
    };
    Packed::Parts(notice, parts)
}

/// Reads a message.
pub fn unpack(message: &[u8]) -> Result<Unpacked, UnpackError> {
    if message.starts_with(&FRAME_BEGINS) {
        return decompress(message).map(|outcome| Unpacked::Outcome(Box::new(outcome)));
    }
    if message.starts_with(b"{\"parts\":") {
        let notice: PartsNotice = serde_json::from_slice(message)?;
        return if notice.is_plausible() { Ok(Unpacked::Parts(notice)) } else { Err(UnpackError::Parts) };
    }
    read(message).map(|outcome| Unpacked::Outcome(Box::new(outcome)))
}

impl PartsNotice {
    /// The notice as JSON.
    ///
    /// # Panics
    /// Never: all maps of a notice have text keys.
    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a notice can be written as JSON")
    }

    /// The outcome in these parts, which the store gave in their order.
    pub fn outcome(&self, parts: &[Vec<u8>]) -> Result<CellOutcome, UnpackError> {
        let frame = parts.concat();
        let is_whole = frame.len() as u64 == self.bytes && blake3::hash(&frame).to_hex().as_str() == self.digest;
        let outcome = if is_whole { decompress(&frame)? } else { return Err(UnpackError::Parts) };
        if outcome.cell == self.cell && outcome.run == self.run { Ok(outcome) } else { Err(UnpackError::Parts) }
    }

    /// Whether a reader may fetch that much. Whoever forged a notice must not fill its memory.
    fn is_plausible(&self) -> bool {
        let most_parts = MAX_OUTCOME_BYTES.div_ceil(PART_BYTES) as u64 + 1;
        u64::from(self.parts) <= most_parts && self.bytes <= MAX_OUTCOME_BYTES as u64 && self.digest.len() == 64
    }
}

fn decompress(frame: &[u8]) -> Result<CellOutcome, UnpackError> {
    read(&decompress_within(MAX_OUTCOME_BYTES, frame).map_err(UnpackError::Compressed)?)
}

/// Decompresses a frame, unless that makes more than `longest` bytes.
fn decompress_within(longest: usize, frame: &[u8]) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    zstd::Decoder::with_buffer(frame)?.take(longest as u64 + 1).read_to_end(&mut text)?;
    if text.len() > longest { Err(io::Error::from(ErrorKind::FileTooLarge)) } else { Ok(text) }
}

fn read(text: &[u8]) -> Result<CellOutcome, UnpackError> {
    let outcome: CellOutcome = serde_json::from_slice(text)?;
    if outcome.version == OUTCOME_VERSION { Ok(outcome) } else { Err(UnpackError::Version(outcome.version)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::tests::outcome;
    use crate::transcript::Transcript;

    /// Bytes that no compression makes shorter.
    fn noise(bytes: usize) -> Vec<u8> {
        let mut noise = vec![0; bytes];
        blake3::Hasher::new().finalize_xof().fill(&mut noise);
        noise
    }

    fn long(bytes: usize) -> CellOutcome {
        CellOutcome { transcript: Some(Transcript::from_bytes(noise(bytes))), ..outcome() }
    }

    fn message(packed: Packed) -> Bytes {
        match packed {
            Packed::Message(message) => message,
            Packed::Parts(..) => panic!("it is in parts"),
        }
    }

    fn read_message(message: &[u8]) -> CellOutcome {
        match unpack(message) {
            Ok(Unpacked::Outcome(outcome)) => *outcome,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_fits_is_sent_as_it_is_and_what_does_not_is_compressed() {
        let mut outcome = long(30_000);
        let plain = message(pack(&mut outcome, 1 << 20));
        assert_eq!(plain[0], b'{');
        let compressed = message(pack(&mut outcome, plain.len() - 1));
        assert!(compressed.len() < plain.len());
        assert_eq!((read_message(&plain), read_message(&compressed)), (outcome.clone(), outcome));
    }

    #[test]
    fn what_does_not_fit_even_then_is_in_parts_that_are_checked() {
        let mut outcome = long(PART_BYTES + 1000);
        let Packed::Parts(notice, parts) = pack(&mut outcome, 1000) else { panic!("it is one message") };
        assert_eq!((notice.parts, parts.len()), (2, 2));
        let Ok(Unpacked::Parts(read)) = unpack(&notice.to_bytes()) else { panic!("it is no notice") };
        let mut parts: Vec<Vec<u8>> = parts.iter().map(|part| part.to_vec()).collect();
        assert_eq!(read.outcome(&parts).expect("is whole"), outcome);
        parts[1][7] ^= 1;
        assert!(matches!(read.outcome(&parts), Err(UnpackError::Parts)));
        assert!(matches!(read.outcome(&parts[..1]), Err(UnpackError::Parts)));
        let greedy = PartsNotice { parts: u32::MAX, ..notice };
        assert!(matches!(unpack(&greedy.to_bytes()), Err(UnpackError::Parts)));
    }

    #[test]
    fn a_transcript_that_fits_nowhere_is_left_out() {
        let mut outcome = long(75_000);
        let read = read_message(&message(pack_within(100_000, &mut outcome, usize::MAX)));
        assert_eq!(read, super::super::tests::outcome());
        assert_eq!(outcome.transcript, None);
    }

    #[test]
    fn a_small_message_does_not_become_a_large_one() {
        let bomb = zstd::bulk::compress(&vec![b' '; 1_000_001], 1).expect("compresses");
        assert!(decompress_within(1_000_000, &bomb).is_err());
        assert!(decompress_within(1_000_001, &bomb).is_ok());
        assert!(matches!(unpack(&FRAME_BEGINS), Err(UnpackError::Compressed(_))));
        assert!(matches!(unpack(b"{}"), Err(UnpackError::Json(_))));
    }

    /// The message on the wire. A change here needs an entry in CHANGELOG.md.
    #[test]
    fn the_notice_is_fixed() {
        let notice = PartsNotice {
            parts: 2,
            bytes: 5_000_000,
            digest: "ab".repeat(32),
            version: 1,
            run: RunId("r1".to_owned()),
            cell: outcome().cell,
        };
        let expected = format!(
            r#"{{"parts":2,"bytes":5000000,"digest":"{}","version":1,"run":"r1","cell":{{"model":0,"respondent":83811,"fold":2}}}}"#,
            "ab".repeat(32)
        );
        assert_eq!(String::from_utf8(notice.to_bytes()).expect("text"), expected);
        assert!(matches!(unpack(expected.as_bytes()), Ok(Unpacked::Parts(read)) if read == notice));
    }
}
