//! Splits a stream of CSV into rows, in bounded memory for any input.

use std::io::{self, Read};
use std::ops::Range;

use csv_core::ReadRecordResult;

use super::csv_fields::{Span, split_simple};
use super::dialect::Dialect;

/// The longest row accepted. A row of the official file has about 2 kB; a row longer than this has an unclosed quotation
/// mark.
pub(super) const MAX_BYTES: usize = 512 * 1024;

/// The most fields in a row; the official file has 613.
const MAX_FIELDS: usize = 16 * 1024;

/// The size of the read buffer.
const CHUNK_BYTES: usize = 256 * 1024;

/// The rows of a CSV stream, header included. Skips empty lines and a byte order mark.
///
/// The csv crate's parser reads the first row, and those that [`split_simple`] cannot read.
pub(super) struct Records<'a> {
    source: &'a mut dyn Read,
    parser: csv_core::Reader,
    separator: u8,
    input: Vec<u8>,
    /// The part of `input` that is not yet parsed.
    unread: Range<usize>,
    /// Whether a row was read. The first row may begin with a byte order mark.
    is_begun: bool,
    /// Line breaks that the parser did not read.
    breaks: u64,
    parsed: Parsed,
    spans: Vec<Span>,
}

/// The parser's output for one row.
struct Parsed {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

/// Why there is no next row.
#[derive(Debug)]
pub(super) enum RecordFault {
    /// The stream cannot be read.
    Read(io::Error),
    /// The row that begins on this line exceeds [`MAX_BYTES`] or [`MAX_FIELDS`].
    TooLong { line: u64 },
}

/// One row.
pub(super) struct Record<'a> {
    /// The line on which the row begins, counted from 1.
    pub(super) line: u64,
    bytes: &'a [u8],
    spans: &'a [Span],
}

impl<'a> Record<'a> {
    pub(super) fn len(&self) -> usize {
        self.spans.len()
    }

    /// The bytes of a field without its quotation marks.
    pub(super) fn field(&self, index: usize) -> &'a [u8] {
        let span = self.spans[index];
        &self.bytes[span.start..span.end]
    }

    pub(super) fn fields(&self) -> impl Iterator<Item = &'a [u8]> {
        (0..self.len()).map(|index| self.field(index))
    }
}

impl<'a> Records<'a> {
    pub(super) fn new(source: &'a mut dyn Read) -> Self {
        Self {
            source,
            parser: csv_core::Reader::new(),
            separator: b',',
            input: vec![0; CHUNK_BYTES],
            unread: 0..0,
            is_begun: false,
            breaks: 0,
            parsed: Parsed { bytes: vec![0; MAX_BYTES], ends: vec![0; MAX_FIELDS] },
            spans: Vec::new(),
        }
    }

    /// The beginning of the stream, as much of it as fits into the buffer. To be called before the first row is read.
    pub(super) fn beginning(&mut self) -> io::Result<&[u8]> {
        while self.fill_buffer()? > 0 {}
        Ok(&self.input[self.unread.clone()])
    }

    /// Skips what stands above the header, and separates fields as the file does. To be called before the first row is read.
    pub(super) fn begin_at(&mut self, dialect: Dialect) {
        self.unread.start += dialect.bytes_above;
        self.breaks += dialect.lines_above;
        self.separator = dialect.separator;
        self.parser = csv_core::ReaderBuilder::new().delimiter(dialect.separator).build();
    }

