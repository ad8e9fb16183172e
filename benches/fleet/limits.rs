//! How much of a provider's limit eight workers use, and how many calls are refused: with limits of calls and of tokens that are
//! set, one that nobody tells, and while half of the workers are killed. In real time, five minutes each.

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

/// The part of a core that the store may use: all of it at few calls a minute, and at any number for the permit office alone.
/// What else it does grows with the replies that it keeps.
const MOST_OF_STORE: f64 = 0.01;

/// The most calls a minute that are few for the store.
const FEW_CALLS: u32 = 600;

/// A provider's limit, and what is known of it.
struct Scenario {
    name: &'static str,
    requests_per_minute: u32,
    /// A limit of tokens that binds before that of calls.
    tokens_per_minute: Option<u32>,
    /// Flags of the simulated provider.
    provider: &'static [&'static str],
    /// Flags of the coordinator.
    coordinator: &'static [&'static str],
    kills: bool,
    least_used: f64,
    most_refused: f64,
}

const SCENARIOS: [Scenario; 5] = [
    Scenario {
        name: "600 a minute, set",
        requests_per_minute: 600,
        tokens_per_minute: None,
        provider: &["--no-limit-headers"],
        coordinator: &["--requests-per-minute", "600"],
        kills: false,
        least_used: 0.95,
        most_refused: 0.001,
    },
    Scenario {
        name: "600 a minute, set, half of the workers killed",
        requests_per_minute: 600,
        tokens_per_minute: None,
        provider: &["--no-limit-headers"],
        coordinator: &["--requests-per-minute", "600"],
        kills: true,
        least_used: 0.95,
        most_refused: 0.001,
    },
    Scenario {
        name: "600 and 900,000 tokens a minute, set, half killed",
        requests_per_minute: 600,
        tokens_per_minute: Some(900_000),
        provider: &["--no-limit-headers", "--tokens-per-minute", "900000"],
        coordinator: &["--requests-per-minute", "600", "--tokens-per-minute", "900000"],
        kills: true,
        least_used: 0.95,
        most_refused: 0.001,
    },
    Scenario {
        name: "600 a minute, hidden",
        requests_per_minute: 600,
        tokens_per_minute: None,
        provider: &["--no-limit-headers"],
        coordinator: &[],
        kills: false,
        least_used: 0.90,
        most_refused: 0.006,
    },
    Scenario {
        name: "12,000 a minute, set",
        requests_per_minute: 12_000,
        tokens_per_minute: None,
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
        let (start, store_before) = (Instant::now(), (servers.used()?.1, servers.used_by_scripts()?));
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
        let of_tokens = count(&stats["tokens"]["input"]) + count(&stats["tokens"]["output"]);
        let (used, limit) =
            self.tokens_per_minute.map_or((admitted, self.requests_per_minute), |tokens| (of_tokens, tokens));
        let used = used / f64::from(limit * MINUTES);
        table.add(format!("{name}: share of the limit used"), used, Bound::AtLeast(self.least_used));
        let share = refused / (admitted + refused);
        table.add(format!("{name}: share of calls refused"), share, Bound::AtMost(self.most_refused));
        let fullest = count(&stats["windows"]["most_calls_in_window"]);
        table.add(format!("{name}: most calls in a minute"), fullest, Bound::AtMost(self.requests_per_minute.into()));
        if let Some(tokens) = self.tokens_per_minute {
            let fullest = count(&stats["windows"]["most_tokens_in_window"]);
            table.add(format!("{name}: most tokens in a minute"), fullest, Bound::AtMost(tokens.into()));
        }
        let seconds = start.elapsed().as_secs_f64();
        let (of_store, of_office) =
            ((servers.used()?.1 - store_before.0) / seconds, (servers.used_by_scripts()? - store_before.1) / seconds);
        let few = self.requests_per_minute <= FEW_CALLS;
        let bound = if few { Bound::AtMost(MOST_OF_STORE) } else { Bound::None };
        table.add(format!("{name}: cores of the store"), of_store, bound);
        table.add(format!("{name}: of it in the office's commands"), of_office, Bound::AtMost(MOST_OF_STORE));
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
