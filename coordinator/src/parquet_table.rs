//! A flat table in a Parquet file: what its columns are, how it is written, and how it is read again.

mod column;
mod file;
mod reader;
mod rows;
mod writer;

pub(crate) use column::{Column, Kind, SharedText, Value, markdown};
pub(crate) use file::TableFile;
pub use file::TableFileError;
pub(crate) use reader::TableReader;
pub(crate) use rows::Rows;
pub(crate) use writer::TableWriter;

#[cfg(test)]
pub(crate) use column::schema;
#[cfg(test)]
pub(crate) use writer::ROWS_PER_GROUP;
