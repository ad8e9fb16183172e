//! The Parquet side of a table: rows wait, column by column, for the next row group.

use std::io::Write;
use std::sync::Arc;

use parquet::basic::{Compression, ZstdLevel};
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DataType, Int32Type, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;

use super::ExportError;
use super::sheet::{Column, Kind, Presence, Value};

/// Rows after which a row group is written.
const ROWS_PER_GROUP: usize = 1 << 17;

/// Bytes of text after which a row group is written, however few the rows: prompts are long.
const TEXT_PER_GROUP: usize = 32 << 20;

/// A Parquet table that is being written.
pub(super) struct ParquetSheet<W: Write + Send> {
    writer: SerializedFileWriter<W>,
    waiting: Vec<Waiting>,
    rows: usize,
    text_bytes: usize,
}

/// A column's values that are not written yet.
struct Waiting {
    values: Values,
    /// For an optional column 1 for each row with a value, 0 for each without.
    levels: Option<Vec<i16>>,
}

enum Values {
    Int32(Vec<i32>),
    Int64(Vec<i64>),
    Text(Vec<ByteArray>),
    Flag(Vec<bool>),
}

impl<W: Write + Send> ParquetSheet<W> {
    pub(super) fn new(columns: &[Column], about: &[(&str, String)], out: W) -> Result<Self, ParquetError> {
        let schema = Arc::new(parse_message_type(&schema(columns)).expect("the schema is sound"));
        let metadata = about.iter().map(|(key, value)| KeyValue::new((*key).to_owned(), value.clone())).collect();
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_key_value_metadata(Some(metadata))
            .build();
        let writer = SerializedFileWriter::new(out, schema, Arc::new(properties))?;
        let waiting = columns.iter().map(Waiting::new).collect();
        Ok(Self { writer, waiting, rows: 0, text_bytes: 0 })
    }

    pub(super) fn write(&mut self, row: &[Value<'_>]) -> Result<(), ExportError> {
        for (column, value) in self.waiting.iter_mut().zip(row) {
            column.push(*value);
            if let Value::Text(text) = value {
                self.text_bytes += text.len();
            }
        }
        self.rows += 1;
        let full = self.rows >= ROWS_PER_GROUP || self.text_bytes >= TEXT_PER_GROUP;
        if full {
            self.write_group()?;
        }
        Ok(())
    }

    pub(super) fn finish(mut self) -> Result<(), ParquetError> {
        self.write_group()?;
        self.writer.into_inner()?.flush()?;
        Ok(())
    }

    fn write_group(&mut self) -> Result<(), ParquetError> {
        if self.rows == 0 {
            return Ok(());
        }
        let mut group = self.writer.next_row_group()?;
        for column in &mut self.waiting {
            column.write(&mut group)?;
        }
        group.close()?;
        (self.rows, self.text_bytes) = (0, 0);
        Ok(())
    }
}

pub(super) fn schema(columns: &[Column]) -> String {
    let column = |column: &Column| {
        let presence = match column.presence {
            Presence::Required => "REQUIRED",
            Presence::Optional => "OPTIONAL",
        };
        let (kind, logical) = match column.kind {
            Kind::Int32 => ("INT32", ""),
            Kind::Int64 => ("INT64", ""),
            Kind::Text => ("BYTE_ARRAY", " (STRING)"),
            Kind::Flag => ("BOOLEAN", ""),
        };
        format!("{presence} {kind} {}{logical};\n", column.name)
    };
    let columns: String = columns.iter().map(column).collect();
    format!("message table {{\n{columns}}}")
}

impl Waiting {
    fn new(column: &Column) -> Self {
        let values = match column.kind {
            Kind::Int32 => Values::Int32(Vec::new()),
            Kind::Int64 => Values::Int64(Vec::new()),
            Kind::Text => Values::Text(Vec::new()),
            Kind::Flag => Values::Flag(Vec::new()),
        };
        Self { values, levels: (column.presence == Presence::Optional).then(Vec::new) }
    }

    fn push(&mut self, value: Value<'_>) {
        if let Some(levels) = &mut self.levels {
            levels.push(i16::from(value != Value::Missing));
        }
        match (&mut self.values, value) {
            (_, Value::Missing) => {}
            (Values::Int32(column), Value::Code(code)) => column.push(code.0),
            (Values::Int32(column), Value::Number(number)) => {
                column.push(i32::try_from(number).expect("rows, folds and attempts are below 2^31"));
            }
            (Values::Int64(column), Value::Number(number)) => column.push(i64::try_from(number).unwrap_or(i64::MAX)),
            (Values::Text(column), Value::Text(text)) => column.push(ByteArray::from(text.as_bytes().to_vec())),
            (Values::Flag(column), Value::Flag(flag)) => column.push(flag),
            (_, value) => unreachable!("{value:?} is not of its column's kind, and all rows are written in this crate"),
        }
    }

    fn write<W: Write + Send>(&mut self, group: &mut SerializedRowGroupWriter<'_, W>) -> Result<(), ParquetError> {
        let levels = self.levels.as_mut().map(std::mem::take);
        let levels = levels.as_deref();
        match &mut self.values {
            Values::Int32(values) => column::<Int32Type, W>(group, values, levels),
            Values::Int64(values) => column::<Int64Type, W>(group, values, levels),
            Values::Text(values) => column::<ByteArrayType, W>(group, values, levels),
            Values::Flag(values) => column::<BoolType, W>(group, values, levels),
        }
    }
}

fn column<T: DataType, W: Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    values: &mut Vec<T::T>,
    levels: Option<&[i16]>,
) -> Result<(), ParquetError> {
    let mut column = group.next_column()?.expect("the schema has as many columns as are written");
    column.typed::<T>().write_batch(values, levels, None)?;
    values.clear();
    column.close()
}
