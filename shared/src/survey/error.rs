//! Why a survey file cannot be used, and what to do about it.

use std::fmt;
use std::path::PathBuf;

use super::edition::Release;
use super::places::MAX_ID;

/// The file to get instead of one that cannot be used.
const WANTED: &str = "expected the WVS wave 7 cross-national file as CSV \
                      (WVS_Cross-National_Wave_7_csv_v6_0.csv, or the .zip or .csv.gz of it) from worldvaluessurvey.org";

/// Why a survey file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SurveyError {
    /// There is no such file.
    #[error("survey file {} does not exist: {WANTED}", file.display())]
    NoFile {
        /// The path that was given.
        file: PathBuf,
    },
    /// The path is a folder.
    #[error("{} is a folder: name the survey file in it", file.display())]
    Folder {
        /// The path that was given.
        file: PathBuf,
    },
    /// The path is a pipe, a device or a socket.
    #[error("{} is not a regular file but a pipe, a device or a socket: save the survey as a file and name that", file.display())]
    NotAFile {
        /// The path that was given.
        file: PathBuf,
    },
    /// The zip archive needs a password or a method that is not known.
    #[error("{} cannot be unpacked here ({reason}): unpack it with the program that made it, and name the .csv", file.display())]
    Packed {
        /// The file.
        file: PathBuf,
        /// Why not.
        reason: String,
    },
    /// The file cannot be read.
    #[error("read survey file {}: {source}", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// The file lacks a column that the user names.
    #[error("survey file {} has no column {column:?}: expected the name of a column in its first line", file.display())]
    NoSuchColumn {
        /// The file.
        file: PathBuf,
        /// The name that was given.
        column: String,
    },
    /// The file belongs to a statistics program.
    #[error("{} is a file for {program}, which cannot be read: {WANTED}", file.display())]
    Program {
        /// The file.
        file: PathBuf,
        /// The program.
        program: &'static str,
    },
    /// The file is not a text table.
    #[error("{} is not a survey file: {found}; {WANTED}", file.display())]
    NotASurvey {
        /// The file.
        file: PathBuf,
        /// What was found.
        found: String,
    },
    /// The file has reversed scales under names like `Q1P`.
    #[error("{} is the \"inverted\" file, whose scales are reversed ({column} in place of {question}): {WANTED}", file.display())]
    Inverted {
        /// The file.
        file: PathBuf,
        /// A column with a reversed scale.
        column: String,
        /// The column that is expected instead.
        question: String,
    },
    /// Columns are missing.
    #[error("{} is not the cross-national file: {count} of its columns are missing, such as {}; {WANTED}", file.display(), examples.join(", "))]
    MissingColumns {
        /// The file.
        file: PathBuf,
        /// The number of missing columns.
        count: usize,
        /// The first few.
        examples: Vec<String>,
    },
    /// Two columns have the same name.
    #[error("{}: the header has two columns {column}: expected each name once", file.display())]
    ColumnTwice {
        /// The file.
        file: PathBuf,
        /// The column.
        column: String,
    },
    /// A zip archive holds more than one CSV.
    #[error("{} has several tables ({}): unpack it and name one of them", file.display(), csvs.join(", "))]
    SeveralTables {
        /// The file.
        file: PathBuf,
        /// The CSVs in it.
        csvs: Vec<String>,
    },
    /// The file is truncated or damaged.
    #[error("{} is cut off or damaged: {found}; download it again", file.display())]
    Damaged {
        /// The file.
        file: PathBuf,
        /// The evidence.
        found: String,
    },
    /// A file has more respondents than the official release that it names.
    #[error(
        "{} is labelled as {release}, which has {expected} respondents, but has {found}: it is joined with something else; \
         download it again, or make an extract that has each person once",
        file.display()
    )]
    TooManyRows {
        /// The file.
        file: PathBuf,
        /// The release.
        release: Release,
        /// Respondents of the release.
        expected: usize,
        /// Respondents in the file.
        found: usize,
    },
    /// The file has a header but no respondents.
    #[error("{} has a header but no respondents; {WANTED}", file.display())]
    NoRows {
        /// The file.
        file: PathBuf,
    },
    /// A row has too many or too few fields.
    #[error("{}, line {line}: {found} fields, expected {expected} as in the header: is the file as it was downloaded?", file.display())]
    RowLength {
        /// The file.
        file: PathBuf,
        /// The line, counted from 1.
        line: u64,
        /// Fields in the row.
        found: usize,
        /// Fields in the header.
        expected: usize,
    },
    /// A row is too long.
    #[error(
        "{}, line {line}: the row is longer than {} kB: is a quotation mark not closed?",
        file.display(),
        super::record::MAX_BYTES / 1024
    )]
    RowTooLong {
        /// The file.
        file: PathBuf,
        /// The line where the row begins, counted from 1.
        line: u64,
    },
    /// A value is not valid in its column.
    #[error("{}, line {line}, column {column}: {value:?} {fault}", file.display())]
    Value {
        /// The file.
        file: PathBuf,
        /// The line, counted from 1.
        line: u64,
        /// The column's name.
        column: String,
        /// The value, cut to a readable length.
        value: String,
        /// What is wrong with it.
        fault: ValueFault,
    },
}

/// What is wrong with a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ValueFault {
    /// The value has a fraction.
    Decimal,
    /// The value is not an integer.
    NotAnInteger,
    /// The value is an integer, but not a code of the question.
    UnknownCode {
        /// The question's codes.
        known: String,
    },
    /// The value is not an ISO 3166-1 numeric code.
    NotACountry,
    /// The value is not UTF-8.
    NotText,
    /// The value names no respondent.
    NoId,
    /// The value names another respondent, too.
    SameId {
        /// The line of the other one, counted from 1.
        line: u64,
    },
}

impl fmt::Display for ValueFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Decimal => f.write_str(
                "has a fraction: expected an integer code, such as 1 or 1.0; was the file saved again by another program?",
            ),
            Self::NotAnInteger => f.write_str("is not an integer code: is the file as it was downloaded?"),
            Self::UnknownCode { known } => write!(
                f,
                "is not a code of this question: expected {known}, or -1 to -5 for a missing answer; \
                 if the file is right, use a codebook that has this code"
            ),
            Self::NotACountry => f.write_str("is not a country: expected an ISO 3166-1 numeric code, 1 to 999"),
            Self::NoId => write!(f, "names no respondent: expected whole numbers from 1 to {MAX_ID} in the column of --id-column"),
            Self::SameId { line } => write!(
                f,
                "names the respondent of line {line}, too: name a column with another number in each line as --id-column"
            ),
            Self::NotText => f.write_str("is not UTF-8: was the file saved again by another program?"),
        }
    }
}
