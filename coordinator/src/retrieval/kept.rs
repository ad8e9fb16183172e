//! Keeps a run's vectors in a file of the run folder: each text is embedded once for a run, however often that is continued.
//!
//! ```text
//!   magic (8) | length of the header (4) | header, JSON | for each text: blake3 of it (32), its numbers (8 each) | blake3 (32)
//! ```
//!
//! Numbers are little-endian. The last 32 bytes are the hash of all before. The file is replaced in one step, so that a
//! reader, or a process that was killed, finds the old one or the new one.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use blake3::{Hash, Hasher};
use serde::{Deserialize, Serialize};
use valuesim_shared::fresh_file;
use valuesim_shared::outcome::CellSpend;

/// The file of a run folder with the vectors of the run's texts.
pub const VECTORS_FILE: &str = "embeddings.bin";

/// The first bytes of the file; the last two digits are its version.
const MAGIC: &[u8; 8] = b"VSVECT01";

/// Bytes of a hash.
const HASH: usize = blake3::OUT_LEN;

/// Bytes of a number.
const NUMBER: usize = size_of::<f64>();

/// Why there are no vectors.
#[derive(Debug, thiserror::Error)]
pub enum VectorsError {
    /// The file cannot be read or written.
    #[error("{action} {}: {source}", .path.display())]
    Io {
        /// What failed.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is not as it was written.
    #[error("{} is damaged ({reason}): remove it to have its texts embedded again", .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// How that shows.
        reason: String,
    },
    /// The file has vectors of another model.
    #[error("{} has vectors of {found:?}, expected those of {expected:?}: remove it to have its texts embedded again", .path.display())]
    OtherModel {
        /// The file.
        path: PathBuf,
        /// Its model.
        found: String,
        /// The run's model.
        expected: String,
    },
    /// New vectors differ in length from those that are there.
    #[error(
        "embeddings {model:?}: a vector has {found} numbers, and earlier ones of this run have {expected}: another model \
         answers under this name; use the former one, or remove {} to have all texts embedded by this one",
        .path.display()
    )]
    OtherLength {
        /// The model's name.
        model: String,
        /// How many numbers the new vector has.
        found: usize,
        /// How many the others have.
        expected: usize,
        /// The file.
        path: PathBuf,
    },
    /// A text has no vector.
    #[error("{} has no vector of a text that the run needs ({}...): continue the run", .path.display(), .text.chars().take(60).collect::<String>().escape_debug())]
    Missing {
        /// The file.
        path: PathBuf,
        /// The text.
        text: String,
    },
}

/// What the file says before its vectors.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    /// The model's name in the experiment.
    model: String,
    /// Numbers of each vector; 0 while there is none.
    dimensions: usize,
    /// How many vectors there are.
    vectors: usize,
    /// What it took to get them.
    spend: CellSpend,
}

/// The vectors of a run's texts, and what it took to get them.
#[derive(Debug)]
pub struct KeptVectors {
    path: PathBuf,
    model: String,
    dimensions: usize,
    vectors: BTreeMap<[u8; HASH], Vec<f64>>,
    spend: CellSpend,
}

