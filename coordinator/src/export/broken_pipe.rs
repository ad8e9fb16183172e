//! Remembers whether the reader of a table has gone away: the libraries that write tables do not always pass that on.

use std::io::{self, ErrorKind, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Where a table goes.
pub(super) struct WatchedPipe<W> {
    out: W,
    broken: BrokenPipe,
}

/// Whether a write has found that the reader is gone.
#[derive(Debug, Default, Clone)]
pub(super) struct BrokenPipe(Arc<AtomicBool>);

impl<W> WatchedPipe<W> {
    pub(super) fn new(out: W) -> (Self, BrokenPipe) {
        let broken = BrokenPipe::default();
        (Self { out, broken: broken.clone() }, broken)
    }

    fn notice<T>(&self, written: io::Result<T>) -> io::Result<T> {
        if written.as_ref().is_err_and(|error| error.kind() == ErrorKind::BrokenPipe) {
            self.broken.0.store(true, Ordering::Relaxed);
        }
        written
    }
}

impl BrokenPipe {
    pub(super) fn was_seen(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl<W: Write> Write for WatchedPipe<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes);
        self.notice(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        let flushed = self.out.flush();
        self.notice(flushed)
    }
}
