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
    #[error("read codebook {}: {source}", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is neither of the two formats.
    #[error(
        "codebook {} is neither TOML with [[question]] tables nor the questions.json of the paper's code: {reason}",
        file.display()
    )]
    UnknownFormat {
        /// The file.
        file: PathBuf,
        /// What was found instead.
        reason: &'static str,
    },
    /// The file is TOML, but not a codebook.
    #[error("codebook {}: {source}", file.display())]
    Toml {
        /// The file.
        file: PathBuf,
        /// Line, column and what is wrong there.
        source: Box<toml::de::Error>,
    },
    /// The file is not the JSON that the reference uses.
    #[error("codebook {}: {source}; expected an object of questions, each with question_text and options", file.display())]
    Json {
        /// The file.
        file: PathBuf,
        /// Line, column and what is wrong there.
        source: serde_json::Error,
    },
    /// The reference's questions were given without their sentences.
    #[error(
        "codebook {} needs the paper's sentences beside it: expected {}",
        file.display(),
        beside.display()
    )]
    NeedsNatureOptions {
        /// The file with the questions.
        file: PathBuf,
        /// Where the sentences should be.
        beside: PathBuf,
    },
    /// Entries contradict themselves or the survey; all of them are listed.
    #[error("codebook {}: {}", file.display(), problems.join("; "))]
    Problems {
        /// The file.
        file: PathBuf,
        /// What is wrong, each with its question, and its line where the format has lines.
        problems: Vec<String>,
    },
}
