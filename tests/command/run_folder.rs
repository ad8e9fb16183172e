//! One process at a time works in a run folder, and a ledger that is not in order is said to be so and left alone.

use std::fs;
use std::path::{Path, PathBuf};

use redb::{Database, TableDefinition};

use crate::support::ledger;
use crate::support::place::{Ended, Place, read};
use crate::support::recorder::Recorder;
use crate::support::voice;

/// A run of two cells.
const RUN: [&str; 7] = ["run", "--synthetic", "60", "--users", "2", "--folds", "1"];

/// A finished run whose ledger is damaged.
struct Finished {
    place: Place,
    folder: PathBuf,
    ledger: Vec<u8>,
}

impl Finished {
    fn new() -> Self {
        let place = Place::new();
        place.run(&RUN).well();
        let folder = place.run_folder("runs");
        let ledger = fs::read(folder.join("ledger.redb")).unwrap();
        Self { place, folder, ledger }
    }

    /// What the same command says when the ledger is this.
    fn run_on(&self, ledger: &[u8]) -> Ended {
        fs::write(self.folder.join("ledger.redb"), ledger).unwrap();
        let ended = self.place.run(&RUN);
        assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
        ended
    }

    #[track_caller]
    fn check_refused(&self, ledger: &[u8], expected: &str) {
        let results = read(&self.folder, "results.json");
        let ended = self.run_on(ledger).with_code(1);
        assert!(ended.stderr.contains(expected), "expected {expected:?} in\n{}", ended.stderr);
        assert!(fs::read(self.folder.join("ledger.redb")).unwrap() == ledger, "the ledger was changed");
        assert_eq!(read(&self.folder, "results.json"), results);
    }
}

#[test]
fn a_second_process_is_refused_with_the_id_of_the_first() {
    let (place, provider) = (Place::new(), Recorder::start(voice::reply));
    let url = provider.base_url();
    let run = [&RUN[..], &["--model", "m", "--base-url", &url, "--calls-in-flight", "4"]].concat();
    provider.hold_after(20);
    let first = place.start(&run);
    provider.wait_for(24);
    let folder = place.run_folder("runs");
    let id = read(&folder, "run.lock");
    let expected = format!("is in use by process {}; wait for it or stop it", id.trim());
    let second = place.run(&run).with_code(1);
    assert!(second.stderr.contains(&expected), "expected {expected:?} in\n{}", second.stderr);
    let folder = folder.to_string_lossy();
    let looks: [&[&str]; 3] = [&["verify", &folder], &["show", &folder, "1"], &["export", &folder, "--format", "csv"]];
    for look in looks {
        let looked = place.run(look).with_code(4);
        let expected = format!("is in use by process {}: wait until it has ended", id.trim());
        assert!(looked.stderr.contains(&expected), "expected {expected:?} in\n{}", looked.stderr);
    }
    provider.release();
    first.end().well();
}

#[test]
fn a_lock_that_a_process_left_behind_bars_nobody() {
    let run = Finished::new();
    run.place.run(&RUN).well();
    fs::write(run.folder.join("run.lock"), "4194304\n").unwrap();
    run.place.run(&RUN).well();
    assert_ne!(read(&run.folder, "run.lock"), "4194304\n");
}

#[test]
fn a_finished_run_keeps_no_store() {
    let run = Finished::new();
    assert!(!run.folder.join("store").exists());
    run.place.run(&RUN).well();
    assert!(!run.folder.join("store").exists());
}

#[test]
fn the_ledger_of_another_run_is_refused() {
    let run = Finished::new();
    run.place.run(&["run", "--synthetic", "60", "--respondents", "1", "--folds", "1", "--runs", "others"]).well();
    let other = run.place.run_folder("others");
    run.check_refused(&fs::read(other.join("ledger.redb")).unwrap(), "belongs to run ");
}

#[test]
fn the_ledger_of_a_newer_release_is_refused() {
    let run = Finished::new();
    let newer = run.place.path("newer.redb");
    fs::write(&newer, &run.ledger).unwrap();
    let database = Database::open(&newer).unwrap();
    let transaction = database.begin_write().unwrap();
    transaction.open_table(TableDefinition::<&str, &str>::new("about")).unwrap().insert("version", "99").unwrap();
    transaction.commit().unwrap();
    drop(database);
    run.check_refused(&fs::read(newer).unwrap(), "has version 99, this program reads version ");
    let verified = run.place.run(&["verify", &run.folder.to_string_lossy()]).with_code(4);
    assert!(verified.stderr.contains("use the release that wrote it"), "{}", verified.stderr);
}

