//! The formats of a table.

/// How a table is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Apache Parquet. Texts are exactly what the model wrote.
    Parquet,
    /// Comma-separated values with a header. Characters that steer a terminal are written visibly, as `\u{1b}`.
    Csv,
    /// A JSON object a line. Characters that steer a terminal are written as JSON escapes.
    JsonLines,
}
