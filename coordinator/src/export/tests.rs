//! The three formats say the same rows.

use bytes::Bytes;
use parquet::file::reader::{FileReader as _, SerializedFileReader};
use valuesim_shared::id::Code;

use super::sheet::Sheet;
use super::{Compression, Format, Table};
use crate::parquet_table::{Column, Kind, Value, schema};
use crate::predictions;

const COLUMNS: &[Column] = &[
    Column::required("row", Kind::Int32, ""),
    Column::optional("code", Kind::Int32, ""),
    Column::required("count", Kind::Int64, ""),
    Column::optional("text", Kind::Text, ""),
    Column::required("flag", Kind::Flag, ""),
];

fn rows() -> [[Value<'static>; 5]; 3] {
    [
        [
            Value::Number(1),
            Value::Code(Code(-3)),
            Value::Number(1 << 40),
            Value::Text("a \"b\",\nc"),
            Value::Flag(true),
        ],
        [Value::Number(2), Value::Missing, Value::Number(0), Value::Missing, Value::Flag(false)],
        [Value::Number(3), Value::Code(Code(7)), Value::Number(0), Value::Text("\u{1b}[2J\u{202e}"), Value::Flag(true)],
    ]
}

fn written(format: Format, rows: &[[Value<'_>; 5]]) -> Vec<u8> {
    let mut out = Vec::new();
    let about = [("valuesim.run", "r1".to_owned())];
    let mut sheet = Sheet::new(format, ("table", COLUMNS), &about, &mut out).expect("begins");
    for row in rows {
        sheet.write(row.iter().copied()).expect("writes");
    }
    assert_eq!(sheet.finish().expect("completes"), rows.len() as u64);
    out
}

fn check_text(format: Format, expected: &str) {
    assert_eq!(String::from_utf8(written(format, &rows())).expect("text"), expected);
}

#[test]
fn csv_has_a_header_and_shows_what_steers_a_terminal() {
    let expected = "row,code,count,text,flag\n\
        1,-3,1099511627776,\"a \"\"b\"\",\nc\",true\n\
        2,,0,,false\n\
        3,7,0,\\u{1b}[2J\\u{202e},true\n";
    check_text(Format::Csv, expected);
}

#[test]
fn json_lines_escape_what_steers_a_terminal() {
    let expected = r#"{"row":1,"code":-3,"count":1099511627776,"text":"a \"b\",\nc","flag":true}
{"row":2,"code":null,"count":0,"text":null,"flag":false}
{"row":3,"code":7,"count":0,"text":"\u001b[2J\u202e","flag":true}
"#;
    check_text(Format::JsonLines, expected);
}

#[test]
fn parquet_holds_texts_as_they_are_and_says_where_it_is_from() {
    let reader = SerializedFileReader::new(Bytes::from(written(Format::Parquet(Compression::Zstd), &rows())))
        .expect("is Parquet");
    let found: Vec<String> =
        reader.get_row_iter(None).expect("reads").map(|row| row.expect("sound").to_string()).collect();
    assert_eq!(found.len(), 3);
    assert!(found[1].contains("code: null") && found[1].contains("text: null"), "{}", found[1]);
    assert!(found[2].contains("code: 7") && found[2].contains("\u{1b}[2J\u{202e}"), "{}", found[2]);
    let metadata = reader.metadata().file_metadata().key_value_metadata().expect("has some");
    assert!(metadata.iter().any(|entry| entry.key == "valuesim.run" && entry.value.as_deref() == Some("r1")));
}

#[test]
fn long_texts_make_several_row_groups() {
    let long = "x".repeat(12 << 20);
    let row = |number| [Value::Number(number), Value::Missing, Value::Number(0), Value::Text(&long), Value::Flag(true)];
    let rows: Vec<_> = (0..7).map(row).collect();
    let reader =
        SerializedFileReader::new(Bytes::from(written(Format::Parquet(Compression::Zstd), &rows))).expect("is Parquet");
    assert_eq!(reader.metadata().num_row_groups(), 3);
    assert_eq!(reader.metadata().file_metadata().num_rows(), 7);
}

#[test]
fn a_parquet_file_that_goes_elsewhere_is_compressed_as_its_reader_knows() {
    use parquet::basic::Compression as Codec;
    for (compression, expected) in [(Compression::Snappy, Codec::SNAPPY), (Compression::None, Codec::UNCOMPRESSED)] {
        let bytes = Bytes::from(written(Format::Parquet(compression), &rows()));
        let reader = SerializedFileReader::new(bytes).expect("is Parquet");
        let group = reader.metadata().row_group(0);
        assert!(group.columns().iter().all(|column| column.compression() == expected), "{expected}");
        assert_eq!(reader.get_row_iter(None).expect("reads").count(), 3);
    }
}

#[test]
fn an_empty_table_has_its_columns() {
    for (format, expected) in [(Format::Csv, "row,code,count,text,flag\n"), (Format::JsonLines, "")] {
        assert_eq!(String::from_utf8(written(format, &[])).expect("text"), expected);
    }
    let reader =
        SerializedFileReader::new(Bytes::from(written(Format::Parquet(Compression::Zstd), &[]))).expect("is Parquet");
    assert_eq!(reader.metadata().file_metadata().schema_descr().num_columns(), COLUMNS.len());
}

#[test]
fn the_documents_show_every_column_of_every_table() {
    let documented = include_str!("../../../docs/files.md");
    for table in [Table::Predictions, Table::People, Table::Scores, Table::Calls, Table::Spend] {
        let columns = table.columns_in_markdown();
        assert!(documented.contains(&columns), "docs/files.md should have this table of {}:\n{columns}", table.name());
    }
}

#[test]
fn predictions_have_the_columns_of_the_predictions_file() {
    let expected = schema(predictions::TABLE, &predictions::columns());
    assert_eq!(schema(predictions::TABLE, &Table::Predictions.columns()), expected);
}
