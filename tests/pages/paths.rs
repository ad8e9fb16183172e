//! Every file that the pages name exists.

use std::fs;
use std::path::{Path, PathBuf};

use crate::{pages, root};

/// The pages beside README.md and docs/.
const OTHER_PAGES: [&str; 4] = ["ARCHITECTURE.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"];

/// Folders of the repository: what begins with one of them, and is set as code, is a path.
const FOLDERS: [&str; 12] = [
    "src/",
    "shared/",
    "worker/",
    "coordinator/",
    "simulator/",
    "tests/",
    "benches/",
    "docs/",
    "experiments/",
    "deploy/",
    "k8s/",
    "packaging/",
];

#[test]
fn every_path_that_a_page_names_exists() {
    let mut missing = Vec::new();
    let mut found = 0;
    for page in pages().iter().map(PathBuf::as_path).chain(OTHER_PAGES.map(Path::new)) {
        let text = fs::read_to_string(root().join(page)).unwrap();
        let folder = page.parent().unwrap();
        let code = in_code(&text).into_iter().filter(|word| FOLDERS.iter().any(|folder| word.starts_with(folder)));
        let named = code
            .map(|path| root().join(path))
            .chain(links(&text).into_iter().map(|link| root().join(folder).join(link)));
        for path in named {
            found += 1;
            if !path.exists() {
                missing.push(format!("{}: {}", page.display(), path.display()));
            }
        }
    }
    assert!(found > 100, "only {found} paths were found");
    assert!(missing.is_empty(), "these do not exist: {missing:#?}");
}

/// Every test that a page names after `Test` or `Tests` exists.
#[test]
fn every_test_that_a_page_names_exists() {
    let tests = tests();
    let mut found = 0;
    for page in pages() {
        let text = fs::read_to_string(root().join(&page)).unwrap();
        for name in in_code(&text).into_iter().filter(|word| is_test_name(word)) {
            assert!(tests.contains(&format!("fn {name}()")), "{}: there is no test {name}", page.display());
            found += 1;
        }
    }
    assert!(found > 15, "only {found} tests were found");
}

/// Tests are named by sentences: no metric, flag or table has so many words.
fn is_test_name(word: &str) -> bool {
    word.split('_').count() >= 6
        && !word.starts_with("valuesim_")
        && word.chars().all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_')
}

/// All that the end-to-end tests contain, as one text.
fn tests() -> String {
    let folders = fs::read_dir(root().join("tests")).unwrap().map(|entry| entry.unwrap().path());
    let files = folders.filter(|path| path.is_dir()).flat_map(|folder| fs::read_dir(folder).unwrap());
    let files = files.map(|entry| entry.unwrap().path()).filter(|path| path.extension().is_some_and(|of| of == "rs"));
    files.map(|file| fs::read_to_string(file).unwrap()).collect()
}

/// What stands between single backticks outside of fenced blocks.
fn in_code(text: &str) -> Vec<&str> {
    let mut is_fenced = false;
    let mut code = Vec::new();
    for line in text.lines() {
        if line.starts_with("```") {
            is_fenced = !is_fenced;
        } else if !is_fenced {
            code.extend(line.split('`').skip(1).step_by(2));
        }
    }
    code
}

/// The targets of links to files, without the part behind `#`.
fn links(text: &str) -> Vec<&str> {
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let targets = targets.filter(|target| !target.contains("://") && !target.starts_with('#'));
    targets.filter_map(|target| target.split('#').next()).collect()
}

#[test]
fn code_and_links_are_found() {
    assert_eq!(in_code("a `src/b.rs` c `d`\n```\n`src/no.rs`\n```\n"), ["src/b.rs", "d"]);
    assert_eq!(links("[a](b.md) and [c](https://d), [e](f.md#g)"), ["b.md", "f.md"]);
}
