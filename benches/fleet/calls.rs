//! CPU per call and calls per second with a provider that answers at once, relative to the bare loop.

use std::time::Duration;

use crate::bare_loop::{self, BareLoop};
use crate::fleet::{CallCost, Fleet};
use crate::process::{Provider, whole};
use crate::servers::Servers;
use crate::table::{Bound, Table, median};

/// Runs of the fleet and of the bare loop for each number of calls in flight.
const ROUNDS: usize = 9;

/// Respondents: more than can be finished in a round.
const USERS: &str = "2000";

/// Calls of the warm-up and of the measurement: about 300 cells in which the first window is dispatched and the store
/// trains its dictionary, and about 700 in which the figures stabilise.
pub(crate) const WARM_UP_AND_MEASURED: (f64, f64) = (60_000.0, 140_000.0);

/// Calls in flight, and the maximum CPU per call of the worker, relative to the bare loop.
const IN_FLIGHT: [(usize, f64); 2] = [(64, 1.7), (512, 1.3)];

/// The maximum CPU per call of worker, broker and store together, relative to the bare loop.
const MAX_TOTAL_CPU: f64 = 2.1;

/// The minimum calls per second, relative to the bare loop.
const MIN_CALLS: f64 = 0.6;

/// One round of fleet and bare loop.
type Pair = (CallCost, BareLoop);

pub(crate) async fn measure(table: &mut Table) -> anyhow::Result<()> {
    let provider = Provider::start(Duration::ZERO)?;
    let servers = Servers::start().await?;
    for (in_flight, max_worker_cpu) in IN_FLIGHT {
        let mut pairs = Vec::new();
        for _ in 0..ROUNDS {
            pairs.push(round(&servers, &provider, in_flight).await?);
        }
        add(table, in_flight, max_worker_cpu, &pairs);
    }
    Ok(())
}

async fn round(servers: &Servers, provider: &Provider, in_flight: usize) -> anyhow::Result<Pair> {
    let cost = {
        let fleet = Fleet::new(servers, provider).await?;
        let coordinator = fleet.coordinator(&["--methods", "valuesim", "--synthetic", USERS, "--users", USERS])?;
        let worker = fleet.worker(in_flight)?;
        fleet.measure(&coordinator, &worker, WARM_UP_AND_MEASURED).await?
    };
    let bare = bare_loop::measure(&provider.base_url, in_flight, whole(cost.calls), cost.prompt_bytes)?;
    Ok((cost, bare))
}

fn add(table: &mut Table, in_flight: usize, max_worker_cpu: f64, pairs: &[Pair]) {
    let of_pairs = |figure: fn(&Pair) -> f64| median(pairs.iter().map(figure).collect());
    let mut row = |what: &str, figure: fn(&Pair) -> f64, bound| {
        table.add(format!("{in_flight} in flight: {what}"), of_pairs(figure), bound);
    };
    row("bytes of a prompt", |(fleet, _)| fleet.prompt_bytes as f64, Bound::None);
    row("CPU per call, bare loop, ms", |(_, bare)| bare.cpu_seconds_per_call * 1e3, Bound::None);
    row("CPU per call, worker, ms", |(fleet, _)| fleet.worker * 1e3, Bound::None);
    row("CPU per call, broker, ms", |(fleet, _)| fleet.broker * 1e3, Bound::None);
    row("CPU per call, store, ms", |(fleet, _)| fleet.store * 1e3, Bound::None);
    row("CPU per call, coordinator, ms", |(fleet, _)| fleet.coordinator * 1e3, Bound::None);
    let worker = |(fleet, bare): &Pair| fleet.worker / bare.cpu_seconds_per_call;
    row("CPU per call, worker / bare", worker, Bound::AtMost(max_worker_cpu));
    let all = |(fleet, bare): &Pair| fleet.without_coordinator() / bare.cpu_seconds_per_call;
    row("CPU per call, worker + broker + store / bare", all, Bound::AtMost(MAX_TOTAL_CPU));
    row("calls per second, bare loop", |(_, bare)| bare.calls_per_second, Bound::None);
    row("calls per second, fleet", |(fleet, _)| fleet.calls_per_second, Bound::None);
    let rate = |(fleet, bare): &Pair| fleet.calls_per_second / bare.calls_per_second;
    row("calls per second, fleet / bare", rate, Bound::AtLeast(MIN_CALLS));
}
