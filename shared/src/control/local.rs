//! Orders and reports on one machine: all logic that does not depend on where they are kept.

use std::time::Duration;

use serde::de::DeserializeOwned;

use super::message::{decode, encode};
use super::port::is_older;
use super::{
    AboutRun, Change, Control, ControlError, CoordinatorReport, Forecast, History, LEASE_EXPIRY, Lead, Listing,
    MAX_CHANGES, Order, Process, REPORT_EXPIRY, RunScores, WorkerReport,
};
use crate::id::RunId;
use crate::redis_connection::key::plain;

/// Named entries that processes share, each with the time when it was written.
pub trait Entries: Clone + Send + Sync + 'static {
    /// An entry with its age, if it exists.
    fn get(&self, name: &str) -> Result<Option<Entry>, ControlError>;

    /// Writes an entry atomically: readers see either the old or the new one.
    fn put(&self, name: &str, value: &[u8]) -> Result<(), ControlError>;

    /// Removes an entry, if it exists.
    fn remove(&self, name: &str) -> Result<(), ControlError>;

    /// The names of all entries, sorted.
    fn names(&self) -> Result<Vec<String>, ControlError>;

    /// Runs `act` while no other process can read or write entries in this way.
    fn exclusively<T>(&self, act: impl FnOnce() -> Result<T, ControlError>) -> Result<T, ControlError>;
}

/// A value and its age.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The value.
    pub value: Vec<u8>,
    /// How long ago it was written.
    pub age: Duration,
}

/// Orders and reports of runs on one machine. Cheap to clone; clones share the entries.
#[derive(Debug, Clone)]
pub struct LocalControl<E> {
    pub(super) entries: E,
}

const ORDER: &str = "order";
const ABOUT: &str = "about";
const SCORES: &str = "scores";
const LEADER: &str = "leader";
const WORKER: &str = "worker";
const COORDINATOR: &str = "coordinator";
const CHANGES: &str = "changes";
const HISTORY: &str = "history";
const FORECAST: &str = "forecast";

/// What is kept of a run that has ended.
const RECORD: [&str; 4] = [ABOUT, HISTORY, SCORES, CHANGES];

fn name(kind: &str, of: &str) -> String {
    format!("{kind}-{}", plain(of))
}

impl<E: Entries> LocalControl<E> {
    /// Writes an order for a run, as [`give_order`](Control::give_order) does, but without a runtime.
    pub fn keep_order(&self, run: &RunId, order: &Order) -> Result<(), ControlError> {
        self.entries.put(&name(ORDER, &run.0), &encode(order))
    }

    /// Removes what only processes of a run need. Its record stays: its entry, its history, its scores and who changed what.
    pub fn leave_the_record(&self) -> Result<(), ControlError> {
        for name in self.entries.names()? {
            let is_record = RECORD.iter().any(|kind| name.starts_with(&format!("{kind}-")));
            if !is_record {
                self.entries.remove(&name)?;
            }
        }
        Ok(())
    }

    fn read<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, ControlError> {
        Ok(self.entries.get(name)?.and_then(|entry| decode(&entry.value)))
    }

    /// The changes to a run, the latest first; those that cannot be read are left out.
    fn changes_of(&self, run: &RunId) -> Result<Vec<Change>, ControlError> {
        let Some(entry) = self.entries.get(&name(CHANGES, &run.0))? else { return Ok(Vec::new()) };
        let lines = entry.value.split(|byte| *byte == b'\n');
        Ok(lines.filter_map(decode).collect())
    }

    fn order_of(&self, run: &RunId) -> Result<Option<Order>, ControlError> {
        let Some(entry) = self.entries.get(&name(ORDER, &run.0))? else { return Ok(None) };
        decode(&entry.value).map(Some).ok_or_else(|| ControlError::OtherRelease(run.clone()))
    }

    /// All entries of a kind. Removes those that have expired.
    fn all<T: DeserializeOwned>(&self, kind: &str, expiry: Option<Duration>) -> Result<Listing<T>, ControlError> {
        let mut found = Listing { all: Vec::new(), unreadable: 0 };
        let prefix = name(kind, "");
        for name in self.entries.names()?.iter().filter(|name| name.starts_with(&prefix)) {
            let Some(entry) = self.entries.get(name)? else { continue };
            match decode(&entry.value) {
                // A reader may lack the permission to remove it.
                _ if expiry.is_some_and(|expiry| entry.age >= expiry) => drop(self.entries.remove(name)),
                Some(message) => found.all.push(message),
                None => found.unreadable += 1,
            }
        }
        Ok(found)
    }

    /// The leader of a run, and how much longer its lease lasts.
    fn leader(&self, run: &RunId) -> Result<Option<(Process, Duration)>, ControlError> {
        let Some(Entry { value, age }) = self.entries.get(&name(LEADER, &run.0))? else { return Ok(None) };
        let left = LEASE_EXPIRY.saturating_sub(age);
        let leader = serde_json::from_slice(&value).ok();
        Ok(leader.filter(|_| !left.is_zero()).map(|leader| (leader, left)))
    }
}

impl<E: Entries> Control for LocalControl<E> {
    fn forecast(&self, run: &RunId) -> Option<Forecast> {
        let entry = self.entries.get(&name(FORECAST, &run.0)).ok()??;
        serde_json::from_slice(&entry.value).ok()
    }

