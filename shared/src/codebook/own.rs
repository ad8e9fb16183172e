//! Reads codebooks in this project's own format.

/// Why a codebook cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CodebookError {
    /// A question has two entries.
    #[error("codebook {codebook}: {id} has two entries")]
    Twice {
        /// The codebook's name.
        codebook: String,
        /// The question.
        id: crate::id::QuestionId,
    },
    /// A question has no entry.
    #[error("codebook {codebook}: {id} has no entry")]
    Missing {
        /// The codebook's name.
        codebook: String,
        /// The question.
        id: crate::id::QuestionId,
    },
}
