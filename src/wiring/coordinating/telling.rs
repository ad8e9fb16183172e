//! What a coordinator says to workers and operators: that it is there, how far its run is, and why it ended.

use std::sync::PoisonError;
use std::time::Duration;

use tokio::time::interval;
use valuesim_shared::control::{
    AboutRun, CONTROL_VERSION, CellCounts, CoordinatorReport, Order, REPORT_EVERY, RunPhase, UnixMillis,
};
use valuesim_shared::link::LinkError;
use valuesim_shared::money::NanoUsd;

use super::FleetCoordinator;
use super::rival::Rival;
use crate::wiring::rate::Rate;
use crate::wiring::trouble::ServerTrouble;

/// Over how long finished cells are counted for their rate: some take minutes, and many may finish together.
const RATE_OVER: Duration = Duration::from_mins(5);

impl FleetCoordinator {
    /// Says again and again that this process is there and how far the run is.
    pub(super) async fn tell<T>(&self) -> T {
        let mut ticks = interval(REPORT_EVERY);
        let (mut finished, mut last_finished_at) = (self.progress().cells_finished(), None);
        let (mut rate, mut of_servers) = (Rate::over(RATE_OVER, finished), ServerTrouble::default());
        loop {
            ticks.tick().await;
            self.metrics.set(self.counts(), self.spent());
            let before = std::mem::replace(&mut finished, self.progress().cells_finished());
            if finished != before {
                last_finished_at = Some(UnixMillis::now());
            }
            let report = CoordinatorReport {
                version: CONTROL_VERSION,
                process: self.process.clone(),
                run: self.manifest.run.clone(),
                cells: self.counts(),
                cells_per_second: rate.per_second(finished),
                last_finished_at,
                spent: self.spent(),
                priced: self.priced,
                http: Some(self.http.clone()),
                last_trouble: lost(self.progress().cells_lost()).or_else(|| of_servers.look(&self.servers)),
                at: UnixMillis::now(),
            };
            let reporting = self.servers.control.report_coordinator(&report);
            if let Err(error) = tokio::try_join!(reporting, self.announce(RunPhase::Begun)) {
                tracing::debug!(%error, "could not say that this coordinator is there");
            }
        }
    }

    /// Says why this coordinator ends before its run does. The run stays begun, so that its workers wait for another one.
    pub(super) async fn tell_why(&self, error: &anyhow::Error) {
        // The other coordinator says how the run is.
        if error.is::<Rival>() {
            return;
        }
        let about = AboutRun { stopped_by: Some(format!("{error:#}")), ..self.about(RunPhase::Begun) };
        if let Err(error) = self.announce_as(&about).await {
            tracing::debug!(%error, "could not say why this coordinator ends");
        }
    }

    /// Says how far the run is.
    pub(super) async fn announce(&self, phase: RunPhase) -> Result<(), LinkError> {
        self.announce_as(&self.about(phase)).await
    }

    /// Tells of the run; never without the order that holds for it, so that a paused run whose order was lost is not taken
    /// up.
    async fn announce_as(&self, about: &AboutRun) -> Result<(), LinkError> {
        let control = &self.servers.control;
        let order = self.last_order.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(order) = order else { return control.announce(about).await };
        if control.announce_under(&order, about).await? {
            let Order { wish, by, at, .. } = order;
            (self.tell)(&format!("the store has lost the order to {wish}, by {by} at {at}: it is given again"));
        }
        Ok(())
    }

    fn about(&self, phase: RunPhase) -> AboutRun {
        AboutRun {
            version: CONTROL_VERSION,
            run: self.manifest.run.clone(),
            models: self.manifest.models.iter().map(|model| model.name.clone()).collect(),
            phase,
            cells: self.counts(),
            spent: self.spent(),
            priced: self.priced,
            stopped_by: None,
            begun_at: self.begun_at,
            at: UnixMillis::now(),
        }
    }

    pub(super) fn counts(&self) -> CellCounts {
        let progress = self.progress();
        CellCounts {
            planned: self.cells,
            finished: progress.cells_finished(),
            under_way: self.coordinator.cells_under_way(),
            dead: progress.cells_dead(),
        }
    }

    pub(super) fn spent(&self) -> NanoUsd {
        NanoUsd(self.spent_before.0 + self.progress().spent().0)
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
