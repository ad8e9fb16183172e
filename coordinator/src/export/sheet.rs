//! One flat table that is being written, row by row, in any of the formats.

use std::io::{BufWriter, Write};

use serde::ser::{SerializeMap as _, Serializer as _};
use valuesim_shared::id::Code;

use super::sheet_parquet::ParquetSheet;
use super::{ExportError, Format};
use crate::visible::{visible, visible_json};

/// A column.
#[derive(Debug, Clone, Copy)]
pub(super) struct Column {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) presence: Presence,
}

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Int32,
    Int64,
    Text,
    Flag,
}

/// Whether every row has a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Presence {
    Required,
    Optional,
}

impl Column {
    pub(super) const fn required(name: &'static str, kind: Kind) -> Self {
        Self { name, kind, presence: Presence::Required }
    }

    pub(super) const fn optional(name: &'static str, kind: Kind) -> Self {
        Self { name, kind, presence: Presence::Optional }
    }
}

/// A value of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Value<'a> {
    Missing,
    Number(u64),
    Code(Code),
    Text(&'a str),
    Flag(bool),
}

impl<'a> Value<'a> {
    pub(super) fn code(code: Option<Code>) -> Self {
        code.map_or(Self::Missing, Self::Code)
    }

    pub(super) fn text(text: Option<&'a str>) -> Self {
        text.map_or(Self::Missing, Self::Text)
    }
}

/// A table that is being written.
pub(super) struct Sheet<W: Write + Send> {
    columns: &'static [Column],
    rows: u64,
    to: To<W>,
}

enum To<W: Write + Send> {
    Csv(Box<csv::Writer<W>>),
    JsonLines(BufWriter<W>),
    Parquet(Box<ParquetSheet<W>>),
}

impl<W: Write + Send> Sheet<W> {
    /// Begins a table; `about` goes where the format has a place for it.
    pub(super) fn new(
        format: Format,
        columns: &'static [Column],
        about: &[(&str, String)],
        out: W,
    ) -> Result<Self, ExportError> {
        let to = match format {
            Format::Csv => {
                let mut csv = csv::Writer::from_writer(out);
                csv.write_record(columns.iter().map(|column| column.name)).map_err(io)?;
                To::Csv(Box::new(csv))
            }
            Format::JsonLines => To::JsonLines(BufWriter::new(out)),
            Format::Parquet => To::Parquet(Box::new(ParquetSheet::new(columns, about, out)?)),
        };
        Ok(Self { columns, rows: 0, to })
    }

    /// Adds a row: a value for each column.
    pub(super) fn write(&mut self, row: &[Value<'_>]) -> Result<(), ExportError> {
        debug_assert_eq!(row.len(), self.columns.len(), "a row has a value for each column");
        self.rows += 1;
        match &mut self.to {
            To::Csv(csv) => {
                for value in row {
                    write_field(csv, *value)?;
                }
                csv.write_record(None::<&[u8]>).map_err(io)
            }
            To::JsonLines(out) => {
                let line = json(self.columns, row);
                Ok(out.write_all(visible_json(&line).as_bytes()).and_then(|()| out.write_all(b"\n"))?)
            }
            To::Parquet(parquet) => parquet.write(row),
        }
    }

    /// Completes the table; returns the number of rows.
    pub(super) fn finish(self) -> Result<u64, ExportError> {
        match self.to {
            To::Csv(mut csv) => csv.flush()?,
            To::JsonLines(mut out) => out.flush()?,
            To::Parquet(parquet) => parquet.finish()?,
        }
        Ok(self.rows)
    }
}

fn write_field<W: Write>(csv: &mut csv::Writer<W>, value: Value<'_>) -> Result<(), ExportError> {
    let written = match value {
        Value::Missing => csv.write_field(""),
        Value::Number(number) => csv.write_field(number.to_string()),
        Value::Code(code) => csv.write_field(code.to_string()),
        Value::Text(text) => csv.write_field(visible(text).as_bytes()),
        Value::Flag(flag) => csv.write_field(flag.to_string()),
    };
    written.map_err(io)
}

fn io(error: csv::Error) -> ExportError {
    ExportError::Write(error.into())
}

fn json(columns: &[Column], row: &[Value<'_>]) -> String {
    let mut line = Vec::new();
    object(&mut line, columns, row).expect("numbers and texts can be written as JSON");
    String::from_utf8(line).expect("JSON is UTF-8")
}

fn object(into: &mut Vec<u8>, columns: &[Column], row: &[Value<'_>]) -> Result<(), serde_json::Error> {
    let mut serializer = serde_json::Serializer::new(into);
    let mut object = serializer.serialize_map(None)?;
    for (column, value) in columns.iter().zip(row) {
        match value {
            Value::Missing => object.serialize_entry(column.name, &())?,
            Value::Number(number) => object.serialize_entry(column.name, number)?,
            Value::Code(code) => object.serialize_entry(column.name, code)?,
            Value::Text(text) => object.serialize_entry(column.name, text)?,
            Value::Flag(flag) => object.serialize_entry(column.name, flag)?,
        }
    }
    object.end()
}
