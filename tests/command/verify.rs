//! `valuesim verify` accepts sound runs, finds what is wrong with others, and changes neither.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use redb::{Database, ReadableTable as _, TableDefinition};

use crate::support::ledger;
use crate::support::parquet_file::{Release, rewrite};
use crate::support::recorder::Recorder;
use crate::support::reply_rule;
use crate::support::sandbox::{CommandOutput, Sandbox, read};

/// Model, respondent, fold.
type Key = (u16, u32, u8);

/// A finished run of four cells.
const RUN: [&str; 7] = ["run", "--synthetic", "60", "--users", "2", "--folds", "1,2"];

/// A finished run, of which tests damage copies.
struct Finished {
    sandbox: Sandbox,
    folder: PathBuf,
}

impl Finished {
    fn new() -> Self {
        let sandbox = Sandbox::new();
        sandbox.run(&RUN).expect_success();
        let folder = sandbox.run_folder("runs");
        Self { sandbox, folder }
    }

    /// Runs verify on a copy of the run after `change`.
    fn verify_after(&self, change: impl FnOnce(&Path), more: &[&str]) -> CommandOutput {
        let copy = self.sandbox.path("copy");
        copy_folder(&self.folder, &copy);
        change(&copy);
        let before = files(&copy);
        let output = self.sandbox.run(&[&["verify", "copy"], more].concat());
        assert!(files(&copy) == before, "verify changed something");
        assert!(!output.stderr.contains("panicked"), "{}", output.stderr);
        output
    }

    #[track_caller]
    fn check(&self, change: impl FnOnce(&Path), expected: &str) {
        let output = self.verify_after(change, &[]).expect_code(1);
        assert!(output.stdout.contains(expected), "expected {expected:?} in\n{}", output.stdout);
        assert!(output.stdout.contains("NOT SOUND"), "{}", output.stdout);
    }
}

fn copy_folder(from: &Path, to: &Path) {
    let _ = fs::remove_dir_all(to);
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let copy = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_folder(&entry.path(), &copy);
        } else {
            fs::copy(entry.path(), copy).unwrap();
        }
    }
}

fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let (folders, files): (Vec<PathBuf>, Vec<PathBuf>) = paths.partition(|path| path.is_dir());
    let here = files.into_iter().map(|path| (path.clone(), fs::read(path).unwrap()));
    here.chain(folders.iter().flat_map(|folder| self::files(folder))).collect()
}

fn replace(folder: &Path, file: &str, from: &str, to: &str) {
    let text = read(folder, file);
    assert!(text.contains(from), "{file} has no {from:?}");
    fs::write(folder.join(file), text.replacen(from, to, 1)).unwrap();
}

/// Changes a table of the ledger without the program's checks.
fn edit_table(folder: &Path, table: &str, change: impl FnOnce(&mut redb::Table<'_, Key, &'static [u8]>)) {
    let database = Database::open(folder.join("ledger.redb")).unwrap();
    let transaction = database.begin_write().unwrap();
    change(&mut transaction.open_table(TableDefinition::<Key, &[u8]>::new(table)).unwrap());
    transaction.commit().unwrap();
}

fn first_key(folder: &Path) -> Key {
    ledger::cells(folder)[0].0
}

fn remove_a_cell(folder: &Path) {
    let key = first_key(folder);
    for table in ["cells", "spend"] {
        edit_table(folder, table, |rows| assert!(rows.remove(key).unwrap().is_some()));
    }
}

#[test]
fn a_finished_run_is_sound_and_complete() {
    let run = Finished::new();
    let output = run.verify_after(|_| (), &["--complete"]).expect_success();
    assert!(output.stdout.ends_with("sound and complete\n"), "{}", output.stdout);
    let events = run.verify_after(|_| (), &["--json"]).expect_success().events();
    assert_eq!(events[0]["sound"], true);
    let with_notes =
        run.verify_after(|folder| fs::write(folder.join("notes.txt"), "mine").unwrap(), &[]).expect_success();
    assert!(with_notes.stdout.contains("not checked: control, notes.txt, run.lock"), "{}", with_notes.stdout);
    assert_eq!((&events[0]["cells_planned"], &events[0]["cells_finished"]), (&4.into(), &4.into()));
}

