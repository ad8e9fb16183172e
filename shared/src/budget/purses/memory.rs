//! Purses in memory.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::written::{CLOSED, Closing, Found, Purse, Stated, purse, purse_bytes, statement_bytes};
use crate::budget::statement::Statement;
use crate::id::RunId;
use crate::money::NanoUsd;

/// It has one life: a process that ends loses all.
const LIFE: &str = "memory";

/// The purses of all runs.
#[derive(Debug, Default)]
pub(super) struct MemoryPurses {
    runs: BTreeMap<RunId, OfRun>,
}

#[derive(Debug, Default)]
struct OfRun {
    stated: BTreeMap<String, Vec<u8>>,
    granted: BTreeMap<String, Vec<u8>>,
}

pub(super) fn locked(purses: &Mutex<MemoryPurses>) -> MutexGuard<'_, MemoryPurses> {
    purses.lock().unwrap_or_else(PoisonError::into_inner)
}

impl MemoryPurses {
    fn of_run(&mut self, run: &RunId) -> &mut OfRun {
        self.runs.entry(run.clone()).or_default()
    }

    pub(super) fn lose_all(&mut self) {
        self.runs.clear();
    }

    pub(super) fn state(&mut self, run: &RunId, owner: &str, statement: &Statement) -> Purse {
        let of_run = self.of_run(run);
        of_run.stated.insert(owner.to_owned(), statement_bytes(statement));
        of_run.granted.get(owner).map_or(Purse::Absent, |bytes| purse(bytes))
    }

    pub(super) fn read(&mut self, run: &RunId) -> Found {
        let life = LIFE.to_owned();
        let OfRun { stated: statements, granted } = self.of_run(run);
        let read = |(owner, bytes): (&String, &Vec<u8>)| Some((owner.clone(), Stated::read(bytes.clone())?));
        let granted = granted.iter().map(|(owner, bytes)| (owner.clone(), purse(bytes))).collect();
        Found { life, stated: statements.iter().filter_map(read).collect(), granted }
    }

    pub(super) fn grant(&mut self, run: &RunId, grants: &[(String, Vec<NanoUsd>)]) {
        let granted = grants.iter().map(|(owner, limits)| (owner.clone(), purse_bytes(limits)));
        self.of_run(run).granted.extend(granted);
    }

    pub(super) fn shrink(&mut self, run: &RunId, (owner, seen): (&str, &[u8]), to: &[NanoUsd]) -> bool {
        let of_run = self.of_run(run);
        let is_same = of_run.stated.get(owner).is_some_and(|bytes| bytes == seen);
        if is_same {
            of_run.granted.insert(owner.to_owned(), purse_bytes(to));
        }
        is_same
    }

    pub(super) fn close(&mut self, run: &RunId, (owner, life): (&str, &str)) -> Closing {
        if life != LIFE {
            return Closing::OtherLife;
        }
        let of_run = self.of_run(run);
        of_run.granted.insert(owner.to_owned(), CLOSED.to_vec());
        let last = of_run.stated.get(owner).and_then(|bytes| Stated::read(bytes.clone()));
        Closing::Closed(last.map(|stated| stated.statement))
    }

    pub(super) fn forget(&mut self, run: &RunId, owner: &str) {
        self.of_run(run).stated.remove(owner);
    }

    pub(super) fn clear(&mut self, run: &RunId) {
        self.runs.remove(run);
    }
}
