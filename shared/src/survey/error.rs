//! Why a survey file cannot be used, and what to do about it.

use std::fmt;
use std::path::PathBuf;

use super::edition::Release;

/// What to get in place of a file that cannot be used.
const WANTED: &str = "expected the WVS wave 7 cross-national file as CSV \
                      (WVS_Cross-National_Wave_7_csv_v6_0.csv, or the .zip or .csv.gz of it) from worldvaluessurvey.org";

/// Why a survey file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SurveyError {
    /// There is no such file.
    #[error("there is no survey file {}: {WANTED}", file.display())]
    NoFile {
        /// The path that was given.
        file: PathBuf,
    },
    /// A folder was named in place of a file.
    #[error("{} is a folder: name the survey file in it", file.display())]
    Folder {
        /// The path that was given.
        file: PathBuf,
    },
    /// The file cannot be read.
    #[error("read survey file {}: {source}", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is of a statistics program.
    #[error("{} is a file for {program}, which cannot be read: {WANTED}", file.display())]
    Program {
        /// The file.
        file: PathBuf,
        /// The program.
        program: &'static str,
    },
    /// The file is no table of text at all.
    #[error("{} is not a survey file: {found}; {WANTED}", file.display())]
    NotASurvey {
        /// The file.
        file: PathBuf,
        /// What was found.
        found: String,
    },
    /// The file is the one of a single country, whose rows have one field more than its header.
    #[error(
        "{} is the file of a single country (semicolons between fields, which shifts its columns by one): {WANTED}",
        file.display()
    )]
    CountryFile {
        /// The file.
        file: PathBuf,
    },
    /// The file has reversed scales under names like `Q1P`.
    #[error("{} is the \"inverted\" file, whose scales are reversed ({column} in place of {question}): {WANTED}", file.display())]
    Inverted {
        /// The file.
        file: PathBuf,
        /// A column that shows it.
        column: String,
        /// The column that should be there.
        question: String,
    },
    /// Columns are not there.
    #[error("{} is not the cross-national file: {count} of its columns are missing, such as {}; {WANTED}", file.display(), examples.join(", "))]
    MissingColumns {
        /// The file.
        file: PathBuf,
        /// How many are missing.
        count: usize,
        /// The first few.
        examples: Vec<String>,
    },
    /// A column is there twice.
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
    /// The file ends early, or is damaged.
    #[error("{} is cut off or damaged: {found}; download it again", file.display())]
    Damaged {
        /// The file.
        file: PathBuf,
        /// What shows it.
        found: String,
    },
    /// An official release has not the respondents that it should have.
    #[error(
        "{} says it is {release}, which has {expected} respondents, but has {found}: it is {}, \
         whose row numbers mean other people; download it again",
        file.display(),
        if found < expected { "truncated, or an extract" } else { "joined with something else" }
    )]
    WrongRows {
        /// The file.
        file: PathBuf,
        /// The release.
        release: Release,
        /// Respondents of the release.
        expected: usize,
        /// Respondents in the file.
        found: usize,
    },
    /// There is a header, but no respondent.
    #[error("{} has no respondents, only a header; {WANTED}", file.display())]
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
    /// A row is longer than a row can be.
    #[error(
        "{}, line {line}: the row is longer than {} kB: is a quotation mark not closed?",
        file.display(),
        super::record::MOST_BYTES / 1024
    )]
    RowTooLong {
        /// The file.
        file: PathBuf,
        /// The line where the row begins, counted from 1.
        line: u64,
    },
    /// A value cannot be what its column holds.
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
    /// There is nothing.
    Blank,
    /// It has a decimal point.
    Decimal,
    /// It is not an integer.
    NotAnInteger,
    /// It is an integer, but not a code of the question.
    UnknownCode {
        /// The codes that the question has.
        known: String,
    },
    /// It is not an ISO 3166-1 numeric code.
    NotACountry,
    /// It is text that is not UTF-8.
    NotText,
}

impl fmt::Display for ValueFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Blank => f.write_str("is blank: expected an integer code; missing answers have -1 to -5"),
            Self::Decimal => f.write_str(
                "has a decimal point: expected an integer code; was the file saved again by another program?",
            ),
            Self::NotAnInteger => f.write_str("is not an integer code: is the file as it was downloaded?"),
            Self::UnknownCode { known } => write!(
                f,
                "is not a code of this question: expected {known}, or -1 to -5 for a missing answer; \
                 if it is right, name a codebook that has it"
            ),
            Self::NotACountry => f.write_str("is not a country: expected an ISO 3166-1 numeric code, 1 to 999"),
            Self::NotText => f.write_str("is not UTF-8: was the file saved again by another program?"),
        }
    }
}
