//! What the loader accepts, and the errors for files that it cannot use.

mod dialects;
mod properties;

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use tempfile::TempDir;
use zip::CompressionMethod;
use zip::write::SimpleFileOptions;

use super::*;
use crate::codebook::Codebook;

/// A survey file under construction, with all columns of the official one.
struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A header and two respondents, one in Germany and one in Northern Ireland.
    fn new() -> Self {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/wvs7_v6_columns.json");
        let columns: serde_json::Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
        let names = columns["columns"].as_array().unwrap().iter().map(|column| column[0].as_str().unwrap().to_owned());
        let header: Vec<String> = names.collect();
        let row = vec!["1".to_owned(); header.len()];
        let mut table = Self { rows: vec![header, row.clone(), row] };
        for (line, country) in [(2, "276"), (3, "909")] {
            table.set(line, "version", "\"Synthetic, for tests\"");
            table.set(line, "B_COUNTRY", country);
        }
        table
    }

    fn position(&self, column: &str) -> usize {
        self.rows[0].iter().position(|name| name == column).unwrap()
    }

    /// Sets a value in a line, counted from 1; line 1 is the header.
    fn set(&mut self, line: usize, column: &str, value: &str) {
        let position = self.position(column);
        value.clone_into(&mut self.rows[line - 1][position]);
    }

    fn with(mut self, line: usize, column: &str, value: &str) -> Self {
        self.set(line, column, value);
        self
    }

    fn text(&self) -> String {
        self.text_with(",", "\n")
    }

    fn text_with(&self, comma: &str, newline: &str) -> String {
        self.rows.iter().map(|row| row.join(comma) + newline).collect()
    }
}

/// A folder with survey files.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let file = self.0.path().join(name);
        fs::write(&file, content).unwrap();
        file
    }
}

fn gz(content: &[u8]) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(content).unwrap();
    packed.finish().unwrap()
}

