//! Fuzzes messages and stored data: any bytes are either refused or read back the same after writing.

use std::collections::BTreeMap;
use std::fmt::Debug;

use proptest::prelude::*;
use serde::Serialize;
use serde::de::DeserializeOwned;
use valuesim_shared::codebook::Codebook;
use valuesim_shared::control::{
    AboutRun, Change, CoordinatorReport, DesiredState, History, Order, RunPhase, RunScores, WorkerReport,
};
use valuesim_shared::dead_letter::{DeadLetter, DeadMessage};
use valuesim_shared::experiment::Experiment;
use valuesim_shared::id::{Cell, Code, Fold, ModelId, Respondent, RunId};
use valuesim_shared::manifest::{MANIFEST_VERSION, Manifest};
use valuesim_shared::outcome::{
    CellOutcome, CellResult, CellSpend, CodeString, Ended, OUTCOME_VERSION, Packed, StageSpend, Unpacked, pack, unpack,
};
use valuesim_shared::stage::{Stage, StageKind};
use valuesim_shared::store::{Backstory, CallKey, RecordedReply, ReplyText};
use valuesim_shared::task::{PackedCodes, RetrievedItems, TASK_VERSION, Task, TaskKind};
use valuesim_shared::transcript::{Call, Transcript};

use crate::bounds::{HOSTILE_BYTES, Memory, bounded, fuzz};
use crate::control_message;
use crate::mutate::{endless, hostile};

/// Codes of one or two characters become integers of four bytes, in lists that grow by doubling.
const MEMORY: Memory = Memory { fixed: 16 << 10, per_byte: 64 };

fn cell() -> Cell {
    let (respondent, fold) = (Respondent::new(83_811), Fold::new(2));
    Cell { model: ModelId(0), respondent: respondent.expect("not 0"), fold: fold.expect("not 0") }
}

fn task() -> Task {
    let codes = (-5..40).chain([1984, 276_001, i32::MAX, i32::MIN]).map(Code);
    let profile = PackedCodes(codes.collect());
    Task {
        version: TASK_VERSION,
        kind: TaskKind::Cab,
        run: RunId("r1".to_owned()),
        cell: cell(),
        profile,
        draws: Vec::new(),
        retrieved: RetrievedItems::default(),
        kept: None,
        history: Vec::new(),
    }
}

fn spend() -> CellSpend {
    let stages: BTreeMap<_, _> =
        StageKind::ALL.map(Stage::plain).into_iter().map(|stage| (stage, StageSpend::default())).collect();
    CellSpend { stages, reported_models: vec!["m-0125".to_owned()], ..CellSpend::default() }
}

/// An outcome with three questions.
fn outcome() -> CellOutcome {
    let outcome = serde_json::json!({
        "version": OUTCOME_VERSION, "run": "r1", "cell": cell(), "spend": spend(),
        "result": {
            "story": {"ended": "l", "characters": 6943, "asked": 1},
            "modules": [{"module": "cognitive", "answers": [2, null, -3], "ended": "apt"}],
            "arms": [{"method": "valuesim", "answers": [2, null, -3], "ended": "apt", "decided": "cnd", "asked": [5, 3, 1]}],
        },
    });
    serde_json::from_value(outcome).expect("the outcome is valid")
}

fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("messages can be written")
}

/// Checks that a value which can be read is the same after writing and reading it again.
fn check<T: DeserializeOwned + Serialize + PartialEq + Debug>(bytes: &[u8]) {
    let Ok(read) = bounded(bytes.len(), MEMORY, || serde_json::from_slice::<T>(bytes)) else { return };
    assert_eq!(serde_json::from_slice::<T>(&json(&read)).expect("reads back"), read);
}

#[test]
fn fuzz_any_task_is_read_or_refused() {
    fuzz(1, &hostile(vec![task().to_bytes()]), |bytes| {
        check::<Task>(&bytes);
        let Ok(task) = Task::from_bytes(&bytes) else { return };
        assert_eq!(task.version, TASK_VERSION);
        assert!(task.profile.0.len() <= bytes.len());
        assert!(task.cell.respondent.row() > 0 && task.cell.fold.number() > 0);
    });
}

