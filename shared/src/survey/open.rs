//! Opens a survey file, packed or not, as one stream of CSV, and recognises files of other programs.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, BufReader, Cursor, Read, Seek};
use std::path::Path;

use flate2::read::MultiGzDecoder;
use zip::ZipArchive;
use zip::result::ZipError;

use super::error::SurveyError;
use super::utf16::{ByteOrder, Utf16};

/// How many bytes are enough to recognise the kind of a file.
const HEAD_BYTES: usize = 16;

/// File extensions of the programs for which the survey is also published.
const PROGRAMS_BY_NAME: [(&str, &str); 9] = [
    ("sav", "SPSS"),
    ("zsav", "SPSS"),
    ("por", "SPSS"),
    ("dta", "Stata"),
    ("rds", "R"),
    ("rda", "R"),
    ("rdata", "R"),
    ("sas7bdat", "SAS"),
    ("xlsx", "Excel"),
];

/// The first bytes of such files. Old Stata files begin with their version, byte order and a fixed 1.
const PROGRAMS_BY_HEAD: [(&[u8], &str); 13] = [
    (b"$FL2", "SPSS"),
    (b"$FL3", "SPSS"),
    (b"<stata_dta>", "Stata"),
    (b"\x71\x01\x01", "Stata"),
    (b"\x71\x02\x01", "Stata"),
    (b"\x72\x01\x01", "Stata"),
    (b"\x72\x02\x01", "Stata"),
    (b"\x73\x01\x01", "Stata"),
    (b"\x73\x02\x01", "Stata"),
    (b"RDX2\n", "R"),
    (b"RDX3\n", "R"),
    (b"X\n\0\0\0", "R"),
    (b"\xd0\xcf\x11\xe0", "Excel"),
];

/// Passes the unpacked content of `file` to `read`.
pub(super) fn read_unpacked<T>(
    file: &Path,
    read: impl FnOnce(&mut dyn Read) -> Result<T, SurveyError>,
) -> Result<T, SurveyError> {
    let mut source = open(file)?;
    let head = read_head(&mut source).map_err(|error| fault(file, error))?;
    source.rewind().map_err(|error| fault(file, error))?;
    match head.as_slice() {
        [0x1f, 0x8b, ..] => read_table(file, &mut MultiGzDecoder::new(BufReader::new(source)), read),
        [b'P', b'K', 3, 4, ..] | [b'P', b'K', 5, 6, ..] => read_archive(file, source, read),
        _ => read_table(file, &mut source, read),
    }
}

/// Tells an error of the system, which has a number, from one of the unpackers, which means that the content is damaged.
pub(super) fn fault(file: &Path, source: io::Error) -> SurveyError {
    let file = file.to_owned();
    match source.raw_os_error() {
        Some(_) => SurveyError::Read { file, source },
        None => SurveyError::Damaged { file, found: source.to_string() },
    }
}

fn open(file: &Path) -> Result<File, SurveyError> {
    let unreadable = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => SurveyError::NoFile { file: file.to_owned() },
        _ => SurveyError::Read { file: file.to_owned(), source },
    };
    let metadata = fs::metadata(file).map_err(unreadable)?;
    if metadata.is_dir() {
        return Err(SurveyError::Folder { file: file.to_owned() });
    }
    // Opening a pipe would wait for whoever writes to it.
    if !metadata.is_file() {
        return Err(SurveyError::NotAFile { file: file.to_owned() });
    }
    if let Some(program) = program_by_name(file) {
        return Err(SurveyError::Program { file: file.to_owned(), program });
    }
    File::open(file).map_err(unreadable)
}

fn program_by_name(file: &Path) -> Option<&'static str> {
    let extension = file.extension().and_then(OsStr::to_str)?;
    PROGRAMS_BY_NAME.iter().find(|(known, _)| extension.eq_ignore_ascii_case(known)).map(|(_, program)| *program)
}

fn program_by_head(head: &[u8]) -> Option<&'static str> {
    PROGRAMS_BY_HEAD.iter().find(|(known, _)| head.starts_with(known)).map(|(_, program)| *program)
}

fn read_head(stream: &mut dyn Read) -> io::Result<Vec<u8>> {
    let mut head = Vec::with_capacity(HEAD_BYTES);
    stream.take(HEAD_BYTES as u64).read_to_end(&mut head)?;
    Ok(head)
}

/// Passes an unpacked stream to `read`, unless it begins like another program's file.
fn read_table<T>(
    file: &Path,
    stream: &mut dyn Read,
    read: impl FnOnce(&mut dyn Read) -> Result<T, SurveyError>,
) -> Result<T, SurveyError> {
    let head = read_head(stream).map_err(|error| fault(file, error))?;
    if let Some(program) = program_by_head(&head) {
        return Err(SurveyError::Program { file: file.to_owned(), program });
    }
    let order = ByteOrder::of(&head);
    let mut whole = Cursor::new(head).chain(stream);
    match order {
        Some(order) => read(&mut Utf16::new(&mut whole, order)),
        None => read(&mut whole),
    }
}

/// Passes the only CSV of a zip archive to `read`.
fn read_archive<T>(
    file: &Path,
    source: File,
    read: impl FnOnce(&mut dyn Read) -> Result<T, SurveyError>,
) -> Result<T, SurveyError> {
    let zip_fault = |error: ZipError| match error {
        ZipError::UnsupportedArchive(reason) => {
            SurveyError::Packed { file: file.to_owned(), reason: reason.to_owned() }
        }
        error => fault(file, io::Error::other(error)),
    };
    let mut archive = ZipArchive::new(BufReader::new(source)).map_err(zip_fault)?;
    let names: Vec<_> =
        archive.file_names().map(|name| name.map(Cow::into_owned)).collect::<Result<_, _>>().map_err(zip_fault)?;
    let name = only_csv(file, &names)?;
    read_table(file, &mut archive.by_name(name).map_err(zip_fault)?, read)
}

fn only_csv<'a>(file: &Path, names: &'a [String]) -> Result<&'a str, SurveyError> {
    // macOS adds a hidden companion of each file to the archives that it packs.
    let files = || names.iter().filter(|name| !name.ends_with('/') && !name.starts_with("__MACOSX/"));
    let csvs: Vec<_> = files().filter(|name| is_csv(name)).collect();
    match csvs.as_slice() {
        [name] => Ok(name),
        [] => {
            let first = files().next().map_or("no files", String::as_str);
            let found = format!("the archive has no .csv file, but {first}");
            Err(SurveyError::NotASurvey { file: file.to_owned(), found })
        }
        _ => Err(SurveyError::SeveralTables { file: file.to_owned(), csvs: csvs.into_iter().cloned().collect() }),
    }
}

fn is_csv(name: &str) -> bool {
    Path::new(name).extension().is_some_and(|extension| extension.eq_ignore_ascii_case("csv"))
}
