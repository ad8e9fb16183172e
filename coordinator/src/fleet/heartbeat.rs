//! The reports of a coordinator to workers and operators: that it is alive, how far its run is, and why it ended.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use tokio::time::interval;
use valuesim_shared::control::{
    AboutRun, BudgetUse, CONTROL_VERSION, CellCounts, Change, Control, ControlError, CoordinatorReport, DesiredState,
    FolderControl, Forecast, HistoryPoint, Order, Process, REPORT_EVERY, RunPhase, UnixMillis,
};
use valuesim_shared::id::RunId;
use valuesim_shared::manifest::Manifest;
use valuesim_shared::money::NanoUsd;
use valuesim_shared::queue::Queue;
use valuesim_shared::store::Store;
use valuesim_shared::telemetry::{HttpStatus, Rate, ServerStatus};

use super::chronicle::Chronicle;
use crate::coordinator::{Coordinator, EXEMPT, Progress};
use crate::metrics::{RunMetrics, RunState};

/// The period over which the rate of finished cells is measured: some cells take minutes, and many may finish together.
const RATE_OVER: Duration = Duration::from_mins(5);

/// Reports the state of a run while its coordinator is alive.
pub struct Heartbeat<Q, S, C> {
    coordinator: Arc<Coordinator<Q, S>>,
    control: C,
    facts: Facts,
    /// The address at which this process serves probes, and the run's metrics, if it does.
    http: Option<(String, RunMetrics)>,
    begun_at: UnixMillis,
    /// Cells finished per second at the last report.
    cells_per_second: Mutex<f64>,
    tell: fn(&str),
    chronicle: Chronicle,
    /// The last order that was seen, to restore it if the store loses its data.
    last_order: Mutex<Option<Order>>,
    /// The run folder's copy of the last order, if there is one: it survives this process and the store.
    kept: Option<FolderControl>,
    /// Says how much of the run's budget is used, if it has one.
    budget: Option<BudgetGauge>,
    /// The phase in which the run ends, once that is decided, and what stopped it.
    ends_as: OnceLock<(RunPhase, Option<String>)>,
}

/// Says how much of a budget is used.
pub type BudgetGauge = Box<dyn Fn() -> BudgetUse + Send + Sync>;

/// What is the same in all reports of a run by one process.
struct Facts {
    process: Process,
    run: RunId,
    models: Vec<String>,
    /// Whether the prices of all its models are known.
    priced: bool,
    most_cells: u64,
    /// The cost of the cells that were finished before this process started.
    spent_before: NanoUsd,
}

/// The number of cells of a run, and its cost so far.
#[derive(Debug, Clone, Copy)]
pub struct RunSize {
    /// Its cells; of rounds, the most that there may be.
    pub most_cells: u64,
    /// The cost of the cells that are finished already.
    pub spent_before: NanoUsd,
}

impl<Q: Queue, S: Store, C: Control> Heartbeat<Q, S, C> {
    /// The heartbeat of `process`, which coordinates the run of `manifest`. Reads from `control` when the run was started and
    /// which order is in force. Registers the run's metrics with `http_status`, if there is one.
    pub async fn new(
        coordinator: Arc<Coordinator<Q, S>>,
        control: C,
        (manifest, process): (&Manifest, Process),
        RunSize { most_cells, spent_before }: RunSize,
        (http_status, tell): (Option<&HttpStatus>, fn(&str)),
    ) -> Self {
        let run = manifest.run.clone();
        // An order that cannot be read here stays in the store, and workers obey it.
        let last_order = control.order(&run).await.unwrap_or_default();
        // A run starts once, however often it is coordinated.
        let before = control.about(&run).await.unwrap_or_default();
        let begun_at = before.map_or_else(UnixMillis::now, |about| about.begun_at);
        let priced = manifest.models.iter().all(|model| model.price.is_some());
        let shown = |status: &HttpStatus| (status.url().to_owned(), RunMetrics::new(status.registry(), &run, priced));
        let http = http_status.map(shown);
        let models = manifest.models.iter().map(|model| model.name.clone()).collect();
        let chronicle = Chronicle::of(&control, &run, coordinator.progress().cells_finished()).await;
        let facts = Facts { process, run, models, priced, most_cells, spent_before };
        let (cells_per_second, last_order) = (Mutex::new(0.0), Mutex::new(last_order));
        let (kept, budget, ends_as) = (None, None, OnceLock::new());
        Self {
            coordinator,
            control,
            facts,
            http,
            begun_at,
            cells_per_second,
            tell,
            chronicle,
            last_order,
            kept,
            budget,
            ends_as,
        }
    }

    /// The same with the use of the run's budget, if it has one.
    #[must_use]
    pub fn showing(self, budget: Option<BudgetGauge>) -> Self {
        Self { budget, ..self }
    }

    /// Reports from now on that the run ends in this phase, and what stopped it.
    pub fn ends_as(&self, phase: RunPhase, stopped_by: Option<String>) {
        self.ends_as.get_or_init(|| (phase, stopped_by));
    }

