//! Measures the store on a real Redis: the memory of backstories, and the CPU time of writing for each call.
//!
//! Fails when a bound is exceeded. `cargo bench --bench store -- stories` measures one part alone; the parts are
//! `stories` and `calls`.

#![expect(clippy::print_stdout, reason = "a benchmark's figures are its output")]

mod calls;
mod corpus;
#[path = "../measure/cpu.rs"]
mod cpu;
mod server;
mod stories;
#[path = "../measure/table.rs"]
mod table;

use std::process::ExitCode;

use anyhow::Context as _;

use table::Table;

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let parts: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let wanted = |part: &str| parts.is_empty() || parts.iter().any(|wanted| wanted == part);
    let mut table = Table::default();
    if wanted("stories") {
        stories::measure(&mut table).await.context("measure backstories")?;
    }
    if wanted("calls") {
        calls::measure(&mut table).await.context("measure writing for calls")?;
    }
    println!("{table}");
    Ok(if table.holds() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
