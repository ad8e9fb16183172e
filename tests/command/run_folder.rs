//! One process at a time works in a run folder, and a damaged ledger is reported and left unchanged.

use std::fs;
use std::path::{Path, PathBuf};

use redb::{Database, TableDefinition};

use crate::support::ledger;
use crate::support::recorder::Recorder;
use crate::support::reply_rule;
use crate::support::sandbox::{CommandOutput, Sandbox, read};

/// A run of two cells.
const RUN: [&str; 7] = ["run", "--synthetic", "60", "--users", "2", "--folds", "1"];

/// A finished run, whose ledger a test then damages.
struct Finished {
    sandbox: Sandbox,
    folder: PathBuf,
    ledger: Vec<u8>,
}

impl Finished {
    fn new() -> Self {
        let sandbox = Sandbox::new();
        sandbox.run(&RUN).expect_success();
        let folder = sandbox.run_folder("runs");
        let ledger = fs::read(folder.join("ledger.redb")).unwrap();
        Self { sandbox, folder, ledger }
    }

    /// Runs the same command on this ledger.
    fn run_on(&self, ledger: &[u8]) -> CommandOutput {
        fs::write(self.folder.join("ledger.redb"), ledger).unwrap();
        let output = self.sandbox.run(&RUN);
        assert!(!output.stderr.contains("panicked"), "{}", output.stderr);
        output
    }

    #[track_caller]
    fn check_refused(&self, ledger: &[u8], expected: &str) {
        let results = read(&self.folder, "results.json");
        let output = self.run_on(ledger).expect_code(1);
        assert!(output.stderr.contains(expected), "expected {expected:?} in\n{}", output.stderr);
        assert!(fs::read(self.folder.join("ledger.redb")).unwrap() == ledger, "the ledger was changed");
        assert_eq!(read(&self.folder, "results.json"), results);
    }
}

#[test]
fn a_second_process_is_refused_with_the_id_of_the_first() {
    let (sandbox, provider) = (Sandbox::new(), Recorder::start(reply_rule::reply));
    let url = provider.base_url();
    let run = [&RUN[..], &["--model", "m", "--base-url", &url, "--calls-in-flight", "4"]].concat();
    provider.pause_replies_after(20);
    let first = sandbox.start(&run);
    provider.wait_for(24);
    let folder = sandbox.run_folder("runs");
    let id = read(&folder, "run.lock");
    let expected = format!("is in use by process {}; wait for it or stop it", id.trim());
    let second = sandbox.run(&run).expect_code(1);
    assert!(second.stderr.contains(&expected), "expected {expected:?} in\n{}", second.stderr);
    assert_eq!(second.stdout, "");
    let folder = folder.to_string_lossy();
    let readers: [&[&str]; 3] =
        [&["verify", &folder], &["show", &folder, "1"], &["export", &folder, "--format", "csv"]];
    for reader in readers {
        let refused = sandbox.run(reader).expect_code(4);
        let expected = format!("is in use by process {}: wait until it has ended", id.trim());
        assert!(refused.stderr.contains(&expected), "expected {expected:?} in\n{}", refused.stderr);
        assert_eq!(refused.stdout, "");
    }
    provider.resume_replies();
    first.wait().expect_success();
}

#[test]
fn a_run_whose_folder_is_taken_away_stops_before_more_is_paid() {
    for taken in ["", "ledger.redb"] {
        let (sandbox, provider) = (Sandbox::new(), Recorder::start(reply_rule::reply));
        let url = provider.base_url();
        provider.pause_replies_after(20);
        let mut running =
            sandbox.start(&[&RUN[..], &["--model", "m", "--base-url", &url, "--calls-in-flight", "4"]].concat());
        running.wait_for("0 of 2 cells");
        provider.wait_for(24);
        let folder = sandbox.run_folder("runs");
        fs::rename(folder.join(taken), sandbox.path("elsewhere")).unwrap();
        let output = running.wait().expect_code(1);
        provider.resume_replies();
        assert!(output.stderr.contains("is gone or was replaced while the run went on"), "{}", output.stderr);
    }
}

#[cfg(unix)]
#[test]
fn what_a_run_writes_is_for_its_user_alone() {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    let run = Finished::new();
    let rights = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(rights(&run.folder), 0o700);
    for entry in fs::read_dir(&run.folder).unwrap() {
        let path = entry.unwrap().path();
        let expected = if path.is_dir() { 0o700 } else { 0o600 };
        assert_eq!(rights(&path), expected, "{}", path.display());
    }
    // Links in the places of its lock and its temporary files are not followed.
    let (lock, precious) = (run.folder.join("run.lock"), run.sandbox.path("precious"));
    fs::write(&precious, "mine").unwrap();
    for name in ["experiment.unfinished", "results.unfinished", "report.unfinished", "predictions.parquet.unfinished"] {
        symlink(&precious, run.folder.join(name)).unwrap();
    }
    run.sandbox.run(&RUN).expect_success();
    fs::remove_file(&lock).unwrap();
    symlink(&precious, &lock).unwrap();
    let refused = run.sandbox.run(&RUN).expect_code(1);
    assert!(refused.stderr.contains("it is a symbolic link"), "{}", refused.stderr);
    fs::remove_file(&lock).unwrap();
    assert_eq!(fs::read_to_string(&precious).unwrap(), "mine");

    let (folder, results) = (run.folder.to_string_lossy().into_owned(), run.folder.join("results.json"));
    let onto = ["export", &folder, "--format", "csv", "--force", "--output", &results.to_string_lossy()];
    let refused = run.sandbox.run(&onto).expect_code(2);
    assert!(refused.stderr.contains("is a file of the run itself"), "{}", refused.stderr);
}

