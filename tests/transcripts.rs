//! What a run keeps of what was said, and how `valuesim show` and `valuesim export` hand it out.
#![expect(clippy::unwrap_used, reason = "in a test, an unwrap is a check")]
#![allow(dead_code, reason = "a part of what all tests of the command stand on is enough here")]

#[path = "command/support/place.rs"]
mod place;
#[path = "command/support/process.rs"]
mod process;
#[path = "command/support/recorder.rs"]
mod recorder;

use std::path::Path;

use parquet::file::reader::{FileReader as _, SerializedFileReader};
use redb::{Database, ReadableDatabase as _, ReadableTable as _, ReadableTableMetadata as _, TableDefinition};
use serde_json::Value;

use place::Place;
use recorder::Recorder;

/// One person, one fold: a cell with 58 questions.
const ONE_CELL: [&str; 7] = ["run", "--synthetic", "60", "--respondents", "7", "--folds", "1"];

/// What clears a screen, rings, deletes, colours by an old code, and turns the writing round.
const NASTY: &str = "\u{1b}[2J\u{7}\u{7f}\u{9b}31m\u{202e}";

type Key = (u16, u32, u8);

/// The rows of the ledger's cells, and how many transcripts it has.
fn ledger(folder: &Path) -> (Vec<(Key, Vec<u8>)>, u64) {
    let database = Database::open(folder.join("ledger.redb")).unwrap();
    let transaction = database.begin_read().unwrap();
    let table = |name| transaction.open_table(TableDefinition::<Key, &[u8]>::new(name)).unwrap();
    let cells = table("cells");
    let rows = cells.iter().unwrap().map(Result::unwrap).map(|(key, row)| (key.value(), row.value().to_vec()));
    let rows = rows.collect();
    (rows, table("transcripts").len().unwrap())
}

/// A model that writes what would harm a terminal, whose modules disagree, and of which one never keeps to the format.
fn nasty(prompt: &str) -> String {
    if prompt.contains("cognitive dimensions") {
        return format!("Answer: {NASTY} I would rather not say a number.");
    }
    let answer = if prompt.contains("affective dimensions") { 1 } else { 2 };
    format!("Answer: {answer}\nAnalysis: {NASTY} because.")
}

/// A finished run of one cell with a provider of the rule, and all that the provider was asked.
fn run_with(provider: &Recorder, place: &Place, more: &[&str]) -> (String, Vec<Value>) {
    let url = provider.base_url();
    place.run(&[&ONE_CELL[..], &["--model", "m", "--base-url", &url], more].concat()).well();
    let folder = place.run_folder("runs");
    (folder.file_name().unwrap().to_str().unwrap().to_owned(), provider.take())
}

fn steers(c: char) -> bool {
    (c.is_control() && c != '\n' && c != '\t') || NASTY.contains(c) && !c.is_ascii_graphic()
}

fn export(place: &Place, run: &str, what: &str) -> Vec<Value> {
    place.run(&["export", run, "--what", what, "--format", "jsonl"]).well().events()
}

#[test]
fn keeping_what_is_said_changes_nothing_else() {
    let (with, without) = (Place::new(), Place::new());
    let small = ["run", "--users", "3", "--synthetic", "200", "--folds", "1,2"];
    without.run(&small).well();
    with.run(&[&small[..], &["--transcripts"]].concat()).well();
    let folders = [&with, &without].map(|place| place.run_folder("runs"));
    assert_eq!(folders[0].file_name(), folders[1].file_name(), "it is the same run");
    let ((kept, transcripts), (plain, none)) = (ledger(&folders[0]), ledger(&folders[1]));
    assert!(kept == plain, "the cells differ");
    assert_eq!((kept.len(), transcripts, none), (6, 6, 0));
}

#[test]
fn every_call_is_kept_as_it_was_made() {
    let (place, provider) = (Place::new(), Recorder::start(nasty));
    let (run, requests) = run_with(&provider, &place, &["--transcripts"]);
    let rows = export(&place, &run, "transcripts");
    let mut asked: Vec<&str> = requests
        .iter()
        .map(|request| request["messages"].as_array().unwrap().last().unwrap()["content"].as_str().unwrap())
        .collect();
    let mut kept: Vec<&str> = rows.iter().map(|row| row["prompt"].as_str().unwrap()).collect();
    asked.sort_unstable();
    kept.sort_unstable();
    assert!(asked == kept, "{} calls were made and {} kept, or they differ", asked.len(), kept.len());
    let of = |stage: &str| rows.iter().filter(|row| row["stage"] == stage).collect::<Vec<_>>();
    assert_eq!(of("story").len(), 1);
    assert_eq!(of("cognitive").len(), 2 * 58, "each was reminded of the format");
    assert_eq!(of("affective")[0]["reply"], nasty("affective dimensions"), "the text is the model's to the letter");
    assert_eq!(of("affective")[0]["output_tokens"], 10);
    let spend: u64 = export(&place, &run, "calls").iter().map(|row| row["answered"].as_u64().unwrap()).sum();
    assert_eq!(spend, requests.len() as u64);
}

