//! Runs every command that README.md and docs/ show, and compares what it prints with what they show.
#![expect(clippy::unwrap_used, reason = "in a test, an unwrap is a check")]

mod alerts;
mod output;
mod page;
mod paths;
mod picture;
mod shell;
mod stand_ins;

use std::fs;
use std::path::{Path, PathBuf};

use page::Step;
use shell::Shell;
use stand_ins::StandIns;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// README.md and the pages of docs/, as paths from the root.
fn pages() -> Vec<PathBuf> {
    let docs =
        fs::read_dir(root().join("docs")).unwrap().map(|entry| Path::new("docs").join(entry.unwrap().file_name()));
    let mut pages: Vec<_> = docs.filter(|path| path.extension().is_some_and(|extension| extension == "md")).collect();
    pages.push(PathBuf::from("README.md"));
    pages.sort();
    pages
}

/// Runs the steps of a page in one shell, in their order.
async fn check(page: &str) {
    let text = fs::read_to_string(root().join(page)).unwrap();
    let stand_ins = StandIns::for_page(&text).await;
    let mut shell = Shell::start();
    shell.run(&stand_ins::survey()).await.unwrap();
    shell.run(stand_ins::PRICES).await.unwrap();
    for step in page::steps(&text) {
        let step = stand_ins.instead_of(step);
        if let Err(problem) = shell.take(&step).await {
            let Step { line, command, .. } = &step;
            panic!("{page}:{line}: {command}\n{problem}\nRun it by hand, and mend the page or the program.");
        }
    }
}

/// A test for each page, so that they run side by side.
macro_rules! pages {
    ($($test:ident: $page:literal),* $(,)?) => {
        const TESTED: &[&str] = &[$($page),*];
        $(
            #[tokio::test]
            async fn $test() {
                check($page).await;
            }
        )*
    };
}

pages! {
    readme: "README.md",
    data: "docs/data.md",
    development: "docs/development.md",
    files: "docs/files.md",
    install: "docs/install.md",
    limits: "docs/limits.md",
    methods: "docs/methods.md",
    money: "docs/money.md",
    metrics: "docs/metrics.md",
    operations: "docs/operations.md",
    performance: "docs/performance.md",
    providers: "docs/providers.md",
    runbook: "docs/runbook.md",
    reports: "docs/reports.md",
    status: "docs/status.md",
}

#[test]
fn every_page_is_tested() {
    let pages: Vec<String> = pages().iter().map(|page| page.display().to_string()).collect();
    let mut tested: Vec<String> = TESTED.iter().map(|&page| page.to_owned()).collect();
    tested.sort();
    assert_eq!(tested, pages);
}
