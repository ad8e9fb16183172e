//! Some rows of a table in memory, column by column: those that wait for the next row group, or were read from one.

use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DataType, DoubleType, Int32Type, Int64Type};
use parquet::errors::{ParquetError, Result};
use parquet::file::writer::SerializedRowGroupWriter;

use super::column::{Column, Kind, Presence, Value};

/// Some rows of a table.
#[derive(Debug, PartialEq)]
pub(crate) struct Rows {
    columns: Vec<ColumnValues>,
    count: usize,
}

/// The values of one column.
#[derive(Debug, PartialEq)]
struct ColumnValues {
    name: &'static str,
    values: Values,
    /// For an optional column 1 for each row with a value, 0 for each without.
    levels: Option<Vec<i16>>,
}

#[derive(Debug, PartialEq)]
enum Values {
    Int32(Vec<i32>),
    Int64(Vec<i64>),
    Double(Vec<f64>),
    Text(Vec<ByteArray>),
    Flag(Vec<bool>),
}

impl Rows {
    /// No rows yet.
    pub(crate) fn new(columns: &[Column]) -> Self {
        Self { columns: columns.iter().map(ColumnValues::new).collect(), count: 0 }
    }

    /// How many rows there are.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// Adds a row: a value for each column. Returns how many bytes of text were copied.
    pub(crate) fn push<'v>(&mut self, row: impl IntoIterator<Item = Value<'v>>) -> usize {
        let mut row = row.into_iter();
        let mut copied = 0;
        for column in &mut self.columns {
            let value = row.next().expect("a row has a value for each column");
            if let Value::Text(text) = value {
                copied += text.len();
            }
            column.push(value);
        }
        debug_assert_eq!(row.next(), None, "a row has no value beside those of the columns");
        self.count += 1;
        copied
    }

    /// Every column with its values as texts, row by row.
    pub(crate) fn shown(&self) -> Vec<(&'static str, Vec<String>)> {
        self.columns.iter().map(|column| (column.name, column.shown())).collect()
    }

    /// Writes all rows to a row group, and has none any more.
    pub(super) fn write<W: std::io::Write + Send>(
        &mut self,
        group: &mut SerializedRowGroupWriter<'_, W>,
    ) -> Result<()> {
        self.count = 0;
        self.columns.iter_mut().try_for_each(|column| column.write(group))
    }

    /// Adds up to `rows` rows of a row group; returns how many there were.
    pub(super) fn read(&mut self, group: &mut [ColumnReader], rows: usize) -> Result<usize> {
        let mut counts = Vec::with_capacity(group.len());
        for (column, reader) in self.columns.iter_mut().zip(group) {
            counts.push(column.read(reader, rows)?);
        }
        let count = counts.first().copied().unwrap_or(0);
        if let Some(column) = counts.iter().position(|&other| other != count) {
            let name = self.columns[column].name;
            return Err(ParquetError::General(format!("column {name} has more or fewer values than the others")));
        }
        self.count += count;
        Ok(count)
    }
}

impl ColumnValues {
    fn new(column: &Column) -> Self {
        let values = match column.kind {
            Kind::Int32 => Values::Int32(Vec::new()),
            Kind::Int64 => Values::Int64(Vec::new()),
            Kind::Double => Values::Double(Vec::new()),
            Kind::Text => Values::Text(Vec::new()),
            Kind::Flag => Values::Flag(Vec::new()),
        };
        let levels = (column.presence == Presence::Optional).then(Vec::new);
        Self { name: column.name, values, levels }
    }

    fn push(&mut self, value: Value<'_>) {
        if let Some(levels) = &mut self.levels {
            let is_there = value != Value::Missing;
            levels.push(i16::from(is_there));
            if !is_there {
                return;
            }
        }
        if !self.values.push(value) {
            unreachable!(
                "{value:?} is not of the kind of column {}, and all rows are written in this crate",
                self.name
            );
        }
    }