impl KeptVectors {
    /// The vectors of `model` in the file at `path`; none if there is no file yet.
    ///
    /// # Errors
    /// If the file cannot be read, is damaged, or belongs to another model.
    pub fn open(path: &Path, model: &str) -> Result<Self, VectorsError> {
        let bytes = match std::fs::read(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::none(path, model)),
            read => read.map_err(|source| VectorsError::Io { action: "read", path: path.to_owned(), source })?,
        };
        let damaged = |reason: &str| VectorsError::Damaged { path: path.to_owned(), reason: reason.to_owned() };
        let kept = Self::parse(path, &bytes).map_err(|reason| damaged(&reason))?;
        if kept.model != model {
            let (found, expected) = (kept.model, model.to_owned());
            return Err(VectorsError::OtherModel { path: path.to_owned(), found, expected });
        }
        Ok(kept)
    }

    fn none(path: &Path, model: &str) -> Self {
        let (path, model) = (path.to_owned(), model.to_owned());
        Self { path, model, dimensions: 0, vectors: BTreeMap::new(), spend: CellSpend::default() }
    }

    fn parse(path: &Path, bytes: &[u8]) -> Result<Self, String> {
        let (content, checksum) = bytes.split_last_chunk::<HASH>().ok_or("it is too short")?;
        if blake3::hash(content) != Hash::from(*checksum) {
            return Err("its checksum is wrong".to_owned());
        }
        let content = content.strip_prefix(MAGIC).ok_or("it does not begin as such a file does")?;
        let (length, content) = content.split_first_chunk::<4>().ok_or("it has no header")?;
        let length = u32::from_le_bytes(*length) as usize;
        let (header, content) = content.split_at_checked(length).ok_or("its header is cut off")?;
        let header: Header = serde_json::from_slice(header).map_err(|error| format!("its header: {error}"))?;
        let Header { model, dimensions, vectors, spend } = header;
        let row = dimensions.saturating_mul(NUMBER).saturating_add(HASH);
        let expected = vectors.saturating_mul(row);
        if content.len() != expected {
            return Err(format!("it has {} bytes of vectors, expected {expected}", content.len()));
        }
        let vectors = content.chunks_exact(row).filter_map(parse_row).collect();
        Ok(Self { path: path.to_owned(), model, dimensions, vectors, spend })
    }

    /// The vector of a text.
    ///
    /// # Errors
    /// If there is none.
    pub fn get(&self, text: &str) -> Result<&[f64], VectorsError> {
        let vector = self.vectors.get(blake3::hash(text.as_bytes()).as_bytes());
        let missing = || VectorsError::Missing { path: self.path.clone(), text: text.to_owned() };
        vector.map(Vec::as_slice).ok_or_else(missing)
    }

    /// Whether a text has a vector.
    pub fn has(&self, text: &str) -> bool {
        self.vectors.contains_key(blake3::hash(text.as_bytes()).as_bytes())
    }

    /// How many texts have a vector.
    pub fn len(&self) -> usize {
        self.vectors.len()
    }

    /// Whether no text has a vector.
    pub fn is_empty(&self) -> bool {
        self.vectors.is_empty()
    }

    /// Numbers of each vector; 0 while there is none.
    pub fn dimensions(&self) -> usize {
        self.dimensions
    }

    /// What it took to get them.
    pub fn spend(&self) -> &CellSpend {
        &self.spend
    }

    /// Adds what requests took, whether vectors came of them or not.
    pub fn add_spend(&mut self, spend: &CellSpend) {
        self.spend.add(spend);
    }

    /// Adds the vector of a text.
    ///
    /// # Errors
    /// If it has another length than those that are there.
    pub fn insert(&mut self, text: &str, vector: Vec<f64>) -> Result<(), VectorsError> {
        if self.vectors.is_empty() {
            self.dimensions = vector.len();
        }
        if vector.len() != self.dimensions {
            let (model, path) = (self.model.clone(), self.path.clone());
            return Err(VectorsError::OtherLength { model, found: vector.len(), expected: self.dimensions, path });
        }
        self.vectors.insert(*blake3::hash(text.as_bytes()).as_bytes(), vector);
        Ok(())
    }

    /// Writes the file, and returns once it is on the disk.
    ///
    /// # Errors
    /// If it cannot be written; the former file is then still there.
    ///
    /// # Panics
    /// Never: a header can be written as JSON and has less than 4 GB.
    pub fn save(&self) -> Result<(), VectorsError> {
        let unfinished = self.path.with_extension("unfinished");
        let written = self.write(&unfinished).and_then(|()| std::fs::rename(&unfinished, &self.path));
        written.map_err(|source| VectorsError::Io { action: "write", path: self.path.clone(), source })
    }

    fn write(&self, path: &Path) -> io::Result<()> {
        let mut out = Hashed { file: BufWriter::new(fresh_file::create(path)?), hasher: Hasher::new() };
        let Self { model, dimensions, vectors, spend, .. } = self;
        let (model, spend) = (model.clone(), spend.clone());
        let header = Header { model, dimensions: *dimensions, vectors: vectors.len(), spend };
        let header = serde_json::to_vec(&header).expect("a header can be written as JSON");
        let length = u32::try_from(header.len()).expect("a header is short");
        out.put(MAGIC)?;
        out.put(&length.to_le_bytes())?;
        out.put(&header)?;
        for (text, vector) in vectors {
            let numbers: Vec<u8> = vector.iter().flat_map(|number| number.to_le_bytes()).collect();
            out.put(text)?;
            out.put(&numbers)?;
        }
        let Hashed { mut file, hasher } = out;
        file.write_all(hasher.finalize().as_bytes())?;
        file.into_inner()?.sync_all()
    }
}