#[test]
fn an_unfinished_run_is_sound_but_not_complete() {
    let run = Finished::new();
    let unfinished = |folder: &Path| {
        remove_a_cell(folder);
        for file in ["results.json", "report.md", "predictions.parquet", "people.parquet", "scores.parquet"] {
            fs::remove_file(folder.join(file)).unwrap();
        }
    };
    let output = run.verify_after(unfinished, &[]).expect_success();
    assert!(
        output.stdout.contains("unfinished: 1 of 4 cells open, the first: model 0, respondent "),
        "{}",
        output.stdout
    );
    run.verify_after(unfinished, &["--complete"]).expect_code(1);
}

#[test]
fn a_killed_run_can_be_verified_as_it_was_left() {
    let (sandbox, provider) = (Sandbox::new(), Recorder::start(reply_rule::reply));
    provider.pause_replies_after(700);
    let url = provider.base_url();
    let running = sandbox.start(&[&RUN[..], &["--model", "m", "--base-url", &url, "--calls-in-flight", "4"]].concat());
    provider.wait_for(704);
    running.kill();
    running.wait();
    let folder = sandbox.run_folder("runs");
    let before = files(&folder);
    let output = sandbox.run(&["verify", &folder.to_string_lossy()]).expect_success();
    assert!(output.stdout.contains("of 4 cells open"), "{}", output.stdout);
    assert!(files(&folder) == before, "verify changed something");
}

#[test]
fn missing_and_changed_cells_are_found() {
    let run = Finished::new();
    run.check(remove_a_cell, "results.json was made of 4 cells, and the ledger has 3; not there: model 0, respondent ");
    let alone = |folder: &Path| {
        let key = first_key(folder);
        edit_table(folder, "cells", |rows| drop(rows.remove(key).unwrap()));
    };
    run.check(alone, "has a row in the table `spend` alone");
    let changed = |folder: &Path| {
        let key = first_key(folder);
        edit_table(folder, "cells", |rows| {
            let mut row = rows.get(key).unwrap().unwrap().value().to_vec();
            let last = row.len() - 10;
            row[last] ^= 1;
            rows.insert(key, row.as_slice()).unwrap();
        });
    };
    run.check(changed, "its checksum in the table `cells` is wrong");
    let transcript = |folder: &Path| {
        let key = first_key(folder);
        edit_table(folder, "transcripts", |rows| drop(rows.insert(key, &[7; 40][..]).unwrap()));
    };
    run.check(transcript, "its checksum in the table `transcripts` is wrong");
}

/// Replaces the row of a cell's predictions by another one with the right checksum.
fn forge(folder: &Path, key: Key, change: impl FnOnce(&str) -> String) {
    edit_table(folder, "cells", |rows| {
        let row = rows.get(key).unwrap().unwrap().value()[8..].to_vec();
        let forged = change(std::str::from_utf8(&row).unwrap());
        assert_ne!(forged.as_bytes(), row);
        let mut hasher = blake3::Hasher::new();
        let (model, respondent, fold) = key;
        hasher.update(b"cells").update(&model.to_le_bytes()).update(&respondent.to_le_bytes()).update(&[fold]);
        let mut checksum = [0; 8];
        hasher.update(forged.as_bytes()).finalize_xof().fill(&mut checksum);
        rows.insert(key, [&checksum[..], forged.as_bytes()].concat().as_slice()).unwrap();
    });
}

#[test]
fn impossible_answers_are_found_and_their_cell_can_be_reopened() {
    let run = Finished::new();
    let key = first_key(&run.folder);
    let name = format!("{}/{}/{}", key.0, key.1, key.2);
    let impossible = |row: &str| {
        let (before, after) = row.rsplit_once("\"answers\":[").unwrap();
        let (_, rest) = after.split_once(',').unwrap();
        format!("{before}\"answers\":[9999,{rest}")
    };
    run.check(|folder| forge(folder, key, impossible), "has no code 9999");
    let short = |row: &str| row.replacen("\"answers\":[", "\"answers\":[1,", 1);
    run.check(|folder| forge(folder, key, short), " answers, expected ");

    let (sandbox, id) = (&run.sandbox, run.folder.file_name().unwrap().to_string_lossy().into_owned());
    let before = read(&run.folder, "results.json");
    forge(&run.folder, key, short);
    let unknown = sandbox.run(&["reopen", &id, "0/59999/1"]).expect_code(1);
    assert!(unknown.stderr.contains("open already or not of this run: 0/59999/1"), "{}", unknown.stderr);
    let reopened = sandbox.run(&["reopen", &id, &name]).expect_success().stdout;
    assert!(reopened.starts_with(&format!("{name} is open again")), "{reopened}");
    sandbox.run(&RUN).expect_success();
    let sound = sandbox.run(&["verify", &id, "--complete"]).expect_success().stdout;
    assert!(sound.contains("2 former rows of reopened cells are kept aside"), "{sound}");
    let scores = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap()["arms"].clone();
    assert_eq!(scores(&read(&run.folder, "results.json")), scores(&before));
}

