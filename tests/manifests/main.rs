//! The manifests of the demonstration run here: each container as a process of the real binary, with the files, the user
//! and the probes that it has in a cluster. A wrong flag, path, port, probe or name of a Secret fails.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "in a test, an unwrap is a check")]

mod container;
mod http;
mod overlay;
#[path = "../command/support/process.rs"]
#[expect(dead_code, reason = "other tests use the rest")]
mod process;
mod root;
#[path = "../command/support/sandbox.rs"]
#[expect(dead_code, reason = "other tests use the rest")]
mod sandbox;

use std::collections::BTreeMap;
use std::net::TcpListener;

use sha2::{Digest as _, Sha256};
use valuesim_test_servers::{Database, Turn, Vhost, shared_broker, shared_redis};

use container::Container;
use overlay::{Overlay, repository};
use sandbox::Sandbox;

/// Respondents of the test's run, in place of the demonstration's: enough for two workers for some seconds.
const USERS: [&str; 2] = ["sample.users = 20", "sample.users = 3"];

#[test]
fn the_rendered_overlay_is_that_of_the_manifests() {
    let overlay = Overlay::demo();
    let digest = |file: &String| {
        let content = std::fs::read(repository().join(file)).unwrap_or_default();
        Sha256::digest(content).iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
    };
    let now: BTreeMap<String, String> = overlay.rendered_from.keys().map(|file| (file.clone(), digest(file))).collect();
    let changed: Vec<&String> =
        now.iter().filter(|(file, now)| overlay.rendered_from[*file] != **now).map(|(file, _)| file).collect();
    assert!(
        changed.is_empty(),
        "{changed:?} changed after the rendering: run k8s/rendered/render, and commit what it wrote"
    );
}

/// A name that no verb reads would be ignored in silence.
#[test]
fn every_variable_that_the_manifests_set_is_one_that_the_command_reads() {
    let verbs = ["coordinate", "work", "simulate-provider", "health"];
    let help: String = verbs.map(|verb| Sandbox::new().run(&[verb, "--help"]).expect_success().stdout).concat();
    let files =
        ["k8s/base/coordinator.yaml", "k8s/base/worker.yaml", "k8s/components/simulated-provider/provider.yaml"];
    let mut names = Vec::new();
    for file in files.iter().chain(&["deploy/compose.yaml"]) {
        let text = std::fs::read_to_string(repository().join(file)).unwrap();
        let set = text.lines().filter_map(|line| {
            let line = line.trim().trim_start_matches("- { name: ");
            let name = line.split([':', ',']).next()?;
            (line.starts_with("VALUESIM_")).then(|| name.to_owned())
        });
        names.extend(set);
    }
    assert!(names.len() >= 8, "{names:?}");
    let unknown: Vec<&String> = names.iter().filter(|name| !help.contains(&format!("[env: {name}="))).collect();
    assert!(unknown.is_empty(), "no verb reads {unknown:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_demonstration_runs_and_its_pods_may_be_evicted() {
    let _turn = Turn::take().await;
    let (broker, store) = tokio::join!(shared_broker(), shared_redis());
    let overlay = Overlay::demo();
    let provider_port = free_port();
    let here = addresses(&overlay, &broker, &store, provider_port);

    let provider = Container::new(&overlay, ("Deployment", "valuesim-provider"), &here, provider_port);
    let providing = provider.start_until_ready().await;
    let worker = || Container::new(&overlay, ("Deployment", "valuesim-worker"), &here, free_port());
    let workers = [worker(), worker()];
    assert_eq!(overlay.find("Deployment", "valuesim-worker")["spec"]["replicas"], workers.len());
    let (evicted, working) = tokio::join!(workers[0].start_until_ready(), workers[1].start_until_ready());
    let coordinator = Container::new(&overlay, ("Job", "valuesim-coordinator"), &here, free_port());
    let coordinating = coordinator.start_until_ready().await;
    // The live page is there for whoever knows the token.
    coordinator.until_served("/", "<title>valuesim</title>").await;
    coordinator.until_served("/api/session", r#""has_token":true"#).await;

    // In the middle of the run the coordinator and one worker are asked to leave.
    workers[0].until_served("/metrics", "outcome=\"ok\"").await;
    coordinator.end_in_time(coordinating, INTERRUPTED);
    workers[0].end_in_time(evicted, 0);
    let final_codes = overlay.final_exit_codes();
    assert!(final_codes == [2, 5], "the Job ends with {final_codes:?}, expected the codes that repeating cannot mend");
    coordinator.start_until_ready().await.wait().expect_success();
    workers[1].end_in_time(working, 0);
    provider.end_in_time(providing, 0);

    for container in workers.iter().chain([&coordinator, &provider]) {
        container.check_that_nothing_else_was_written();
    }
    verify(&coordinator);
}

/// The exit code of a coordinator that was asked to end: the Job's next pod resumes.
const INTERRUPTED: i32 = 130;

/// What stands in for the addresses in the overlay: servers of this machine.
fn addresses(overlay: &Overlay, broker: &Vhost, store: &Database, provider: u16) -> Vec<(String, String)> {
    let rabbitmq = overlay.config("valuesim-rabbitmq", "valuesim.conf");
    let setting = |name: &str| {
        let line = rabbitmq.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(" = "));
        line.unwrap_or_else(|| panic!("no {name} in the broker's settings")).to_owned()
    };
    let user = format!("{}:{}", setting("default_user"), setting("default_pass"));
    vec![
        (format!("amqp://{user}@{}", overlay.service("valuesim-rabbitmq", "amqp")), broker.url.clone()),
        (format!("redis://{}", overlay.service("valuesim-valkey", "redis")), store.url.clone()),
        (overlay.service("valuesim-provider", "http"), format!("127.0.0.1:{provider}")),
        (USERS[0].to_owned(), USERS[1].to_owned()),
    ]
}

/// Nothing is lost: every cell is in the ledger of the only run.
fn verify(coordinator: &Container) {
    let runs = coordinator.folder("VALUESIM_RUNS");
    let runs = runs.to_str().unwrap();
    let folders: Vec<_> = std::fs::read_dir(runs).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    let [run] = folders.as_slice() else { panic!("expected one run, found {folders:?}") };
    let verified =
        Sandbox::new().run(&["verify", run.to_str().unwrap(), "--complete", "--runs", runs]).expect_success();
    assert!(verified.stdout.contains("15 cells"), "{}", verified.stdout);
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
