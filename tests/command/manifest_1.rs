//! A run of a release that asked the open questions, too (manifest 1), is refused with its version and left as it is.

use std::fs;

use redb::{Database, TableDefinition};

use crate::support::sandbox::Sandbox;

const RUN: [&str; 7] = ["run", "--synthetic", "60", "--users", "2", "--folds", "1"];

/// The ids that such a release gave to this run, and to the same one in behaviour `paper`.
const FORMER_ID: &str = "520f1ad9b6c7";
const FORMER_PAPER_ID: &str = "af1ca0d3cf6a";

#[test]
fn a_former_run_is_neither_inspected_nor_paid_for_again() {
    let sandbox = Sandbox::new();
    sandbox.run(&RUN).expect_success();
    let folder = sandbox.path("runs").join(FORMER_ID);
    fs::rename(sandbox.run_folder("runs"), &folder).unwrap();
    let database = Database::open(folder.join("ledger.redb")).unwrap();
    let transaction = database.begin_write().unwrap();
    transaction.open_table(TableDefinition::<&str, &str>::new("about")).unwrap().insert("run", FORMER_ID).unwrap();
    transaction.commit().unwrap();
    drop(database);
    let before = fs::read(folder.join("ledger.redb")).unwrap();
    let commands: [(&[&str], i32); 3] =
        [(&RUN, 2), (&["verify", FORMER_ID], 4), (&["export", FORMER_ID, "--format", "csv"], 2)];
    for (command, code) in commands {
        let refused = sandbox.run(command).expect_code(code);
        let expected =
            "has manifest 1, which asked Q223, Q268, Q270, Q274; this program has manifest 2, which does not";
        assert!(
            refused.stderr.contains(expected) && refused.stderr.contains("release that made it"),
            "{}",
            refused.stderr
        );
        assert_eq!(refused.stdout, "");
    }
    assert!(fs::read(folder.join("ledger.redb")).unwrap() == before, "the ledger was changed");
    assert_eq!(fs::read_dir(sandbox.path("runs")).unwrap().count(), 1);
    sandbox.run(&[&RUN[..], &["--runs", "anew"]].concat()).expect_success();
}

#[test]
fn runs_in_the_papers_behaviour_keep_their_ids() {
    let sandbox = Sandbox::new();
    sandbox.run(&[&RUN[..], &["--behaviour", "paper"]].concat()).expect_success();
    assert_eq!(sandbox.run_folder("runs").file_name().unwrap(), FORMER_PAPER_ID);
}
