//! The picture of the README is the one that the present program gives.

use std::fs;

use crate::root;
use crate::shell::Shell;

#[tokio::test]
async fn the_picture_shows_the_demonstration() {
    let mut shell = Shell::start();
    shell.run("valuesim run").await.unwrap();
    shell.run("valuesim report ed4b3b7eb89d --format svg").await.unwrap();
    let drawn = shell.run("cat runs/*/report/figures/accuracy-by-category-1.svg").await.unwrap();
    let shown = fs::read_to_string(root().join("docs/accuracy.svg")).unwrap();
    assert!(drawn == shown, "docs/accuracy.svg is not of this program: docs/development.md says how to draw it");
}
