//! Why a codebook cannot be used.

use std::path::PathBuf;

use crate::id::QuestionId;

/// Why a codebook cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CodebookError {
    /// A question has two entries.
    #[error("codebook {codebook}: {id} has two entries")]
    Twice {
        /// The codebook's name.
        codebook: String,
        /// The question.
        id: QuestionId,
    },
    /// A question has no entry.
    #[error("codebook {codebook}: {id} has no entry")]
    Missing {
        /// The codebook's name.
        codebook: String,
        /// The question.
        id: QuestionId,
    },
    /// The file cannot be read.
    #[error("read codebook {}: {reason}", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// The system's error.
        reason: std::io::Error,
    },
    /// The file is neither of the two formats.
    #[error(
        "codebook {} is neither TOML with [[question]] tables nor the questions.json of the paper's code: {reason}",
        file.display()
    )]
    UnknownFormat {
        /// The file.
        file: PathBuf,
        /// Why it is neither.
        reason: &'static str,
    },
    /// The file is TOML, but not a valid codebook.
    #[error("codebook {}: {reason}", file.display())]
    Toml {
        /// The file.
        file: PathBuf,
        /// The error with line and column.
        reason: Box<toml::de::Error>,
    },
    /// The file is JSON, but not in the format of the paper's code.
    #[error("codebook {}: {reason}; expected an object of questions, each with question_text and options", file.display())]
    Json {
        /// The file.
        file: PathBuf,
        /// The error with line and column.
        reason: serde_json::Error,
    },
    /// The file with the profile sentences of the paper's code is missing.
    #[error(
        "codebook {}: the file {} with the profile sentences is missing; copy it from the paper's code",
        file.display(),
        beside.display()
    )]
    NeedsNatureOptions {
        /// The file with the questions.
        file: PathBuf,
        /// The expected file with the sentences.
        beside: PathBuf,
    },
    /// Entries are invalid; lists all problems.
    #[error("codebook {}: {}", file.display(), problems.join("; "))]
    Problems {
        /// The file.
        file: PathBuf,
        /// The problems, each with its question, and for TOML its line.
        problems: Vec<String>,
    },
}