    /// The phase in which the run ends, if that is decided.
    pub fn will_end_as(&self) -> Option<RunPhase> {
        self.ends_as.get().map(|(phase, _)| *phase)
    }

    /// The order in force, as far as it is known.
    pub fn last_order(&self) -> Option<Order> {
        locked(&self.last_order).clone()
    }

    /// The same with a copy of the last order and of the history in `folder`, used if the store has lost its own.
    #[must_use]
    pub async fn keeping_orders_in(mut self, folder: PathBuf) -> Self {
        let kept = FolderControl::in_folder(folder);
        if matches!(self.control.order(&self.facts.run).await, Ok(None)) {
            self.last_order = Mutex::new(kept.order(&self.facts.run).await.unwrap_or_default());
        }
        self.chronicle.or_kept_in(&kept, &self.facts.run).await;
        Self { kept: Some(kept), ..self }
    }

    /// Reports every [`REPORT_EVERY`] that the run is in `phase`. `problems` returns the current problems of the servers.
    pub async fn beat<T, const N: usize>(&self, phase: RunPhase, problems: impl Fn() -> [Option<String>; N]) -> T {
        let mut ticks = interval(REPORT_EVERY);
        let (mut finished, mut last_finished_at) = (self.progress().cells_finished(), None);
        let (mut rate, mut of_servers) = (Rate::over(RATE_OVER, finished), ServerStatus::default());
        loop {
            ticks.tick().await;
            let cells_per_second = rate.per_second(self.progress().cells_finished());
            *locked(&self.cells_per_second) = cells_per_second;
            self.update_metrics();
            let before = std::mem::replace(&mut finished, self.progress().cells_finished());
            if finished != before {
                last_finished_at = Some(UnixMillis::now());
            }
            let pace = self.chronicle.add(self.history_point());
            let report = CoordinatorReport {
                version: CONTROL_VERSION,
                process: self.facts.process.clone(),
                run: self.facts.run.clone(),
                cells: self.counts(),
                cells_per_second,
                pace,
                last_finished_at,
                spent: self.spent(),
                priced: self.facts.priced,
                http: self.http.as_ref().map(|(url, _)| url.clone()),
                last_trouble: lost(self.progress().cells_lost())
                    .or_else(|| of_servers.update(problems()))
                    .or_else(|| expired(self.progress().expired())),
                at: UnixMillis::now(),
            };
            let reporting = self.control.report_coordinator(&report);
            if let Err(error) = tokio::try_join!(reporting, self.announce(phase)) {
                tracing::debug!(%error, "could not report that this coordinator is alive");
            }
            self.keep_to_forecast().await;
            self.chronicle.keep(&self.facts.run, &self.control, self.kept.as_ref()).await;
        }
    }

    /// Pauses the run if it leaves what its pilot expected; once.
    async fn keep_to_forecast(&self) {
        let run = &self.facts.run;
        let in_folder = || self.kept.as_ref()?.forecast(run);
        let Some(forecast) = self.control.forecast(run).or_else(in_folder).filter(|forecast| !forecast.is_left) else {
            return;
        };
        let CellCounts { finished, planned, .. } = self.counts();
        let Some(why) = forecast.left_by(self.spent(), finished, planned) else { return };
        let order = Order { reason: Some(why.clone()), ..Order::new(DesiredState::Pause, "valuesim".to_owned()) };
        let order = order.keeping_budget_of(self.last_order().as_ref());
        let left = Forecast { is_left: true, ..forecast };
        let given = async {
            self.control.give_order(run, &order).await?;
            self.control.note_change(run, &Change::from(&order)).await?;
            self.control.keep_forecast(run, &left)?;
            self.kept.as_ref().map_or(Ok(()), |kept| kept.keep_forecast(run, &left))
        };
        match given.await {
            Ok(()) => (self.tell)(&format!("{why}: it pauses; `valuesim resume {run}` goes on")),
            Err(error) => {
                tracing::warn!(%run, %error, "could not pause the run, which has left its forecast; trying again");
            }
        }
    }

    /// Brings the run's metrics up to date.
    pub fn update_metrics(&self) {
        let Some((_, metrics)) = &self.http else { return };
        let order = locked(&self.last_order);
        metrics.set(&RunState {
            cells: self.counts(),
            spent: self.spent(),
            budget: self.budget.as_ref().map(|budget| budget()),
            cells_per_second: *locked(&self.cells_per_second),
            is_paused: order.as_ref().is_some_and(|order| order.desired == DesiredState::Pause),
            waits_for_hours: self.coordinator.waits_for_cheap_hours(),
        });
        self.coordinator.scores().inspect(|scores| metrics.set_scores(scores));
    }

    /// Reports the error that ends this coordinator before its run is finished. The run's phase stays as it is, so that its
    /// workers wait for another coordinator.
    pub async fn stopped_by(&self, error: String) -> Result<(), ControlError> {
        self.announce_as(&AboutRun { stopped_by: Some(error), ..self.about(RunPhase::Begun) }).await
    }

