//! Draws the accuracy of a run by category, as an SVG file: `cargo run --example accuracy_chart RESULTS SVG`.

mod chart;

use std::path::PathBuf;

use anyhow::{Context as _, bail};

fn main() -> anyhow::Result<()> {
    let arguments: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let [results, svg] = arguments.as_slice() else {
        bail!("expected two files: the `results.json` of a run, and the SVG file to write");
    };
    let text = std::fs::read_to_string(results).with_context(|| format!("read {}", results.display()))?;
    let results = serde_json::from_str(&text).with_context(|| format!("read {} as JSON", results.display()))?;
    std::fs::write(svg, chart::draw(&results)).with_context(|| format!("write {}", svg.display()))
}
