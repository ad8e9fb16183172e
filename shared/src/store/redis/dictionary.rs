//! What a run's backstories have in common, for the compressor: they tell of the same 290 questions in much the same words.

use std::fmt;
use std::io;
use std::str::FromStr;

use zstd::bulk::{Compressor, Decompressor};
use zstd::dict::{DecoderDictionary, EncoderDictionary};

/// Backstories that a dictionary is trained on: as many as it takes until more do not help, and a run has soon.
pub(super) const SAMPLES: usize = 200;

/// The size of a dictionary in bytes: zstd's own default; larger ones gained little on 10,000-character backstories.
const DICTIONARY_BYTES: usize = 112_640;

/// How hard to compress. A backstory is written once and its cell makes 174 calls and more.
const LEVEL: i32 = 9;

/// The longest backstory that is read, in bytes: longer than the longest reply that a worker accepts.
const MOST_BYTES: usize = 256 << 20;

/// Which dictionary: the beginning of the digest of its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct DictionaryId(pub(super) [u8; 8]);

/// A dictionary, ready for use in both directions.
pub(super) struct Dictionary {
    pub(super) id: DictionaryId,
    pub(super) bytes: Vec<u8>,
    encoder: EncoderDictionary<'static>,
    decoder: DecoderDictionary<'static>,
}

impl Dictionary {
    /// Trains a dictionary; fails where the samples are too few or too short. Takes a good part of a second.
    pub(super) fn train(samples: &[Vec<u8>]) -> io::Result<Self> {
        Self::new(zstd::dict::from_samples(samples, DICTIONARY_BYTES)?)
    }

    pub(super) fn new(bytes: Vec<u8>) -> io::Result<Self> {
        let encoder = EncoderDictionary::try_copy(&bytes, LEVEL)?;
        let decoder = DecoderDictionary::try_copy(&bytes)?;
        Ok(Self { id: DictionaryId::of(&bytes), bytes, encoder, decoder })
    }

    pub(super) fn compress(&self, bytes: &[u8]) -> io::Result<Vec<u8>> {
        pack(Compressor::with_prepared_dictionary(&self.encoder)?, bytes)
    }

    pub(super) fn decompress(&self, bytes: &[u8]) -> io::Result<Vec<u8>> {
        Decompressor::with_prepared_dictionary(&self.decoder)?.decompress(bytes, MOST_BYTES)
    }
}

pub(super) fn compress(bytes: &[u8]) -> io::Result<Vec<u8>> {
    pack(Compressor::new(LEVEL)?, bytes)
}

pub(super) fn decompress(bytes: &[u8]) -> io::Result<Vec<u8>> {
    Decompressor::new()?.decompress(bytes, MOST_BYTES)
}

fn pack(mut compressor: Compressor<'_>, bytes: &[u8]) -> io::Result<Vec<u8>> {
    // A story that was changed on its way is found out; which dictionary it needs stands before it.
    compressor.include_checksum(true)?;
    compressor.include_dictid(false)?;
    compressor.compress(bytes)
}

impl DictionaryId {
    pub(super) fn of(dictionary: &[u8]) -> Self {
        let digest = blake3::hash(dictionary);
        Self(*digest.as_bytes().first_chunk().expect("a digest has 32 bytes"))
    }
}

impl fmt::Display for DictionaryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", u64::from_be_bytes(self.0))
    }
}

impl FromStr for DictionaryId {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(u64::from_str_radix(text, 16)?.to_be_bytes()))
    }
}

impl fmt::Debug for Dictionary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Dictionary({})", self.id)
    }
}
