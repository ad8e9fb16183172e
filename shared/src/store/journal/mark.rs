//! The mark of an entry, by which one that was appended twice is counted once.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

use super::number::{read_number, write_number};

/// Which entry of which process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::store) struct Mark {
    /// The process that wrote it.
    pub(super) writer: u32,
    /// The number of the entry among those of this process.
    pub(super) number: u64,
}

impl Mark {
    pub(super) fn write(self, into: &mut Vec<u8>) {
        into.extend_from_slice(&self.writer.to_le_bytes());
        write_number(into, self.number);
    }

    pub(super) fn read(rest: &mut &[u8]) -> Option<Self> {
        let (writer, after) = rest.split_first_chunk()?;
        *rest = after;
        Some(Self { writer: u32::from_le_bytes(*writer), number: read_number(rest)? })
    }
}

/// Gives each entry that this process writes a mark of its own.
#[derive(Debug)]
pub(in crate::store) struct Marks {
    writer: u32,
    next: AtomicU64,
}

impl Marks {
    /// Marks that no other process gives: two processes get the same `writer` once in billions of pairs.
    pub(in crate::store) fn new() -> Self {
        let bits = RandomState::new().hash_one(std::process::id()).to_le_bytes();
        let writer = u32::from_le_bytes([bits[0], bits[1], bits[2], bits[3]]);
        Self { writer, next: AtomicU64::new(0) }
    }

    pub(in crate::store) fn next(&self) -> Mark {
        Mark { writer: self.writer, number: self.next.fetch_add(1, Ordering::Relaxed) }
    }
}
