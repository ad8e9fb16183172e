//! Where in the log the entries are that are still needed, for each cell in progress.

use std::collections::{BTreeMap, HashMap};

use super::entry::{Body, Entry};
use super::frame;
use super::log::{Place, inside};
use crate::id::{Cell, RunId};

/// Where the entries of all cells in progress are, in twelve bytes for each.
#[derive(Debug, Default)]
pub(super) struct Index {
    runs: HashMap<RunId, HashMap<Cell, Entries>>,
    /// How many bytes of each segment are still needed.
    needed: BTreeMap<u32, u64>,
}

/// The entries of one cell.
#[derive(Debug, Default)]
pub(super) struct Entries {
    /// The last backstory.
    pub(super) backstory: Option<Place>,
    /// The entries of its journal, in order.
    pub(super) calls: Vec<Place>,
}

impl Entries {
    pub(super) fn all(&self) -> impl Iterator<Item = Place> + '_ {
        self.backstory.iter().chain(&self.calls).copied()
    }
}

impl Index {
    /// Adds an entry of the log.
    pub(super) fn add(&mut self, entry: &Entry<'_>, place: Place) {
        let (run, cell) = (entry.run, entry.cell);
        match entry.body {
            Body::Forgotten => self.forget(run, cell),
            Body::Rewritten(frames) => {
                self.forget(run, cell);
                self.add_inside(frames, place);
            }
            Body::Backstory(_) => {
                let former = self.entries(run, cell).backstory.replace(place);
                self.count(place);
                if let Some(former) = former {
                    self.discount(former);
                }
            }
            Body::Call(_) => {
                self.entries(run, cell).calls.push(place);
                self.count(place);
            }
        }
    }

    fn add_inside(&mut self, mut frames: &[u8], outer: Place) {
        while let Some((payload, length)) = frame::first(frames) {
            if let Some(entry) = Entry::read(payload) {
                self.add(&entry, inside(outer, frames.len(), length));
            }
            frames = &frames[length..];
        }
    }

    fn forget(&mut self, run: &str, cell: Cell) {
        let Some(cells) = self.runs.get_mut(run) else { return };
        let Some(entries) = cells.remove(&cell) else { return };
        entries.all().for_each(|place| self.discount(place));
    }

    fn entries(&mut self, run: &str, cell: Cell) -> &mut Entries {
        if !self.runs.contains_key(run) {
            self.runs.insert(RunId(run.to_owned()), HashMap::new());
        }
        self.runs.get_mut(run).expect("it was inserted").entry(cell).or_default()
    }

    fn count(&mut self, place: Place) {
        *self.needed.entry(place.segment).or_default() += place.bytes();
    }

    fn discount(&mut self, place: Place) {
        if let Some(bytes) = self.needed.get_mut(&place.segment) {
            *bytes -= place.bytes();
        }
    }

    /// The entries of a cell.
    pub(super) fn get(&self, run: &RunId, cell: Cell) -> Option<&Entries> {
        self.runs.get(run)?.get(&cell)
    }

    /// How many bytes of a segment are still needed.
    pub(super) fn needed(&self, segment: u32) -> u64 {
        self.needed.get(&segment).copied().unwrap_or(0)
    }

    /// How many bytes of all segments are still needed.
    pub(super) fn needed_in_all(&self) -> u64 {
        self.needed.values().sum()
    }

    /// The cells with entries in a segment, and the places of all their entries.
    pub(super) fn cells_in(&self, segment: u32) -> Vec<(RunId, Cell, Vec<Place>)> {
        let all =
            self.runs.iter().flat_map(|(run, cells)| cells.iter().map(move |(cell, entries)| (run, cell, entries)));
        let inside = all.filter(|(.., entries)| entries.all().any(|place| place.segment == segment));
        inside.map(|(run, cell, entries)| (run.clone(), *cell, entries.all().collect())).collect()
    }

    /// Drops a segment that has been removed.
    pub(super) fn removed(&mut self, segment: u32) {
        self.needed.remove(&segment);
    }
}
