//! The prompts and replies that a run keeps, and how `valuesim show` and `valuesim export` print them.
#![expect(clippy::unwrap_used, reason = "in a test, an unwrap is a check")]
#![allow(dead_code, reason = "the tests of the command use the rest")]

#[path = "command/support/process.rs"]
mod process;
#[path = "command/support/recorder.rs"]
mod recorder;
#[path = "command/support/sandbox.rs"]
mod sandbox;

use std::path::Path;

use parquet::file::reader::{FileReader as _, SerializedFileReader};
use redb::{Database, ReadableDatabase as _, ReadableTable as _, ReadableTableMetadata as _, TableDefinition};
use serde_json::Value;

use recorder::Recorder;
use sandbox::Sandbox;

/// One person, one fold: a cell with 54 questions.
const ONE_CELL: [&str; 7] = ["run", "--synthetic", "60", "--respondents", "7", "--folds", "1"];

/// Characters that clear the screen, ring the bell, delete, set a colour by a C1 code, and reverse the text direction.
const HOSTILE: &str = "\u{1b}[2J\u{7}\u{7f}\u{9b}31m\u{202e}";

type Key = (u16, u32, u8);

/// The rows of the ledger's table `cells`, and the number of its transcripts.
fn ledger(folder: &Path) -> (Vec<(Key, Vec<u8>)>, u64) {
    let database = Database::open(folder.join("ledger.redb")).unwrap();
    let transaction = database.begin_read().unwrap();
    let table = |name| transaction.open_table(TableDefinition::<Key, &[u8]>::new(name)).unwrap();
    let cells = table("cells");
    let rows = cells.iter().unwrap().map(Result::unwrap).map(|(key, row)| (key.value(), row.value().to_vec()));
    let rows = rows.collect();
    (rows, table("transcripts").len().unwrap())
}

/// The replies of a model that sends control characters, whose modules disagree, and whose cognitive module never keeps
/// to the format.
fn hostile_reply(prompt: &str) -> String {
    if prompt.contains("cognitive dimensions") {
        return format!("Answer: {HOSTILE} I would rather not say a number.");
    }
    let answer = if prompt.contains("affective dimensions") { 1 } else { 2 };
    format!("Answer: {answer}\nAnalysis: {HOSTILE} because.")
}

/// Finishes a run of one cell. Returns its id and the requests that the provider received.
fn run_with(provider: &Recorder, sandbox: &Sandbox, more: &[&str]) -> (String, Vec<Value>) {
    let url = provider.base_url();
    sandbox.run(&[&ONE_CELL[..], &["--model", "m", "--base-url", &url], more].concat()).expect_success();
    let folder = sandbox.run_folder("runs");
    (folder.file_name().unwrap().to_str().unwrap().to_owned(), provider.take())
}

/// Starts the command and interrupts it after this many answered calls.
fn interrupt_after(answered: usize, arguments: &[&str], sandbox: &Sandbox, provider: &Recorder) {
    provider.pause_replies_after(answered);
    let mut running = sandbox.start(arguments);
    provider.wait_for(answered + 1);
    running.interrupt();
    running.wait_for("stopping:");
    provider.resume_replies();
    running.wait().expect_code(130);
}

fn controls_terminal(c: char) -> bool {
    (c.is_control() && c != '\n' && c != '\t') || HOSTILE.contains(c) && !c.is_ascii_graphic()
}

fn export(sandbox: &Sandbox, run: &str, what: &str) -> Vec<Value> {
    sandbox.run(&["export", run, "--what", what, "--format", "jsonl"]).expect_success().events()
}

