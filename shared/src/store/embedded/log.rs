//! The files of the log: numbered segments. The last one grows.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::frame;

/// Where a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) segment: u32,
    at: u32,
    length: u32,
}

impl Place {
    /// Bytes of the frame.
    pub(super) const fn bytes(self) -> u64 {
        self.length as u64
    }
}

/// Numbered files that are only appended to. What is appended waits in memory until it is flushed to the kernel, and in the
/// kernel until it is synced to the disk.
#[derive(Debug)]
pub(super) struct Log {
    folder: PathBuf,
    /// The size in bytes at which a segment is full and the next one begins.
    segment_bytes: u64,
    segments: BTreeMap<u32, Arc<File>>,
    last: u32,
    /// How many bytes of the last segment the kernel has.
    flushed: u64,
    /// Bytes of the last segment that the kernel does not have yet.
    pending: Vec<u8>,
    /// Files with bytes that may not be on the disk yet.
    dirty: Vec<Arc<File>>,
}

impl Log {
    /// Opens the log in `folder`, or begins it. Calls `each` with the payload and the place of every complete frame, in order.
    /// What follows the last complete frame of a segment was never finished and is cut off.
    pub(super) fn open(folder: &Path, segment_bytes: u64, mut each: impl FnMut(&[u8], Place)) -> io::Result<Self> {
        let mut log = Self {
            folder: folder.to_owned(),
            segment_bytes,
            segments: BTreeMap::new(),
            last: 0,
            flushed: 0,
            pending: Vec::new(),
            dirty: Vec::new(),
        };
        for number in numbers(folder)? {
            log.open_segment(number, &mut each)?;
        }
        if log.segments.is_empty() {
            log.begin_segment(1)?;
        }
        Ok(log)
    }

    fn open_segment(&mut self, number: u32, each: &mut impl FnMut(&[u8], Place)) -> io::Result<()> {
        let path = self.path(number);
        let bytes = std::fs::read(&path)?;
        let mut at = 0;
        while let Some((payload, length)) = frame::first(&bytes[at..]) {
            each(payload, place(number, at, length));
            at += length;
        }
        let file = OpenOptions::new().read(true).append(true).open(&path)?;
        if at < bytes.len() {
            tracing::warn!(
                "{}: removed {} bytes at the end that were not written completely; their calls are made again",
                path.display(),
                bytes.len() - at
            );
            file.set_len(at as u64)?;
        }
        self.segments.insert(number, Arc::new(file));
        (self.last, self.flushed) = (number, at as u64);
        Ok(())
    }

    fn begin_segment(&mut self, number: u32) -> io::Result<()> {
        let file = OpenOptions::new().read(true).append(true).create_new(true).open(self.path(number))?;
        // After a power loss the file is there only if its folder has been synced.
        File::open(&self.folder)?.sync_all()?;
        self.segments.insert(number, Arc::new(file));
        (self.last, self.flushed) = (number, 0);
        Ok(())
    }

    fn path(&self, number: u32) -> PathBuf {
        self.folder.join(format!("{number:08}.log"))
    }

    /// Appends a frame around what `write` appends.
    pub(super) fn append(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> Place {
        let at = offset(self.flushed) + self.pending.len();
        let length = frame::push(&mut self.pending, write);
        place(self.last, at, length)
    }

    /// Hands everything to the kernel, after which it survives the end of the process. Begins the next segment if this one is
    /// full.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let file = &self.segments[&self.last];
        if let Err(error) = (&**file).write_all(&self.pending) {
            // Half a frame must not stay in front of later frames.
            file.set_len(self.flushed)?;
            return Err(error);
        }
        self.flushed += self.pending.len() as u64;
        self.pending.clear();
        if !self.dirty.iter().any(|dirty| Arc::ptr_eq(dirty, file)) {
            self.dirty.push(Arc::clone(file));
        }
        if self.is_full() { self.begin_segment(self.last + 1) } else { Ok(()) }
    }

    /// Whether the kernel has a frame.
    pub(super) fn is_flushed(&self, place: Place) -> bool {
        place.segment < self.last || u64::from(place.at) + place.bytes() <= self.flushed
    }

    /// Whether the last segment takes no more.
    fn is_full(&self) -> bool {
        self.flushed >= self.segment_bytes
    }

    /// Whether everything is on the disk.
    pub(super) fn is_synced(&self) -> bool {
        self.pending.is_empty() && self.dirty.is_empty()
    }

    /// The files to sync. Once they are synced, everything that was flushed so far is on the disk.
    pub(super) fn take_dirty(&mut self) -> Vec<Arc<File>> {
        std::mem::take(&mut self.dirty)
    }

    /// The payload of a frame.
    pub(super) fn read(&mut self, place: Place) -> io::Result<Vec<u8>> {
        use std::os::unix::fs::FileExt as _;
        if !self.is_flushed(place) {
            self.flush()?;
        }
        let mut bytes = vec![0; place.length as usize];
        self.segments[&place.segment].read_exact_at(&mut bytes, place.at.into())?;
        let changed = || io::Error::new(io::ErrorKind::InvalidData, format!("a checksum in {:08}.log", place.segment));
        let (payload, _) = frame::first(&bytes).ok_or_else(changed)?;
        Ok(payload.to_vec())
    }

    /// The number of the oldest segment, unless it is the one that grows.
    pub(super) fn oldest(&self) -> Option<u32> {
        self.segments.keys().next().copied().filter(|&number| number < self.last)
    }

    /// The size in bytes of all full segments.
    pub(super) fn full_bytes(&self) -> u64 {
        (self.segments.len() as u64 - 1) * self.segment_bytes
    }

    /// Removes a segment.
    pub(super) fn remove(&mut self, number: u32) -> io::Result<()> {
        std::fs::remove_file(self.path(number))?;
        self.segments.remove(&number);
        Ok(())
    }
}

/// The place of a frame inside the payload of the frame at `outer`, beginning `from_end` bytes before its end.
pub(super) fn inside(outer: Place, from_end: usize, length: usize) -> Place {
    place(outer.segment, (outer.at + outer.length) as usize - from_end, length)
}

fn place(segment: u32, at: usize, length: usize) -> Place {
    let narrow = |bytes| u32::try_from(bytes).expect("a segment ends before four gigabytes");
    Place { segment, at: narrow(at), length: narrow(length) }
}

fn offset(bytes: u64) -> usize {
    usize::try_from(bytes).expect("a segment fits the address space")
}

/// The numbers of the segments in a folder, in order.
fn numbers(folder: &Path) -> io::Result<Vec<u32>> {
    let mut numbers = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let name = entry?.file_name();
        numbers.extend(name.to_str().and_then(|name| name.strip_suffix(".log")?.parse::<u32>().ok()));
    }
    numbers.sort_unstable();
    Ok(numbers)
}
