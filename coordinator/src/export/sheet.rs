//! One flat table that is being written, row by row, in any of the formats.

use std::io::{BufWriter, Write};

use parquet::basic::ZstdLevel;
use serde::ser::{SerializeMap as _, Serializer as _};

use super::error::ExportError;
use super::format::{Compression, Format};
use crate::parquet_table::{Column, TableWriter, Value};
use crate::terminal_escape::{visible, visible_json};

/// A table that is being written.
pub(super) struct Sheet<W: Write + Send> {
    columns: Vec<Column>,
    rows: u64,
    to: To<W>,
}

enum To<W: Write + Send> {
    Csv(Box<csv::Writer<W>>),
    JsonLines(BufWriter<W>),
    Parquet(Box<TableWriter<W>>),
}

impl<W: Write + Send> Sheet<W> {
    /// Begins a table; `about` goes where the format has a place for it.
    pub(super) fn new(
        format: Format,
        (table, columns): (&str, &[Column]),
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
            Format::Parquet(compression) => {
                let compression = match compression {
                    Compression::Zstd => parquet::basic::Compression::ZSTD(ZstdLevel::default()),
                    Compression::Snappy => parquet::basic::Compression::SNAPPY,
                    Compression::None => parquet::basic::Compression::UNCOMPRESSED,
                };
                To::Parquet(Box::new(TableWriter::compressed(compression, (table, columns), about, out)?))
            }
        };
        Ok(Self { columns: columns.to_vec(), rows: 0, to })
    }

    /// Adds a row: a value for each column.
    pub(super) fn write<'v>(&mut self, row: impl IntoIterator<Item = Value<'v>>) -> Result<(), ExportError> {
        self.rows += 1;
        match &mut self.to {
            To::Csv(csv) => {
                for value in row {
                    write_field(csv, value)?;
                }
                csv.write_record(None::<&[u8]>).map_err(io)
            }
            To::JsonLines(out) => {
                let line = json(&self.columns, row);
                Ok(out.write_all(visible_json(&line).as_bytes()).and_then(|()| out.write_all(b"\n"))?)
            }
            To::Parquet(parquet) => {
                parquet.push(row);
                Ok(parquet.write_if_full()?)
            }
        }
    }

    /// Adds a row: a value for each column.
    pub(super) fn write_row(&mut self, row: &[Value<'_>]) -> Result<(), ExportError> {
        self.write(row.iter().copied())
    }

    /// Completes the table; returns the number of rows.
    pub(super) fn finish(self) -> Result<u64, ExportError> {
        match self.to {
            To::Csv(mut csv) => csv.flush()?,
            To::JsonLines(mut out) => out.flush()?,
            To::Parquet(parquet) => parquet.finish()?.0.flush()?,
        }
        Ok(self.rows)
    }
}

fn write_field<W: Write>(csv: &mut csv::Writer<W>, value: Value<'_>) -> Result<(), ExportError> {
    let written = match value {
        Value::Missing => csv.write_field(""),
        Value::Number(number) => csv.write_field(number.to_string()),
        Value::Double(double) => csv.write_field(double.to_string()),
        Value::Code(code) => csv.write_field(code.to_string()),
        Value::Flag(flag) => csv.write_field(flag.to_string()),
        Value::Text(_) | Value::Shared(_) | Value::Constant(_) => {
            csv.write_field(visible(value.as_text().unwrap_or_default()).as_bytes())
        }
    };
    written.map_err(io)
}

fn io(error: csv::Error) -> ExportError {
    ExportError::Write(error.into())
}

fn json<'v>(columns: &[Column], row: impl IntoIterator<Item = Value<'v>>) -> String {
    let mut line = Vec::new();
    object(&mut line, columns, row).expect("numbers and texts can be written as JSON");
    String::from_utf8(line).expect("JSON is UTF-8")
}

fn object<'v>(
    into: &mut Vec<u8>,
    columns: &[Column],
    row: impl IntoIterator<Item = Value<'v>>,
) -> Result<(), serde_json::Error> {
    let mut serializer = serde_json::Serializer::new(into);
    let mut object = serializer.serialize_map(None)?;
    for (column, value) in columns.iter().zip(row) {
        match value {
            Value::Missing => object.serialize_entry(column.name, &())?,
            Value::Number(number) => object.serialize_entry(column.name, &number)?,
            Value::Double(double) => object.serialize_entry(column.name, &double)?,
            Value::Code(code) => object.serialize_entry(column.name, &code)?,
            Value::Flag(flag) => object.serialize_entry(column.name, &flag)?,
            Value::Text(_) | Value::Shared(_) | Value::Constant(_) => {
                object.serialize_entry(column.name, &value.as_text())?;
            }
        }
    }
    object.end()
}
