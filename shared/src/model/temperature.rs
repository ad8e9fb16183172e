//! The temperature that requests ask for.

use std::fmt;
use std::str::FromStr;

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The word for leaving it to the provider.
const DEFAULT: &str = "default";

/// The highest temperature that any provider takes.
const HIGHEST: f64 = 2.0;

/// The temperature that requests ask for. It decides results, so it is part of a run's identity.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Temperature {
    /// This one.
    Set(f64),
    /// The provider's own: requests do not state one. Some models refuse any other.
    Default,
}

impl Default for Temperature {
    /// Zero, as in the paper (section 4.1).
    fn default() -> Self {
        Self::Set(0.0)
    }
}

impl Temperature {
    /// Whether it is the paper's.
    pub fn is_usual(&self) -> bool {
        *self == Self::default()
    }

    fn set(value: f64) -> Result<Self, String> {
        let is_possible = (0.0..=HIGHEST).contains(&value);
        if is_possible {
            Ok(Self::Set(value))
        } else {
            Err(format!("expected `{DEFAULT}`, or a number from 0 to {HIGHEST}"))
        }
    }
}

impl fmt::Display for Temperature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Set(value) => write!(f, "{value}"),
            Self::Default => f.write_str(DEFAULT),
        }
    }
}

impl FromStr for Temperature {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == DEFAULT { Ok(Self::Default) } else { Self::set(text.parse().unwrap_or(f64::NAN)) }
    }
}

impl Serialize for Temperature {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Set(value) => serializer.serialize_f64(*value),
            Self::Default => serializer.serialize_str(DEFAULT),
        }
    }
}

impl<'de> Deserialize<'de> for Temperature {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(WordOrNumber)
    }
}

struct WordOrNumber;

impl Visitor<'_> for WordOrNumber {
    type Value = Temperature;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{DEFAULT}`, or a number from 0 to {HIGHEST}")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Temperature, E> {
        text.parse().map_err(E::custom)
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Temperature, E> {
        Temperature::set(value).map_err(E::custom)
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Temperature, E> {
        self.visit_f64(value as f64)
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Temperature, E> {
        self.visit_f64(value as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_a_number_or_the_providers_own() {
        for (json, expected) in
            [("\"default\"", Temperature::Default), ("0.7", Temperature::Set(0.7)), ("1", Temperature::Set(1.0))]
        {
            let read: Temperature = serde_json::from_str(json).expect(json);
            assert_eq!((read, read.to_string().parse()), (expected, Ok(expected)));
        }
        for wrong in ["-1", "2.5", "\"hot\"", "true", "\"\""] {
            let error = serde_json::from_str::<Temperature>(wrong).expect_err(wrong).to_string();
            assert!(error.contains("`default`, or a number from 0 to 2"), "{error}");
        }
    }
}
