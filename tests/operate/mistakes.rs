//! What users get wrong: the text says what, and what to do.

use valuesim_shared::control::{Control as _, UnixMillis, WorkerReport};

use crate::support::{Desk, Running, about, until, worker};

/// The command ends with `code` and says so.
#[track_caller]
fn check(desk: &Desk, arguments: &[&str], code: i32, says: &str) {
    let ended = desk.run(arguments).with_code(code);
    assert!(ended.stderr.contains(says), "{arguments:?}: {says:?} is not in:\n{}", ended.stderr);
    assert_eq!(ended.stdout, "", "{arguments:?}");
    assert!(!ended.stderr.contains('\u{1b}'), "{arguments:?}: {}", ended.stderr);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unknown_runs_and_malformed_words_are_refused() {
    let desk = Desk::new().await;
    let unknown = "run nobody is unknown: `valuesim runs` lists";
    for verb in ["pause", "resume", "status"] {
        check(&desk, &[verb, "nobody"], 1, unknown);
    }
    check(&desk, &["cancel", "nobody", "--yes"], 1, unknown);
    check(&desk, &["cancel", "nobody"], 2, "pass --yes");
    check(&desk, &["purge", "nobody"], 2, "pass --yes");
    check(&desk, &["pause", " "], 2, "expected the name of a run");
    check(&desk, &["dead", "show", "nobody", "1"], 1, "has no dead letter number 1");
    check(&desk, &["dead", "show", "no\u{1b}[2Jbody", "1"], 1, "run no\\u{1b}[2Jbody has no dead letter number 1");
    check(&desk, &["dead", "show", "nobody", "0/0/1"], 2, "expected a cell MODEL/RESPONDENT/FOLD");
    check(&desk, &["dead", "replay", "nobody"], 2, "--all");
    check(&desk, &["dead", "replay", "nobody", "--cell", "7"], 2, "expected a cell MODEL/RESPONDENT/FOLD");
    check(&desk, &["dead", "replay", "nobody", "--all", "--cell", "0/7/1"], 2, "cannot be used with");
    check(&desk, &["dead", "discard", "nobody", "--letter", "xyz", "--yes"], 2, "8 hexadecimal digits");
    let nothing = desk.run(&["dead", "replay", "nobody", "--cell", "0/7/1"]).with_code(1);
    assert!(nothing.stderr.contains("no dead letter has one of these cells or ids"), "{}", nothing.stderr);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_nobody_knows_is_no_run_without_dead_letters() {
    let desk = Desk::new().await;
    let unknown = "run nobody is unknown: `valuesim runs` lists";
    check(&desk, &["dead", "list", "nobody"], 1, unknown);
    check(&desk, &["dead", "show", "nobody"], 1, unknown);
    check(&desk, &["dead", "replay", "nobody", "--all"], 1, unknown);
    check(&desk, &["dead", "discard", "nobody", "--all", "--yes"], 1, unknown);
    check(&desk, &["purge", "nobody", "--yes"], 1, unknown);
    let without_store = Desk::at(desk.broker.clone(), String::new());
    check(
        &without_store,
        &["dead", "list", "nobody"],
        4,
        "pass --store redis://host to check whether there is such a run",
    );

    desk.control().await.announce(&about()).await.unwrap();
    assert_eq!(desk.run(&["dead", "list", "r1"]).well().stdout, "no dead letters\n");
    assert_eq!(desk.run(&["dead", "replay", "r1", "--all"]).well().stdout, "replayed 0 letters\n");
    desk.run(&["purge", "r1", "--yes"]).well();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_says_once_that_it_waits_for_a_run() {
    const LOOKS_MS: u64 = 3_000;
    let desk = Desk::new().await;
    let mut waiting = desk.start(&["work", "--run", "nobody"]);
    waiting.wait_for("run nobody is not known yet: waiting for it");
    let (control, since) = (desk.control().await, UnixMillis::now());
    let has_looked = async || {
        let workers = control.workers().await.unwrap().all;
        workers.iter().any(|worker| worker.at.0 > since.0 + LOOKS_MS)
    };
    until("a few looks more", has_looked).await;
    waiting.interrupt();
    let said = waiting.end().well().stderr;
    assert_eq!(said.matches("is not known yet").count(), 1, "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_another_release_may_be_at_is_not_purged() {
    let desk = Desk::new().await;
    let control = desk.control().await;
    control.announce(&about()).await.unwrap();
    control.report_worker(&WorkerReport { version: 99, ..worker() }).await.unwrap();
    check(&desk, &["purge", "r1", "--yes"], 1, "1 of their reports cannot be read");
    desk.run(&["purge", "r1", "--yes", "--force"]).well();
}

#[test]
fn addresses_that_are_missing_or_wrong_are_named() {
    let desk = |broker: &str, store: &str| Desk::at(broker.to_owned(), store.to_owned());
    check(&desk("", ""), &["runs"], 2, "missing store address: pass --store redis://host");
    check(&desk("", ""), &["dead", "list", "r1"], 2, "missing broker address: pass --broker amqp://");
    check(&desk("", "http://x"), &["runs"], 2, "expected redis://");
    let no_address = desk("http://me:secret@host", "redis://127.0.0.1:1");
    for verb in ["status", "work"] {
        check(&no_address, &[verb], 2, "--broker: use the RabbitMQ address");
    }
    check(&no_address, &["purge", "r1", "--yes"], 2, "--broker: use the RabbitMQ address");
    check(&no_address, &["dead", "list", "r1"], 2, "expected amqp://user:password@host");
    check(&desk("amqp://h", "http://x"), &["dead", "list", "r1"], 2, "--store: read the address");
    let nowhere = ["--broker-ca", "/nowhere/ca.pem"];
    check(&desk("amqps://h", "redis://h"), &[&["status"][..], &nowhere].concat(), 2, "--broker-ca: ");
    let nobody = desk("amqp://127.0.0.1:1", "redis://127.0.0.1:1");
    check(&nobody, &["runs"], 4, "reach the Redis server redis://127.0.0.1:1");
    check(&nobody, &["resume", "r1"], 1, "reach the Redis server redis://127.0.0.1:1");
    check(&nobody, &["dead", "list", "r1"], 4, "connect to RabbitMQ at amqp://guest@127.0.0.1:1");
}

#[test]
fn an_address_on_the_command_line_goes_before_a_file_in_a_variable() {
    let desk = Desk::at(String::new(), String::new());
    desk.place.write("store", "redis://127.0.0.1:2");
    let runs = |variables: &[(&str, &str)], flags: &[&str]| {
        let mut command = desk.place.command(&[&["runs"], flags].concat());
        Running::new(command.envs(variables.iter().copied())).end()
    };
    let file = ("VALUESIM_STORE_FILE", "store");
    let address = ("VALUESIM_STORE", "redis://127.0.0.1:1");
    for (variables, flags, code, says) in [
        (&[file][..], &["--store", "redis://127.0.0.1:1"][..], 4, "redis://127.0.0.1:1"),
        (&[address], &["--store-file", "store"], 4, "redis://127.0.0.1:2"),
        (&[address, file], &["--store", "redis://127.0.0.1:3"], 4, "redis://127.0.0.1:3"),
        (&[address, file], &[], 2, "VALUESIM_STORE and VALUESIM_STORE_FILE are alternatives"),
        (
            &[],
            &["--store", "redis://127.0.0.1:1", "--store-file", "store"],
            2,
            "--store and --store-file are alternatives",
        ),
    ] {
        let ended = runs(variables, flags).with_code(code);
        assert!(ended.stderr.contains(says), "{variables:?} {flags:?}: {says:?} is not in:\n{}", ended.stderr);
    }
}
