//! Users' mistakes: the error says what is wrong and what to do.

use valuesim_shared::control::{Control as _, UnixMillis, WorkerReport};

use crate::support::{Operator, Running, about, until, worker};

/// Checks that the command ends with `code`, and that its error contains `says`.
#[track_caller]
fn check(operator: &Operator, arguments: &[&str], code: i32, says: &str) {
    let output = operator.run(arguments).expect_code(code);
    assert!(output.stderr.contains(says), "{arguments:?}: {says:?} is not in:\n{}", output.stderr);
    assert_eq!(output.stdout, "", "{arguments:?}");
    assert!(!output.stderr.contains('\u{1b}'), "{arguments:?}: {}", output.stderr);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unknown_runs_and_malformed_arguments_are_refused() {
    let operator = Operator::new().await;
    let unknown = "run nobody is unknown: `valuesim runs` lists";
    for verb in ["pause", "resume", "status"] {
        check(&operator, &[verb, "nobody"], 1, unknown);
    }
    check(&operator, &["cancel", "nobody", "--yes"], 1, unknown);
    check(&operator, &["cancel", "nobody"], 2, "pass --yes");
    check(&operator, &["purge", "nobody"], 2, "pass --yes");
    check(&operator, &["pause", " "], 2, "expected the name of a run");
    check(&operator, &["dead", "show", "nobody", "1"], 1, "has no dead letter number 1");
    check(&operator, &["dead", "show", "no\u{1b}[2Jbody", "1"], 1, "run no\\u{1b}[2Jbody has no dead letter number 1");
    check(&operator, &["dead", "show", "nobody", "0/0/1"], 2, "expected a cell MODEL/RESPONDENT/FOLD");
    check(&operator, &["dead", "replay", "nobody"], 2, "--all");
    check(&operator, &["dead", "replay", "nobody", "--cell", "7"], 2, "expected a cell MODEL/RESPONDENT/FOLD");
    check(&operator, &["dead", "replay", "nobody", "--all", "--cell", "0/7/1"], 2, "cannot be used with");
    check(&operator, &["dead", "discard", "nobody", "--letter", "xyz", "--yes"], 2, "8 hexadecimal digits");
    let nothing = operator.run(&["dead", "replay", "nobody", "--cell", "0/7/1"]).expect_code(1);
    assert!(nothing.stderr.contains("no dead letter has one of these cells or ids"), "{}", nothing.stderr);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unknown_run_is_distinguished_from_one_without_dead_letters() {
    let operator = Operator::new().await;
    let unknown = "run nobody is unknown: `valuesim runs` lists";
    check(&operator, &["dead", "list", "nobody"], 1, unknown);
    check(&operator, &["dead", "show", "nobody"], 1, unknown);
    check(&operator, &["dead", "replay", "nobody", "--all"], 1, unknown);
    check(&operator, &["dead", "discard", "nobody", "--all", "--yes"], 1, unknown);
    check(&operator, &["purge", "nobody", "--yes"], 1, unknown);
    let without_store = Operator::at(operator.broker.clone(), String::new());
    check(
        &without_store,
        &["dead", "list", "nobody"],
        4,
        "pass --store redis://host to check whether there is such a run",
    );

    operator.control().await.announce(&about()).await.unwrap();
    assert_eq!(operator.run(&["dead", "list", "r1"]).expect_success().stdout, "no dead letters\n");
    assert_eq!(operator.run(&["dead", "replay", "r1", "--all"]).expect_success().stdout, "replayed 0 letters\n");
    operator.run(&["purge", "r1", "--yes"]).expect_success();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_reports_once_that_it_waits_for_a_run() {
    /// The time in which a worker polls a few more times.
    const POLLS_MS: u64 = 3_000;
    let operator = Operator::new().await;
    let mut waiting = operator.start(&["work", "--run", "nobody"]);
    waiting.wait_for("run nobody is not known yet: waiting for it");
    let (control, since) = (operator.control().await, UnixMillis::now());
    let has_polled = async || {
        let workers = control.workers().await.unwrap().all;
        workers.iter().any(|worker| worker.at.0 > since.0 + POLLS_MS)
    };
    until("a few more polls", has_polled).await;
    waiting.interrupt();
    let stderr = waiting.wait().expect_success().stderr;
    assert_eq!(stderr.matches("is not known yet").count(), 1, "{stderr}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_on_which_another_release_may_work_is_not_purged() {
    let operator = Operator::new().await;
    let control = operator.control().await;
    control.announce(&about()).await.unwrap();
    control.report_worker(&WorkerReport { version: 99, ..worker() }).await.unwrap();
    check(&operator, &["purge", "r1", "--yes"], 1, "1 of their reports cannot be read");
    operator.run(&["purge", "r1", "--yes", "--force"]).expect_success();
}

#[test]
fn missing_and_wrong_addresses_are_reported() {
    let operator = |broker: &str, store: &str| Operator::at(broker.to_owned(), store.to_owned());
    check(&operator("", ""), &["runs"], 2, "missing store address: pass --store redis://host");
    check(&operator("", ""), &["dead", "list", "r1"], 2, "missing broker address: pass --broker amqp://");
    check(&operator("", "http://x"), &["runs"], 2, "expected redis://");
    let no_address = operator("http://me:secret@host", "redis://127.0.0.1:1");
    for verb in ["status", "work"] {
        check(&no_address, &[verb], 2, "--broker: use the RabbitMQ address");
    }
    check(&no_address, &["purge", "r1", "--yes"], 2, "--broker: use the RabbitMQ address");
    check(&no_address, &["dead", "list", "r1"], 2, "expected amqp://user:password@host");
    check(&operator("amqp://h", "http://x"), &["dead", "list", "r1"], 2, "--store: read the address");
    for (broker, store, says) in [
        ("amqp://me:/s3cret@127.0.0.1/vh", "redis://me:/s3cret@127.0.0.1/1", "`/` that must be written %2F"),
        ("amqp://me:12/34@127.0.0.1/vh", "redis://me:12/34@127.0.0.1", "`/` that must be written %2F"),
        ("amqp://me:a#b@127.0.0.1/vh", "redis://me:a#b@127.0.0.1", "`#` that must be written %23"),
    ] {
        check(&operator(broker, ""), &["dead", "list", "r1"], 2, says);
        check(&operator("", store), &["runs"], 2, says);
    }
    let as_files: [&[&str]; 2] = [
        &["runs", "--store-file", "redis://me:s3cret@h"],
        &["dead", "list", "r1", "--broker-file", "amqp://me:s3cret@h"],
    ];
    for arguments in as_files {
        let output = operator("", "").run(arguments).expect_code(2);
        assert!(output.stderr.contains("expected the path of a file, got an address"), "{}", output.stderr);
        assert!(!output.stderr.contains("s3cret"), "{}", output.stderr);
    }
    let nowhere = ["--broker-ca", "/nowhere/ca.pem"];
    check(&operator("amqps://h", "redis://h"), &[&["status"][..], &nowhere].concat(), 2, "--broker-ca: ");
    let nobody = operator("amqp://127.0.0.1:1", "redis://127.0.0.1:1");
    check(&nobody, &["runs"], 4, "reach the Redis server redis://127.0.0.1:1");
    check(&nobody, &["resume", "r1"], 1, "reach the Redis server redis://127.0.0.1:1");
    check(&nobody, &["dead", "list", "r1"], 4, "connect to RabbitMQ at amqp://127.0.0.1:1");
}

#[test]
fn an_address_on_the_command_line_overrides_a_file_in_a_variable() {
    let operator = Operator::at(String::new(), String::new());
    operator.sandbox.write("store", "redis://127.0.0.1:2");
    let runs = |variables: &[(&str, &str)], flags: &[&str]| {
        let mut command = operator.sandbox.command(&[&["runs"], flags].concat());
        Running::new(command.envs(variables.iter().copied())).wait()
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
        let output = runs(variables, flags).expect_code(code);
        assert!(output.stderr.contains(says), "{variables:?} {flags:?}: {says:?} is not in:\n{}", output.stderr);
    }
}