#[test]
fn keeping_transcripts_changes_nothing_else() {
    let (with, without) = (Sandbox::new(), Sandbox::new());
    let small = ["run", "--users", "3", "--synthetic", "200", "--folds", "1,2"];
    without.run(&small).expect_success();
    with.run(&[&small[..], &["--transcripts"]].concat()).expect_success();
    let folders = [&with, &without].map(|sandbox| sandbox.run_folder("runs"));
    assert_eq!(folders[0].file_name(), folders[1].file_name(), "both are the same run");
    let ((kept, transcripts), (plain, none)) = (ledger(&folders[0]), ledger(&folders[1]));
    assert!(kept == plain, "the cells differ");
    assert_eq!((kept.len(), transcripts, none), (6, 6, 0));
}

#[test]
fn every_call_is_kept_as_it_was_made() {
    let (sandbox, provider) = (Sandbox::new(), Recorder::start(hostile_reply));
    let (run, requests) = run_with(&provider, &sandbox, &["--transcripts"]);
    let rows = export(&sandbox, &run, "calls");
    let mut asked: Vec<&str> = requests
        .iter()
        .map(|request| request["messages"].as_array().unwrap().last().unwrap()["content"].as_str().unwrap())
        .collect();
    let mut kept: Vec<&str> = rows.iter().map(|row| row["prompt"].as_str().unwrap()).collect();
    asked.sort_unstable();
    kept.sort_unstable();
    assert!(asked == kept, "the prompts of {} calls differ from the {} that were kept", asked.len(), kept.len());
    let of = |stage: &str| rows.iter().filter(|row| row["stage"] == stage).collect::<Vec<_>>();
    assert_eq!(of("story").len(), 1);
    assert_eq!(of("cognitive").len(), 2 * 54, "each is followed by a reminder of the format");
    assert_eq!(of("affective")[0]["reply"], hostile_reply("affective dimensions"), "the reply is kept unchanged");
    assert_eq!(of("affective")[0]["output_tokens"], 10);
    let spend: u64 = export(&sandbox, &run, "spend").iter().map(|row| row["answered"].as_u64().unwrap()).sum();
    assert_eq!(spend, requests.len() as u64);
}

#[test]
fn shown_text_cannot_control_a_terminal() {
    let (sandbox, provider) = (Sandbox::new(), Recorder::start(hostile_reply));
    let (run, _) = run_with(&provider, &sandbox, &["--transcripts"]);
    let visible = "\\u{1b}[2J\\u{7}\\u{7f}\\u{9b}31m\\u{202e} because.";
    let check = |arguments: &[&str], expected: &str| {
        let shown = sandbox.run(arguments).expect_success().stdout;
        assert!(shown.contains(expected), "{expected} is not in\n{shown}");
        let found = shown.chars().find(|&c| controls_terminal(c));
        assert!(found.is_none(), "{found:?} in the output of {arguments:?}");
    };
    check(&["show", &run, "7"], visible);
    check(&["show", &run, "7", "--prompts"], visible);
    check(&["show", &run, "7", "--json"], "\\u001b[2J\\u0007\\u007f\\u009b31m\\u202e because.");
    check(&["export", &run, "--what", "calls", "--format", "csv"], visible);
    check(&["export", &run, "--what", "calls", "--format", "jsonl"], "\\u001b[2J");
}

