//! A worker process on the servers of a fleet: takes up runs as they begin, leaves them as they end.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tokio::time::interval;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use valuesim_shared::control::{CONTROL_VERSION, Process, REPORT_EVERY, RunPhase, UnixMillis, WorkerReport};
use valuesim_shared::dead::Unfit;
use valuesim_shared::id::RunId;
use valuesim_shared::manifest::Manifest;
use valuesim_shared::permit::{Limits, LocalOffice};
use valuesim_shared::queue::RabbitQueue;
use valuesim_shared::store::{RedisStore, Store as _};
use valuesim_worker::metrics::Metrics;
use valuesim_worker::timing::Timing;
use valuesim_worker::worker::{Worker, WorkerError};

use super::hearing::{self, Hearing, Source};
use super::identity::this_process;
use crate::servers::Servers;
use crate::vitals::Vitals;

/// How often it looks which runs there are.
const LOOK_EVERY: Duration = Duration::from_secs(1);

type FleetWorker = Worker<RabbitQueue, RedisStore, LocalOffice>;

/// Which runs a worker serves.
#[derive(Debug, Clone)]
pub(crate) enum Wanted {
    /// All that have begun and not ended, as they appear.
    All,
    /// These, until the last of them has ended.
    These(BTreeSet<RunId>),
}

/// A worker process.
pub(crate) struct FleetProcess {
    servers: Servers,
    service: Service,
    crew: Arc<Crew>,
    metrics: Metrics,
    /// Runs that have ended, and runs of others that this process cannot serve.
    set_aside: Mutex<BTreeSet<RunId>>,
}

/// What a worker process is to do.
pub(crate) struct Service {
    pub(crate) wanted: Wanted,
    /// Other than the experiments say.
    pub(crate) calls_in_flight: Option<u32>,
    /// Says to people what the process does.
    pub(crate) tell: fn(&str),
}

/// The workers of the process, one for each run.
struct Crew {
    process: Process,
    vitals: Arc<Vitals>,
    workers: Mutex<BTreeMap<RunId, Member>>,
    draining: AtomicBool,
}

struct Member {
    worker: FleetWorker,
    capacity: u32,
    leave: CancellationToken,
}

type Ended = (RunId, Result<(), WorkerError>);

impl FleetProcess {
    /// A worker process on `servers`, which `vitals` shows.
    pub(crate) fn new(servers: Servers, vitals: Arc<Vitals>, service: Service) -> Self {
        let metrics = Metrics::new(vitals.registry());
        let draining = AtomicBool::new(false);
        let crew = Crew { process: this_process(), vitals, workers: Mutex::default(), draining };
        Self { servers, service, crew: Arc::new(crew), metrics, set_aside: Mutex::default() }
    }

    /// Works until `stop` is cancelled or the runs it was told have ended; then finishes the calls in flight and hands
    /// the rest back.
    pub(crate) async fn run(&self, stop: &CancellationToken) -> anyhow::Result<()> {
        let telling = AbortOnDropHandle::new(tokio::spawn(self.crew.clone().report(self.servers.clone())));
        let mut tasks = JoinSet::new();
        let ended = tokio::select! {
            biased;
            ended = self.serve(stop, &mut tasks) => ended,
            never = self.hear() => never,
        };
        self.crew.vitals.ends();
        self.crew.draining.store(true, Ordering::Relaxed);
        self.crew.workers().values().for_each(|member| member.leave.cancel());
        let mut last = Ok(());
        while let Some(left) = tasks.join_next().await {
            last = last.and(self.left(left?));
        }
        drop(telling);
        if let Err(error) = self.servers.control.worker_ended(&self.crew.process.id).await {
            tracing::debug!(%error, "could not say that this worker ends");
        }
        self.servers.queue.close().await;
        ended.and(last)
    }

    /// Notices when this process no longer hears of work.
    async fn hear<T>(&self) -> T {
        let (mut hearing, mut looks) = (Hearing::default(), interval(hearing::LOOK_EVERY));
        loop {
            looks.tick().await;
            let deaf_to = hearing.ask(&self.servers.queue, self.crew.listening()).await;
            self.crew.vitals.is_deaf_to(deaf_to);
        }
    }

