//! Lays `results.json` out: the first levels on lines of their own, what is deeper in one line.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::ser::{Formatter, Serializer};

/// Levels of nesting whose entries begin a new line. All lines together would be ten times as long as their content.
const LEVELS_ON_LINES: usize = 2;

/// The value as JSON that people can read and programs can compare line by line.
///
/// # Panics
/// When the value cannot be written as JSON.
pub(super) fn to_json(value: &impl Serialize) -> String {
    let mut json = Vec::new();
    let mut serializer = Serializer::with_formatter(&mut json, Layout::default());
    value.serialize(&mut serializer).expect("results can be written as JSON");
    json.push(b'\n');
    String::from_utf8(json).expect("JSON is text")
}

/// Breaks lines down to a level.
#[derive(Debug, Default)]
struct Layout {
    /// For each list or object that is open: whether it has an entry.
    open: Vec<bool>,
}

impl Layout {
    fn begin(&mut self) {
        self.open.push(false);
    }

    fn end(&mut self, out: &mut (impl ?Sized + Write)) -> io::Result<()> {
        let level = self.open.len();
        let has_entries = self.open.pop().unwrap_or(false);
        if has_entries && level <= LEVELS_ON_LINES { line(level - 1, out) } else { Ok(()) }
    }

    fn entry(&mut self, first: bool, out: &mut (impl ?Sized + Write)) -> io::Result<()> {
        if let Some(has_entries) = self.open.last_mut() {
            *has_entries = true;
        }
        if !first {
            out.write_all(b",")?;
        }
        match self.open.len() {
            level if level <= LEVELS_ON_LINES => line(level, out),
            _ if first => Ok(()),
            _ => out.write_all(b" "),
        }
    }
}

fn line(level: usize, out: &mut (impl ?Sized + Write)) -> io::Result<()> {
    out.write_all(b"\n")?;
    (0..level).try_for_each(|_| out.write_all(b"  "))
}

impl Formatter for Layout {
    fn begin_array<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.begin();
        out.write_all(b"[")
    }

    fn end_array<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.end(out)?;
        out.write_all(b"]")
    }

    fn begin_array_value<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        self.entry(first, out)
    }

    fn begin_object<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.begin();
        out.write_all(b"{")
    }

    fn end_object<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.end(out)?;
        out.write_all(b"}")
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        self.entry(first, out)
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        out.write_all(b": ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    #[test]
    fn the_first_levels_have_lines_of_their_own() {
        let value = json!({ "a": [{ "b": [1, 2] }, {}], "c": {}, "d": [], "e": { "f": null, "g": "h" } });
        let expected = r#"{
  "a": [
    {"b": [1, 2]},
    {}
  ],
  "c": {},
  "d": [],
  "e": {
    "f": null,
    "g": "h"
  }
}
"#;
        assert_eq!(to_json(&value), expected);
    }

    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![Just(Value::Null), any::<i32>().prop_map(Value::from), ".{0,5}".prop_map(Value::from)];
        leaf.prop_recursive(5, 40, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map(".{0,3}", inner, 0..4)
                    .prop_map(|map| Value::from(map.into_iter().collect::<serde_json::Map<_, _>>())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(value in any_value()) {
            prop_assert_eq!(serde_json::from_str::<Value>(&to_json(&value)).expect("is JSON"), value);
        }
    }
}
