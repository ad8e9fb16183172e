//! The formats of a table.

/// How a table is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Apache Parquet, compressed in this way. Texts are exactly what the model wrote.
    Parquet(Compression),
    /// Comma-separated values with a header. Characters that steer a terminal are written visibly, as `\u{1b}`.
    Csv,
    /// A JSON object a line. Characters that steer a terminal are written as JSON escapes.
    JsonLines,
}

/// How a Parquet file is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Compression {
    /// Zstandard, as the files of a run folder.
    #[default]
    Zstd,
    /// Snappy, which every reader of Parquet knows.
    Snappy,
    /// Not at all.
    None,
}
