//! A column of a table, and the values that it takes.

use bytes::Bytes;
use parquet::data_type::ByteArray;
use valuesim_shared::id::Code;

/// A column.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Column {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) presence: Presence,
    /// What it holds, with its unit, for the documents.
    pub(crate) about: &'static str,
}

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Int32,
    Int64,
    Double,
    Text,
    Flag,
}

impl Kind {
    /// The type as the documents name it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Int32 => "int32",
            Self::Int64 => "int64",
            Self::Double => "double",
            Self::Text => "string",
            Self::Flag => "bool",
        }
    }
}

/// Whether every row has a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Presence {
    Required,
    Optional,
}

impl Column {
    /// A column in which every row has a value.
    pub(crate) const fn required(name: &'static str, kind: Kind, about: &'static str) -> Self {
        Self { name, kind, presence: Presence::Required, about }
    }

    /// A column in which rows may lack a value.
    pub(crate) const fn optional(name: &'static str, kind: Kind, about: &'static str) -> Self {
        Self { name, kind, presence: Presence::Optional, about }
    }
}

/// Columns as a table in Markdown, as `docs/files.md` shows it.
pub(crate) fn markdown<'c>(columns: impl IntoIterator<Item = &'c Column>) -> String {
    let row = |Column { name, kind, presence, about }: &Column| {
        let or_null = if *presence == Presence::Optional { " or null" } else { "" };
        format!("| `{name}` | {}{or_null} | {about} |\n", kind.name())
    };
    let rows: String = columns.into_iter().map(row).collect();
    format!("| column | type | content |\n| --- | --- | --- |\n{rows}")
}

/// The schema of a table, as the Parquet library reads it.
pub(crate) fn schema(table: &str, columns: &[Column]) -> String {
    let column = |column: &Column| {
        let presence = match column.presence {
            Presence::Required => "REQUIRED",
            Presence::Optional => "OPTIONAL",
        };
        let (kind, logical) = match column.kind {
            Kind::Int32 => ("INT32", ""),
            Kind::Int64 => ("INT64", ""),
            Kind::Double => ("DOUBLE", ""),
            Kind::Text => ("BYTE_ARRAY", " (STRING)"),
            Kind::Flag => ("BOOLEAN", ""),
        };
        format!("{presence} {kind} {}{logical};\n", column.name)
    };
    let columns: String = columns.iter().map(column).collect();
    format!("message {table} {{\n{columns}}}")
}

/// A value of a row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Value<'a> {
    Missing,
    Number(u64),
    Double(f64),
    Code(Code),
    Flag(bool),
    /// A text that is copied.
    Text(&'a str),
    /// A text that many rows have in common, which is not copied.
    Shared(&'a SharedText),
    /// A text of this program.
    Constant(&'static str),
}

/// A text that many rows have in common, made once.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct SharedText {
    text: String,
    bytes: Bytes,
}

impl SharedText {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        let text = text.into();
        Self { bytes: Bytes::copy_from_slice(text.as_bytes()), text }
    }
}

impl<'a> Value<'a> {
    pub(crate) fn code(code: Option<Code>) -> Self {
        code.map_or(Self::Missing, Self::Code)
    }

    pub(crate) fn number(number: Option<u64>) -> Self {
        number.map_or(Self::Missing, Self::Number)
    }

    pub(crate) fn shared(text: Option<&'a SharedText>) -> Self {
        text.map_or(Self::Missing, Self::Shared)
    }

    pub(crate) fn double(double: Option<f64>) -> Self {
        double.map_or(Self::Missing, Self::Double)
    }

    pub(crate) fn text(text: Option<&'a str>) -> Self {
        text.map_or(Self::Missing, Self::Text)
    }

    /// The text, if it is one.
    pub(crate) fn as_text(self) -> Option<&'a str> {
        match self {
            Self::Text(text) | Self::Constant(text) => Some(text),
            Self::Shared(shared) => Some(&shared.text),
            Self::Missing | Self::Number(_) | Self::Double(_) | Self::Code(_) | Self::Flag(_) => None,
        }
    }

    /// The bytes of the text, if it is one.
    pub(super) fn as_bytes(self) -> Option<ByteArray> {
        match self {
            Self::Text(text) => Some(ByteArray::from(text.as_bytes().to_vec())),
            Self::Shared(shared) => Some(ByteArray::from(shared.bytes.clone())),
            Self::Constant(text) => Some(ByteArray::from(Bytes::from_static(text.as_bytes()))),
            Self::Missing | Self::Number(_) | Self::Double(_) | Self::Code(_) | Self::Flag(_) => None,
        }
    }
}
