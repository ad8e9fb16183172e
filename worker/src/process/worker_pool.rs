//! The workers of one process, one for each run that it serves, and the reports about them.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::interval;
use tokio_util::sync::CancellationToken;
use valuesim_shared::control::{
    Activity, CONTROL_VERSION, CallTotals, Control, Process, REPORT_EVERY, RunActivity, RunTrouble, UnixMillis,
    WorkerReport, this_process,
};
use valuesim_shared::id::RunId;
use valuesim_shared::permit::PermitOffice;
use valuesim_shared::queue::Queue;
use valuesim_shared::store::Store;
use valuesim_shared::telemetry::{HttpStatus, Rate, ServerStatus};

use super::starvation_watchdog::Source;
use crate::error::WorkerError;
use crate::meter::{Meter, Trouble};
use crate::metrics::WaitMetrics;
use crate::worker::Worker;

/// The period over which the rate of calls is averaged.
const RATE_OVER: Duration = Duration::from_mins(1);

/// How long reports mention a run that could not be served, in milliseconds.
const UNSERVED_SHOWN_FOR_MS: u64 = 10 * 60 * 1_000;

/// How many of the runs that were left are remembered.
const MAX_LEFT: usize = 20;

/// The workers of the process.
pub struct WorkerPool<Q, S, O: PermitOffice> {
    pub(super) process: Process,
    /// Issues permits for the calls of all its runs.
    pub(super) office: O,
    /// Shows the state of the process over HTTP, if it does.
    pub(super) http_status: Option<Arc<HttpStatus>>,
    waits: Option<WaitMetrics>,
    members: Mutex<BTreeMap<RunId, Member<Q, S, O>>>,
    draining: AtomicBool,
    /// The runs that could not be served, and why.
    unserved: Mutex<BTreeMap<RunId, RunTrouble>>,
    /// How many calls of workers that have left were answered.
    answered_before: AtomicU64,
    /// What the calls for runs came to that were left lately, the last one last.
    left: Mutex<Vec<(RunId, CallTotals)>>,
    /// Notified when a worker joins or leaves.
    changed: Notify,
}

/// The worker for one run.
pub struct Member<Q, S, O: PermitOffice> {
    /// The worker.
    pub worker: Worker<Q, S, O>,
    /// Cancelled when it is to leave the run.
    pub leave: CancellationToken,
}

impl<Q: Queue, S: Store, O: PermitOffice> WorkerPool<Q, S, O> {
    /// A pool without workers. Their calls will get their permits from `office`; `http_status` shows the state of the
    /// process.
    pub fn new(office: O, http_status: Option<Arc<HttpStatus>>) -> Arc<Self> {
        Arc::new(Self {
            process: this_process(),
            office,
            waits: http_status.as_ref().map(|status| WaitMetrics::new(status.registry())),
            http_status,
            members: Mutex::default(),
            draining: AtomicBool::new(false),
            unserved: Mutex::default(),
            answered_before: AtomicU64::new(0),
            left: Mutex::default(),
            changed: Notify::new(),
        })
    }

    pub(super) fn members(&self) -> MutexGuard<'_, BTreeMap<RunId, Member<Q, S, O>>> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The name under which the process reports.
    pub fn id(&self) -> &str {
        &self.process.id
    }

    /// Adds the worker of a run.
    pub fn join(&self, run: RunId, member: Member<Q, S, O>) {
        if let Some(trouble) = self.unserved().get_mut(&run) {
            trouble.left_alone_until = None;
        }
        self.members().insert(run, member);
        self.changed.notify_one();
    }

    /// Removes the worker of a run.
    pub fn leave(&self, run: &RunId) {
        let mut members = self.members();
        if let Some(member) = members.remove(run) {
            let meter = member.worker.meter();
            self.answered_before.fetch_add(meter.read().answered, Ordering::Relaxed);
            self.remember(run, &meter);
        }
        self.changed.notify_one();
    }

    /// Keeps for reports what the calls for a run that is left came to.
    fn remember(&self, run: &RunId, meter: &Meter) {
        let mut left = self.left();
        let before = left.iter().position(|(of, _)| of == run).map(|place| left.remove(place).1);
        let mut total = before.unwrap_or_default();
        total.add(&activity(run, meter));
        left.push((run.clone(), total));
        let surplus = left.len().saturating_sub(MAX_LEFT);
        left.drain(..surplus);
    }

    fn left(&self) -> MutexGuard<'_, Vec<(RunId, CallTotals)>> {
        self.left.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the calls for all runs came to, those that were left lately included.
    fn activities(&self, members: &BTreeMap<RunId, Member<Q, S, O>>) -> Vec<RunActivity> {
        let mut left: BTreeMap<RunId, CallTotals> = self.left().iter().cloned().collect();
        let of_member = |(run, member): (&RunId, &Member<Q, S, O>)| {
            let now = activity(run, &member.worker.meter());
            let mut total = left.remove(run).unwrap_or_default();
            total.add(&now);
            total.of_run(now.run, now.to_be_retried)
        };
        let mut all: Vec<RunActivity> = members.iter().map(of_member).collect();
        all.extend(left.into_iter().map(|(run, total)| total.of_run(run, 0)));
        all
    }

    /// Records for reports why a run could not be served, and how long the process waits before it tries again.
    pub(super) fn record_unserved(&self, run: RunId, why: &WorkerError, retry_after: Duration) {
        let at = UnixMillis::now();
        let until = UnixMillis(at.0.saturating_add(u64::try_from(retry_after.as_millis()).unwrap_or(u64::MAX)));
        let (text, refusal) = (why.in_one_line(), why.refusal());
        let trouble = RunTrouble { run: run.clone(), model: None, at, text, left_alone_until: Some(until), refusal };
        self.unserved().insert(run, trouble);
        self.changed.notify_one();
    }

