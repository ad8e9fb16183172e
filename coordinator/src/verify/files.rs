//! Checks that the result files of a run say what its ledger says.

use std::path::Path;

use serde_json::Value;
use valuesim_shared::id::Cell;

use super::predictions::{self, SameBytes};
use super::{Check, Subject, tables};
use crate::evaluation::{CALLS_FILE, EvaluationError, PEOPLE_FILE, PREDICTIONS_FILE, SCORES_FILE};
use crate::ledger::LedgerError;
use crate::report::{self, REPORT_FILE, RESULTS_FILE};
use crate::results::Results;
use crate::retrieval::VECTORS_FILE;

/// Scores the ledger again and compares the result files with it. `first_open` is the first cell that the ledger lacks.
pub(super) fn compare(subject: &Subject<'_>, first_open: Option<Cell>) -> Result<Vec<Check>, LedgerError> {
    match made_again(subject, first_open) {
        Ok(checks) => Ok(checks),
        Err(EvaluationError::Ledger(error)) => Err(error),
        Err(error) => Ok(vec![Check::failed("results", error)]),
    }
}

fn made_again(subject: &Subject<'_>, first_open: Option<Cell>) -> Result<Vec<Check>, EvaluationError> {
    let Subject { evaluated, folder, .. } = subject;
    let predictions_file = folder.join(PREDICTIONS_FILE);
    let mut same = SameBytes::new(&predictions_file, evaluated.codebook, &evaluated.about());
    evaluated.hand_over(&mut same)?;
    let (bytes, rows) = same.finish();
    let (results, data_files) = tables::check(evaluated, folder)?;
    let predictions = if predictions_file.exists() {
        predictions::check(&predictions_file, evaluated, &bytes, rows)?
    } else {
        not_written("predictions file", &predictions_file)
    };
    let mut checks = vec![
        results_file(&folder.join(RESULTS_FILE), &results, first_open),
        report_file(&folder.join(REPORT_FILE), &results),
        predictions,
    ];
    if let Some(missing) = one_of_the_results_is_missing(folder) {
        checks[0].problem(missing);
    }
    checks.push(data_files);
    Ok(checks)
}

fn results_file(path: &Path, expected: &Results, first_open: Option<Cell>) -> Check {
    let Some(text) = read(path) else { return not_written("results", path) };
    let mut check = Check::new("results", "the scores of the ledger are those of results.json, to the last digit");
    match text.map_err(|error| error.to_string()).and_then(|text| parse(&text)) {
        // Everything else differs too then, for this one reason.
        Ok((results, _)) if results.cells_finished != expected.cells_finished => {
            let (then, now) = (results.cells_finished, expected.cells_finished);
            let missing = first_open.map_or_else(String::new, |cell| format!("; not there: {cell}"));
            check.problem(format_args!("results.json was made of {then} cells, and the ledger has {now}{missing}"));
        }
        Ok((_, found)) => match parse(&expected.to_json()) {
            Ok((_, expected)) => differences("", &found, &expected, &mut check),
            Err(error) => check.problem(error),
        },
        Err(error) => check.problem(format_args!("{}: {error}", path.display())),
    }
    check
}

/// The results, and the JSON in which they are written.
fn parse(text: &str) -> Result<(Results, Value), String> {
    let results = Results::from_json(text).map_err(|error| error.to_string())?;
    let written = serde_json::from_str(text).map_err(|error| error.to_string())?;
    Ok((results, written))
}

fn report_file(path: &Path, expected: &Results) -> Check {
    let Some(text) = read(path) else { return not_written("report", path) };
    let mut check = Check::new("report", "report.md is what these results give");
    match text {
        Ok(text) => {
            let expected = report::markdown(expected);
            if let Some((line, found)) = first_difference(&text, &expected) {
                check.problem(format_args!("{}, line {line}: unexpected {found:?}", path.display()));
            }
        }
        Err(error) => check.problem(format_args!("{}: {error}", path.display())),
    }
    check
}

