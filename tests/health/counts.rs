//! What the metrics count is what the provider has seen and the ledger holds.
#![expect(clippy::float_cmp, reason = "counts are whole numbers far below 2^52")]

use valuesim_shared::control::{CONTROL_VERSION, Control as _, Process, RedisControl, UnixMillis, WorkerReport};
use valuesim_simulator::provider::ProviderOptions;
use valuesim_test_servers::{eventually, shared_broker, shared_redis};

use crate::exposition::Exposition;
use crate::process::{Fleet, PATIENCE, get, metrics};

/// One person in five folds.
const CELLS: f64 = 5.0;

/// What both arms predict of a cell.
const PREDICTIONS: f64 = CELLS * 58.0 * 2.0;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metrics_count_what_the_provider_has_seen() {
    let (broker, store) = tokio::join!(shared_broker(), shared_redis());
    // With failures that are made up for.
    let provider = ProviderOptions { error_rate: 0.02, ..Default::default() };
    let fleet = Fleet::new(&broker.url, &store.url, provider).await;
    fleet.provider.hold_after(0);
    let (mut coordinator, worker) = (fleet.coordinator(1), fleet.worker());
    let (of_coordinator, of_worker) = (coordinator.address().await, worker.address().await);
    // The coordinator sees its workers off before it ends: until this one is gone the run's end can be looked at.
    let control = RedisControl::connect(&store.url.parse().expect("an address")).await.expect("connects");
    let stays = async || control.report_worker(&one_that_stays(&fleet)).await.expect("writes");
    stays().await;
    fleet.provider.release();
    let last = watch(&of_coordinator, stays).await;
    control.worker_ended(STAYS).await.expect("writes");
    assert!(coordinator.end().await.success());
    check_run(&last);

    let shown = metrics(&of_worker);
    let seen = fleet.provider.stats();
    let sum = |name: &str, labels: &[(&str, &str)]| shown.sum(&format!("valuesim_{name}"), labels);
    assert_eq!(sum("llm_requests_total", &[]), seen.requests as f64);
    assert_eq!(sum("llm_requests_total", &[("outcome", "ok")]), seen.answered as f64);
    assert_eq!(sum("llm_request_duration_seconds_count", &[]), seen.requests as f64);
    for (stage, calls) in &seen.calls {
        let stage = if stage == "single" { "full_info" } else { stage };
        assert_eq!(sum("llm_requests_total", &[("stage", stage)]), *calls as f64, "{stage}");
    }
    assert!(seen.requests > seen.answered, "there were errors");
    assert_eq!(sum("llm_retries_total", &[]), (seen.requests - seen.answered) as f64);
    assert_eq!(sum("llm_input_tokens_total", &[]), seen.tokens.input as f64);
    assert_eq!(sum("llm_cache_read_input_tokens_total", &[]), seen.tokens.cached_input as f64);
    assert_eq!(sum("llm_output_tokens_total", &[]), seen.tokens.output as f64);
    assert_eq!(sum("llm_inflight_requests", &[]), 0.0);
    let dollars = (seen.tokens.input as f64 + 2.0 * seen.tokens.output as f64) / 1e6;
    assert!((sum("llm_cost_usd_total", &[]) - dollars).abs() < 1e-6, "{dollars}");
    assert_eq!(sum("predictions_total", &[]), PREDICTIONS);
    for kind in ["story", "cab"] {
        assert_eq!(sum("tasks_total", &[("kind", kind), ("outcome", "done")]), CELLS);
        assert_eq!(sum("task_duration_seconds_count", &[("kind", kind)]), CELLS);
    }
    // A CAB task after each story, an outcome after each CAB task.
    assert_eq!(sum("queue_publish_total", &[("outcome", "ack")]), 2.0 * CELLS);
    for name in ["broker_connected", "redis_connected", "build_info"] {
        assert_eq!(sum(name, &[]), 1.0, "{name}");
    }
    assert!(shown.sum("process_cpu_seconds_total", &[]) > 0.0);
    insta::assert_snapshot!("worker", shown.contents());
    insta::assert_snapshot!("coordinator", last.contents());
}

/// What a coordinator shows when all cells are finished; `stays` keeps it from ending.
async fn watch(coordinator: &str, stays: impl AsyncFn()) -> Exposition {
    let all_finished = async || {
        stays().await;
        let (_, text) = get(coordinator, "/metrics").expect("it is there until its workers are gone");
        let shown = Exposition::read(&text);
        (shown.find("valuesim_run_tasks", &[("state", "finished")]) == Some(CELLS)).then_some(shown)
    };
    eventually("the end of the run", PATIENCE, all_finished).await.expect("in time")
}

/// The name of a worker that leaves when the test says so.
const STAYS: &str = "stays";

fn one_that_stays(fleet: &Fleet) -> WorkerReport {
    let [id, host, release] = [STAYS, "elsewhere", "0.1.0"].map(str::to_owned);
    WorkerReport {
        version: CONTROL_VERSION,
        process: Process { id, host, pid: 7, release, started_at: UnixMillis::now() },
        runs: vec![fleet.run()],
        draining: false,
        // It has something to finish, for which it is waited longer.
        tasks: 1,
        calls_in_flight: 0,
        capacity: 1,
        calls_per_second: 0.0,
        last_trouble: None,
        http: None,
        troubles: Vec::new(),
        at: UnixMillis::now(),
    }
}

fn check_run(shown: &Exposition) {
    assert_eq!(shown.find("valuesim_run_expected_tasks", &[("kind", "cell")]), Some(CELLS));
    assert_eq!(shown.find("valuesim_run_tasks", &[("state", "finished")]), Some(CELLS));
    assert_eq!(shown.find("valuesim_run_tasks", &[]), Some(CELLS));
    assert!(shown.find("valuesim_run_cost_usd", &[]).is_some_and(|cost| cost > 0.0));
}
