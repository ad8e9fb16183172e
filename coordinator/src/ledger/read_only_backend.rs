//! A storage backend that reads a database file and keeps everything that the database writes in memory.
//!
//! A ledger whose process was killed has to be repaired before it can be read. This backend lets the database repair
//! a copy in memory, page by page, and leaves the file as it is.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::sync::{Mutex, MutexGuard, PoisonError};

use redb::StorageBackend;

/// Size of the pages in which writes are kept, in bytes.
const PAGE_BYTES: usize = 4096;

/// A file, overlaid with the pages that were written.
#[derive(Debug)]
pub(super) struct ReadOnlyBackend(Mutex<Layered>);

#[derive(Debug)]
struct Layered {
    file: File,
    /// How many bytes of the file are still visible; zeros follow.
    file_len: u64,
    len: u64,
    /// The written pages, each whole, by number.
    written: HashMap<u64, Box<[u8; PAGE_BYTES]>>,
}

impl ReadOnlyBackend {
    /// Reads from `file`, which need not be open for writing.
    pub(super) fn new(file: File) -> io::Result<Self> {
        let len = file.metadata()?.len();
        Ok(Self(Mutex::new(Layered { file, file_len: len, len, written: HashMap::new() })))
    }

    /// Whether the file is empty.
    pub(super) fn is_empty(&self) -> bool {
        self.layered().len == 0
    }

    fn layered(&self) -> MutexGuard<'_, Layered> {
        // If the database panics, the pages are still whole, because each is copied in one step.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Layered {
    fn check_within(&self, offset: u64, length: usize) -> io::Result<()> {
        let end = offset.checked_add(length as u64);
        if end.is_some_and(|end| end <= self.len) {
            return Ok(());
        }
        Err(io::Error::new(io::ErrorKind::UnexpectedEof, format!("the file ends before byte {offset} + {length}")))
    }

    /// Reads the file itself at `offset`, with zeros past its end.
    fn read_file(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        out.fill(0);
        let there = self.file_len.saturating_sub(offset);
        let there = usize::try_from(there).unwrap_or(usize::MAX).min(out.len());
        let mut file = &self.file;
        file.seek(SeekFrom::Start(offset))?;
        file.read_exact(&mut out[..there])
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.check_within(offset, out.len())?;
        self.read_file(offset, out)?;
        for piece in pieces(offset, out.len()) {
            if let Some(page) = self.written.get(&piece.page) {
                let length = piece.length;
                out[piece.at..piece.at + length].copy_from_slice(&page[piece.within..piece.within + length]);
            }
        }
        Ok(())
    }

    fn write(&mut self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.check_within(offset, data.len())?;
        for piece in pieces(offset, data.len()) {
            let length = piece.length;
            let page = self.page(piece.page)?;
            page[piece.within..piece.within + length].copy_from_slice(&data[piece.at..piece.at + length]);
        }
        Ok(())
    }

    fn page(&mut self, number: u64) -> io::Result<&mut [u8; PAGE_BYTES]> {
        if !self.written.contains_key(&number) {
            let mut page = Box::new([0; PAGE_BYTES]);
            self.read_file(number * PAGE_BYTES as u64, page.as_mut_slice())?;
            self.written.insert(number, page);
        }
        Ok(self.written.get_mut(&number).expect("it was just inserted"))
    }

    fn set_len(&mut self, len: u64) -> io::Result<()> {
        if len < self.len {
            self.file_len = self.file_len.min(len);
            self.written.retain(|number, _| number * (PAGE_BYTES as u64) < len);
            let within = piece_start(len);
            if within > 0 {
                self.page(len / PAGE_BYTES as u64)?[within..].fill(0);
            }
        }
        self.len = len;
        Ok(())
    }
}

impl StorageBackend for ReadOnlyBackend {
    fn len(&self) -> io::Result<u64> {
        Ok(self.layered().len)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.layered().read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.layered().set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.layered().write(offset, data)
    }
}

/// The part of a range that lies in one page.
struct Piece {
    page: u64,
    /// Its start within the page.
    within: usize,
    /// Its start within the range.
    at: usize,
    length: usize,
}

fn pieces(offset: u64, length: usize) -> impl Iterator<Item = Piece> {
    let mut at = 0;
    std::iter::from_fn(move || {
        if at == length {
            return None;
        }
        let position = offset + at as u64;
        let within = piece_start(position);
        let piece =
            Piece { page: position / PAGE_BYTES as u64, within, at, length: (PAGE_BYTES - within).min(length - at) };
        at += piece.length;
        Some(piece)
    })
}

#[expect(clippy::cast_possible_truncation, reason = "the remainder is below the page size")]
fn piece_start(position: u64) -> usize {
    (position % PAGE_BYTES as u64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn file_of(bytes: &[u8]) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().expect("temporary file");
        std::fs::write(file.path(), bytes).expect("writes");
        file
    }

    fn backend(file: &tempfile::NamedTempFile) -> ReadOnlyBackend {
        ReadOnlyBackend::new(File::open(file.path()).expect("opens")).expect("has a length")
    }

    proptest! {
        #[test]
        fn it_behaves_like_a_copy_of_the_file_and_leaves_the_file_alone(
            steps in prop::collection::vec((0_usize..20_000, prop::option::of(1_usize..9000), any::<u8>()), 1..20),
        ) {
            let first: Vec<u8> = (0..10_000_u32).map(|at| (at % 251) as u8).collect();
            let file = file_of(&first);
            let backend = backend(&file);
            let mut copy = first.clone();
            for (offset, length, byte) in steps {
                match length {
                    None => {
                        backend.set_len(offset as u64).expect("sets");
                        copy.resize(offset, 0);
                    }
                    Some(length) => {
                        let written = backend.write(offset as u64, &vec![byte; length]);
                        let fits = offset + length <= copy.len();
                        prop_assert_eq!(written.is_ok(), fits);
                        if fits {
                            copy[offset..offset + length].fill(byte);
                        }
                    }
                }
                prop_assert_eq!(backend.len().expect("known"), copy.len() as u64);
                let mut seen = vec![0; copy.len()];
                backend.read(0, &mut seen).expect("reads");
                prop_assert!(seen == copy);
            }
            prop_assert!(std::fs::read(file.path()).expect("reads") == first);
        }
    }

    #[test]
    fn nothing_is_read_past_the_end() {
        let file = file_of(b"0123456789");
        let backend = backend(&file);
        for (offset, length) in [(10, 1), (0, 11), (u64::MAX, 1)] {
            let error = backend.read(offset, &mut vec![0; length]).expect_err("past the end");
            assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof, "{offset} + {length}");
        }
    }
}
