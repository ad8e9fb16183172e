//! What a coordinator says to workers and operators: that it is alive, how far its run is, and why it ended.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::interval;
use valuesim_shared::control::{
    AboutRun, CONTROL_VERSION, CellCounts, Control, ControlError, CoordinatorReport, FolderControl, Order, Process,
    REPORT_EVERY, RunPhase, UnixMillis,
};
use valuesim_shared::id::RunId;
use valuesim_shared::manifest::Manifest;
use valuesim_shared::money::NanoUsd;
use valuesim_shared::queue::Queue;
use valuesim_shared::store::Store;
use valuesim_shared::telemetry::{HttpStatus, Rate, ServerStatus};

use crate::coordinator::{Coordinator, Progress};
use crate::metrics::RunMetrics;

/// Over how long finished cells are counted for their rate: some take minutes, and many may finish together.
const RATE_OVER: Duration = Duration::from_mins(5);

/// Reports how a run is, for as long as its coordinator lives.
pub struct Heartbeat<Q, S, C> {
    coordinator: Arc<Coordinator<Q, S>>,
    control: C,
    facts: Facts,
    /// Where this process answers probes, and the run's metrics there, if it does.
    http: Option<(String, RunMetrics)>,
    begun_at: UnixMillis,
    tell: fn(&str),
    /// The last order that was seen, which a store that loses its data does not know any more.
    last_order: Mutex<Option<Order>>,
    /// Where the last order is kept, so that it survives this process and the store, if it is.
    kept: Option<FolderControl>,
}

/// What stays the same in all reports of a run by one process.
struct Facts {
    process: Process,
    run: RunId,
    models: Vec<String>,
    /// Whether the prices of all its models are known.
    priced: bool,
    cells: u64,
    /// What the cells have cost that were finished before this process began.
    spent_before: NanoUsd,
}

/// What a run has cost and how many cells it has, as its ledger and its plan say.
#[derive(Debug, Clone, Copy)]
pub struct RunSize {
    /// Its cells.
    pub cells: u64,
    /// What the cells have cost that are finished already.
    pub spent_before: NanoUsd,
}

impl<Q: Queue, S: Store, C: Control> Heartbeat<Q, S, C> {
    /// The heartbeat of `process`, which coordinates the run of `manifest`. Asks `control` since when the run has begun and
    /// which order holds for it. Registers the run's metrics with `http_status`, if the process shows itself.
    pub async fn new(
        coordinator: Arc<Coordinator<Q, S>>,
        control: C,
        (manifest, process): (&Manifest, Process),
        RunSize { cells, spent_before }: RunSize,
        (http_status, tell): (Option<&HttpStatus>, fn(&str)),
    ) -> Self {
        let run = manifest.run.clone();
        // One that cannot be read is there all the same, and workers obey it.
        let last_order = control.order(&run).await.unwrap_or_default();
        // A run begins once, however often it is coordinated.
        let before = control.about(&run).await.unwrap_or_default();
        let begun_at = before.map_or_else(UnixMillis::now, |about| about.begun_at);
        let priced = manifest.models.iter().all(|model| model.price.is_some());
        let shown = |status: &HttpStatus| (status.url().to_owned(), RunMetrics::new(status.registry(), &run, priced));
        let http = http_status.map(shown);
        let models = manifest.models.iter().map(|model| model.name.clone()).collect();
        let facts = Facts { process, run, models, priced, cells, spent_before };
        Self { coordinator, control, facts, http, begun_at, tell, last_order: Mutex::new(last_order), kept: None }
    }

    /// The same with the last order kept in `folder`: if the store has none any more, that one holds.
    #[must_use]
    pub async fn keeping_orders_in(mut self, folder: PathBuf) -> Self {
        let kept = FolderControl::in_folder(folder);
        if matches!(self.control.order(&self.facts.run).await, Ok(None)) {
            self.last_order = Mutex::new(kept.order(&self.facts.run).await.unwrap_or_default());
        }
        Self { kept: Some(kept), ..self }
    }