/// Lists the files of the run folder that no check looks at.
pub(super) fn others(folder: &Path, sources: &[&str]) -> Check {
    let Ok(entries) = std::fs::read_dir(folder) else { return Check::failed("other files", "cannot be listed") };
    let results = [RESULTS_FILE, REPORT_FILE, PREDICTIONS_FILE, PEOPLE_FILE, SCORES_FILE, CALLS_FILE, VECTORS_FILE];
    let is_checked = |name: &str| results.contains(&name) || sources.contains(&name);
    let names = entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
    let mut names: Vec<String> = names.filter(|name| !is_checked(name)).collect();
    names.sort_unstable();
    let said =
        if names.is_empty() { "there are none".to_owned() } else { format!("not checked: {}", names.join(", ")) };
    Check::new("other files", said)
}

/// What is missing of the files that a run writes together: the predictions first, the report last.
fn one_of_the_results_is_missing(folder: &Path) -> Option<String> {
    let is_there = |file: &str| folder.join(file).exists();
    let was_written = is_there(RESULTS_FILE) || is_there(REPORT_FILE);
    let missing =
        [PREDICTIONS_FILE, RESULTS_FILE, REPORT_FILE].into_iter().find(|file| was_written && !is_there(file))?;
    Some(format!("{missing} is missing, and the files beside it are there: the run's command writes it again"))
}

/// The text of a file; `None` if there is no such file.
fn read(path: &Path) -> Option<std::io::Result<String>> {
    path.exists().then(|| std::fs::read_to_string(path))
}

fn not_written(name: &'static str, path: &Path) -> Check {
    Check::new(
        name,
        format!("{} is not written yet: the run's command writes it when all cells are finished", path.display()),
    )
}

/// Adds a problem for every value of `found` that differs from `expected`, with its path.
fn differences(place: &str, found: &Value, expected: &Value, check: &mut Check) {
    match (found, expected) {
        (Value::Object(found), Value::Object(expected)) => {
            let keys: std::collections::BTreeSet<&String> = found.keys().chain(expected.keys()).collect();
            for key in keys {
                let of = |values: &serde_json::Map<String, Value>| values.get(key).cloned().unwrap_or_default();
                differences(&format!("{place}.{key}"), &of(found), &of(expected), check);
            }
        }
        (Value::Array(found), Value::Array(expected)) if found.len() == expected.len() => {
            for (at, (found, expected)) in found.iter().zip(expected).enumerate() {
                differences(&format!("{place}[{at}]"), found, expected, check);
            }
        }
        _ if found == expected => {}
        _ => check.problem(format_args!("results.json, {}: {found}, recomputed {expected}", &place[1..])),
    }
}

/// The first line of `found` that differs from `expected`, and its number, starting at 1.
fn first_difference<'a>(found: &'a str, expected: &str) -> Option<(usize, &'a str)> {
    if found == expected {
        return None;
    }
    let same = found.lines().zip(expected.lines()).take_while(|(found, expected)| found == expected).count();
    Some((same + 1, found.lines().nth(same).unwrap_or("end of the file")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn differences_are_told_by_their_place() {
        let check = |found: Value, expected: &[&str]| {
            let mut check = Check::new("results", "");
            differences("", &found, &json!({ "arms": [{ "score": 0.5 }, { "score": null }], "run": "r" }), &mut check);
            assert_eq!(check.problems, expected);
        };
        check(json!({ "arms": [{ "score": 0.5 }, { "score": null }], "run": "r" }), &[]);
        check(
            json!({ "arms": [{ "score": 0.25 }, { "score": 0.0 }], "run": "r" }),
            &["results.json, arms[0].score: 0.25, recomputed 0.5", "results.json, arms[1].score: 0.0, recomputed null"],
        );
        check(
            json!({ "arms": [], "more": 1 }),
            &[
                r#"results.json, arms: [], recomputed [{"score":0.5},{"score":null}]"#,
                "results.json, more: 1, recomputed null",
                r#"results.json, run: null, recomputed "r""#,
            ],
        );
    }

    #[test]
    fn the_first_differing_line_is_told() {
        assert_eq!(first_difference("a\nb\n", "a\nb\n"), None);
        assert_eq!(first_difference("a\nx\n", "a\nb\n"), Some((2, "x")));
        assert_eq!(first_difference("a\n", "a\nb\n"), Some((2, "end of the file")));
        assert_eq!(first_difference("a\nb", "a\nb\n"), Some((3, "end of the file")));
    }
}