#[test]
fn a_file_that_is_no_ledger_or_no_longer_one_is_refused() {
    let run = Finished::new();
    let length = run.ledger.len();
    run.check_refused(b"my thesis, in plain text\n", "is damaged");
    run.check_refused(b"", "is damaged: the file is empty");
    run.check_refused(&run.ledger[..length / 2], "is damaged");
    run.check_refused(&run.ledger[..length - 1], "is damaged");
    let without_head = [&[0; 4096], &run.ledger[4096..]].concat();
    run.check_refused(&without_head, "is damaged");
}

#[test]
fn a_ledger_that_is_gone_is_not_begun_again() {
    let run = Finished::new();
    fs::remove_file(run.folder.join("ledger.redb")).unwrap();
    let ended = run.place.run(&RUN).with_code(1);
    assert!(ended.stderr.contains("its ledger") && ended.stderr.contains("is missing"), "{}", ended.stderr);
    fs::remove_dir_all(&run.folder).unwrap();
    run.place.run(&RUN).well();
}

/// Garbage in a page that is in use is refused; in one that is not, it means nothing.
#[test]
fn garbage_in_any_page_is_refused_or_means_nothing() {
    const PAGE: usize = 4096;
    let run = Finished::new();
    let cells = ledger::cells(&run.folder);
    let pages = run.ledger.len() / PAGE;
    let mut refused = 0;
    for page in [1, pages / 4, pages / 2, pages * 3 / 4, pages - 1] {
        let mut damaged = run.ledger.clone();
        let garbage = (0..PAGE).map(|at| (at.wrapping_mul(2_654_435_761) >> 7).to_le_bytes()[0]);
        damaged.splice(page * PAGE..(page + 1) * PAGE, garbage);
        let ended = run.run_on(&damaged);
        if ended.code == Some(1) {
            assert!(ended.stderr.contains("restore it from a copy"), "{}", ended.stderr);
            assert!(fs::read(run.folder.join("ledger.redb")).unwrap() == damaged, "the ledger was changed");
            refused += 1;
        } else {
            ended.well();
            assert!(ledger::cells(&run.folder) == cells, "page {page}");
        }
    }
    assert!(refused > 0);
}

/// What a loss of power leaves: the file as it was in the middle of its life, perhaps without its end.
#[test]
fn a_ledger_copied_while_it_is_written_goes_on_or_is_refused() {
    let (place, provider) = (Place::new(), Recorder::start(voice::reply));
    let url = provider.base_url();
    let run = |runs: &'static str| {
        [&RUN[..], &["--model", "m", "--base-url", &url, "--calls-in-flight", "4", "--runs", runs]].concat()
    };
    provider.hold_after(450);
    let first = place.start(&run("first"));
    provider.wait_for(454);
    let folder = place.run_folder("first");
    for runs in ["copied", "cut"] {
        let copy = place.path(runs).join(folder.file_name().unwrap());
        fs::create_dir_all(&copy).unwrap();
        for file in ["ledger.redb", "experiment.toml"] {
            fs::copy(folder.join(file), copy.join(file)).unwrap();
        }
    }
    provider.release();
    first.end().well();
    place.run(&run("copied")).well();
    let whole = ledger::cells(&folder);
    assert!(ledger::cells(&place.run_folder("copied")) == whole);

    let cut = place.run_folder("cut");
    cut_the_end(&cut.join("ledger.redb"));
    let ended = place.run(&run("cut"));
    match ended.code {
        Some(1) => assert!(ended.stderr.contains("is damaged"), "{}", ended.stderr),
        _ => assert!(ended.code == Some(0) && ledger::cells(&cut) == whole, "{}", ended.stderr),
    }
}

fn cut_the_end(path: &Path) {
    let file = fs::OpenOptions::new().write(true).open(path).unwrap();
    let length = file.metadata().unwrap().len();
    file.set_len(length - 4096).unwrap();
}