    /// Reports every [`REPORT_EVERY`]. `problems` says what is wrong now with the servers.
    pub async fn beat<T, const N: usize>(&self, problems: impl Fn() -> [Option<String>; N]) -> T {
        let mut ticks = interval(REPORT_EVERY);
        let (mut finished, mut last_finished_at) = (self.progress().cells_finished(), None);
        let (mut rate, mut of_servers) = (Rate::over(RATE_OVER, finished), ServerStatus::default());
        loop {
            ticks.tick().await;
            self.update_metrics();
            let before = std::mem::replace(&mut finished, self.progress().cells_finished());
            if finished != before {
                last_finished_at = Some(UnixMillis::now());
            }
            let report = CoordinatorReport {
                version: CONTROL_VERSION,
                process: self.facts.process.clone(),
                run: self.facts.run.clone(),
                cells: self.counts(),
                cells_per_second: rate.per_second(finished),
                last_finished_at,
                spent: self.spent(),
                priced: self.facts.priced,
                http: self.http.as_ref().map(|(url, _)| url.clone()),
                last_trouble: lost(self.progress().cells_lost()).or_else(|| of_servers.update(problems())),
                at: UnixMillis::now(),
            };
            let reporting = self.control.report_coordinator(&report);
            if let Err(error) = tokio::try_join!(reporting, self.announce(RunPhase::Begun)) {
                tracing::debug!(%error, "could not say that this coordinator is alive");
            }
        }
    }

    /// Brings the run's metrics up to date.
    pub fn update_metrics(&self) {
        if let Some((_, metrics)) = &self.http {
            metrics.set(self.counts(), self.spent());
        }
    }

    /// Says why this coordinator ends before its run does. The run stays begun, so that its workers wait for another one.
    pub async fn stopped_by(&self, error: String) {
        let about = AboutRun { stopped_by: Some(error), ..self.about(RunPhase::Begun) };
        if let Err(error) = self.announce_as(&about).await {
            tracing::debug!(%error, "could not say why this coordinator ends");
        }
    }

    /// Takes this process out of the list of coordinators.
    pub async fn ends(&self) {
        if let Err(error) = self.control.coordinator_ended(&self.facts.process.id).await {
            tracing::debug!(%error, "could not say that this coordinator ends");
        }
    }

    /// Says how far the run is.
    pub async fn announce(&self, phase: RunPhase) -> Result<(), ControlError> {
        self.announce_as(&self.about(phase)).await
    }

    /// Remembers an order, which is given again if the store loses it. No order is taken back without another: one that is
    /// gone was lost, and still holds.
    pub fn remember(&self, order: Option<&Order>) {
        let Some(order) = order else { return };
        *self.last_order.lock().unwrap_or_else(PoisonError::into_inner) = Some(order.clone());
        let kept = self.kept.as_ref().map(|kept| kept.keep_order(&self.facts.run, order));
        if let Some(Err(error)) = kept {
            tracing::warn!(run = %self.facts.run, %error, "the order is not kept in the run folder");
        }
    }

    /// Tells of the run; never without the order that holds for it, so that a paused run whose order was lost is not taken
    /// up.
    async fn announce_as(&self, about: &AboutRun) -> Result<(), ControlError> {
        let order = self.last_order.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(order) = order else { return self.control.announce(about).await };
        if self.control.announce_under(&order, about).await? {
            let Order { desired, by, at, .. } = order;
            (self.tell)(&format!("the store has lost the order to {desired}, by {by} at {at}: it is given again"));
        }
        Ok(())
    }

    fn about(&self, phase: RunPhase) -> AboutRun {
        AboutRun {
            version: CONTROL_VERSION,
            run: self.facts.run.clone(),
            models: self.facts.models.clone(),
            phase,
            cells: self.counts(),
            spent: self.spent(),
            priced: self.facts.priced,
            stopped_by: None,
            begun_at: self.begun_at,
            at: UnixMillis::now(),
        }
    }

    fn progress(&self) -> Arc<Progress> {
        self.coordinator.progress()
    }

    fn counts(&self) -> CellCounts {
        let progress = self.progress();
        CellCounts {
            planned: self.facts.cells,
            finished: progress.cells_finished(),
            under_way: self.coordinator.cells_under_way(),
            dead: progress.cells_dead(),
        }
    }

    fn spent(&self) -> NanoUsd {
        NanoUsd(self.facts.spent_before.0 + self.progress().spent().0)
    }
}

/// Cells that do not come back are a trouble for as long as they do not.
fn lost(cells: u64) -> Option<(UnixMillis, String)> {
    let text = || {
        format!(
            "{cells} cells do not come back, however often they are sent: see the dead letters and the workers' logs"
        )
    };
    (cells > 0).then(|| (UnixMillis::now(), text()))
}