#[test]
fn cells_of_another_experiment_are_found() {
    let run = Finished::new();
    run.sandbox
        .run(&["run", "--synthetic", "60", "--respondents", "1,60", "--folds", "5", "--runs", "others"])
        .expect_success();
    let other = run.sandbox.run_folder("others");
    let own_ledger = |folder: &Path| {
        fs::copy(other.join("ledger.redb"), folder.join("ledger.redb")).unwrap();
    };
    run.check(own_ledger, "the ledger belongs to run ");
    let one_cell = |folder: &Path| {
        let (from, key) = (Database::open(other.join("ledger.redb")).unwrap(), (0, 60, 5));
        for name in ["cells", "spend"] {
            let table = TableDefinition::<Key, &[u8]>::new(name);
            let rows = redb::ReadableDatabase::begin_read(&from).unwrap().open_table(table).unwrap();
            let row = rows.get(key).unwrap().unwrap();
            edit_table(folder, name, |rows| drop(rows.insert(key, row.value()).unwrap()));
        }
    };
    run.check(one_cell, "model 0, respondent 60, fold 5 is in the ledger and not in the plan");
}

#[test]
fn edited_results_are_found() {
    let run = Finished::new();
    let edited =
        |file: &'static str, from: &'static str, to: &'static str| move |folder: &Path| replace(folder, file, from, to);
    run.check(edited("results.json", "\"cells_planned\": 4", "\"cells_planned\": 5"), "cells_planned: 5, recomputed 4");
    run.check(edited("results.json", "\"mean\": 0.", "\"mean\": 0.9"), ".mean: 0.9");
    run.check(edited("results.json", "{", "{ \"more\": 1,"), "unknown field `more`");
    run.check(edited("results.json", "{", ""), "results.json: ");
    run.check(edited("report.md", "0.", "1."), "report.md, line ");
    for file in ["report.md", "results.json", "predictions.parquet"] {
        run.check(|folder| fs::remove_file(folder.join(file)).unwrap(), &format!("{file} is missing"));
    }
    let of_no_release = |folder: &Path| {
        let mut file = fs::read(folder.join("scores.parquet")).unwrap();
        let name = THIS.0.as_bytes();
        let at = file.windows(name.len()).rposition(|window| window == name).unwrap();
        file[at] ^= 1;
        fs::write(folder.join("scores.parquet"), file).unwrap();
    };
    run.check(of_no_release, "scores.parquet is not what the ledger gives");
    let cut = |folder: &Path| fs::write(folder.join("predictions.parquet"), "PAR1").unwrap();
    run.check(cut, "predictions.parquet: ");
}

/// This release, as its files record it.
const THIS: Release = Release(env!("CARGO_PKG_VERSION"));

#[test]
fn an_edited_prediction_truth_or_ending_is_found() {
    let run = Finished::new();
    let edited = |column: &'static str| {
        move |folder: &Path| {
            let add = |numbers: &mut Vec<i32>| numbers[100] += 1;
            rewrite(&folder.join("predictions.parquet"), &THIS, column, add);
        }
    };
    for column in ["prediction", "truth", "attempts", "fold"] {
        run.check(edited(column), &format!(", {column}: "));
    }
    let respelled = |folder: &Path| {
        let path = folder.join("predictions.parquet");
        rewrite(&path, &THIS, "", |_| ());
        let file = fs::read(&path).unwrap();
        let at = file.windows(8).position(|window| window == b"answered").unwrap();
        fs::write(&path, [&file[..at], b"answerde", &file[at + 8..]].concat()).unwrap();
    };
    run.check(respelled, ", ended: answerde, expected answered");
}

