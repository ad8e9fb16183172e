//! Measures the fleet: real coordinators and workers on private RabbitMQ and Redis servers.
//!
//! All are separate processes, so that the kernel reports the CPU time of each. Compared measurements alternate, so
//! that noise of the machine affects both equally. The CPU ratios are the most reliable figures; calls and cells per
//! second depend on what else the machine does. Fails when a bound is exceeded.
//!
//! `cargo bench --bench fleet -- calls` measures one part alone; the parts are `calls`, `waiting`, `dispatch`,
//! `outcomes`, `backlog`, `memory`, `dry`, `faults`, `idle`; `limits` takes twenty minutes, and only if it is named.

#![expect(clippy::print_stdout, reason = "a benchmark's figures are its output")]

mod backlog;
#[path = "../measure/bare_loop.rs"]
mod bare_loop;
mod calls;
mod coordinator_process;
#[path = "../measure/cpu.rs"]
mod cpu;
mod dispatch;
mod faults;
mod fleet;
#[path = "../measure/full_size.rs"]
mod full_size;
mod idle;
mod limits;
mod memory_growth;
mod no_calls;
mod outcomes;
#[path = "../measure/process.rs"]
mod process;
mod servers;
mod slow_provider;
#[path = "../measure/table.rs"]
mod table;

use std::process::ExitCode;

use anyhow::Context as _;

use servers::Addresses;
use table::Table;

fn main() -> anyhow::Result<ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        // The roles of child processes.
        ["as-bare-loop", url, loop_arguments @ ..] => bare_loop::run(url, loop_arguments)?,
        ["as-coordinator", broker, store, folder, users, window] => {
            let addresses = Addresses { broker: (*broker).to_owned(), store: (*store).to_owned() };
            let users = users.parse().map_err(anyhow::Error::msg)?;
            coordinator_process::run(&addresses, folder.as_ref(), users, window.parse()?)?;
        }
        parts => return measure(parts),
    }
    Ok(ExitCode::SUCCESS)
}

#[tokio::main]
async fn measure(parts: &[&str]) -> anyhow::Result<ExitCode> {
    let wanted = |part| parts.is_empty() || parts.contains(&part);
    let mut table = Table::default();
    if wanted("calls") {
        calls::measure(&mut table).await.context("measure calls")?;
    }
    if wanted("waiting") {
        slow_provider::measure(&mut table).await.context("measure calls with a slow provider")?;
    }
    if wanted("dispatch") {
        dispatch::measure(&mut table).await.context("measure dispatch")?;
    }
    if wanted("outcomes") {
        outcomes::measure(&mut table).await.context("measure the receipt of outcomes")?;
    }
    if wanted("backlog") {
        backlog::measure(&mut table).await.context("measure calls behind a backlog")?;
    }
    if wanted("memory") {
        memory_growth::measure(&mut table).await.context("measure a worker's memory over time")?;
    }
    if wanted("dry") {
        no_calls::measure(&mut table).await.context("measure cells without calls")?;
    }
    if wanted("faults") {
        faults::measure(&mut table).await.context("measure recovery from killed processes")?;
    }
    if wanted("idle") {
        idle::measure(&mut table).await.context("measure idle workers")?;
    }
    if parts.contains(&"limits") {
        limits::measure(&mut table).await.context("measure the use of limits")?;
    }
    println!("{table}");
    Ok(if table.holds() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
