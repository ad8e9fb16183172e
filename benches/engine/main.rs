//! Measures the engine against a bare loop of HTTP requests: CPU, speed, memory, and the scan before a resume.
//!
//! The provider, the bare loop and the engine are processes of their own, so that the CPU time of each is known from
//! the kernel, and runs of both sides are interleaved, so that noise of the machine meets both. Of the figures, CPU for
//! a call as a ratio is the one to trust; calls a second depend on what else the machine does. Fails when a bound is
//! passed.
//!
//! `cargo bench --bench engine -- calls` measures one part alone; the parts are `calls`, `waiting`, `cells`, `resume`.

#![expect(clippy::print_stdout, reason = "a benchmark's figures are its output")]

#[path = "../measure/bare.rs"]
mod bare;
mod calls;
mod cells;
mod command;
#[path = "../measure/cpu.rs"]
mod cpu;
#[path = "../measure/full_size.rs"]
mod full_size;
#[path = "../measure/process.rs"]
mod process;
mod resume;
#[path = "../measure/table.rs"]
mod table;
mod waiting;

use std::process::ExitCode;

use anyhow::Context as _;

use table::Table;

fn main() -> anyhow::Result<ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        // The roles of child processes.
        ["as-bare-loop", url, loop_arguments @ ..] => bare::run(url, loop_arguments)?,
        ["as-trivial-run", cells] => cells::run(cells)?,
        ["as-resume", ledger] => resume::run(ledger.as_ref())?,
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
    if wanted("waiting") {
        waiting::measure(&mut table).context("measure calls that wait")?;
    }
    if wanted("cells") {
        cells::measure(&mut table).context("measure cells without calls")?;
    }
    if wanted("resume") {
        resume::measure(&mut table).context("measure the scan of a ledger")?;
    }
    println!("{table}");
    Ok(if table.holds() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