    async fn serve(&self, stop: &CancellationToken, tasks: &mut JoinSet<Ended>) -> anyhow::Result<()> {
        let mut looks = interval(LOOK_EVERY);
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return Ok(()),
                Some(left) = tasks.join_next() => self.left(left?)?,
                _ = looks.tick() => {
                    let Some(looked) = stop.run_until_cancelled(self.look(tasks)).await else { return Ok(()) };
                    if looked? == Look::AllEnded {
                        return Ok(());
                    }
                }
            }
        }
    }

    /// Takes up what has begun, leaves what has ended.
    async fn look(&self, tasks: &mut JoinSet<Ended>) -> anyhow::Result<Look> {
        let runs = match self.servers.control.runs().await {
            Ok(runs) => runs.all,
            Err(error) => {
                tracing::debug!(%error, "cannot see which runs there are");
                return Ok(Look::SomeAreOpen);
            }
        };
        let (begun, ended): (Vec<_>, Vec<_>) = runs.iter().partition(|(about, _)| about.phase == RunPhase::Begun);
        for (about, _) in ended {
            self.set_aside().insert(about.run.clone());
            if let Some(member) = self.crew.workers().get(&about.run) {
                member.leave.cancel();
            }
        }
        let wanted: BTreeSet<RunId> = match &self.service.wanted {
            Wanted::All => begun.iter().map(|(about, _)| about.run.clone()).collect(),
            Wanted::These(runs) => runs.clone(),
        };
        for run in wanted {
            let is_known = self.set_aside().contains(&run) || self.crew.workers().contains_key(&run);
            if !is_known {
                self.take_up(run, tasks).await?;
            }
        }
        Ok(self.state())
    }

    fn state(&self) -> Look {
        match &self.service.wanted {
            Wanted::These(runs) if runs.is_subset(&self.set_aside()) => Look::AllEnded,
            Wanted::These(_) | Wanted::All => Look::SomeAreOpen,
        }
    }

    /// Begins to serve a run, if its manifest is there.
    async fn take_up(&self, run: RunId, tasks: &mut JoinSet<Ended>) -> anyhow::Result<()> {
        let Some(manifest) = self.servers.store.manifest(&run).await? else { return Ok(()) };
        let member = match self.member(&manifest) {
            Ok(member) => member,
            Err(error) => return self.left((run, Err(error))),
        };
        (self.service.tell)(&format!("serving run {run}"));
        let (worker, leave) = (member.worker.clone(), member.leave.clone());
        self.crew.workers().insert(run.clone(), member);
        tasks.spawn(async move { (run, worker.work(&leave).await) });
        Ok(())
    }

    fn member(&self, manifest: &[u8]) -> Result<Member, WorkerError> {
        let mut manifest = Manifest::from_bytes(manifest)?;
        if let Some(calls) = self.service.calls_in_flight {
            manifest.models.iter_mut().for_each(|model| model.limits.calls_in_flight = calls);
        }
        let limits: Vec<Limits> = manifest.models.iter().map(|model| model.limits).collect();
        let capacity = limits.iter().map(|limits| limits.calls_in_flight).sum();
        let ports = (self.servers.queue.clone(), self.servers.store.clone(), LocalOffice::new(&limits));
        let unfit = Unfit::IsParked { by: self.crew.process.id.clone() };
        let worker = Worker::of_manifest(manifest, ports, (Timing::default(), unfit))?;
        Ok(Member { worker: worker.shown_in(&self.metrics), capacity, leave: CancellationToken::new() })
    }

    /// A run that was asked for by name and cannot be served ends the process; another is left to other workers.
    fn left(&self, (run, ended): Ended) -> anyhow::Result<()> {
        self.crew.workers().remove(&run);
        let Err(error) = ended else {
            (self.service.tell)(&format!("left run {run}"));
            return Ok(());
        };
        match self.service.wanted {
            Wanted::These(_) => Err(error.into()),
            Wanted::All => {
                tracing::error!(%run, %error, "this worker cannot serve the run, and leaves it to others");
                self.set_aside().insert(run);
                Ok(())
            }
        }
    }

    fn set_aside(&self) -> MutexGuard<'_, BTreeSet<RunId>> {
        self.set_aside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether there is anything left to wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Look {
    SomeAreOpen,
    AllEnded,
}

impl Crew {
    fn workers(&self) -> MutexGuard<'_, BTreeMap<RunId, Member>> {
        self.workers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn listening(&self) -> Vec<(Source, Duration)> {
        let workers = self.workers();
        let of_run = |(run, member): (&RunId, &Member)| -> Vec<(Source, Duration)> {
            member.worker.listening().map(|(model, silence)| ((run.clone(), model), silence)).collect()
        };
        workers.iter().flat_map(of_run).collect()
    }

    /// Says again and again that this process is there.
    async fn report(self: Arc<Self>, servers: Servers) {
        let mut ticks = interval(REPORT_EVERY);
        let (mut answered, mut since) = (0, Instant::now());
        loop {
            ticks.tick().await;
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
        let workers = self.workers();
        let readings: Vec<_> = workers.values().map(|member| member.worker.meter().read()).collect();
        let in_flight: u64 = readings.iter().map(|reading| reading.in_flight).sum();
        let sent: u64 = readings.iter().map(|reading| reading.sent).sum();
        let trouble = readings.into_iter().find_map(|reading| reading.trouble);
        let report = WorkerReport {
            version: CONTROL_VERSION,
            process: self.process.clone(),
            runs: workers.keys().cloned().collect(),
            draining: self.draining.load(Ordering::Relaxed),
            tasks: workers.values().map(|member| member.worker.tasks()).sum(),
            calls_in_flight: u32::try_from(in_flight).unwrap_or(u32::MAX),
            capacity: workers.values().map(|member| member.capacity).sum(),
            calls_per_second: 0.0,
            http: Some(self.vitals.url().to_owned()),
            last_trouble: trouble.map(|trouble| (UnixMillis::now(), trouble)),
            at: UnixMillis::now(),
        };
        (sent - in_flight, report)
    }
}
