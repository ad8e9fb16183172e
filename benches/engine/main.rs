//! Measures the engine against a bare loop of HTTP requests: CPU, speed, memory, the scan before a resume, and the scores.
//!
//! The provider, the bare loop and the engine are separate processes, so that the kernel reports the CPU time of each.
//! Runs of both sides alternate, so that noise of the machine affects both equally. The ratio of CPU per call is the
//! most reliable figure; calls per second depend on what else the machine does. Fails when a bound is exceeded.
//!
//! `cargo bench --bench engine -- calls` measures one part alone; the parts are `calls`, `office`, `waiting`, `cache`, `cells`,
//! `resume`, `score`, `viewers`, `observed`.

#![expect(clippy::print_stdout, reason = "a benchmark's figures are its output")]

#[path = "../measure/bare_loop.rs"]
mod bare_loop;
mod cache;
mod calls;
mod cells;
mod command;
#[path = "../measure/cpu.rs"]
mod cpu;
#[path = "../measure/full_size.rs"]
mod full_size;
mod observed;
mod office;
mod open_office;
#[path = "../measure/process.rs"]
mod process;
mod reference_order;
mod resume;
mod score;
mod slow_provider;
#[path = "../measure/table.rs"]
mod table;
mod viewers;

use std::process::ExitCode;

use anyhow::Context as _;

use table::Table;

fn main() -> anyhow::Result<ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        // The roles of child processes.
        ["as-bare-loop", url, loop_arguments @ ..] => bare_loop::run(url, loop_arguments)?,
        ["as-office", office, url, in_flight] => office::run(office, url, in_flight)?,
        ["as-trivial-run", cells] => cells::run(cells)?,
        ["as-resume", ledger] => resume::run(ledger.as_ref())?,
        ["as-score", ledger, folder] => score::run(ledger.as_ref(), folder.as_ref())?,
        ["as-evaluation", ledger, folder] => score::run_with_file(ledger.as_ref(), folder.as_ref())?,
        ["as-live-scores", ledger] => score::run_live(ledger.as_ref())?,
        parts => return measure(parts),
    }
    Ok(ExitCode::SUCCESS)
}

fn measure(parts: &[&str]) -> anyhow::Result<ExitCode> {
    let wanted = |part| parts.is_empty() || parts.contains(&part);
    let mut table = Table::default();
    if wanted("calls") {
        calls::measure(&mut table).context("measure calls")?;
    }
    if wanted("office") {
        office::measure(&mut table).context("measure what the permit office costs")?;
    }
    if wanted("waiting") {
        slow_provider::measure(&mut table).context("measure calls with a slow provider")?;
    }
    if wanted("cache") {
        cache::measure(&mut table).context("measure what the provider reads from its cache")?;
    }
    if wanted("cells") {
        cells::measure(&mut table).context("measure cells without calls")?;
    }
    if wanted("resume") {
        resume::measure(&mut table).context("measure the scan of a ledger")?;
    }
    if wanted("score") {
        score::measure(&mut table).context("measure the scores of a ledger")?;
    }
    if wanted("viewers") {
        viewers::measure(&mut table).context("measure viewers of the live page")?;
    }
    if wanted("observed") {
        observed::measure(&mut table).context("measure what being observed costs")?;
    }
    println!("{table}");
    Ok(if table.holds() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
