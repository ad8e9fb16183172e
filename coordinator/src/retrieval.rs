//! Retrieves the items of a profile that are most similar to a question, for `rag`.
//!
//! ```text
//!   plan, survey, codebook ──> texts ──> vectors (kept in the run folder) ──> similarities ──> items of each cell's task
//! ```
//!
//! Items depend on question and code alone, so the respondents of a run share some 2,400 of them. Their similarities to
//! the questions are computed once; a cell then only compares numbers.

mod kept;
mod similarities;
mod texts;

pub use kept::{KeptVectors, VECTORS_FILE, VectorsError};
pub use similarities::{Retrieval, THRESHOLD};
pub use texts::EmbeddedTexts;
