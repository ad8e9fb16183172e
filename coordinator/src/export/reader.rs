//! Remembers whether whoever reads a table went away: the libraries that write it do not always hand that on.

use std::io::{self, ErrorKind, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Where a table goes.
pub(super) struct Read<W> {
    out: W,
    left: Left,
}

/// Whether its reader is gone.
#[derive(Debug, Default, Clone)]
pub(super) struct Left(Arc<AtomicBool>);

impl<W> Read<W> {
    pub(super) fn new(out: W) -> (Self, Left) {
        let left = Left::default();
        (Self { out, left: left.clone() }, left)
    }

    fn notice<T>(&self, written: io::Result<T>) -> io::Result<T> {
        if written.as_ref().is_err_and(|error| error.kind() == ErrorKind::BrokenPipe) {
            self.left.0.store(true, Ordering::Relaxed);
        }
        written
    }
}

impl Left {
    pub(super) fn is_so(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl<W: Write> Write for Read<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes);
        self.notice(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        let flushed = self.out.flush();
        self.notice(flushed)
    }
}
