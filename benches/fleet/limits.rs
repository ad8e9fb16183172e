//! How much of a provider's limit eight workers use, and how many calls are refused: with a limit that is set, one that
//! nobody tells, and while half of the workers are killed. In real time, five minutes each.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::cpu::cpu_seconds;
use crate::fleet::Fleet;
use crate::process::{Background, Provider};
use crate::servers::Servers;
use crate::table::{Bound, Table};

const LATENCY: Duration = Duration::from_secs(1);
const WORKERS: usize = 8;
const IN_FLIGHT: usize = 64;
const MINUTES: u32 = 5;

/// The part of a core that the store may use.
const MOST_OF_STORE: f64 = 0.01;

/// A provider's limit, and what is known of it.
struct Scenario {
    name: &'static str,
    requests_per_minute: u32,
    /// Flags of the simulated provider.
    provider: &'static [&'static str],
    /// Flags of the coordinator.
    coordinator: &'static [&'static str],
    kills: bool,
    least_used: f64,
    most_refused: f64,
}

const SCENARIOS: [Scenario; 4] = [
    Scenario {
        name: "600 a minute, set",
        requests_per_minute: 600,
        provider: &["--no-limit-headers"],
        coordinator: &["--requests-per-minute", "600"],
        kills: false,
        least_used: 0.95,
        most_refused: 0.001,
    },
    Scenario {
        name: "600 a minute, set, half of the workers killed",
        requests_per_minute: 600,
        provider: &["--no-limit-headers"],
        coordinator: &["--requests-per-minute", "600"],
        kills: true,
        least_used: 0.95,
        most_refused: 0.001,
    },
    Scenario {
        name: "600 a minute, hidden",
        requests_per_minute: 600,
        provider: &["--no-limit-headers"],
        coordinator: &[],
        kills: false,
        least_used: 0.90,
        most_refused: 0.006,
    },
    Scenario {
        name: "12,000 a minute, set",
        requests_per_minute: 12_000,
        provider: &["--no-limit-headers"],
        coordinator: &["--requests-per-minute", "12000"],
        kills: false,
        least_used: 0.93,
        most_refused: 0.001,
    },
];

pub(crate) async fn measure(table: &mut Table) -> anyhow::Result<()> {
    for scenario in &SCENARIOS {
        scenario.measure(table).await?;
    }
    Ok(())
}

impl Scenario {
    async fn measure(&self, table: &mut Table) -> anyhow::Result<()> {
        let limit = self.requests_per_minute.to_string();
        let flags = [&["--requests-per-minute", &limit, "--latency-sigma", "0.5"][..], self.provider].concat();
        let provider = Provider::start_with(LATENCY, &flags)?;
        let servers = Servers::start().await?;
        let fleet = Fleet::new(&servers, &provider).await?;
        let whom = ["--methods", "valuesim", "--synthetic", "2000", "--users", "2000"];
        let _coordinator = fleet.limited_coordinator(&[&whom[..], self.coordinator].concat())?;
        let mut workers = Vec::new();
        for _ in 0..WORKERS {
            workers.push(fleet.worker(IN_FLIGHT)?);
        }
        fleet.answered(provider.answered()?, 1.0).await?;
        let (start, store_before) = (Instant::now(), servers.used()?.1);
        let workers_before = cpu_of(&workers)?;
        sleep(Duration::from_secs(90)).await;
        if self.kills {
            workers.truncate(WORKERS / 2);
        }
        sleep(Duration::from_secs(60 * u64::from(MINUTES)).saturating_sub(start.elapsed())).await;
        let stats = provider.stats()?;
        let count = |value: &serde_json::Value| value.as_f64().unwrap_or_default();
        let admitted = count(&stats["answered"]) + count(&stats["in_flight"]);
        let refused = count(&stats["errors"]["429"]);
        let name = self.name;
        let used = admitted / f64::from(self.requests_per_minute * MINUTES);
        table.add(format!("{name}: share of the limit used"), used, Bound::AtLeast(self.least_used));
        let share = refused / (admitted + refused);
        table.add(format!("{name}: share of calls refused"), share, Bound::AtMost(self.most_refused));
        let fullest = count(&stats["windows"]["most_calls_in_window"]);
        table.add(format!("{name}: most calls in a minute"), fullest, Bound::AtMost(self.requests_per_minute.into()));
        let of_store = (servers.used()?.1 - store_before) / start.elapsed().as_secs_f64();
        table.add(format!("{name}: cores of the store"), of_store, Bound::AtMost(MOST_OF_STORE));
        if !self.kills {
            let of_call = (cpu_of(&workers)? - workers_before) / admitted * 1e3;
            table.add(format!("{name}: CPU of all workers per call, ms"), of_call, Bound::None);
        }
        Ok(())
    }
}

fn cpu_of(workers: &[Background]) -> anyhow::Result<f64> {
    workers.iter().map(|worker| Ok(cpu_seconds(&worker.pid())?.0)).sum()
}
