//! Fuzzes the survey loader: any file, packed or not, either loads or is refused.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;
use tempfile::TempDir;
use valuesim_shared::codebook::Codebook;
use valuesim_shared::id::{QuestionId, Respondent};
use valuesim_shared::survey::Survey;

use crate::bounds::{HOSTILE_BYTES, Memory, bounded, fuzz};
use crate::mutate::{endless, hostile};

/// For rows, which may have as many fields as bytes, the tables of known codes, and the unpackers.
const MEMORY: Memory = Memory { fixed: 16 << 20, per_byte: 64 };

static CODEBOOK: LazyLock<Codebook> = LazyLock::new(Codebook::built_in);

/// A survey with the required columns and three respondents.
fn table() -> String {
    let header: Vec<String> = QuestionId::all().map(|id| id.to_string()).collect();
    let row = endless("1,", 2 * header.len());
    let rows = ["276", "909", "76"].map(|country| format!("\"Synthetic, for tests\",,{country},{row}-5\n"));
    format!("version,doi,B_COUNTRY,{},S018\n{}", header.join(","), rows.concat())
}

#[derive(Debug, Clone, Copy)]
enum Packing {
    Plain,
    Gzip,
    Zip,
}

impl Packing {
    fn pack(self, content: &[u8]) -> Vec<u8> {
        match self {
            Self::Plain => content.to_vec(),
            Self::Gzip => gzip(content),
            Self::Zip => zip(content),
        }
    }
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(content).expect("writing to memory does not fail");
    packed.finish().expect("writing to memory does not fail")
}

fn zip(content: &[u8]) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(io::Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default().compression_level(Some(1));
    archive.start_file("survey.csv", options).expect("writing to memory does not fail");
    archive.write_all(content).expect("writing to memory does not fail");
    archive.finish().expect("writing to memory does not fail").into_inner()
}

fn file_in(folder: &TempDir) -> PathBuf {
    folder.path().join("survey.csv")
}

/// Loads a file that has at most `rows` rows.
fn check(file: &Path, content: &[u8], rows: usize) {
    fs::write(file, content).expect("the temporary folder can be written");
    let codebook: &Codebook = &CODEBOOK;
    let Ok(survey) = bounded(content.len(), MEMORY, || Survey::load(file, codebook)) else { return };
    assert!((1..=rows).contains(&survey.respondents()), "{} respondents", survey.respondents());
    for respondent in (0..survey.respondents()).map(Respondent::from_index) {
        assert!((1..=999).contains(&survey.country(respondent).0));
        assert!(QuestionId::all().all(|id| survey.code(respondent, id).0 >= -5));
    }
}

#[test]
fn fuzz_any_survey_file_loads_or_is_refused() {
    let packing = prop_oneof![Just(Packing::Plain), Just(Packing::Gzip), Just(Packing::Zip)];
    let content = (hostile(vec![table().into_bytes()]), packing).prop_map(|(table, packing)| packing.pack(&table));
    let folder = tempfile::tempdir().expect("a temporary folder");
    fuzz(50, &content, |content| check(&file_in(&folder), &content, 200));
}

#[test]
fn fuzz_any_packed_survey_is_opened_or_refused() {
    let packed = [Packing::Gzip, Packing::Zip].map(|packing| packing.pack(table().as_bytes())).to_vec();
    let folder = tempfile::tempdir().expect("a temporary folder");
    fuzz(50, &hostile(packed), |content| check(&file_in(&folder), &content, 200));
}

#[test]
fn fuzz_repetitive_files_are_read_in_linear_time() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = file_in(&folder);
    let units =
        ["\"", "\"\"", ",", "\n", "\r", "\r\n", "\"\n", "x", ";", "Q1,", "\0", "PK\u{5}\u{6}", "1,1\r", "Ā", "<"];
    for unit in units {
        let tail = endless(unit, HOSTILE_BYTES);
        let header = table().lines().next().expect("a header").to_owned();
        let begun = format!("{}{tail}", table());
        for text in [&tail, &begun, &format!("{header},{tail}\n"), &format!("PK\u{3}\u{4}{tail}")] {
            for packing in [Packing::Plain, Packing::Gzip, Packing::Zip] {
                check(&file, &packing.pack(text.as_bytes()), 3);
            }
        }
    }
}

#[test]
fn fuzz_a_zip_bomb_is_read_in_bounded_memory() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for unit in ["\n", "\0", "\"", ",", " "] {
        let content = format!("{}{}", table(), endless(unit, 16 * HOSTILE_BYTES));
        for packing in [Packing::Gzip, Packing::Zip] {
            check(&file_in(&folder), &packing.pack(content.as_bytes()), 3);
        }
    }
}

#[test]
fn fuzz_a_file_of_many_gzip_members_is_read_in_linear_time() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (piece, pieces) = (gzip(b"1"), HOSTILE_BYTES / 32);
    let content = [gzip(table().as_bytes()), piece.repeat(pieces)].concat();
    check(&file_in(&folder), &content, 3);
}