#[test]
fn fuzz_any_outcome_is_read_or_refused() {
    fuzz(1, &hostile(vec![json(&outcome())]), |bytes| check::<CellOutcome>(&bytes));
}

/// Whatever is on a results queue: an outcome, one that is compressed, or a notice of its parts.
#[test]
fn fuzz_any_message_of_a_results_queue_is_unpacked_or_refused() {
    let plain = json(&outcome());
    let compressed = zstd::bulk::compress(&plain, 1).expect("compresses");
    let Packed::Parts(notice, parts) = pack(&mut outcome(), 10) else { panic!("it is in parts") };
    let parts: Vec<Vec<u8>> = parts.iter().map(|part| part.to_vec()).collect();
    fuzz(2, &hostile(vec![plain, compressed, notice.to_bytes(), parts[0].clone()]), |bytes| match unpack(&bytes) {
        Ok(Unpacked::Outcome(read)) => assert_eq!(read.version, OUTCOME_VERSION),
        Ok(Unpacked::Parts(notice)) => {
            assert!(notice.parts <= 100, "{} parts", notice.parts);
            let _ = notice.outcome(&parts);
            let _ = notice.outcome(&[bytes]);
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    });
}

/// Whatever is under a key of a run or of a fleet's process: orders, entries and reports.
#[test]
fn fuzz_any_value_of_the_store_is_read_or_refused() {
    let values = vec![
        json(&Order::new(DesiredState::Pause, "ada".to_owned())),
        json(&control_message::about("r", RunPhase::Begun)),
        json(&control_message::worker("w")),
        json(&control_message::coordinator("c")),
        json(&History::default()),
    ];
    fuzz(2, &hostile(values), |bytes| {
        check::<Order>(&bytes);
        check::<AboutRun>(&bytes);
        check::<WorkerReport>(&bytes);
        check::<CoordinatorReport>(&bytes);
        check::<History>(&bytes);
        check::<RunScores>(&bytes);
        check::<Change>(&bytes);
    });
}

#[test]
fn fuzz_any_dead_letter_is_read_and_none_is_too_long() {
    let letter = DeadLetter::new(&task().to_bytes(), "it failed".to_owned(), "w1".to_owned()).to_bytes();
    fuzz(1, &hostile(vec![letter, json(&outcome())]), |bytes| {
        let found = DeadMessage::read(&bytes);
        assert!(found.letter.is_some() || found.body == bytes);
        let again = DeadLetter::new(&bytes, String::new(), String::new()).to_bytes();
        assert!(again.len() <= bytes.len() * 6 + 4_096);
        DeadLetter::from_bytes(&again).expect("reads back");
    });
}

#[test]
fn fuzz_any_spend_is_read_and_added_up() {
    let limit = maximal_spend();
    fuzz(1, &hostile(vec![json(&spend()), limit]), |bytes| {
        check::<CellSpend>(&bytes);
        let Ok(read) = serde_json::from_slice::<CellSpend>(&bytes) else { return };
        let mut sum = read.clone();
        sum.add(&read);
        assert!(sum.total().sent >= read.total().sent, "sums do not overflow");
    });
}

/// A spend in which every number is the largest possible.
fn maximal_spend() -> Vec<u8> {
    let text = String::from_utf8(json(&spend())).expect("JSON is UTF-8");
    text.replace(":0", ":18446744073709551615").into_bytes()
}

#[test]
fn fuzz_any_recorded_reply_is_read_or_refused() {
    let story =
        Backstory { text: "You.".to_owned(), ended: Ended::Answered, asked: 1, spend: spend(), rejection: None };
    fuzz(1, &hostile(vec![json(&story)]), |bytes| {
        check::<Backstory>(&bytes);
        check::<RecordedReply>(&bytes);
    });
}

#[test]
fn fuzz_any_transcript_is_read_or_refused() {
    let call = |asked_before, messages: &[&str]| Call {
        key: CallKey { stage: Stage::COGNITIVE, question: None, asked_before },
        messages: messages.iter().map(|&message| message.to_owned()).collect(),
        reply: ReplyText::Text { content: "Answer: 2".to_owned(), cut_off: false },
        tokens: None,
        reported_model: String::new(),
    };
    let transcript = Transcript::of([call(0, &["Who?"]), call(1, &["Who?", "Me.", "Say a number."])]);
    fuzz(2, &hostile(vec![transcript.as_bytes().to_vec()]), |bytes| {
        let read = Transcript::from_bytes(bytes);
        let most = Memory { fixed: 1 << 20, ..MEMORY };
        let calls = bounded(read.as_bytes().len(), most, || read.calls().take_while(Result::is_ok).count());
        assert!(calls <= 2, "{calls} calls");
    });
}

#[test]
fn fuzz_any_manifest_is_complete_or_refused() {
    let codebook = Codebook::built_in();
    let question = serde_json::to_value(&codebook.questions()[0]).expect("a question is JSON");
    let experiment = Experiment::default().resolve().expect("the demonstration is valid");
    let start = serde_json::json!({"version": MANIFEST_VERSION, "run": "r1", "behaviour": "paper", "split": experiment.split,
        "methods": experiment.methods, "models": experiment.models, "prompts": "6b", "transcripts": false});
    let with = |codebook: serde_json::Value| {
        let mut manifest = start.clone();
        manifest["codebook"] = codebook;
        json(&manifest)
    };
    let small = with(serde_json::json!({"name": "n", "questions": [question], "countries": []}));
    let whole = with(serde_json::to_value(&codebook).expect("a codebook is JSON"));
    let check = |bytes: Vec<u8>| {
        let Ok(manifest) = bounded(bytes.len(), MEMORY, || Manifest::from_bytes(&bytes)) else { return };
        assert_eq!(manifest.codebook.questions().len(), codebook.questions().len());
        assert_eq!(Manifest::from_bytes(&manifest.to_bytes()).expect("reads back"), manifest);
    };
    fuzz(4, &hostile(vec![small]), check);
    fuzz(500, &hostile(vec![whole]), check);
}

#[test]
fn fuzz_repetitive_messages_are_read_in_linear_time() {
    let units = ["[", "{", "{\"a\":", "\"", "\\u0000", "0", "0,", "null,", " ", "\"a\":0,", "aria", "[[],"];
    for unit in units {
        for start in ["", "{\"version\":1,\"run\":\"", "{\"version\":1,\"profile\":\"", "{\"arms\":[{\"answers\":["] {
            let text = format!("{start}{}", endless(unit, HOSTILE_BYTES));
            check::<Task>(text.as_bytes());
            check::<CellOutcome>(text.as_bytes());
            check::<CellResult>(text.as_bytes());
            check::<CellSpend>(text.as_bytes());
        }
    }
}

#[test]
fn fuzz_a_large_valid_message_is_read_without_delay() {
    let mut big = outcome();
    big.result.arms[0].answers = vec![Some(Code(1)); HOSTILE_BYTES / 2];
    big.result.arms[0].ended = CodeString(vec![Ended::Answered; HOSTILE_BYTES]);
    check::<CellOutcome>(&json(&big));
    let task = Task { profile: PackedCodes(vec![Code(1); HOSTILE_BYTES]), ..task() };
    check::<Task>(&task.to_bytes());
}

#[test]
fn fuzz_any_numbers_of_a_cell_are_refused_or_count_from_one() {
    let numbers = (any::<u16>(), 0..3_u32, 0..3_u8);
    fuzz(1, &numbers, |(model, respondent, fold)| {
        let text = format!(r#"{{"model":{model},"respondent":{respondent},"fold":{fold}}}"#);
        let read = serde_json::from_str::<Cell>(&text);
        assert_eq!(read.is_ok(), respondent > 0 && fold > 0, "{text}");
    });
}
