//! Measures the fleet: real coordinators and workers on a RabbitMQ and a Redis of the benchmark's own.
//!
//! Everybody is a process of its own, so that the CPU time of each is known from the kernel; what is compared takes
//! turns, so that noise of the machine meets both. Of the figures, CPU as a ratio is the one to trust; calls and cells a
//! second depend on what else the machine does. Fails when a bound is passed.
//!
//! `cargo bench --bench fleet -- calls` measures one part alone; the parts are `calls`, `waiting`, `dispatch`,
//! `outcomes`, `backlog`, `memory`, `dry`, `faults`, `idle`.

#![expect(clippy::print_stdout, reason = "a benchmark's figures are its output")]

mod backlog;
#[path = "../measure/bare.rs"]
mod bare;
mod calls;
mod coordinating;
#[path = "../measure/cpu.rs"]
mod cpu;
mod dispatch;
mod dry;
mod faults;
#[path = "../measure/full_size.rs"]
mod full_size;
mod growth;
mod idle;
mod outcomes;
#[path = "../measure/process.rs"]
mod process;
mod servers;
#[path = "../measure/table.rs"]
mod table;
mod team;
mod waiting;

use std::process::ExitCode;

use anyhow::Context as _;

use servers::Addresses;
use table::Table;

fn main() -> anyhow::Result<ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        // The roles of child processes.
        ["as-bare-loop", url, loop_arguments @ ..] => bare::run(url, loop_arguments)?,
        ["as-coordinator", broker, store, folder, users, window] => {
            let addresses = Addresses { broker: (*broker).to_owned(), store: (*store).to_owned() };
            let users = users.parse().map_err(anyhow::Error::msg)?;
            coordinating::run(&addresses, folder.as_ref(), users, window.parse()?)?;
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
        waiting::measure(&mut table).await.context("measure calls that wait")?;
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
        growth::measure(&mut table).await.context("measure a worker's memory over time")?;
    }
    if wanted("dry") {
        dry::measure(&mut table).await.context("measure cells without calls")?;
    }
    if wanted("faults") {
        faults::measure(&mut table).await.context("measure how fast others step in")?;
    }
    if wanted("idle") {
        idle::measure(&mut table).await.context("measure workers that wait")?;
    }
    println!("{table}");
    Ok(if table.holds() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
