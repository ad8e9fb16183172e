//! CPU for a call and calls a second with a provider that answers at once, as ratios to the bare loop's.

use std::time::Duration;

use crate::bare::{self, Bare};
use crate::process::{Provider, whole};
use crate::servers::Servers;
use crate::table::{Bound, Table, median};
use crate::team::{Taken, Team};

/// Fleet and bare loop, each, for each number of calls in flight.
const ROUNDS: usize = 9;

/// Respondents: more than can be finished in a round.
const USERS: &str = "2000";

/// Calls that are not counted, then those that are: about 300 cells in which the first window is dispatched and the store learns
/// its dictionary, and some 700 in which the figures settle.
pub(crate) const WARM_UP_AND_COUNTED: (f64, f64) = (60_000.0, 140_000.0);

/// The most CPU for a call, in bare calls: of the worker, and of worker, broker and store.
const MOST_OF_WORKER: f64 = 1.6;
const MOST_OF_ALL: f64 = 2.0;

/// The fewest calls a second, in those of the bare loop.
const FEWEST_CALLS: f64 = 0.6;

/// A round of both.
type Pair = (Taken, Bare);

pub(crate) async fn measure(table: &mut Table) -> anyhow::Result<()> {
    let provider = Provider::start(Duration::ZERO)?;
    let servers = Servers::start().await?;
    for in_flight in [64, 512] {
        let mut pairs = Vec::new();
        for _ in 0..ROUNDS {
            pairs.push(round(&servers, &provider, in_flight).await?);
        }
        add(table, in_flight, &pairs);
    }
    Ok(())
}

async fn round(servers: &Servers, provider: &Provider, in_flight: usize) -> anyhow::Result<Pair> {
    let taken = {
        let team = Team::new(servers, provider).await?;
        let coordinator = team.coordinator(&["--methods", "valuesim", "--synthetic", USERS, "--users", USERS])?;
        let worker = team.worker(in_flight)?;
        team.measure(&coordinator, &worker, WARM_UP_AND_COUNTED).await?
    };
    let bare = bare::measure(&provider.base_url, in_flight, whole(taken.calls), taken.prompt_bytes)?;
    Ok((taken, bare))
}

fn add(table: &mut Table, in_flight: usize, pairs: &[Pair]) {
    let of_pairs = |figure: fn(&Pair) -> f64| median(pairs.iter().map(figure).collect());
    let mut row = |what: &str, figure: fn(&Pair) -> f64, bound| {
        table.add(format!("{in_flight} in flight: {what}"), of_pairs(figure), bound);
    };
    row("bytes of a prompt", |(fleet, _)| fleet.prompt_bytes as f64, Bound::None);
    row("CPU for a call, bare loop, ms", |(_, bare)| bare.cpu_seconds_per_call * 1e3, Bound::None);
    row("CPU for a call, worker, ms", |(fleet, _)| fleet.worker * 1e3, Bound::None);
    row("CPU for a call, broker, ms", |(fleet, _)| fleet.broker * 1e3, Bound::None);
    row("CPU for a call, store, ms", |(fleet, _)| fleet.store * 1e3, Bound::None);
    row("CPU for a call, coordinator, ms", |(fleet, _)| fleet.coordinator * 1e3, Bound::None);
    let worker = |(fleet, bare): &Pair| fleet.worker / bare.cpu_seconds_per_call;
    row("CPU for a call, worker / bare", worker, Bound::AtMost(MOST_OF_WORKER));
    let all = |(fleet, bare): &Pair| fleet.without_coordinator() / bare.cpu_seconds_per_call;
    row("CPU for a call, worker + broker + store / bare", all, Bound::AtMost(MOST_OF_ALL));
    row("calls a second, bare loop", |(_, bare)| bare.calls_per_second, Bound::None);
    row("calls a second, fleet", |(fleet, _)| fleet.calls_per_second, Bound::None);
    let rate = |(fleet, bare): &Pair| fleet.calls_per_second / bare.calls_per_second;
    row("calls a second, fleet / bare", rate, Bound::AtLeast(FEWEST_CALLS));
}