    fn write<W: std::io::Write + Send>(&mut self, group: &mut SerializedRowGroupWriter<'_, W>) -> Result<()> {
        let levels = self.levels.as_mut().map(std::mem::take);
        let levels = levels.as_deref();
        match &mut self.values {
            Values::Int32(values) => write::<Int32Type, W>(group, values, levels),
            Values::Int64(values) => write::<Int64Type, W>(group, values, levels),
            Values::Double(values) => write::<DoubleType, W>(group, values, levels),
            Values::Text(values) => write::<ByteArrayType, W>(group, values, levels),
            Values::Flag(values) => write::<BoolType, W>(group, values, levels),
        }
    }

    fn read(&mut self, reader: &mut ColumnReader, rows: usize) -> Result<usize> {
        let levels = self.levels.as_mut();
        match (&mut self.values, reader) {
            (Values::Int32(values), ColumnReader::Int32ColumnReader(reader)) => read(reader, values, levels, rows),
            (Values::Int64(values), ColumnReader::Int64ColumnReader(reader)) => read(reader, values, levels, rows),
            (Values::Double(values), ColumnReader::DoubleColumnReader(reader)) => read(reader, values, levels, rows),
            (Values::Text(values), ColumnReader::ByteArrayColumnReader(reader)) => read(reader, values, levels, rows),
            (Values::Flag(values), ColumnReader::BoolColumnReader(reader)) => read(reader, values, levels, rows),
            _ => Err(ParquetError::General(format!("column {} holds values of another type", self.name))),
        }
    }

    /// The values as texts, row by row.
    fn shown(&self) -> Vec<String> {
        let mut values = self.values.shown().into_iter();
        let Some(levels) = &self.levels else { return values.collect() };
        let mut shown = |level: &i16| match level {
            0 => "null".to_owned(),
            _ => values.next().unwrap_or_default(),
        };
        levels.iter().map(&mut shown).collect()
    }
}

impl Values {
    /// Adds a value; whether it is of this kind.
    fn push(&mut self, value: Value<'_>) -> bool {
        match (self, value) {
            (Self::Int32(values), Value::Code(code)) => values.push(code.0),
            (Self::Int32(values), Value::Number(number)) => {
                values.push(i32::try_from(number).expect("rows, folds and attempts are below 2^31"));
            }
            (Self::Int64(values), Value::Number(number)) => values.push(i64::try_from(number).unwrap_or(i64::MAX)),
            (Self::Double(values), Value::Double(double)) => values.push(double),
            (Self::Flag(values), Value::Flag(flag)) => values.push(flag),
            (Self::Text(values), text) => {
                let Some(bytes) = text.as_bytes() else { return false };
                values.push(bytes);
            }
            _ => return false,
        }
        true
    }

    fn shown(&self) -> Vec<String> {
        match self {
            Self::Int32(values) => values.iter().map(ToString::to_string).collect(),
            Self::Int64(values) => values.iter().map(ToString::to_string).collect(),
            Self::Double(values) => values.iter().map(ToString::to_string).collect(),
            Self::Flag(values) => values.iter().map(ToString::to_string).collect(),
            Self::Text(values) => {
                values.iter().map(|value| String::from_utf8_lossy(value.data()).into_owned()).collect()
            }
        }
    }
}

/// Writes the next column of a row group; `levels` says for an optional one which rows have a value.
fn write<T: DataType, W: std::io::Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    values: &mut Vec<T::T>,
    levels: Option<&[i16]>,
) -> Result<()> {
    let mut column = group.next_column()?.expect("the schema has as many columns as are written");
    column.typed::<T>().write_batch(values, levels, None)?;
    values.clear();
    column.close()
}

/// Reads from a column; `levels` takes for an optional one which rows have a value.
fn read<T: DataType>(
    column: &mut ColumnReaderImpl<T>,
    values: &mut Vec<T::T>,
    levels: Option<&mut Vec<i16>>,
    rows: usize,
) -> Result<usize> {
    let (rows, ..) = column.read_records(rows, levels, None, values)?;
    Ok(rows)
}