    /// Keeps the run's history, and removes this process from the list of coordinators.
    pub async fn ends(&self) {
        self.chronicle.add(self.history_point());
        self.chronicle.keep_now(&self.facts.run, &self.control, self.kept.as_ref()).await;
        if let Err(error) = self.control.coordinator_ended(&self.facts.process.id).await {
            tracing::debug!(%error, "could not report that this coordinator ends");
        }
    }

    /// Updates the run's entry in the list of runs, and its scores.
    pub async fn announce(&self, phase: RunPhase) -> Result<(), ControlError> {
        self.see_workers().await;
        self.announce_as(&self.about(phase)).await?;
        match self.coordinator.scores() {
            Some(scores) => self.control.report_scores(&scores).await,
            None => Ok(()),
        }
    }

    /// Adds up what the workers report. While the store does not answer, the last sum stays.
    async fn see_workers(&self) {
        if let Ok(workers) = self.control.workers().await {
            self.chronicle.see(&self.facts.run, &workers.all);
        }
    }

    /// Remembers an order, to restore it if the store loses it. Orders are only ever replaced: one that disappears was lost, and
    /// stays in force.
    pub fn remember(&self, order: Option<&Order>) {
        let Some(order) = order else { return };
        *locked(&self.last_order) = Some(order.clone());
        let kept = self.kept.as_ref().map(|kept| kept.keep_order(&self.facts.run, order));
        if let Some(Err(error)) = kept {
            tracing::warn!(run = %self.facts.run, %error, "could not write the order to the run folder; it would not survive a loss of the store");
        }
    }

    /// Updates the run's entry together with its order, so that workers never take up a paused run whose order was lost.
    async fn announce_as(&self, about: &AboutRun) -> Result<(), ControlError> {
        let order = locked(&self.last_order).clone();
        let Some(order) = order else { return self.control.announce(about).await };
        if self.control.announce_under(&order, about).await? {
            let Order { desired, by, at, .. } = order;
            (self.tell)(&format!("the store has lost the order to {desired}, given by {by} at {at}: it is restored"));
        }
        Ok(())
    }

    fn about(&self, phase: RunPhase) -> AboutRun {
        let (phase, stopped_by) = ending(phase, self.ends_as.get());
        AboutRun {
            version: CONTROL_VERSION,
            run: self.facts.run.clone(),
            models: self.facts.models.clone(),
            phase,
            cells: self.counts(),
            spent: self.spent(),
            calls: self.chronicle.calls(),
            budget: self.budget.as_ref().map(|budget| budget()),
            priced: self.facts.priced,
            stopped_by,
            begun_at: self.begun_at,
            at: UnixMillis::now(),
        }
    }

    fn progress(&self) -> Arc<Progress> {
        self.coordinator.progress()
    }

    fn counts(&self) -> CellCounts {
        let progress = self.progress();
        let planned = progress.cells_planned();
        CellCounts {
            planned,
            finished: progress.cells_finished(),
            under_way: self.coordinator.cells_under_way(),
            dead: progress.cells_dead(),
            at_most: Some(self.facts.most_cells).filter(|&most| most > planned),
        }
    }

    fn history_point(&self) -> HistoryPoint {
        let CellCounts { finished, dead, .. } = self.counts();
        HistoryPoint { at: UnixMillis::now(), finished, dead, spent: self.spent() }
    }

    fn spent(&self) -> NanoUsd {
        NanoUsd(self.facts.spent_before.0 + self.progress().spent().0)
    }
}

/// The phase that is reported, and what stopped the run: as decided, unless its last cells came in after that, or somebody
/// cancelled it.
fn ending(phase: RunPhase, decided: Option<&(RunPhase, Option<String>)>) -> (RunPhase, Option<String>) {
    match phase {
        RunPhase::Finished | RunPhase::Cancelled => (phase, None),
        RunPhase::Begun | RunPhase::OutOfBudget | RunPhase::Failed => decided.cloned().unwrap_or((phase, None)),
    }
}

fn locked<T>(value: &Mutex<T>) -> MutexGuard<'_, T> {
    value.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Reports cells that are sent again without an outcome as a problem.
fn expired(messages: u64) -> Option<(UnixMillis, String)> {
    let text = || format!("the broker let {messages} messages expire, which were sent again: {EXEMPT}");
    (messages > 0).then(|| (UnixMillis::now(), text()))
}

fn lost(cells: u64) -> Option<(UnixMillis, String)> {
    let text = || {
        format!(
            "{cells} cells were sent again several times without an outcome: check the dead letters and the workers' logs"
        )
    };
    (cells > 0).then(|| (UnixMillis::now(), text()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_ends_well_after_all_is_reported_so() {
        let failed = (RunPhase::Failed, Some("no worker serves the run any more".to_owned()));
        assert_eq!(ending(RunPhase::Begun, None), (RunPhase::Begun, None));
        assert_eq!(ending(RunPhase::Begun, Some(&failed)), failed);
        assert_eq!(ending(RunPhase::Finished, Some(&failed)), (RunPhase::Finished, None));
        assert_eq!(ending(RunPhase::Cancelled, Some(&failed)), (RunPhase::Cancelled, None));
    }
}
