//! How far a run is, for Prometheus: read from the ledger's counts, so that a coordinator that starts again tells the same.

use prometheus::{Gauge, IntGauge, Registry, register_gauge_vec_with_registry, register_int_gauge_vec_with_registry};
use valuesim_shared::control::CellCounts;
use valuesim_shared::id::RunId;
use valuesim_shared::money::NanoUsd;
use valuesim_shared::telemetry::REGISTERS;

/// The metrics of one run.
#[derive(Debug)]
pub struct RunMetrics {
    waiting: IntGauge,
    under_way: IntGauge,
    finished: IntGauge,
    dead: IntGauge,
    expected: IntGauge,
    /// None where the prices of its models are not known.
    cost: Option<Gauge>,
}

impl RunMetrics {
    /// Registers them; what the run costs only where it is priced.
    ///
    /// # Panics
    /// If the registry already has metrics of these names.
    pub fn new(registry: &Registry, RunId(run): &RunId, priced: bool) -> Self {
        let help = "Cells of the run by where they are: waiting (not dispatched), under_way, finished, dead.";
        let labels = &["run", "kind", "state"];
        let tasks = register_int_gauge_vec_with_registry!("valuesim_run_tasks", help, labels, registry);
        let tasks = tasks.expect(REGISTERS);
        let cells = |state| tasks.with_label_values(&[run.as_str(), "cell", state]);
        let (help, labels) = ("Cells that the run has in all.", &["run", "kind"]);
        let expected = register_int_gauge_vec_with_registry!("valuesim_run_expected_tasks", help, labels, registry);
        let cost = || {
            let (help, labels) = ("What the run's finished cells have cost by the prices known here.", &["run"]);
            let cost = register_gauge_vec_with_registry!("valuesim_run_cost_usd", help, labels, registry);
            cost.expect(REGISTERS).with_label_values(&[run.as_str()])
        };
        Self {
            waiting: cells("waiting"),
            under_way: cells("under_way"),
            finished: cells("finished"),
            dead: cells("dead"),
            expected: expected.expect(REGISTERS).with_label_values(&[run.as_str(), "cell"]),
            cost: priced.then(cost),
        }
    }

    /// Sets the counts of cells and the money that the run has spent so far.
    pub fn set(&self, cells: CellCounts, spent: NanoUsd) {
        let CellCounts { planned, finished, under_way, dead } = cells;
        let set = |gauge: &IntGauge, cells: u64| gauge.set(i64::try_from(cells).unwrap_or(i64::MAX));
        set(&self.waiting, planned.saturating_sub(finished).saturating_sub(under_way).saturating_sub(dead));
        set(&self.under_way, under_way);
        set(&self.finished, finished);
        set(&self.dead, dead);
        set(&self.expected, planned);
        if let Some(cost) = &self.cost {
            cost.set(spent.dollars());
        }
    }
}

#[cfg(test)]
mod tests {
    use valuesim_shared::telemetry::Exposition;

    use super::*;

    #[test]
    fn a_run_without_prices_shows_no_cost() {
        for priced in [true, false] {
            let exposition = Exposition::new("coordinator");
            let metrics = RunMetrics::new(exposition.registry(), &RunId("r".to_owned()), priced);
            metrics.set(CellCounts::default(), NanoUsd(0));
            let text = exposition.text(|| ());
            assert_eq!(text.contains("valuesim_run_cost_usd"), priced, "{text}");
            assert!(text.contains("valuesim_run_tasks"), "{text}");
        }
    }
}