fn zip(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(io::Cursor::new(Vec::new()));
    for (name, content) in files {
        archive.start_file(*name, SimpleFileOptions::default()).unwrap();
        archive.write_all(content).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

fn load_as(name: &str, content: impl AsRef<[u8]>) -> Result<Survey, SurveyError> {
    let folder = Folder::new();
    Survey::load(&folder.write(name, content), &Codebook::built_in())
}

fn load(content: impl AsRef<[u8]>) -> Result<Survey, SurveyError> {
    load_as("survey.csv", content)
}

/// Loads `content` under `name`, and checks that the error contains the name and all of `expected`.
fn check(name: &str, content: impl AsRef<[u8]>, expected: &[&str]) {
    let error = load_as(name, content).expect_err("is refused").to_string();
    for words in expected.iter().chain(&[name]) {
        assert!(error.contains(words), "{words:?} is not in {error:?}");
    }
}

fn row(number: u32) -> Respondent {
    Respondent::new(number).unwrap()
}

fn question(number: u16) -> QuestionId {
    QuestionId::new(number).unwrap()
}

#[test]
fn codes_countries_and_edition_are_read_from_the_file() {
    let table = Table::new().with(2, "Q1", "-2").with(3, "Q261", "1984").with(3, "Q290", "909001");
    let survey = load(table.text()).unwrap();
    assert_eq!(survey.respondents(), 2);
    assert_eq!((survey.country(row(1)), survey.country(row(2))), (Country(276), Country(909)));
    assert_eq!((survey.code(row(1), question(1)), survey.code(row(2), question(1))), (Code(-2), Code(1)));
    assert_eq!((survey.code(row(1), question(261)), survey.code(row(2), question(261))), (Code(1), Code(1984)));
    assert_eq!(survey.code(row(2), question(290)), Code(909_001));
    assert_eq!(survey.edition().version, "Synthetic, for tests");
    assert!(survey.is_synthetic());
}

#[test]
fn columns_with_names_like_questions_are_ignored() {
    let table = Table::new();
    for name in ["Q82_EU", "Q94R", "Q275A", "Q288R", "Q33_3", "Q291G1"] {
        let survey = load(Table::new().with(2, name, "nonsense").text()).unwrap();
        assert_eq!(survey.code(row(1), question(82)), Code(1), "{name}");
    }
    assert_eq!(table.rows[0].len(), 613);
}

#[test]
fn columns_are_found_by_name_in_any_order() {
    let mut table = Table::new().with(2, "Q1", "3").with(2, "Q290", "276002");
    table.rows.iter_mut().for_each(|row| row.reverse());
    let survey = load(table.text()).unwrap();
    assert_eq!((survey.code(row(1), question(1)), survey.code(row(1), question(290))), (Code(3), Code(276_002)));
}

#[test]
fn the_digest_does_not_depend_on_packing_and_line_ends() {
    let table = Table::new();
    let text = table.text();
    let plain = load(&text).unwrap().digest();
    for (name, content) in [
        ("survey.csv.gz", gz(text.as_bytes())),
        (
            "survey.zip",
            zip(&[("folder/survey.csv", text.as_bytes()), ("__MACOSX/._survey.csv", b""), ("readme.txt", b"")]),
        ),
        ("bom.csv", format!("\u{feff}{text}").into_bytes()),
        ("crlf.csv", table.text_with(",", "\r\n").into_bytes()),
        ("quoted.csv", text.replace("doi,", "\"doi\",").into_bytes()),
        ("zip named csv.csv", zip(&[("SURVEY.CSV", text.as_bytes())])),
    ] {
        assert_eq!(load_as(name, content).unwrap().digest(), plain, "{name}");
    }
    for (column, value) in [("Q7", "2"), ("B_COUNTRY", "4"), ("version", "synthetic 2")] {
        assert_ne!(load(Table::new().with(2, column, value).text()).unwrap().digest(), plain, "{column}");
    }
}

#[test]
fn quoted_text_may_have_commas_quotes_and_line_breaks() {
    let table = Table::new().with(2, "Partyname", "\"Left, \"\"new\"\"\nand green\"").with(3, "Q5", "9");
    check("survey.csv", table.text(), &["line 4, column Q5: \"9\""]);
}

#[test]
fn an_extract_of_an_official_release_is_one() {
    let of = |version: &str| load(Table::new().with(2, "version", version).text()).unwrap().extract_of();
    assert_eq!((of("6-0-0 (2024-04-30)"), of("5-0-0"), of("my extract")), (Some(97_220), Some(94_278), None));
    let by_doi = Table::new().with(2, "version", "x").with(2, "doi", "doi.org/10.14281/18241.24");
    assert_eq!(load(by_doi.text()).unwrap().extract_of(), Some(97_220));
    let mut unnamed = Table::new();
    unnamed.set(1, "version", "v");
    assert_eq!(load(unnamed.text()).unwrap().edition().version, "");
    let other = load(Table::new().with(2, "version", "my extract").text()).unwrap();
    assert_eq!((other.edition().release, other.is_synthetic()), (Release::Other, false));
}

#[test]
fn missing_files_and_folders_are_refused() {
    let folder = Folder::new();
    let missing = Survey::load(&folder.0.path().join("none.csv"), &Codebook::built_in()).unwrap_err();
    assert!(matches!(missing, SurveyError::NoFile { .. }), "{missing}");
    assert!(missing.to_string().contains("WVS_Cross-National_Wave_7_csv_v6_0.csv"), "{missing}");
    let directory = Survey::load(folder.0.path(), &Codebook::built_in()).unwrap_err();
    assert!(matches!(directory, SurveyError::Folder { .. }), "{directory}");
}

#[test]
fn files_that_are_not_a_survey_are_refused() {
    check("empty.csv", "", &["it is empty"]);
    check("blank.csv", "\n\n\r\n", &["it is empty"]);
    check("picture.csv", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", &["does not begin with UTF-8 text"]);
    check("utf16.csv", b"\xff\xfev\0e\0r\0", &["291 of its columns are missing"]);
    check("zeros.csv", vec![0; 100_000], &["does not begin with UTF-8 text"]);
    check("endless.csv", vec![b'x'; 2_000_000], &["its first line never ends"]);
    check("login.csv", "<!DOCTYPE html>\n<html></html>\n", &["web page"]);
    check("other.csv", "name,version\nx,y\n", &["291 of its columns are missing, such as Q1, Q2, Q3, Q4, Q5;"]);
    check("header.csv", Table::new().rows[0].join(","), &["no respondents"]);
}

#[test]
fn a_missing_column_is_named() {
    check("survey.csv", Table::new().with(1, "Q140", "Q140x").text(), &["1 of its columns are missing, such as Q140;"]);
    check("survey.csv", Table::new().with(1, "B_COUNTRY", "country").text(), &["such as B_COUNTRY;"]);
    check("survey.csv", Table::new().with(1, "Q82_EU", "Q82").text(), &["two columns Q82"]);
}

#[test]
fn files_of_statistics_programs_are_named() {
    fn check_program(name: &str, content: &[u8], program: &str) {
        check(name, content, &[&format!("is a file for {program}"), "csv_v6_0.csv"]);
    }
    check_program("survey.sav", b"$FL2@(#) SPSS DATA FILE", "SPSS");
    check_program("survey.SAV", b"", "SPSS");
    check_program("survey.dta", b"", "Stata");
    check_program("survey.rds", b"", "R");
    check_program("survey.RData", b"", "R");
    check_program("survey.xlsx", b"", "Excel");
    check_program("renamed.csv", b"$FL2@(#) SPSS DATA FILE", "SPSS");
    check_program("renamed.csv", b"$FL3@(#) SPSS DATA FILE", "SPSS");
    check_program("renamed.csv", b"<stata_dta><header>", "Stata");
    check_program("renamed.csv", b"\x73\x02\x01\x00rest", "Stata");
    check_program("renamed.csv", b"RDX3\nX\n", "R");
    check_program("renamed.csv.gz", &gz(b"X\n\0\0\0\x03"), "R");
    check_program("packed.zip", &zip(&[("inside.csv", b"$FL2@(#) SPSS DATA FILE")]), "SPSS");
}

#[test]
fn archives_must_contain_exactly_one_csv() {
    check("two.zip", zip(&[("a.csv", b"1"), ("b.csv", b"2")]), &["several tables (a.csv, b.csv)"]);
    check("none.zip", zip(&[("WVS.sav", b"1")]), &["the archive has no .csv file, but WVS.sav"]);
    check("empty.zip", zip(&[]), &["the archive has no .csv file, but no files"]);
    let mut encrypted = zip(&[("survey.csv", b"1")]);
    // The first flag, in the file's own header and in the list at the end.
    let list = encrypted.windows(4).position(|bytes| bytes == b"PK\x01\x02").expect("a list");
    for flags in [6, list + 8] {
        encrypted[flags] |= 1;
    }
    check("secret.zip", encrypted, &["cannot be unpacked here", "Password", "name the .csv"]);
}

#[test]
fn the_inverted_file_is_recognised() {
    let table = Table::new().with(1, "Q1", "Q1P").with(1, "Q58", "Q58P");
    check("WVS_inverted.csv", table.text(), &["\"inverted\" file", "Q1P in place of Q1"]);
}

#[test]
fn truncated_files_are_refused() {
    let text = Table::new().text();
    let half_a_row = &text[..text.len() - 900];
    check("cut.csv", half_a_row, &["cut off or damaged: its last row, line 3, has", "of 613 fields"]);
    let packed = gz(text.as_bytes());
    check("cut.csv.gz", &packed[..packed.len() - 9], &["cut off or damaged", "download it again"]);
    check("cut.csv.gz", &packed[..5], &["cut off or damaged"]);
    let archive = zip(&[("survey.csv", text.as_bytes())]);
    check("cut.zip", &archive[..archive.len() / 2], &["cut off or damaged"]);
}

#[test]
fn a_changed_byte_in_an_archive_is_noticed() {
    let text = Table::new().text();
    let mut archive = zip::ZipWriter::new(io::Cursor::new(Vec::new()));
    archive
        .start_file("survey.csv", SimpleFileOptions::default().compression_method(CompressionMethod::Stored))
        .unwrap();
    archive.write_all(text.as_bytes()).unwrap();
    let mut archive = archive.finish().unwrap().into_inner();
    assert!(load_as("whole.zip", &archive).is_ok());
    let last_field = archive.windows(3).rposition(|bytes| bytes == b",1\n").unwrap() + 1;
    archive[last_field] = b'2';
    check("changed.zip", archive, &["cut off or damaged", "checksum"]);
}

#[test]
fn rows_with_too_many_or_too_few_fields_are_refused() {
    let mut long = Table::new();
    long.rows[1].push("1".to_owned());
    check("survey.csv", long.text(), &["line 2: 614 fields, expected 613"]);
    let mut short = Table::new();
    short.rows[1].pop();
    check("survey.csv", short.text(), &["line 2: 612 fields, expected 613"]);
    let mut last = Table::new();
    last.rows[2].push(String::new());
    check("survey.csv", last.text(), &["line 3: 614 fields, expected 613"]);
}

#[test]
fn an_open_quotation_mark_does_not_swallow_the_file() {
    let text = Table::new().with(3, "doi", "\"open").text() + &"1,1\n".repeat(200_000);
    check("survey.csv", text, &["line 3", "is a quotation mark not closed?"]);
}

#[test]
fn an_error_names_line_and_column_of_a_wrong_value() {
    fn check_value(column: &str, value: &str, expected: &str) {
        let table = Table::new().with(3, column, value);
        check("survey.csv", table.text_with(",", "\r\n"), &[&format!("line 3, column {column}: {value:?} {expected}")]);
    }
    check_value("Q57", "a", "is not an integer code");
    check_value("Q57", "1.5", "has a fraction");
    check_value("B_COUNTRY", "", "is not a country");
    check_value("Q57", "3", "is not a code of this question: expected 1 to 2, or -1 to -5");
    check_value("Q57", "-6", "is not a code of this question");
    check_value("Q56", "99", "is not a code of this question: expected 1 to 3");
    check_value("Q223", "-9999", "is not a code of this question: expected 0 or more");
    check_value("Q261", "99999999999", "is not an integer code");
    check_value("B_COUNTRY", "DEU", "is not an integer code");
    check_value("B_COUNTRY", "0", "is not a country");
    let long = "x".repeat(1000);
    check("survey.csv", Table::new().with(2, "Q9", &long).text(), &[&format!("Q9: {:?} is not", &long[..40])]);
    let unreadable = Table::new().text().into_bytes();
    let at = unreadable.windows(9).position(|bytes| bytes == b"Synthetic").unwrap();
    let unreadable = [&unreadable[..at], b"\xff", &unreadable[at..]].concat();
    check("survey.csv", unreadable, &["line 2, column version", "is not UTF-8"]);
}

#[test]
fn every_question_accepts_every_missing_code() {
    for code in -5..=-1 {
        let mut table = Table::new();
        for id in QuestionId::all() {
            table.set(2, &id.to_string(), &code.to_string());
        }
        assert_eq!(load(table.text()).unwrap().code(row(1), question(200)), Code(code));
    }
}

#[test]
fn a_codebook_can_add_codes() {
    let mut questions = Codebook::built_in().questions().to_vec();
    questions[56].options[1].code = Code(77);
    let codebook = Codebook::new("mine".to_owned(), questions, Vec::new()).unwrap();
    let folder = Folder::new();
    let file = folder.write("survey.csv", Table::new().with(2, "Q57", "77").with(3, "Q57", "2").text());
    assert!(Survey::load(&file, &Codebook::built_in()).is_err());
    let survey = Survey::load(&file, &codebook).unwrap();
    assert_eq!((survey.code(row(1), question(57)), survey.code(row(2), question(57))), (Code(77), Code(2)));
}

#[test]
fn an_unreadable_file_is_refused() {
    let folder = Folder::new();
    let file = folder.0.path().join("loop.csv");
    std::os::unix::fs::symlink(&file, &file).unwrap();
    let error = Survey::load(&file, &Codebook::built_in()).unwrap_err();
    assert!(matches!(error, SurveyError::Read { .. }), "{error}");
    assert!(File::open(&file).is_err());
}
