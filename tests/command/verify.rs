//! `valuesim verify` passes sound runs and finds what is wrong with others; it changes neither.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use redb::{Database, ReadableTable as _, TableDefinition};

use crate::support::ledger;
use crate::support::parquet_file::{Release, write_anew};
use crate::support::place::{Ended, Place, read};
use crate::support::recorder::Recorder;
use crate::support::voice;

/// Model, respondent, fold.
type Key = (u16, u32, u8);

/// A finished run of four cells.
const RUN: [&str; 7] = ["run", "--synthetic", "60", "--users", "2", "--folds", "1,2"];

/// A finished run, and copies of it that are damaged.
struct Finished {
    place: Place,
    folder: PathBuf,
}

impl Finished {
    fn new() -> Self {
        let place = Place::new();
        place.run(&RUN).well();
        let folder = place.run_folder("runs");
        Self { place, folder }
    }

    /// What verify says of the run after `change`.
    fn verify_after(&self, change: impl FnOnce(&Path), more: &[&str]) -> Ended {
        let copy = self.place.path("copy");
        copy_folder(&self.folder, &copy);
        change(&copy);
        let before = files(&copy);
        let ended = self.place.run(&[&["verify", "copy"], more].concat());
        assert!(files(&copy) == before, "verify changed something");
        assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
        ended
    }

    #[track_caller]
    fn check(&self, change: impl FnOnce(&Path), expected: &str) {
        let ended = self.verify_after(change, &[]).with_code(1);
        assert!(ended.stdout.contains(expected), "expected {expected:?} in\n{}", ended.stdout);
        assert!(ended.stdout.contains("NOT SOUND"), "{}", ended.stdout);
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

/// Changes a table of the ledger as no part of the program does.
fn meddle(folder: &Path, table: &str, change: impl FnOnce(&mut redb::Table<'_, Key, &'static [u8]>)) {
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
        meddle(folder, table, |rows| assert!(rows.remove(key).unwrap().is_some()));
    }
}

#[test]
fn a_finished_run_is_sound_and_complete() {
    let run = Finished::new();
    let ended = run.verify_after(|_| (), &["--complete"]).well();
    assert!(ended.stdout.ends_with("sound and complete\n"), "{}", ended.stdout);
    let events = run.verify_after(|_| (), &["--json"]).well().events();
    assert_eq!(events[0]["sound"], true);
    let with_notes = run.verify_after(|folder| fs::write(folder.join("notes.txt"), "mine").unwrap(), &[]).well();
    assert!(with_notes.stdout.contains("not checked: notes.txt, run.lock"), "{}", with_notes.stdout);
    assert_eq!((&events[0]["cells_planned"], &events[0]["cells_finished"]), (&4.into(), &4.into()));
}

#[test]
fn an_unfinished_run_is_sound_and_not_complete() {
    let run = Finished::new();
    let unfinished = |folder: &Path| {
        remove_a_cell(folder);
        for file in ["results.json", "report.md", "predictions.parquet"] {
            fs::remove_file(folder.join(file)).unwrap();
        }
    };
    let ended = run.verify_after(unfinished, &[]).well();
    assert!(
        ended.stdout.contains("unfinished: 1 of 4 cells open, the first: model 0, respondent "),
        "{}",
        ended.stdout
    );
    run.verify_after(unfinished, &["--complete"]).with_code(1);
}

#[test]
fn a_killed_run_is_verified_as_the_kill_left_it() {
    let (place, provider) = (Place::new(), Recorder::start(voice::reply));
    provider.hold_after(700);
    let url = provider.base_url();
    let running = place.start(&[&RUN[..], &["--model", "m", "--base-url", &url, "--calls-in-flight", "4"]].concat());
    provider.wait_for(704);
    running.kill();
    running.end();
    let folder = place.run_folder("runs");
    let before = files(&folder);
    let ended = place.run(&["verify", &folder.to_string_lossy()]).well();
    assert!(ended.stdout.contains("of 4 cells open"), "{}", ended.stdout);
    assert!(files(&folder) == before, "verify changed something");
}

#[test]
fn missing_and_changed_cells_are_found() {
    let run = Finished::new();
    run.check(remove_a_cell, "results.json was made of 4 cells, and the ledger has 3; not there: model 0, respondent ");
    let alone = |folder: &Path| {
        let key = first_key(folder);
        meddle(folder, "cells", |rows| drop(rows.remove(key).unwrap()));
    };
    run.check(alone, "has a row in the table `spend` alone");
    let changed = |folder: &Path| {
        let key = first_key(folder);
        meddle(folder, "cells", |rows| {
            let mut row = rows.get(key).unwrap().unwrap().value().to_vec();
            let last = row.len() - 10;
            row[last] ^= 1;
            rows.insert(key, row.as_slice()).unwrap();
        });
    };
    run.check(changed, "its checksum in the table `cells` is wrong");
    let transcript = |folder: &Path| {
        let key = first_key(folder);
        meddle(folder, "transcripts", |rows| drop(rows.insert(key, &[7; 40][..]).unwrap()));
    };
    run.check(transcript, "its checksum in the table `transcripts` is wrong");
}

#[test]
fn cells_of_another_experiment_are_found() {
    let run = Finished::new();
    run.place.run(&["run", "--synthetic", "60", "--respondents", "1,60", "--folds", "5", "--runs", "others"]).well();
    let other = run.place.run_folder("others");
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
            meddle(folder, name, |rows| drop(rows.insert(key, row.value()).unwrap()));
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
    let cut = |folder: &Path| fs::write(folder.join("predictions.parquet"), "PAR1").unwrap();
    run.check(cut, "predictions.parquet: ");
}

/// This release, as its files name it.
const THIS: Release = Release(env!("CARGO_PKG_VERSION"));

#[test]
fn an_edited_prediction_truth_or_ending_is_found() {
    let run = Finished::new();
    let edited = |column: &'static str| {
        move |folder: &Path| {
            let add = |numbers: &mut Vec<i32>| numbers[100] += 1;
            write_anew(&folder.join("predictions.parquet"), &THIS, column, add);
        }
    };
    for column in ["prediction", "truth", "attempts", "fold"] {
        run.check(edited(column), &format!(", {column}: "));
    }
    let ended = |folder: &Path| {
        let path = folder.join("predictions.parquet");
        write_anew(&path, &THIS, "", |_| ());
        let file = fs::read(&path).unwrap();
        let at = file.windows(8).position(|window| window == b"answered").unwrap();
        fs::write(&path, [&file[..at], b"answerde", &file[at + 8..]].concat()).unwrap();
    };
    run.check(ended, ", ended: answerde, expected answered");
}

