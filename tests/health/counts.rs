//! The metrics count what the provider received and what the ledger holds.
#![expect(clippy::float_cmp, reason = "counts are whole numbers far below 2^52")]

use valuesim_coordinator::results::{Estimate, Measure, Results};
use valuesim_shared::control::{Control as _, MeanOverPeople, RedisControl, RunScores, WorkerReport};
use valuesim_simulator::provider::ProviderOptions;
use valuesim_test_servers::{eventually, shared_broker, shared_redis};

use crate::control_message::worker as worker_report;
use crate::exposition::Exposition;
use crate::process::{Fleet, TIMEOUT, get, metrics};

/// One respondent in five folds.
const CELLS: f64 = 5.0;

/// The predictions of both arms in all cells.
const PREDICTIONS: f64 = 280.0 * 2.0;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metrics_count_what_the_provider_received() {
    let (broker, store) = tokio::join!(shared_broker(), shared_redis());
    // With failures, which workers retry.
    let provider = ProviderOptions { error_rate: 0.02, ..Default::default() };
    let fleet = Fleet::new(&broker.url, &store.url, provider).await;
    fleet.provider.pause_replies_after(0);
    let (mut coordinator, worker) = (fleet.coordinator(1), fleet.worker());
    let (of_coordinator, of_worker) = (coordinator.address().await, worker.address().await);
    // The coordinator waits for its workers before it ends, so its final metrics can be read until this one leaves.
    let control = RedisControl::connect(&store.url.parse().expect("an address")).await.expect("connects");
    let stay = async || {
        control
            .report_worker(&WorkerReport { runs: vec![fleet.run()], ..worker_report(STAYING) })
            .await
            .expect("writes");
    };
    stay().await;
    fleet.provider.resume_replies();
    let scores = async || control.scores(&fleet.run()).await.expect("reads");
    let (last, scores) = final_metrics(&of_coordinator, stay, scores).await;
    control.worker_ended(STAYING).await.expect("writes");
    assert!(coordinator.wait().await.success());
    check_run(&last);
    check_scores(&scores, &fleet.results());

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
    assert_eq!(sum("story_cache_total", &[("result", "hit")]), CELLS);
    assert_eq!(sum("rate_limit_wait_seconds_count", &[]), seen.requests as f64);
    // A CAB task after each story, an outcome after each CAB task.
    assert_eq!(sum("queue_publish_total", &[("outcome", "ack")]), 2.0 * CELLS);
    for name in ["broker_connected", "redis_connected", "build_info"] {
        assert_eq!(sum(name, &[]), 1.0, "{name}");
    }
    assert!(shown.sum("process_cpu_seconds_total", &[]) > 0.0);
    insta::assert_snapshot!("worker", shown.contents());
    insta::assert_snapshot!("coordinator", last.contents());
}

/// A coordinator's metrics once all cells are finished, and the scores that it has put into the store, which the metrics
/// show; `stay` keeps it from ending.
async fn final_metrics(
    coordinator: &str,
    stay: impl AsyncFn(),
    scores: impl AsyncFn() -> Option<RunScores>,
) -> (Exposition, RunScores) {
    let all_finished = async || {
        stay().await;
        let (_, text) = get(coordinator, "/metrics").expect("it runs until its workers are gone");
        let (shown, scores) = (Exposition::read(&text), scores().await?);
        let are_last = shown.find("valuesim_run_tasks", &[("state", "finished")]) == Some(CELLS)
            && scores.cells.scored as f64 == CELLS;
        (are_last && shows(&shown, &scores)).then_some((shown, scores))
    };
    eventually("the end of the run", TIMEOUT, all_finished).await.expect("in time")
}

/// Whether metrics show these scores.
fn shows(shown: &Exposition, scores: &RunScores) -> bool {
    scores.arms.iter().all(|arm| {
        let (method, model) = (arm.method.name(), arm.model.clone().unwrap_or_default());
        let arm_is = [("method", &*method), ("model", model.as_str())];
        let of = |name: &str, category| shown.find(name, &[&arm_is[..], &[("category", category)]].concat());
        let mean = |mean: &Option<MeanOverPeople>| mean.as_ref().map(|mean| mean.mean);
        let categories = arm.categories.iter().map(|(category, score)| (category.name(), score));
        let means_are_shown = categories.chain([("overall", &arm.overall)]).all(|(category, score)| {
            of("valuesim_eval_accuracy_ratio", category) == mean(&score.accuracy)
                && of("valuesim_eval_mae", category) == mean(&score.mae)
        });
        means_are_shown && shown.find("valuesim_eval_answers", &arm_is) == Some(arm.overall.answers as f64)
    })
}

/// The last scores while the run went on are those of its results.
fn check_scores(scores: &RunScores, results: &Results) {
    let check = |found: Option<&MeanOverPeople>, expected: Option<Estimate>| {
        let (found, expected) = (found.expect("a mean"), expected.expect("a mean"));
        assert_eq!(found.persons, expected.persons);
        assert!((found.mean - expected.mean).abs() < 1e-12, "{found:?} is not {expected:?}");
    };
    assert_eq!(scores.arms.len(), results.arms.len());
    for (arm, expected) in scores.arms.iter().zip(&results.arms) {
        assert_eq!((arm.method, &arm.model), (expected.arm.method, &expected.arm.model));
        let of_results = &expected.score.overall;
        assert_eq!(arm.overall.answers, of_results.counted);
        check(arm.overall.accuracy.as_ref(), of_results.headline(Measure::Accuracy));
        check(arm.overall.mae.as_ref(), of_results.headline(Measure::Mae));
    }
}

/// The id of a worker that stays until the test says that it has ended.
const STAYING: &str = "staying";

fn check_run(shown: &Exposition) {
    assert_eq!(shown.find("valuesim_run_expected_tasks", &[("kind", "cell")]), Some(CELLS));
    assert_eq!(shown.find("valuesim_run_tasks", &[("state", "finished")]), Some(CELLS));
    assert_eq!(shown.find("valuesim_run_tasks", &[]), Some(CELLS));
    assert!(shown.find("valuesim_run_cost_usd", &[]).is_some_and(|cost| cost > 0.0));
    assert_eq!(shown.find("valuesim_run_paused", &[]), Some(0.0));
    assert_eq!(shown.find("valuesim_run_eta_seconds", &[]), Some(0.0));
}
