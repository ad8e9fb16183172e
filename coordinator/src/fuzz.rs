//! Whatever bytes the ledger's rows and the results file hold, they are either refused, or scored and shown.

use serde_json::json;
use valuesim_shared::cell::MissingStories;
use valuesim_shared::id::{Code, QuestionId};
use valuesim_shared::method::{Behaviour, Method};
use valuesim_shared::model::ModelSettings;
use valuesim_shared::outcome::{CellOutcome, CellResult, CellSpend, MAX_REPORTED_MODELS};

use crate::fixture;
use crate::outcome_rules::tests::{Run, said};
use crate::report::markdown;
use crate::results::{ModelSpend, Results};
use crate::score::{Prediction, Scorer, Tallies, Whom};
use crate::statistics::{Population, Sample};
use crate::table::text;

#[path = "../../shared/tests/fuzz/bounds.rs"]
mod bounds;
#[path = "../../shared/tests/fuzz/mutate.rs"]
mod mutate;

use bounds::{HOSTILE_BYTES, Memory, bounded, fuzz};
use mutate::{endless, hostile, hostile_text, listed};

const MEMORY: Memory = Memory { fixed: 64 << 10, per_byte: 100 };

fn held_out() -> Vec<QuestionId> {
    QuestionId::all().take(3).collect()
}

fn result() -> Vec<u8> {
    let arm = |method: &str| json!({"method": method, "answers": [2, null, 9], "ended": "apt", "decided": "cnd", "asked": [5, 3, 1]});
    let result = json!({
        "story": {"ended": "l", "characters": 6943, "asked": 1},
        "modules": [{"module": "cognitive", "answers": [2, null, -3], "ended": "apt"}],
        "arms": [arm("valuesim"), arm("full-info")],
    });
    assert!(serde_json::from_value::<CellResult>(result.clone()).is_ok(), "the row is valid");
    result.to_string().into_bytes()
}

#[test]
fn fuzz_any_result_is_refused_or_scored() {
    let codebook = fixture::codebook();
    let tallies = [Behaviour::Paper, Behaviour::Corrected].map(|behaviour| Tallies::new(&codebook, behaviour));
    fuzz(1, &hostile(vec![result()]), |bytes| {
        let Ok(result) = bounded(bytes.len(), MEMORY, || serde_json::from_slice::<CellResult>(&bytes)) else { return };
        for arm in &result.arms {
            let Ok(predictions) = Prediction::of_cell(arm, &held_out(), |_| Code(2)) else { continue };
            assert_eq!(predictions.len(), held_out().len());
            for tallies in &tallies {
                let mut scorer = Scorer::new(tallies);
                scorer.add_person(&predictions);
                let score = scorer.score(Whom {
                    sample: Sample { people: 1, population: Population::Finite(2000) },
                    strata: None,
                    weights: None,
                });
                assert_eq!(score.predictions, 3);
                assert!(score.overall.per_person.accuracy.is_none_or(|accuracy| (0.0..=1.0).contains(&accuracy.mean)));
            }
        }
    });
}

#[test]
fn fuzz_what_the_rules_let_through_can_be_scored() {
    let run = Run::new(&[Method::ValueSim, Method::FullInfo], Behaviour::Corrected);
    let genuine = run.outcome(&[said(1), said(2)], &MissingStories(Vec::new()));
    let (rules, asked) = (run.rules(), run.plan.split().asked(run.cell().fold));
    let message = serde_json::to_vec(&genuine).expect("writes");
    fuzz(10, &hostile(vec![message]), |bytes| {
        let Ok(outcome) = serde_json::from_slice::<CellOutcome>(&bytes) else { return };
        if outcome.cell != run.cell() || !rules.misfits(&outcome).is_empty() {
            return;
        }
        assert_eq!(outcome.result.arms.len(), 2);
        for arm in &outcome.result.arms {
            let predictions = Prediction::of_cell(arm, asked, |_| Code(2)).expect("it has the questions of its fold");
            assert!(predictions.iter().all(|prediction| prediction.answer.is_none_or(|code| !code.is_missing())));
        }
    });
}

#[test]
fn fuzz_any_spend_is_refused_or_added_up() {
    let stage = json!({"sent": 4, "answered": 3, "failed": 1, "without_usage": 0, "cost": 2_835_000,
        "tokens": {"input": 4500, "cached": 1024, "output": 390}});
    let spend = json!({"stages": {"story": stage, "cognitive": stage}, "reported_models": ["m-0125"]});
    let mut most = spend.clone();
    most["stages"]["story"]["sent"] = u64::MAX.into();
    most["stages"]["story"]["tokens"]["input"] = u64::MAX.into();
    let rows = [spend, most].map(|row| row.to_string().into_bytes()).to_vec();
    fuzz(25, &hostile(rows), |bytes| {
        let Ok(spend) = bounded(bytes.len(), MEMORY, || serde_json::from_slice::<CellSpend>(&bytes)) else { return };
        let mut total = CellSpend::default();
        (0..3).for_each(|_| total.add(&spend));
        let model = ModelSpend::new(&ModelSettings::named("m"), &total);
        let results = Results { spend: vec![model.clone(), model], ..fixture::results("m") };
        assert!(!markdown(&results).is_empty());
    });
}

#[test]
fn fuzz_any_results_file_is_refused_or_shown() {
    let files = [fixture::results("gpt-3.5-turbo").to_json(), fixture::results("mine").to_json()];
    fuzz(20, &hostile_text(&files.each_ref().map(String::as_str)), |file| {
        let Ok(results) = bounded(file.len(), MEMORY, || Results::from_json(&file)) else { return };
        assert!(!markdown(&results).is_empty() && !text(&results).is_empty());
        assert_eq!(Results::from_json(&results.to_json()).expect("reads back").to_json(), results.to_json());
    });
}

#[test]
fn fuzz_rows_that_repeat_take_no_longer_than_others() {
    for unit in ["[", "{\"a\":", "0,", "null,", "\"", " ", "aria"] {
        for start in ["", "{\"arms\":[{\"answers\":[", "{\"arms\":[{\"ended\":\"", "{\"version\":", "{\"stages\":{\""] {
            let row = format!("{start}{}", endless(unit, HOSTILE_BYTES));
            let read = || serde_json::from_str::<CellResult>(&row).is_ok() || Results::from_json(&row).is_ok();
            assert!(!bounded(row.len(), MEMORY, read));
        }
    }
    let names = listed(0..HOSTILE_BYTES / 12, |at| format!("\"m{at}\","));
    let row = format!("{{\"stages\":{{}},\"reported_models\":[{names}\"m\"]}}");
    bounded(row.len(), MEMORY, || {
        let spend: CellSpend = serde_json::from_str(&row).expect("the row is valid");
        let mut total = CellSpend::default();
        total.add(&spend);
        assert_eq!(total.reported_models.len(), MAX_REPORTED_MODELS);
    });
}