    fn keep_forecast(&self, run: &RunId, forecast: &Forecast) -> Result<(), ControlError> {
        let text = serde_json::to_vec(forecast).unwrap_or_default();
        self.entries.put(&name(FORECAST, &run.0), &text)
    }

    async fn give_order(&self, run: &RunId, order: &Order) -> Result<(), ControlError> {
        self.keep_order(run, order)
    }

    async fn order(&self, run: &RunId) -> Result<Option<Order>, ControlError> {
        self.order_of(run)
    }

    async fn announce(&self, about: &AboutRun) -> Result<(), ControlError> {
        self.entries.put(&name(ABOUT, &about.run.0), &encode(about))
    }

    async fn announce_under(&self, order: &Order, about: &AboutRun) -> Result<bool, ControlError> {
        self.entries.exclusively(|| {
            let order_name = name(ORDER, &about.run.0);
            let is_lost = self.entries.get(&order_name)?.is_none();
            if is_lost {
                self.entries.put(&order_name, &encode(order))?;
            }
            self.entries.put(&name(ABOUT, &about.run.0), &encode(about))?;
            Ok(is_lost)
        })
    }

    async fn about(&self, run: &RunId) -> Result<Option<AboutRun>, ControlError> {
        self.read(&name(ABOUT, &run.0))
    }

    async fn runs(&self) -> Result<Listing<(AboutRun, Option<Order>)>, ControlError> {
        let Listing { all, unreadable } = self.all::<AboutRun>(ABOUT, None)?;
        let with_order = |about: AboutRun| {
            let order = self.order_of(&about.run).unwrap_or_default();
            (about, order)
        };
        Ok(Listing { all: all.into_iter().map(with_order).collect(), unreadable })
    }

    async fn report_scores(&self, scores: &RunScores) -> Result<(), ControlError> {
        self.entries.put(&name(SCORES, &scores.run.0), &encode(scores))
    }

    async fn scores(&self, run: &RunId) -> Result<Option<RunScores>, ControlError> {
        self.read(&name(SCORES, &run.0))
    }

    async fn strike_out(&self, run: &RunId) -> Result<(), ControlError> {
        self.entries.remove(&name(SCORES, &run.0))?;
        self.entries.remove(&name(ABOUT, &run.0))
    }

    async fn report_worker(&self, report: &WorkerReport) -> Result<(), ControlError> {
        self.entries.put(&name(WORKER, &report.process.id), &encode(report))
    }

    async fn report_coordinator(&self, report: &CoordinatorReport) -> Result<(), ControlError> {
        self.entries.put(&name(COORDINATOR, &report.process.id), &encode(report))
    }

    async fn worker_ended(&self, id: &str) -> Result<(), ControlError> {
        self.entries.remove(&name(WORKER, id))
    }

    async fn coordinator_ended(&self, id: &str) -> Result<(), ControlError> {
        self.entries.remove(&name(COORDINATOR, id))
    }

    async fn workers(&self) -> Result<Listing<WorkerReport>, ControlError> {
        self.all(WORKER, Some(REPORT_EXPIRY))
    }

    async fn coordinators(&self) -> Result<Listing<CoordinatorReport>, ControlError> {
        self.all(COORDINATOR, Some(REPORT_EXPIRY))
    }

    async fn note_change(&self, run: &RunId, change: &Change) -> Result<(), ControlError> {
        self.entries.exclusively(|| {
            let changes = std::iter::once(change.clone()).chain(self.changes_of(run)?);
            let lines: Vec<Vec<u8>> = changes.take(MAX_CHANGES).map(|change| encode(&change)).collect();
            self.entries.put(&name(CHANGES, &run.0), &lines.join(&b'\n'))
        })
    }

    async fn changes(&self, run: &RunId) -> Result<Vec<Change>, ControlError> {
        self.changes_of(run)
    }

    async fn keep_history(&self, run: &RunId, history: &History) -> Result<(), ControlError> {
        self.entries.put(&name(HISTORY, &run.0), &encode(history))
    }

    async fn history(&self, run: &RunId) -> Result<Option<History>, ControlError> {
        self.read(&name(HISTORY, &run.0))
    }

    async fn take_lead(&self, run: &RunId, process: &Process, gone: Option<&str>) -> Result<Lead, ControlError> {
        self.entries.exclusively(|| {
            if let Some((by, left)) = self.leader(run)?
                && by.id != process.id
                && Some(by.id.as_str()) != gone
            {
                return Ok(Lead::Held { by, left });
            }
            self.entries.put(&name(LEADER, &run.0), &encode(process))?;
            Ok(Lead::Ours)
        })
    }

    async fn renew_lead(&self, run: &RunId, process: &Process) -> Result<Option<Process>, ControlError> {
        self.entries.exclusively(|| {
            let older = self.leader(run)?.map(|(leader, _)| leader).filter(|leader| is_older(leader, process));
            if older.is_none() {
                self.entries.put(&name(LEADER, &run.0), &encode(process))?;
            }
            Ok(older)
        })
    }

    async fn release_lead(&self, run: &RunId, process: &Process) -> Result<(), ControlError> {
        self.entries.exclusively(|| match self.leader(run)? {
            Some((leader, _)) if leader.id == process.id => self.entries.remove(&name(LEADER, &run.0)),
            _ => Ok(()),
        })
    }
}