#[test]
fn the_same_rows_in_other_bytes_are_another_releases_or_wrong() {
    let run = Finished::new();
    let by =
        |release: Release| move |folder: &Path| write_anew(&folder.join("predictions.parquet"), &release, "", |_| ());
    run.check(by(THIS), "predictions.parquet has other bytes than it was written with");
    let ended = run.verify_after(by(Release("0.0.1")), &["--complete"]).well();
    assert!(ended.stdout.contains("valuesim 0.0.1 wrote it"), "{}", ended.stdout);
}

#[test]
fn no_byte_of_the_predictions_file_can_change_unnoticed() {
    const PLACES: usize = 64;
    let run = Finished::new();
    let file = fs::read(run.folder.join("predictions.parquet")).unwrap();
    for place in 0..PLACES {
        let flipped = |folder: &Path| {
            let mut flipped = file.clone();
            flipped[file.len() / PLACES * place + place % 7] ^= 0x40;
            fs::write(folder.join("predictions.parquet"), flipped).unwrap();
        };
        run.check(flipped, "predictions.parquet");
    }
    run.check(|folder| fs::write(folder.join("predictions.parquet"), &file[..file.len() - 1]).unwrap(), "predictions");
    let longer = |folder: &Path| fs::write(folder.join("predictions.parquet"), [&file[..], b"more"].concat()).unwrap();
    run.check(longer, "predictions.parquet");
}

#[test]
fn another_experiment_than_the_ledgers_is_found() {
    let run = Finished::new();
    run.check(
        |folder| replace(folder, "experiment.toml", "synthetic_seed = 0", "synthetic_seed = 1"),
        "experiment and survey give ",
    );
}

/// The file has pages that are not in use, where a byte means nothing. Everywhere else it is noticed.
#[test]
fn a_changed_byte_is_noticed_or_changes_nothing() {
    const PLACES: usize = 32;
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
    for place in 0..PLACES {
        let ended = run.verify_after(flip(ledger.len() / PLACES * place + 37), &[]);
        match ended.code {
            Some(1) => assert!(ended.stdout.contains("NOT SOUND"), "{}", ended.stdout),
            _ => assert!(ended.well().stdout.contains("sound and complete")),
        }
    }
    // The start of the file says that it is a ledger.
    run.check(flip(0), "is damaged");
    // A page that a later commit replaced keeps its text, so of the copies of a cell's predictions some are not read.
    let copies = ledger.windows(10).enumerate().filter(|(_, window)| window == b"\"answers\":").map(|(at, _)| at);
    let codes: Vec<Option<i32>> = copies.map(|at| run.verify_after(flip(at + 12), &[]).code).collect();
    assert!(codes.contains(&Some(1)), "{codes:?}");
    assert!(ledger::cells(&run.folder) == cells);
}

#[test]
fn what_is_no_run_is_the_users_mistake() {
    let place = Place::new();
    let ended = place.run(&["verify", "nothing"]).with_code(2);
    assert!(ended.stderr.contains("there is no run nothing in the folder runs"), "{}", ended.stderr);
}

#[test]
fn a_survey_that_was_moved_is_named() {
    let place = Place::new();
    place.run(&["synth", "survey.csv", "--respondents", "60"]).well();
    place.run(&["run", "--survey", "survey.csv", "--simulate", "--model", "m", "--users", "1", "--folds", "1"]).well();
    let folder = place.run_folder("runs");
    fs::rename(place.path("survey.csv"), place.path("moved.csv")).unwrap();
    let ended = place.run(&["verify", &folder.to_string_lossy()]).with_code(2);
    assert!(ended.stderr.contains("--survey FILE"), "{}", ended.stderr);
    place.run(&["verify", &folder.to_string_lossy(), "--survey", "moved.csv"]).well();
}