#[test]
fn one_question_is_shown_with_everything_that_led_to_its_prediction() {
    let sandbox = Sandbox::new();
    sandbox.run(&[&ONE_CELL[..], &["--transcripts"]].concat()).expect_success();
    let folder = sandbox.run_folder("runs");
    let cell = sandbox.run(&["show", folder.to_str().unwrap(), "7", "--json"]).expect_success().events().remove(0);
    assert_eq!(cell["questions"].as_array().unwrap().len(), 54);
    let settled = |question: &&Value| {
        question["predictions"][0]["decided"] == "coordinator" || question["predictions"][1]["decided"] == "coordinator"
    };
    let question = cell["questions"].as_array().unwrap().iter().find(settled).expect("modules disagree somewhere");
    let id = question["question"].as_str().unwrap();
    let text = sandbox.run(&["show", folder.to_str().unwrap(), "7", id]).expect_success().stdout;
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
fn without_transcripts_show_prints_predictions_and_says_how_to_keep_transcripts() {
    let sandbox = Sandbox::new();
    sandbox.run(&ONE_CELL).expect_success();
    let run = sandbox.run_folder("runs").file_name().unwrap().to_str().unwrap().to_owned();
    let text = sandbox.run(&["show", &run, "7"]).expect_success().stdout;
    assert!(text.contains("`valuesim run --transcripts` keeps the transcripts of cells that finish"), "{text}");
    assert_eq!(text.matches("\nprediction of valuesim: ").count(), 54);
    let exported = sandbox.run(&["export", &run, "--what", "calls", "--format", "jsonl"]).expect_success();
    assert_eq!(exported.stdout, "");
    assert!(exported.stderr.contains("`valuesim run --transcripts`"), "{}", exported.stderr);
}

#[test]
fn exported_predictions_equal_those_of_the_predictions_file() {
    let sandbox = Sandbox::new();
    sandbox.run(&ONE_CELL).expect_success();
    let folder = sandbox.run_folder("runs");
    let run = folder.file_name().unwrap().to_str().unwrap();
    sandbox.run(&["export", run, "--format", "parquet", "--output", "ours.parquet"]).expect_success();
    let rows = |file: &Path| {
        let reader = SerializedFileReader::new(std::fs::File::open(file).unwrap()).unwrap();
        let rows = reader.get_row_iter(None).unwrap().map(|row| row.unwrap().to_string());
        let mut rows: Vec<String> = rows.filter(|row| row.contains("model: \"simulated\"")).collect();
        rows.sort_unstable();
        rows
    };
    let exported = rows(&sandbox.path("ours.parquet"));
    assert_eq!(exported.len(), 2 * 54);
    assert_eq!(exported, rows(&folder.join("predictions.parquet")));
    assert_eq!(export(&sandbox, run, "predictions").len(), 2 * 54);
    let csv = sandbox.run(&["export", run, "--format", "csv"]).expect_success().stdout;
    assert_eq!(csv.lines().count(), 1 + 2 * 54);
}

#[test]
fn exported_tables_equal_the_data_files_byte_for_byte() {
    let sandbox = Sandbox::new();
    sandbox.run(&[&ONE_CELL[..], &["--transcripts"]].concat()).expect_success();
    let folder = sandbox.run_folder("runs");
    let run = folder.file_name().unwrap().to_str().unwrap();
    for what in ["people", "scores", "calls"] {
        sandbox.run(&["export", run, "--what", what, "--format", "parquet", "--output", what]).expect_success();
        let file = std::fs::read(folder.join(format!("{what}.parquet"))).unwrap();
        assert!(std::fs::read(sandbox.path(what)).unwrap() == file, "{what}");
    }
    // One person, two arms of a model and five without, in ten categories.
    assert_eq!(export(&sandbox, run, "people").len(), 7 * 10);
    let verified = sandbox.run(&["verify", run]).expect_success().stdout;
    assert!(verified.contains("people.parquet has 70 rows, to the last byte"), "{verified}");
    std::fs::write(folder.join("scores.parquet"), "PAR1").unwrap();
    assert!(sandbox.run(&["verify", run]).expect_code(1).stdout.contains("scores.parquet: "));
}

#[test]
fn what_cannot_be_shown_or_exported_is_a_users_mistake() {
    let sandbox = Sandbox::new();
    sandbox.run(&ONE_CELL).expect_success();
    let folder = sandbox.run_folder("runs");
    let run = folder.to_str().unwrap();
    sandbox.write("there.csv", "mine");
    let check = |arguments: &[&str], expected: &str| {
        let output = sandbox.run(arguments).expect_code(2);
        assert!(output.stderr.contains(expected), "{expected:?} is not in\n{}", output.stderr);
        assert_eq!(output.stdout, "");
    };
    check(&["show", "nothing", "7"], "there is no run nothing");
    check(&["show", run, "8"], "respondent 8 is not in the run's sample of 1");
    check(&["show", run, "7", "Q291"], "expected Q1 to Q290");
    check(&["show", run, "7", "Q1", "--fold", "5"], "none of the selected folds holds out Q1");
    check(&["show", run, "7", "--model", "other"], "no model \"other\": expected one of simulated");
    check(&["export", run, "--format", "csv", "--output", "there.csv"], "there.csv already exists");
    assert_eq!(std::fs::read(sandbox.path("there.csv")).unwrap(), b"mine");
    sandbox.run(&["export", run, "--format", "csv", "--output", "there.csv", "--force"]).expect_success();
    assert!(std::fs::read_to_string(sandbox.path("there.csv")).unwrap().starts_with("respondent,"));
}

#[test]
fn replies_from_before_an_interruption_are_kept_too() {
    let sandbox = Sandbox::new();
    let provider = Recorder::start(|_| "Answer: 1\nAnalysis: So.".to_owned());
    let url = provider.base_url();
    let one = [&ONE_CELL[..], &["--model", "m", "--base-url", &url]].concat();
    interrupt_after(20, &one, &sandbox, &provider);
    let before = provider.take().len();
    let (run, after) = run_with(&provider, &sandbox, &["--transcripts"]);
    let rows = export(&sandbox, &run, "calls");
    assert!(before > 20 && !after.is_empty(), "{before} calls before, {} after", after.len());
    assert_eq!(rows.len(), before + after.len());
}

#[test]
fn cells_that_finished_without_transcripts_are_reported() {
    let (sandbox, provider) = (Sandbox::new(), Recorder::start(|_| "Answer: 1\nAnalysis: So.".to_owned()));
    let url = provider.base_url();
    let two = ["run", "--synthetic", "60", "--respondents", "7,9", "--folds", "1", "--methods", "full-info"];
    let run = [&two[..], &["--model", "m", "--base-url", &url, "--calls-in-flight", "1"]].concat();
    // The first cell has 54 calls.
    interrupt_after(80, &run, &sandbox, &provider);

    let output = sandbox.run(&[&run[..], &["--transcripts"]].concat()).expect_success();
    let expected = "--transcripts: 1 of the 1 finished cells have no transcript";
    assert!(output.stderr.contains(expected), "{}", output.stderr);
    let folder = sandbox.run_folder("runs");
    let folder = folder.to_str().unwrap();
    let shown = ["7", "9"].map(|respondent| sandbox.run(&["show", folder, respondent]).expect_success().stdout);
    let without = shown.iter().filter(|shown| shown.contains("No transcript was kept for this cell")).count();
    assert_eq!(without, 1);
    let verified = sandbox.run(&["verify", folder]).expect_success().stdout;
    assert!(verified.contains("1 finished cells have one; none was kept for the other 1"), "{verified}");
    let exported = sandbox.run(&["export", folder, "--what", "calls", "--format", "jsonl"]).expect_success();
    assert!(exported.stderr.contains("no transcript was kept for 1 of 2 finished cells"), "{}", exported.stderr);
}

#[test]
fn an_export_ends_quietly_when_its_reader_goes_away() {
    let sandbox = Sandbox::new();
    sandbox.run(&[&ONE_CELL[..], &["--transcripts"]].concat()).expect_success();
    let folder = sandbox.run_folder("runs");
    for format in ["parquet", "csv", "jsonl"] {
        for what in ["predictions", "people", "scores", "calls", "spend"] {
            let export = ["export", folder.to_str().unwrap(), "--what", what, "--format", format];
            let (reader, writer) = std::io::pipe().unwrap();
            drop(reader);
            let output = sandbox.command(&export).stdout(writer).output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr);
            assert_eq!((output.status.code(), said.as_ref()), (Some(0), ""), "{what} as {format}");
        }
    }
}