#[test]
fn what_is_shown_cannot_steer_a_terminal() {
    let (place, provider) = (Place::new(), Recorder::start(nasty));
    let (run, _) = run_with(&provider, &place, &["--transcripts"]);
    let visible = "\\u{1b}[2J\\u{7}\\u{7f}\\u{9b}31m\\u{202e} because.";
    let check = |arguments: &[&str], expected: &str| {
        let shown = place.run(arguments).well().stdout;
        assert!(shown.contains(expected), "{expected} is not in\n{shown}");
        let found = shown.chars().find(|&c| steers(c));
        assert!(found.is_none(), "{found:?} in the output of {arguments:?}");
    };
    check(&["show", &run, "7"], visible);
    check(&["show", &run, "7", "--prompts"], visible);
    check(&["show", &run, "7", "--json"], "\\u001b[2J\\u0007\\u007f\\u009b31m\\u202e because.");
    check(&["export", &run, "--what", "transcripts", "--format", "csv"], visible);
    check(&["export", &run, "--what", "transcripts", "--format", "jsonl"], "\\u001b[2J");
}

#[test]
fn one_question_is_shown_with_all_that_led_to_its_prediction() {
    let place = Place::new();
    place.run(&[&ONE_CELL[..], &["--transcripts"]].concat()).well();
    let folder = place.run_folder("runs");
    let cell = place.run(&["show", folder.to_str().unwrap(), "7", "--json"]).well().events().remove(0);
    assert_eq!(cell["questions"].as_array().unwrap().len(), 58);
    let settled = |question: &&Value| {
        question["predictions"][0]["decided"] == "coordinator" || question["predictions"][1]["decided"] == "coordinator"
    };
    let question = cell["questions"].as_array().unwrap().iter().find(settled).expect("modules disagree somewhere");
    let id = question["question"].as_str().unwrap();
    let text = place.run(&["show", folder.to_str().unwrap(), "7", id]).well().stdout;
    for expected in [
        "Respondent 7",
        "SIMULATED replies",
        "\nProfile\n  | ",
        "\nBackstory (answered, ",
        &format!("\n{id}: "),
        "\ncognitive: ",
        "\naffective: ",
        "\nbehavioral: ",
        "\ncoordinator:\n  | Answer: ",
        "Analysis: (simulated)",
        "\nprediction of valuesim: ",
        "; coordinator; calls: 4)",
        "\ntruth: ",
    ] {
        assert!(text.contains(expected), "{expected:?} is not in\n{text}");
    }
    assert_eq!(text.matches("\nprediction of valuesim").count(), 1, "{text}");
}

#[test]
fn without_transcripts_predictions_are_shown_and_it_is_said_how_to_keep_texts() {
    let place = Place::new();
    place.run(&ONE_CELL).well();
    let run = place.run_folder("runs").file_name().unwrap().to_str().unwrap().to_owned();
    let text = place.run(&["show", &run, "7"]).well().stdout;
    assert!(text.contains("`valuesim run --transcripts` keeps the transcripts of cells that finish"), "{text}");
    assert_eq!(text.matches("\nprediction of valuesim: ").count(), 58);
    let exported = place.run(&["export", &run, "--what", "transcripts", "--format", "jsonl"]).well();
    assert_eq!(exported.stdout, "");
    assert!(exported.stderr.contains("`valuesim run --transcripts`"), "{}", exported.stderr);
}

#[test]
fn exported_predictions_are_those_of_the_predictions_file() {
    let place = Place::new();
    place.run(&ONE_CELL).well();
    let folder = place.run_folder("runs");
    let run = folder.file_name().unwrap().to_str().unwrap();
    place.run(&["export", run, "--format", "parquet", "--output", "ours.parquet"]).well();
    let rows = |file: &Path| {
        let reader = SerializedFileReader::new(std::fs::File::open(file).unwrap()).unwrap();
        let rows = reader.get_row_iter(None).unwrap().map(|row| row.unwrap().to_string());
        let mut rows: Vec<String> = rows.filter(|row| row.contains("model: \"simulated\"")).collect();
        rows.sort_unstable();
        rows
    };
    let exported = rows(&place.path("ours.parquet"));
    assert_eq!(exported.len(), 2 * 58);
    assert_eq!(exported, rows(&folder.join("predictions.parquet")));
    assert_eq!(export(&place, run, "predictions").len(), 2 * 58);
    let csv = place.run(&["export", run, "--format", "csv"]).well().stdout;
    assert_eq!(csv.lines().count(), 1 + 2 * 58);
}

