//! The workers of one process, one for each run that it serves, and what it says of them.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::time::interval;
use tokio_util::sync::CancellationToken;
use valuesim_shared::control::{CONTROL_VERSION, Process, REPORT_EVERY, UnixMillis, WorkerReport};
use valuesim_shared::id::RunId;
use valuesim_shared::permit::LocalOffice;
use valuesim_shared::queue::RabbitQueue;
use valuesim_shared::store::RedisStore;
use valuesim_worker::worker::Worker;

use super::hearing::Source;
use super::identity::this_process;
use crate::servers::Servers;
use crate::vitals::Vitals;

/// A worker on the servers of a fleet.
pub(super) type FleetWorker = Worker<RabbitQueue, RedisStore, LocalOffice>;

/// The workers of the process.
pub(super) struct Crew {
    pub(super) process: Process,
    /// What others see of the process.
    pub(super) vitals: Arc<Vitals>,
    members: Mutex<BTreeMap<RunId, Member>>,
    draining: AtomicBool,
    /// What went wrong last, also with workers that are gone.
    trouble: Mutex<Option<(UnixMillis, String)>>,
    /// Somebody joined or left, which others wait to hear.
    changed: Notify,
}

/// The worker for one run.
pub(super) struct Member {
    pub(super) worker: FleetWorker,
    /// Calls that it may have in flight.
    pub(super) capacity: u32,
    /// Cancelled when it is to leave the run.
    pub(super) leave: CancellationToken,
}

impl Crew {
    pub(super) fn new(vitals: Arc<Vitals>) -> Arc<Self> {
        Arc::new(Self {
            process: this_process(),
            vitals,
            members: Mutex::default(),
            draining: AtomicBool::new(false),
            trouble: Mutex::default(),
            changed: Notify::new(),
        })
    }

    pub(super) fn members(&self) -> MutexGuard<'_, BTreeMap<RunId, Member>> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn join(&self, run: RunId, member: Member) {
        self.members().insert(run, member);
        self.changed.notify_one();
    }

    pub(super) fn leave(&self, run: &RunId) {
        self.members().remove(run);
        self.changed.notify_one();
    }

    /// Where the workers would take tasks now, and for how long nothing has come from there.
    pub(super) fn listening(&self) -> Vec<(Source, Duration)> {
        let members = self.members();
        let of_run = |(run, member): (&RunId, &Member)| -> Vec<(Source, Duration)> {
            member.worker.listening().map(|(model, silence)| ((run.clone(), model), silence)).collect()
        };
        members.iter().flat_map(of_run).collect()
    }

    /// Has all workers leave, and says so from now on.
    pub(super) fn drain(&self) {
        self.vitals.ends();
        self.draining.store(true, Ordering::Relaxed);
        self.members().values().for_each(|member| member.leave.cancel());
    }

    /// Keeps what went wrong, for those who ask.
    pub(super) fn note_trouble(&self, trouble: String) {
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = Some((UnixMillis::now(), trouble));
    }

    /// Says again and again that this process is there.
    pub(super) async fn report(self: Arc<Self>, servers: Servers) {
        let mut ticks = interval(REPORT_EVERY);
        let (mut answered, mut since) = (0, Instant::now());
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                () = self.changed.notified() => {}
            }
            let (answered_now, mut report) = self.look();
            let calls = answered_now.saturating_sub(answered) as f64;
            report.calls_per_second = calls / since.elapsed().as_secs_f64().max(1e-3);
            (answered, since) = (answered_now, Instant::now());
            if let Err(error) = servers.control.report_worker(&report).await {
                tracing::debug!(%error, "could not say that this worker is there");
            }
        }
    }

    /// Calls that have ended so far, and the report.
    fn look(&self) -> (u64, WorkerReport) {
        let members = self.members();
        let readings: Vec<_> = members.values().map(|member| member.worker.meter().read()).collect();
        let in_flight: u64 = readings.iter().map(|reading| reading.in_flight).sum();
        let sent: u64 = readings.iter().map(|reading| reading.sent).sum();
        // The meter says what went wrong, not when: it is told while it is the latest that is known.
        let last = readings.into_iter().find_map(|reading| reading.trouble);
        let last = last.map(|trouble| (UnixMillis::now(), trouble));
        let report = WorkerReport {
            version: CONTROL_VERSION,
            process: self.process.clone(),
            runs: members.keys().cloned().collect(),
            draining: self.draining.load(Ordering::Relaxed),
            tasks: members.values().map(|member| member.worker.tasks()).sum(),
            calls_in_flight: u32::try_from(in_flight).unwrap_or(u32::MAX),
            capacity: members.values().map(|member| member.capacity).sum(),
            calls_per_second: 0.0,
            http: Some(self.vitals.url().to_owned()),
            last_trouble: last.or_else(|| self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()),
            at: UnixMillis::now(),
        };
        (sent - in_flight, report)
    }
}
