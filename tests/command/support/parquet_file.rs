//! Rewrites a Parquet file with some values changed, as any tool for such files can.

use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;

use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::DataType;
use parquet::file::properties::WriterProperties;
use parquet::file::reader::{FileReader as _, SerializedFileReader};
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};

/// A release of this program, in the file's metadata.
pub(crate) struct Release(pub(crate) &'static str);

/// A column's values that are not null, and its definition levels.
type Values<T> = (Vec<T>, Vec<i16>);

/// Rewrites the file as `release` would; `change` edits the numbers of `column` that are not null.
pub(crate) fn rewrite(path: &Path, release: &Release, column: &str, change: impl Fn(&mut Vec<i32>)) {
    let rewritten = path.with_extension("rewritten");
    let reader = SerializedFileReader::new(File::open(path).unwrap()).unwrap();
    let about = reader.metadata().file_metadata();
    let mut entries = about.key_value_metadata().unwrap().clone();
    let version = entries.iter_mut().find(|entry| entry.key == "valuesim.version").unwrap();
    version.value = Some(release.0.to_owned());
    let properties = WriterProperties::builder().set_key_value_metadata(Some(entries)).build();
    let schema = about.schema_descr().root_schema_ptr();
    let mut writer =
        SerializedFileWriter::new(File::create(&rewritten).unwrap(), schema, Arc::new(properties)).unwrap();
    for group in 0..reader.num_row_groups() {
        let from = reader.get_row_group(group).unwrap();
        let mut to = writer.next_row_group().unwrap();
        for at in 0..from.num_columns() {
            let optional = from.metadata().column(at).column_descr().max_def_level() > 0;
            match from.get_column_reader(at).unwrap() {
                ColumnReader::Int32ColumnReader(reader) => {
                    let mut read = read(reader);
                    if about.schema_descr().column(at).name() == column {
                        change(&mut read.0);
                    }
                    write::<parquet::data_type::Int32Type>(&mut to, &read, optional);
                }
                ColumnReader::ByteArrayColumnReader(reader) => {
                    write::<parquet::data_type::ByteArrayType>(&mut to, &read(reader), optional);
                }
                ColumnReader::BoolColumnReader(reader) => {
                    write::<parquet::data_type::BoolType>(&mut to, &read(reader), optional);
                }
                ColumnReader::DoubleColumnReader(reader) => {
                    write::<parquet::data_type::DoubleType>(&mut to, &read(reader), optional);
                }
                _ => panic!("a column of another type"),
            }
        }
        to.close().unwrap();
    }
    writer.close().unwrap();
    fs::rename(rewritten, path).unwrap();
}

fn read<T: DataType>(mut reader: ColumnReaderImpl<T>) -> Values<T::T> {
    let (mut values, mut levels) = (Vec::new(), Vec::new());
    reader.read_records(usize::MAX, Some(&mut levels), None, &mut values).unwrap();
    (values, levels)
}

fn write<T: DataType>(to: &mut SerializedRowGroupWriter<'_, File>, read: &Values<T::T>, optional: bool) {
    let mut column = to.next_column().unwrap().unwrap();
    let levels = optional.then_some(read.1.as_slice());
    column.typed::<T>().write_batch(&read.0, levels, None).unwrap();
    column.close().unwrap();
}
