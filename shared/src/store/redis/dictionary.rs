//! Compression dictionaries: what the backstories of a run have in common. They answer the same 290 questions in similar words.

use std::fmt;
use std::io;
use std::str::FromStr;

use zstd::bulk::{Compressor, Decompressor};
use zstd::dict::{DecoderDictionary, EncoderDictionary};

/// How many backstories a dictionary is trained on. More do not help, and a run has this many early on.
pub(super) const SAMPLES: usize = 200;

/// The size of a dictionary in bytes: zstd's default. Larger ones gained little on backstories of 10,000 characters.
const DICTIONARY_BYTES: usize = 112_640;

/// The compression level. A backstory is compressed once, and its cell makes 174 calls or more.
const LEVEL: i32 = 9;

/// The longest backstory that is unpacked, in bytes. A worker accepts no reply of this length.
const MAX_BYTES: usize = 256 << 20;

/// The id of a dictionary: the first bytes of its digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct DictionaryId(pub(super) [u8; 8]);

/// A dictionary, prepared for compressing and decompressing.
pub(super) struct Dictionary {
    pub(super) id: DictionaryId,
    pub(super) bytes: Vec<u8>,
    encoder: EncoderDictionary<'static>,
    decoder: DecoderDictionary<'static>,
}

impl Dictionary {
    /// Trains a dictionary, which takes most of a second; fails if the samples are too few or too short.
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
        Decompressor::with_prepared_dictionary(&self.decoder)?.decompress(bytes, MAX_BYTES)
    }
}

pub(super) fn compress(bytes: &[u8]) -> io::Result<Vec<u8>> {
    pack(Compressor::new(LEVEL)?, bytes)
}

pub(super) fn decompress(bytes: &[u8]) -> io::Result<Vec<u8>> {
    Decompressor::new()?.decompress(bytes, MAX_BYTES)
}

fn pack(mut compressor: Compressor<'_>, bytes: &[u8]) -> io::Result<Vec<u8>> {
    // The checksum detects damage. The id of the dictionary is not needed here: it precedes the compressed bytes.
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