#[test]
fn what_cannot_be_shown_or_exported_is_the_users_to_mend() {
    let place = Place::new();
    place.run(&ONE_CELL).well();
    let folder = place.run_folder("runs");
    let run = folder.to_str().unwrap();
    place.write("there.csv", "mine");
    let check = |arguments: &[&str], expected: &str| {
        let ended = place.run(arguments).with_code(2);
        assert!(ended.stderr.contains(expected), "{expected:?} is not in\n{}", ended.stderr);
        assert_eq!(ended.stdout, "");
    };
    check(&["show", "nothing", "7"], "there is no run nothing");
    check(&["show", run, "8"], "respondent 8 is not in the run's sample of 1");
    check(&["show", run, "7", "Q291"], "expected Q1 to Q290");
    check(&["show", run, "7", "Q1", "--fold", "5"], "none of the selected folds holds out Q1");
    check(&["show", run, "7", "--model", "other"], "no model \"other\": expected one of simulated");
    check(&["export", run, "--format", "csv", "--output", "there.csv"], "there.csv already exists");
    assert_eq!(std::fs::read(place.path("there.csv")).unwrap(), b"mine");
    place.run(&["export", run, "--format", "csv", "--output", "there.csv", "--force"]).well();
    assert!(std::fs::read_to_string(place.path("there.csv")).unwrap().starts_with("respondent,"));
}

#[test]
fn replies_from_before_an_interruption_are_kept_too() {
    let place = Place::new();
    let provider = Recorder::start(|_| "Answer: 1\nAnalysis: So.".to_owned());
    let url = provider.base_url();
    let one = [&ONE_CELL[..], &["--model", "m", "--base-url", &url]].concat();
    provider.hold_after(20);
    let mut running = place.start(&one);
    provider.wait_for(21);
    running.interrupt();
    running.wait_for("stopping:");
    provider.release();
    running.end().with_code(130);
    let before = provider.take().len();
    let (run, after) = run_with(&provider, &place, &["--transcripts"]);
    let rows = export(&place, &run, "transcripts");
    assert!(before > 20 && !after.is_empty(), "{before} calls before, {} after", after.len());
    assert_eq!(rows.len(), before + after.len());
}

#[test]
fn cells_from_before_are_said_to_have_no_transcript() {
    let (place, provider) = (Place::new(), Recorder::start(|_| "Answer: 1\nAnalysis: So.".to_owned()));
    let url = provider.base_url();
    let two = ["run", "--synthetic", "60", "--respondents", "7,9", "--folds", "1", "--methods", "full-info"];
    let run = [&two[..], &["--model", "m", "--base-url", &url, "--calls-in-flight", "1"]].concat();
    // The first cell has 58 calls.
    provider.hold_after(80);
    let mut running = place.start(&run);
    provider.wait_for(81);
    running.interrupt();
    running.wait_for("stopping:");
    provider.release();
    running.end().with_code(130);

    let ended = place.run(&[&run[..], &["--transcripts"]].concat()).well();
    let expected = "--transcripts: 1 of the 1 finished cells have no transcript";
    assert!(ended.stderr.contains(expected), "{}", ended.stderr);
    let folder = place.run_folder("runs");
    let folder = folder.to_str().unwrap();
    let shown = ["7", "9"].map(|respondent| place.run(&["show", folder, respondent]).well().stdout);
    let without = shown.iter().filter(|shown| shown.contains("No transcript was kept for this cell")).count();
    assert_eq!(without, 1);
    let verified = place.run(&["verify", folder]).well().stdout;
    assert!(verified.contains("1 finished cells have one; none was kept for the other 1"), "{verified}");
    let exported = place.run(&["export", folder, "--what", "transcripts", "--format", "jsonl"]).well();
    assert!(exported.stderr.contains("no transcript was kept for 1 of 2 finished cells"), "{}", exported.stderr);
}

#[test]
fn a_reader_that_goes_away_ends_an_export_quietly() {
    let place = Place::new();
    place.run(&[&ONE_CELL[..], &["--transcripts"]].concat()).well();
    let folder = place.run_folder("runs");
    for format in ["parquet", "csv", "jsonl"] {
        for what in ["predictions", "transcripts", "calls"] {
            let export = ["export", folder.to_str().unwrap(), "--what", what, "--format", format];
            let (reader, writer) = std::io::pipe().unwrap();
            drop(reader);
            let ended = place.command(&export).stdout(writer).output().unwrap();
            let said = String::from_utf8_lossy(&ended.stderr);
            assert_eq!((ended.status.code(), said.as_ref()), (Some(0), ""), "{what} as {format}");
        }
    }
}
