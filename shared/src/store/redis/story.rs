//! A backstory, compressed.
//!
//! ```text
//! 1 | JSON, compressed
//! 2 | id of a dictionary, 8 bytes | JSON, compressed with it
//! ```

use std::io;

use super::dictionary::{Dictionary, DictionaryId, compress, decompress};
use crate::store::Backstory;

const PLAIN: u8 = 1;
const WITH_DICTIONARY: u8 = 2;

/// A backstory as the server stores it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Packed<'a> {
    Plain(&'a [u8]),
    WithDictionary(DictionaryId, &'a [u8]),
}

/// Packs a backstory, with a dictionary if there is one.
pub(super) fn pack(story: &Backstory, dictionary: Option<&Dictionary>) -> io::Result<Vec<u8>> {
    let json = serde_json::to_vec(story)?;
    let (mut packed, frame) = match dictionary {
        None => (vec![PLAIN], compress(&json)?),
        Some(dictionary) => ([&[WITH_DICTIONARY], &dictionary.id.0[..]].concat(), dictionary.compress(&json)?),
    };
    packed.extend_from_slice(&frame);
    Ok(packed)
}

impl<'a> Packed<'a> {
    /// Splits what precedes the compressed bytes off; `None` if the bytes have another format.
    pub(super) fn read(bytes: &'a [u8]) -> Option<Self> {
        match bytes.split_first()? {
            (&PLAIN, frame) => Some(Self::Plain(frame)),
            (&WITH_DICTIONARY, rest) => {
                let (id, frame) = rest.split_first_chunk()?;
                Some(Self::WithDictionary(DictionaryId(*id), frame))
            }
            _ => None,
        }
    }

    /// Unpacks the backstory; `dictionary` is the one that it names.
    pub(super) fn unpack(self, dictionary: Option<&Dictionary>) -> io::Result<Backstory> {
        let json = match (self, dictionary) {
            (Self::Plain(frame), _) => decompress(frame)?,
            (Self::WithDictionary(id, frame), Some(dictionary)) if id == dictionary.id => {
                dictionary.decompress(frame)?
            }
            (Self::WithDictionary(id, _), _) => return Err(io::Error::other(format!("dictionary {id} is not there"))),
        };
        Ok(serde_json::from_slice(&json)?)
    }
}

/// A sample to train a dictionary on: the JSON of a backstory that was packed without one; `None` for any other.
pub(super) fn sample(packed: &[u8]) -> Option<Vec<u8>> {
    match Packed::read(packed)? {
        Packed::Plain(frame) => decompress(frame).ok(),
        Packed::WithDictionary(..) => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::outcome::{CellSpend, Ended};

    /// Texts with the same sixty sentences, each of which says something else: alike among them, not within one.
    fn story(number: u64) -> Backstory {
        let sentence = |i: u64| {
            let words = blake3::hash(&i.to_le_bytes()).to_hex();
            format!("{} {}: {}. ", &words[..20], &words[20..40], number.wrapping_mul(2_654_435_761).rotate_left(7) % 11)
        };
        let text = (0..60).map(sentence).collect();
        Backstory { text, ended: Ended::Answered, asked: 1, spend: CellSpend::default(), rejection: None }
    }

    fn trained() -> Dictionary {
        let samples: Vec<Vec<u8>> = (0..80).map(|i| serde_json::to_vec(&story(i)).expect("is JSON")).collect();
        Dictionary::train(&samples).expect("trains")
    }

    fn check(story: &Backstory, dictionary: Option<&Dictionary>) {
        let packed = pack(story, dictionary).expect("packs");
        let read = Packed::read(&packed).expect("is of this format");
        assert_eq!(&read.unpack(dictionary).expect("unpacks"), story);
    }

    #[test]
    fn stories_come_back_with_and_without_a_dictionary() {
        let dictionary = trained();
        let again = Dictionary::new(dictionary.bytes.clone()).expect("is one");
        assert_eq!(again.id, dictionary.id);
        assert_eq!(dictionary.id.to_string().parse(), Ok(dictionary.id));
        for text in ["", "You live.", "Ü\u{1f600}\u{0}\"\\\n", &"a long life, ".repeat(50_000)] {
            let story = Backstory { text: text.to_owned(), ..story(0) };
            check(&story, None);
            check(&story, Some(&dictionary));
        }
        let (plain, with) = (pack(&story(99), None), pack(&story(99), Some(&dictionary)));
        assert!(with.expect("packs").len() * 2 < plain.expect("packs").len());
    }

    #[test]
    fn a_story_is_not_read_with_another_dictionary_or_after_a_change() {
        let dictionary = trained();
        let mut packed = pack(&story(1), Some(&dictionary)).expect("packs");
        assert!(Packed::read(&packed).expect("reads").unpack(None).is_err());
        let last = packed.len() - 1;
        packed[last] ^= 1;
        assert!(Packed::read(&packed).expect("reads").unpack(Some(&dictionary)).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_unpacked_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            if let Some(packed) = Packed::read(&bytes) {
                prop_assert!(packed.unpack(None).is_err());
            }
        }
    }
}