#[test]
fn a_rewritten_predictions_file_is_accepted_only_from_another_release() {
    let run = Finished::new();
    let by = |release: Release| move |folder: &Path| rewrite(&folder.join("predictions.parquet"), &release, "", |_| ());
    run.check(by(THIS), "predictions.parquet has other bytes than it was written with");
    let output = run.verify_after(by(Release("0.0.1")), &["--complete"]).expect_success();
    assert!(output.stdout.contains("valuesim 0.0.1 wrote it"), "{}", output.stdout);
}

#[test]
fn no_byte_of_the_predictions_file_can_change_unnoticed() {
    const POSITIONS: usize = 64;
    let run = Finished::new();
    let file = fs::read(run.folder.join("predictions.parquet")).unwrap();
    for position in 0..POSITIONS {
        let flipped = |folder: &Path| {
            let mut flipped = file.clone();
            flipped[file.len() / POSITIONS * position + position % 7] ^= 0x40;
            fs::write(folder.join("predictions.parquet"), flipped).unwrap();
        };
        run.check(flipped, "predictions.parquet");
    }
    run.check(|folder| fs::write(folder.join("predictions.parquet"), &file[..file.len() - 1]).unwrap(), "predictions");
    let longer = |folder: &Path| fs::write(folder.join("predictions.parquet"), [&file[..], b"more"].concat()).unwrap();
    run.check(longer, "predictions.parquet");
}

#[test]
fn an_edited_experiment_is_found() {
    let run = Finished::new();
    run.check(
        |folder| replace(folder, "experiment.toml", "synthetic_seed = 0", "synthetic_seed = 1"),
        "experiment and survey give ",
    );
}

/// The file has unused pages, in which a changed byte means nothing. Everywhere else it is noticed.
#[test]
fn a_changed_byte_is_noticed_or_changes_nothing() {
    const POSITIONS: usize = 32;
    let run = Finished::new();
    let ledger = fs::read(run.folder.join("ledger.redb")).unwrap();
    let cells = ledger::cells(&run.folder);
    let flip = |at: usize| {
        let ledger = &ledger;
        move |folder: &Path| {
            let mut flipped = ledger.clone();
            flipped[at] ^= 0x40;
            fs::write(folder.join("ledger.redb"), flipped).unwrap();
        }
    };
    for position in 0..POSITIONS {
        let output = run.verify_after(flip(ledger.len() / POSITIONS * position + 37), &[]);
        match output.code {
            Some(1) => assert!(output.stdout.contains("NOT SOUND"), "{}", output.stdout),
            _ => assert!(output.expect_success().stdout.contains("sound and complete")),
        }
    }
    // The file begins with the mark of its format.
    run.check(flip(0), "is damaged");
    // Replaced pages keep their old text, so some copies of a cell's predictions are never read.
    let copies = ledger.windows(10).enumerate().filter(|(_, window)| window == b"\"answers\":").map(|(at, _)| at);
    let codes: Vec<Option<i32>> = copies.map(|at| run.verify_after(flip(at + 12), &[]).code).collect();
    assert!(codes.contains(&Some(1)), "{codes:?}");
    assert!(ledger::cells(&run.folder) == cells);
}

#[test]
fn a_run_that_does_not_exist_is_a_users_mistake() {
    let sandbox = Sandbox::new();
    let output = sandbox.run(&["verify", "nothing"]).expect_code(2);
    assert!(output.stderr.contains("there is no run nothing in the folder runs"), "{}", output.stderr);
}

#[test]
fn a_moved_survey_file_can_be_named_by_a_flag() {
    let sandbox = Sandbox::new();
    sandbox.run(&["synth", "survey.csv", "--respondents", "60"]).expect_success();
    sandbox
        .run(&["run", "--survey", "survey.csv", "--simulate", "--model", "m", "--users", "1", "--folds", "1"])
        .expect_success();
    let folder = sandbox.run_folder("runs");
    fs::rename(sandbox.path("survey.csv"), sandbox.path("moved.csv")).unwrap();
    let output = sandbox.run(&["verify", &folder.to_string_lossy()]).expect_code(2);
    assert!(output.stderr.contains("--survey FILE"), "{}", output.stderr);
    sandbox.run(&["verify", &folder.to_string_lossy(), "--survey", "moved.csv"]).expect_success();
}