    /// Forgets why a run could not be served.
    pub(super) fn forget_unserved(&self, run: &RunId) {
        if self.unserved().remove(run).is_some() {
            self.changed.notify_one();
        }
    }

    fn unserved(&self) -> MutexGuard<'_, BTreeMap<RunId, RunTrouble>> {
        self.unserved.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The sources from which workers are waiting for a task, with how long they have waited.
    pub(super) fn idle_sources(&self) -> Vec<(Source, Duration)> {
        let members = self.members();
        let of_run = |(run, member): (&RunId, &Member<Q, S, O>)| -> Vec<(Source, Duration)> {
            member.worker.idle_models().map(|(model, idle_for)| ((run.clone(), model), idle_for)).collect()
        };
        members.iter().flat_map(of_run).collect()
    }

    /// Makes all workers leave, and reports the process as draining from now on.
    pub(super) fn drain(&self) {
        if let Some(status) = &self.http_status {
            status.ends();
        }
        self.draining.store(true, Ordering::Relaxed);
        self.members().values().for_each(|member| member.leave.cancel());
    }

    /// Reports every [`REPORT_EVERY`] that this process is alive. `problems` returns the present problem of each server.
    pub async fn report<const N: usize>(
        self: Arc<Self>,
        control: impl Control,
        problems: impl Fn() -> [Option<String>; N],
    ) {
        let mut ticks = interval(REPORT_EVERY);
        let (mut rate, mut of_servers) = (Rate::over(RATE_OVER, 0), ServerStatus::default());
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                () = self.changed.notified() => {}
            }
            if let Some(waits) = &self.waits {
                waits.set(&self.office.waits());
            }
            let (answered, mut report) = self.snapshot();
            report.calls_per_second = rate.per_second(answered);
            report.last_trouble = latest(&report.troubles, of_servers.update(problems()));
            if let Err(error) = control.report_worker(&report).await {
                tracing::debug!(%error, "could not report that this worker is alive");
            }
        }
    }

    /// Reports once more, with what was done since the last report.
    pub async fn report_now(&self, control: &impl Control) {
        if let Err(error) = control.report_worker(&self.snapshot().1).await {
            tracing::debug!(%error, "could not report what this worker did last");
        }
    }

    /// The number of calls answered so far, and the report.
    fn snapshot(&self) -> (u64, WorkerReport) {
        let members = self.members();
        let readings: Vec<_> = members.values().map(|member| member.worker.meter().read()).collect();
        let in_flight: u64 = readings.iter().map(|reading| reading.in_flight).sum();
        let answered: u64 = readings.iter().map(|reading| reading.answered).sum();
        let report = WorkerReport {
            version: CONTROL_VERSION,
            process: self.process.clone(),
            runs: members.keys().cloned().collect(),
            draining: self.draining.load(Ordering::Relaxed),
            tasks: members.values().map(|member| member.worker.tasks()).sum(),
            calls_in_flight: u32::try_from(in_flight).unwrap_or(u32::MAX),
            capacity: self.office.capacity(),
            calls_per_second: 0.0,
            http: self.http_status.as_ref().map(|status| status.url().to_owned()),
            last_trouble: None,
            troubles: members
                .iter()
                .flat_map(|(run, member)| troubles(run, member))
                .chain(self.unserved_lately())
                .collect(),
            activity: Activity {
                runs: self.activities(&members),
                waits: self.office.waits().into_iter().map(Into::into).collect(),
            },
            at: UnixMillis::now(),
        };
        (self.answered_before.load(Ordering::Relaxed) + answered, report)
    }

    /// The runs that recently could not be served. Forgets older ones.
    fn unserved_lately(&self) -> Vec<RunTrouble> {
        let UnixMillis(now) = UnixMillis::now();
        let mut unserved = self.unserved();
        unserved.retain(|_, trouble| now.saturating_sub(trouble.at.0) < UNSERVED_SHOWN_FOR_MS);
        unserved.values().cloned().collect()
    }
}

/// The troubles of a run's calls.
fn troubles<Q: Queue, S: Store, O: PermitOffice>(run: &RunId, member: &Member<Q, S, O>) -> Vec<RunTrouble> {
    let of_models = member.worker.meter().troubles().into_iter();
    let of_run = of_models.map(|Trouble { model, at, text }| RunTrouble {
        run: run.clone(),
        model: Some(model),
        at,
        text,
        left_alone_until: None,
        refusal: None,
    });
    of_run.collect()
}

/// What the calls for a run came to.
fn activity(run: &RunId, meter: &Meter) -> RunActivity {
    let reading = meter.read();
    RunActivity {
        run: run.clone(),
        sent: reading.sent,
        answered: reading.answered,
        failed: reading.failed,
        to_be_retried: u32::try_from(reading.to_be_retried).unwrap_or(u32::MAX),
        cost: reading.cost,
        wasted_at_most: reading.wasted_at_most,
        failures: meter.failures(),
    }
}

/// The latest trouble of runs or servers.
fn latest(of_runs: &[RunTrouble], of_servers: Option<(UnixMillis, String)>) -> Option<(UnixMillis, String)> {
    let of_runs = of_runs.iter().map(|trouble| (trouble.at, trouble.text.clone()));
    of_runs.chain(of_servers).max_by_key(|(at, _)| *at)
}