fn parse_row(row: &[u8]) -> Option<([u8; HASH], Vec<f64>)> {
    let (text, numbers) = row.split_first_chunk::<HASH>()?;
    let number = |bytes: &[u8]| bytes.try_into().ok().map(f64::from_le_bytes);
    Some((*text, numbers.chunks_exact(NUMBER).filter_map(number).collect()))
}

/// A file, and the hash of what was put there.
struct Hashed {
    file: BufWriter<File>,
    hasher: Hasher,
}

impl Hashed {
    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.hasher.update(bytes);
        self.file.write_all(bytes)
    }
}

#[cfg(test)]
mod tests {
    use valuesim_shared::outcome::StageSpend;
    use valuesim_shared::stage::Stage;

    use super::*;

    fn with_two(path: &Path) -> KeptVectors {
        let mut kept = KeptVectors::open(path, "m").expect("opens");
        kept.insert("one", vec![1.0, 0.1]).expect("fits");
        kept.insert("two", vec![-2.5e-300, 3.0]).expect("fits");
        let stage = StageSpend { sent: 2, answered: 1, ..StageSpend::default() };
        kept.add_spend(&CellSpend {
            stages: [(Stage::EMBEDDINGS, stage)].into(),
            reported_models: vec!["m-1".to_owned()],
            ..CellSpend::default()
        });
        kept
    }

    #[test]
    fn what_was_saved_is_read_back_bit_by_bit() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join(VECTORS_FILE);
        assert!(KeptVectors::open(&path, "m").expect("there is none yet").is_empty());
        let saved = with_two(&path);
        saved.save().expect("writes");
        let read = KeptVectors::open(&path, "m").expect("reads");
        assert_eq!((read.len(), read.dimensions(), read.spend()), (2, 2, saved.spend()));
        assert_eq!(read.get("two").expect("is there"), [-2.5e-300, 3.0]);
        assert!(read.has("one") && !read.has("three"));
        let error = read.get("three\n").expect_err("is missing").to_string();
        assert!(error.contains("no vector") && error.contains("(three\\n...)"), "{error}");
    }

    #[test]
    fn any_changed_or_missing_byte_is_noticed() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join(VECTORS_FILE);
        with_two(&path).save().expect("writes");
        let sound = std::fs::read(&path).expect("reads");
        for at in 0..sound.len() {
            let mut bytes = sound.clone();
            bytes[at] ^= 1;
            std::fs::write(&path, &bytes).expect("writes");
            assert!(matches!(KeptVectors::open(&path, "m"), Err(VectorsError::Damaged { .. })), "byte {at}");
            std::fs::write(&path, &sound[..at]).expect("writes");
            assert!(matches!(KeptVectors::open(&path, "m"), Err(VectorsError::Damaged { .. })), "{at} bytes");
        }
    }

    #[test]
    fn a_header_with_impossible_numbers_is_refused() {
        let parse = |dimensions: usize, vectors: usize| {
            let (model, spend) = ("m".to_owned(), CellSpend::default());
            let header = serde_json::to_vec(&Header { model, dimensions, vectors, spend }).expect("writes");
            let length = u32::try_from(header.len()).expect("is short").to_le_bytes();
            let content = [&MAGIC[..], &length, &header].concat();
            let checksum = blake3::hash(&content);
            KeptVectors::parse(Path::new("v"), &[&content[..], checksum.as_bytes()].concat()).map(|kept| kept.len())
        };
        assert_eq!(parse(8, 0), Ok(0));
        // The length of a row would wrap around to 0, or that of all rows to the length that is there.
        for (dimensions, vectors) in [(usize::MAX / NUMBER - 3, 1), (usize::MAX, 1), (8, usize::MAX), (0, 1 << 59)] {
            let reason = parse(dimensions, vectors).expect_err("is impossible");
            assert!(reason.contains("bytes of vectors"), "{reason}");
        }
    }

    #[test]
    fn vectors_of_another_model_or_length_are_refused() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join(VECTORS_FILE);
        let mut kept = with_two(&path);
        kept.save().expect("writes");
        let error = kept.insert("three", vec![1.0]).expect_err("is shorter").to_string();
        assert!(error.contains("has 1 numbers, and earlier ones of this run have 2"), "{error}");
        let error = KeptVectors::open(&path, "n").expect_err("is another's").to_string();
        assert!(error.contains("vectors of \"m\", expected those of \"n\""), "{error}");
    }
}