#[test]
fn a_lock_left_behind_by_a_process_blocks_nobody() {
    let run = Finished::new();
    run.sandbox.run(&RUN).expect_success();
    fs::write(run.folder.join("run.lock"), "4194304\n").unwrap();
    run.sandbox.run(&RUN).expect_success();
    assert_ne!(read(&run.folder, "run.lock"), "4194304\n");
}

#[test]
fn a_finished_run_keeps_no_store() {
    let run = Finished::new();
    assert!(!run.folder.join("store").exists());
    run.sandbox.run(&RUN).expect_success();
    assert!(!run.folder.join("store").exists());
}

#[test]
fn the_ledger_of_another_run_is_refused() {
    let run = Finished::new();
    run.sandbox
        .run(&["run", "--synthetic", "60", "--respondents", "1", "--folds", "1", "--runs", "others"])
        .expect_success();
    let other = run.sandbox.run_folder("others");
    run.check_refused(&fs::read(other.join("ledger.redb")).unwrap(), "belongs to run ");
}

#[test]
fn the_ledger_of_a_newer_release_is_refused() {
    let run = Finished::new();
    let newer = run.sandbox.path("newer.redb");
    fs::write(&newer, &run.ledger).unwrap();
    let database = Database::open(&newer).unwrap();
    let transaction = database.begin_write().unwrap();
    transaction.open_table(TableDefinition::<&str, &str>::new("about")).unwrap().insert("version", "99").unwrap();
    transaction.commit().unwrap();
    drop(database);
    run.check_refused(&fs::read(newer).unwrap(), "has version 99, this program reads version ");
    let verified = run.sandbox.run(&["verify", &run.folder.to_string_lossy()]).expect_code(4);
    assert!(verified.stderr.contains("use the release that wrote it"), "{}", verified.stderr);
}

#[test]
fn a_file_that_is_not_a_whole_ledger_is_refused() {
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
fn a_missing_ledger_is_not_created_again() {
    let run = Finished::new();
    fs::remove_file(run.folder.join("ledger.redb")).unwrap();
    let output = run.sandbox.run(&RUN).expect_code(1);
    assert!(output.stderr.contains("its ledger") && output.stderr.contains("is missing"), "{}", output.stderr);
    fs::remove_dir_all(&run.folder).unwrap();
    run.sandbox.run(&RUN).expect_success();
}

/// Garbage in a used page is refused; in an unused page it changes nothing.
#[test]
fn garbage_in_any_page_is_refused_or_changes_nothing() {
    const PAGE: usize = 4096;
    let run = Finished::new();
    let cells = ledger::cells(&run.folder);
    let pages = run.ledger.len() / PAGE;
    let mut refused = 0;
    for page in [1, pages / 4, pages / 2, pages * 3 / 4, pages - 1] {
        let mut damaged = run.ledger.clone();
        let garbage = (0..PAGE).map(|at| (at.wrapping_mul(2_654_435_761) >> 7).to_le_bytes()[0]);
        damaged.splice(page * PAGE..(page + 1) * PAGE, garbage);
        let output = run.run_on(&damaged);
        if output.code == Some(1) {
            assert!(output.stderr.contains("restore it from a copy"), "{}", output.stderr);
            assert!(fs::read(run.folder.join("ledger.redb")).unwrap() == damaged, "the ledger was changed");
            refused += 1;
        } else {
            output.expect_success();
            assert!(ledger::cells(&run.folder) == cells, "page {page}");
        }
    }
    assert!(refused > 0);
}

/// A power failure leaves the file as it was during the run, perhaps without its end.
#[test]
fn a_ledger_copied_during_the_run_is_usable_or_refused() {
    let (sandbox, provider) = (Sandbox::new(), Recorder::start(reply_rule::reply));
    let url = provider.base_url();
    let run = |runs: &'static str| {
        [&RUN[..], &["--model", "m", "--base-url", &url, "--calls-in-flight", "4", "--runs", runs]].concat()
    };
    provider.pause_replies_after(450);
    let first = sandbox.start(&run("first"));
    provider.wait_for(454);
    let folder = sandbox.run_folder("first");
    for runs in ["copied", "cut"] {
        let copy = sandbox.path(runs).join(folder.file_name().unwrap());
        fs::create_dir_all(&copy).unwrap();
        for file in ["ledger.redb", "experiment.toml"] {
            fs::copy(folder.join(file), copy.join(file)).unwrap();
        }
    }
    provider.resume_replies();
    first.wait().expect_success();
    sandbox.run(&run("copied")).expect_success();
    let whole = ledger::cells(&folder);
    assert!(ledger::cells(&sandbox.run_folder("copied")) == whole);

    let cut = sandbox.run_folder("cut");
    cut_the_end(&cut.join("ledger.redb"));
    let output = sandbox.run(&run("cut"));
    match output.code {
        Some(1) => assert!(output.stderr.contains("is damaged"), "{}", output.stderr),
        _ => assert!(output.code == Some(0) && ledger::cells(&cut) == whole, "{}", output.stderr),
    }
}

fn cut_the_end(path: &Path) {
    let file = fs::OpenOptions::new().write(true).open(path).unwrap();
    let length = file.metadata().unwrap().len();
    file.set_len(length - 4096).unwrap();
}
