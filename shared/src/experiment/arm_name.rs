//! An arm as a user names it.

use std::fmt;
use std::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::method::{Method, UnknownMethod};

/// A method, and its model if several models have it: `valuesim`, `valuesim:gpt-4o`, or a baseline such as `mode`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArmName {
    /// How the arm predicts.
    pub method: Method,
    /// The model that it asks, by its name in the experiment; `None` in a baseline, and where only one model has the method.
    pub model: Option<String>,
}

impl fmt::Display for ArmName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.model {
            Some(model) => write!(f, "{}:{model}", self.method),
            None => self.method.fmt(f),
        }
    }
}

impl FromStr for ArmName {
    type Err = UnknownMethod;

    fn from_str(text: &str) -> Result<Self, UnknownMethod> {
        let (method, model) = match text.split_once(':') {
            Some((method, model)) => (method, Some(model.to_owned())),
            None => (text, None),
        };
        Ok(Self { method: method.parse()?, model })
    }
}

impl Serialize for ArmName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ArmName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_written_as_it_is_read() {
        for (text, method, model) in [
            ("valuesim", Method::ValueSim, None),
            ("profile-scale(58)", Method::ProfileScale(58), None),
            ("full-info:llama3.2:1b", Method::FullInfo, Some("llama3.2:1b")),
            ("mode", Method::Mode, None),
        ] {
            let name: ArmName = text.parse().expect("a name");
            assert_eq!(name, ArmName { method, model: model.map(str::to_owned) });
            assert_eq!(name.to_string(), text);
        }
        assert!("magic:m".parse::<ArmName>().expect_err("no method").to_string().contains("unknown method `magic`"));
    }
}
