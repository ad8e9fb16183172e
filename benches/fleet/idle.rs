//! CPU time of an idle worker, and of one whose provider is down for minutes.

use std::time::{Duration, Instant};

use tokio::time::sleep;
use valuesim_shared::queue::QueueKind;
use valuesim_test_servers::Proxy;

use crate::cpu::cpu_seconds;
use crate::fleet::{Fleet, depth, queue_of};
use crate::process::{Background, Provider};
use crate::servers::Servers;
use crate::table::{Bound, Table};

const IN_FLIGHT: usize = 64;

/// How long a worker without a run is measured.
const WITHOUT_RUN: Duration = Duration::from_mins(1);

/// How long the provider is down.
const DOWN: Duration = Duration::from_mins(5);

/// The calls answered before and after that.
const BEFORE: f64 = 5_000.0;
const AFTER: f64 = 5_000.0;

/// The maximum CPU time of a waiting worker, as a share of a core.
const MAX_CPU: f64 = 0.01;

pub(crate) async fn measure(table: &mut Table) -> anyhow::Result<()> {
    let provider = Provider::start(Duration::ZERO)?;
    let servers = Servers::start().await?;
    let (proxy, base_url) = Proxy::in_front_of(&provider.base_url).await?;
    let fleet = Fleet::new(&servers, &provider).await?;
    let worker = fleet.worker(IN_FLIGHT)?;
    let share = share_of_core(&worker, WITHOUT_RUN).await?;
    table.add("CPU of a worker that serves no run, share of a core", share, Bound::AtMost(MAX_CPU));

    let flags = ["--methods", "valuesim", "--synthetic", "2000", "--users", "2000"];
    let coordinator = fleet.coordinator_at(&base_url, &flags)?;
    fleet.answered(provider.answered()?, BEFORE).await?;
    proxy.cut().await;
    let before = provider.answered()?;
    let (of_worker, of_coordinator) =
        tokio::try_join!(share_of_core(&worker, DOWN), share_of_core(&coordinator, DOWN))?;
    table.add("provider down for five minutes: CPU of the worker, share of a core", of_worker, Bound::AtMost(MAX_CPU));
    table.add("provider down: CPU of the coordinator, share of a core", of_coordinator, Bound::AtMost(MAX_CPU));
    let queue = fleet.addresses.queue().await?;
    let dead = depth(&queue, &queue_of(&fleet.run().await?, |_| QueueKind::Dead)).await?.messages;
    queue.close().await;
    table.add("provider down: dead letters", f64::from(dead), Bound::AtMost(0.0));
    proxy.heal().await;
    let up = Instant::now();
    fleet.answered(before, AFTER).await?;
    table.add("provider up again: seconds until 5,000 calls are answered", up.elapsed().as_secs_f64(), Bound::None);
    Ok(())
}

async fn share_of_core(process: &Background, during: Duration) -> anyhow::Result<f64> {
    let (start, (before, _)) = (Instant::now(), cpu_seconds(&process.pid())?);
    sleep(during).await;
    Ok((cpu_seconds(&process.pid())?.0 - before) / start.elapsed().as_secs_f64())
}
