//! A file to which only the bytes that it already has can be written: what is made again is compared without keeping it.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Write};
use std::path::Path;

/// How many bytes of the file are read at a time.
const READ_BYTES: usize = 1 << 16;

/// The file, up to the place to which it has been written again.
pub(super) struct Against(BufReader<File>);

impl Against {
    /// The file at `path`, from its beginning.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self(BufReader::with_capacity(READ_BYTES, File::open(path)?)))
    }

    /// Whether the file has no more bytes.
    pub(super) fn ends_here(mut self) -> bool {
        self.0.fill_buf().is_ok_and(<[u8]>::is_empty)
    }
}

impl Write for Against {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let own = self.0.fill_buf()?;
        let length = own.len().min(bytes.len());
        if bytes.len() > length && length == 0 || own[..length] != bytes[..length] {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the file has other bytes"));
        }
        self.0.consume(length);
        Ok(length)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
