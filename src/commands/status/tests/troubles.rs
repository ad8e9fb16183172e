//! Troubles of runs, and runs that workers leave alone or refuse.

use valuesim_shared::control::{Refusal, RunPhase, RunTrouble, UnixMillis};
use valuesim_shared::id::RunId;

use super::{NOW, Status, check_attention, run_id, seconds_ago};

fn trouble(run: RunId, seconds: u64, text: &str) -> RunTrouble {
    RunTrouble {
        run,
        model: None,
        at: seconds_ago(seconds),
        text: text.to_owned(),
        left_alone_until: None,
        refusal: None,
    }
}

#[test]
fn a_trouble_is_said_of_its_own_run_and_of_the_moment_when_it_happened() {
    check_attention(
        |status| {
            let of_model = RunTrouble { model: Some("gpt".to_owned()), ..trouble(run_id(), 30, "429: slow down") };
            let of_other = trouble(RunId("other".to_owned()), 20, "no such model");
            for worker in &mut status.workers {
                worker.last_trouble = Some((of_other.at, of_other.text.clone()));
                worker.troubles = vec![of_model.clone(), of_other.clone()];
            }
            status.workers[1].troubles[0].at = seconds_ago(40);
        },
        &["2 processes, 30 seconds ago: model gpt: 429: slow down"],
    );
    let of_server = |status: &mut Status| {
        status.workers[0].troubles = vec![trouble(RunId("other".to_owned()), 20, "no such model")];
        status.workers[0].last_trouble = Some((seconds_ago(10), "the broker cannot be reached".to_owned()));
    };
    check_attention(of_server, &["worker-72, 10 seconds ago: the broker cannot be reached"]);
}

#[test]
fn a_run_that_workers_leave_alone_is_told_from_one_without_workers() {
    let left = |until| {
        move |status: &mut Status| {
            for worker in &mut status.workers {
                worker.runs.clear();
                let trouble = trouble(run_id(), 20, "OPENAI_API_KEY is not set");
                worker.troubles = vec![RunTrouble { left_alone_until: Some(until), ..trouble }];
            }
        }
    };
    check_attention(
        left(UnixMillis(NOW + 40_000)),
        &[
            "left alone until 2026-11-24T04:00:40Z by 2 processes: OPENAI_API_KEY is not set",
            "no worker serves the run",
        ],
    );
    check_attention(
        left(seconds_ago(1)),
        &["no worker serves the run", "2 processes, 20 seconds ago: OPENAI_API_KEY is not set"],
    );
}

#[test]
fn a_run_that_all_workers_refuse_needs_no_more_workers_but_what_they_ask_for() {
    let refused = |status: &mut Status| {
        for worker in &mut status.workers {
            worker.runs.clear();
            let trouble = trouble(run_id(), 20, "the provider refused the key; check the key");
            worker.troubles = vec![RunTrouble { refusal: Some(Refusal::default()), ..trouble }];
        }
    };
    check_attention(
        refused,
        &["2 workers refuse the run", "2 processes, 20 seconds ago: the provider refused the key; check the key"],
    );
    let stopped = |status: &mut Status| {
        status.workers.clear();
        let run = &mut status.runs[0];
        run.coordinators.clear();
        let about = run.about.as_mut().expect("it is known");
        (about.phase, about.stopped_by) =
            (RunPhase::Failed, Some("no worker serves the run:\n 2 a wrong key".to_owned()));
    };
    let expected = "its coordinator ended 1 second ago: no worker serves the run: 2 a wrong key; once that is fixed, the same \
                    `valuesim coordinate` on the same run folder resumes it";
    check_attention(stopped, &[expected]);
}