    /// The next row; `None` at the end of the stream.
    pub(super) fn next(&mut self) -> Result<Option<Record<'_>>, RecordFault> {
        self.skip_line_breaks().map_err(RecordFault::Read)?;
        let line = self.parser.line() + self.breaks;
        if let Some(row) = self.next_simple().map_err(RecordFault::Read)? {
            return Ok(Some(Record { line, bytes: &self.input[row], spans: &self.spans }));
        }
        let is_row = self.parse(line)?;
        Ok(is_row.then_some(Record { line, bytes: &self.parsed.bytes, spans: &self.spans }))
    }

    /// Skips empty lines and the line break after the previous row, so that the next row's line number is right.
    fn skip_line_breaks(&mut self) -> io::Result<()> {
        loop {
            if self.unread.is_empty() {
                self.fill_buffer()?;
            }
            match self.input[self.unread.clone()].first() {
                Some(b'\n') => self.breaks += 1,
                Some(b'\r') => {}
                Some(_) | None => return Ok(()),
            }
            self.unread.start += 1;
        }
    }

    /// Splits the next row if it is simple, and returns its position in the input.
    fn next_simple(&mut self) -> io::Result<Option<Range<usize>>> {
        if !self.is_begun {
            return Ok(None);
        }
        while !self.input[self.unread.clone()].contains(&b'\n') && self.fill_buffer()? > 0 {}
        let Some(length) = split_simple(&self.input[self.unread.clone()], self.separator, &mut self.spans) else {
            return Ok(None);
        };
        let row = self.unread.start..self.unread.start + length;
        self.breaks += 1;
        self.unread.start = row.end;
        Ok(Some(row))
    }

    /// Parses the next row, which begins on `line`, by the full grammar. Returns false at the end of the stream.
    fn parse(&mut self, line: u64) -> Result<bool, RecordFault> {
        self.is_begun = true;
        let (mut bytes, mut ends) = (0, 0);
        loop {
            if self.unread.is_empty() {
                self.fill_buffer().map_err(RecordFault::Read)?;
            }
            let input = &self.input[self.unread.clone()];
            let Parsed { bytes: fields, ends: field_ends } = &mut self.parsed;
            let (result, read, written, ended) =
                self.parser.read_record(input, &mut fields[bytes..], &mut field_ends[ends..]);
            self.unread.start += read;
            bytes += written;
            ends += ended;
            match result {
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::OutputFull | ReadRecordResult::OutputEndsFull => {
                    return Err(RecordFault::TooLong { line });
                }
                ReadRecordResult::Record => {
                    self.spans.clear();
                    let starts = std::iter::once(0).chain(field_ends.iter().copied());
                    let fields = starts.zip(&field_ends[..ends]).map(|(start, &end)| Span { start, end });
                    self.spans.extend(fields);
                    return Ok(true);
                }
                ReadRecordResult::End => return Ok(false),
            }
        }
    }

    /// Reads more bytes after the unread ones. Returns how many: 0 at the end of the stream, or if the buffer is full.
    fn fill_buffer(&mut self) -> io::Result<usize> {
        self.input.copy_within(self.unread.clone(), 0);
        self.unread = 0..self.unread.len();
        loop {
            match self.source.read(&mut self.input[self.unread.end..]) {
                Ok(read) => {
                    self.unread.end += read;
                    return Ok(read);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rows(text: &str) -> Vec<(u64, Vec<String>)> {
        let mut source = text.as_bytes();
        let mut records = Records::new(&mut source);
        let mut rows = Vec::new();
        while let Some(record) = records.next().unwrap() {
            let fields = record.fields().map(|field| String::from_utf8(field.to_vec()).unwrap()).collect();
            rows.push((record.line, fields));
        }
        rows
    }

    #[test]
    fn rows_have_the_line_number_of_their_beginning() {
        fn check(text: &str, expected: &[(u64, &[&str])]) {
            let expected: Vec<_> =
                expected.iter().map(|(line, row)| (*line, row.iter().map(|f| (*f).to_owned()).collect())).collect();
            assert_eq!(rows(text), expected, "{text:?}");
        }
        check("", &[]);
        check("\n\r\n", &[]);
        check("a,b\n1,2\n3,4", &[(1, &["a", "b"]), (2, &["1", "2"]), (3, &["3", "4"])]);
        check("a,b\r\n1,2\r\n3,4\r\n", &[(1, &["a", "b"]), (2, &["1", "2"]), (3, &["3", "4"])]);
        check("\u{feff}a,b\n", &[(1, &["a", "b"])]);
        check("a\n\n\nb\n", &[(1, &["a"]), (4, &["b"])]);
        check("\"x\ny\",\"1,5\"\n\"\"\"q\"\"\",\n", &[(1, &["x\ny", "1,5"]), (3, &["\"q\"", ""])]);
    }

    /// The rows that the csv crate reads.
    fn rows_of_csv_crate(text: &[u8]) -> Vec<Vec<Vec<u8>>> {
        let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text);
        let rows = reader.byte_records().map(|row| row.unwrap().iter().map(<[u8]>::to_vec).collect());
        rows.collect()
    }

    /// Returns a few bytes at a time, so that rows span several reads.
    struct Trickle<'a>(&'a [u8], usize);

    impl Read for Trickle<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let most = self.1.min(buffer.len());
            self.0.read(&mut buffer[..most])
        }
    }

    proptest! {
        #[test]
        fn rows_equal_those_of_the_csv_crate(text in "[12,\"\r\na]{0,60}", step in 1..9_usize) {
            let mut source = Trickle(text.as_bytes(), step);
            let mut records = Records::new(&mut source);
            let mut rows = Vec::new();
            while let Some(record) = records.next().unwrap() {
                rows.push(record.fields().map(<[u8]>::to_vec).collect::<Vec<_>>());
            }
            prop_assert_eq!(rows, rows_of_csv_crate(text.as_bytes()));
        }
    }

    #[test]
    fn an_endless_row_is_refused_before_it_fills_the_memory() {
        let mut endless = io::repeat(b'x');
        let mut records = Records::new(&mut endless);
        assert!(matches!(records.next(), Err(RecordFault::TooLong { line: 1 })));
        let mut many = io::repeat(b',');
        let mut records = Records::new(&mut many);
        assert!(matches!(records.next(), Err(RecordFault::TooLong { line: 1 })));
    }
}
