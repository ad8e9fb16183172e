//! The picture of the README is the one that the present program gives.

#[path = "../../examples/accuracy_chart/chart.rs"]
mod chart;

use std::fs;

use crate::root;
use crate::shell::Shell;

#[tokio::test]
async fn the_picture_shows_the_demonstration() {
    let mut shell = Shell::start();
    shell.run("valuesim run").await.unwrap();
    let results = shell.run("cat runs/*/results.json").await.unwrap();
    let drawn = chart::draw(&serde_json::from_str(&results).unwrap());
    let shown = fs::read_to_string(root().join("docs/accuracy.svg")).unwrap();
    assert!(drawn == shown, "docs/accuracy.svg is not of this program: docs/development.md says how to draw it");
}
