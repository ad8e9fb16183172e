//! Words of others steer nothing: names of models, files and columns, and what providers say, with escape codes, marks of
//! direction, line breaks, Markdown, HTML and LaTeX in them, in the output of every verb, every log, report and page.

use std::fs;
use std::path::Path;

use crate::support::browser::Browser;
use crate::support::recorder::Recorder;
use crate::support::sandbox::{CommandOutput, Sandbox};

/// What words are made of. Each acts on something that shows it as it is. Names may have the last ones, and not the first, which
/// are refused in them.
const PIECES: [&str; 18] = [
    "\u{1b}[2J",
    "\u{1b}]0;taken\u{7}",
    "\u{9b}31m",
    "\r",
    "\u{8}",
    "\u{7f}",
    "\u{85}",
    "\nFORGED: all is well\n",
    "\n# FORGED heading\n",
    "\u{202e}",
    "\u{2066}",
    "\u{200f}",
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "[x](javascript:alert(1))",
    "\"><u>",
    "`|**",
    "\\input{/etc/passwd}",
];

/// Where the pieces begin that a file's name may have, and those that a model's name may have.
const OF_FILES: usize = 9;
const OF_MODELS: usize = 12;

/// How many words are tried. More of them find more, and take some seconds each.
const WORDS: u64 = 2;

/// A word of six of these pieces, another one for each seed.
fn word(seed: u64, pieces: &[&str]) -> String {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let words = (0..6).map(|_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        pieces[(state >> 33) as usize % pieces.len()]
    });
    format!("w{seed}{}", words.collect::<String>())
}

fn steers(c: char) -> bool {
    (c.is_control() && c != '\n' && c != '\t')
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[track_caller]
fn check_text(what: &str, text: &str) {
    let found: Vec<char> = text.chars().filter(|&c| steers(c)).collect();
    assert!(found.is_empty(), "{what} has {found:?}:\n{}", text.escape_debug());
    let forged = text.lines().find(|line| line.trim_start_matches(['#', ' ']).starts_with("FORGED"));
    assert_eq!(forged, None, "{what} has a line that others have written:\n{text}");
}

#[track_caller]
fn check_markup(what: &str, text: &str) {
    check_text(what, text);
    for tag in ["<script>alert", "<img src=x", "\"><u>"] {
        assert!(!text.contains(tag), "{what} has {tag}:\n{text}");
    }
}

fn check_output(what: &str, output: &CommandOutput) {
    assert_ne!(output.code, Some(101), "{what} panicked: {}", output.stderr);
    check_text(&format!("the output of {what}"), &output.stdout);
    check_text(&format!("the log of {what}"), &output.stderr);
}

fn check_files(folder: &Path) {
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
        if path.is_dir() {
            check_files(&path);
            continue;
        }
        let Ok(text) = fs::read_to_string(&path) else { continue };
        match path.extension().and_then(|end| end.to_str()) {
            // In Markdown, a backslash makes a sign a word.
            Some("md") => check_markup(&name, &text.replace("\\<", "").replace("\\\"", "")),
            Some("html" | "svg") => check_markup(&name, &text),
            Some("tex") => assert!(!text.contains("\\input{"), "{name}: {text}"),
            Some("json") => assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok(), "{name}"),
            _ => {}
        }
    }
    let markdown = fs::read_to_string(folder.join("report.md")).unwrap_or_default();
    for line in markdown.lines() {
        assert!(!line.contains("[x](javascript:"), "{line}");
    }
}

/// An experiment whose model, file and survey have such names.
fn write_experiment(sandbox: &Sandbox, seed: u64, base_url: &str) -> String {
    let file = word(seed, &PIECES[OF_FILES..]).replace('/', "∕");
    let survey = format!("survey {file}.csv");
    sandbox.run(&["synth", &survey, "--respondents", "60"]).expect_success();
    let quoted = |text: &str| serde_json::to_string(text).unwrap();
    let (name, survey) = (quoted(&word(seed, &PIECES[OF_MODELS..])), quoted(&survey));
    let experiment = format!("experiment {file}.toml");
    let text = format!(
        "survey.file = {survey}\nsample.respondents = [7]\nsplit.only = [1]\nmethods = [\"full-info\"]\ntranscripts = true\n[[model]]\n\
         name = {name}\nbase_url = \"{base_url}\"\n"
    );
    sandbox.write(&experiment, text);
    experiment
}

#[test]
fn words_of_others_steer_no_terminal_no_log_and_no_report() {
    for seed in 0..WORDS {
        let word = word(seed, &PIECES);
        let provider = Recorder::reporting(|_| "Answer: 1".to_owned(), &word);
        let sandbox = Sandbox::new();
        let experiment = write_experiment(&sandbox, seed, &provider.base_url());
        let look = |arguments: &[&str]| {
            let output = sandbox.run_with(("VALUESIM_LOG", "debug"), arguments);
            check_output(&format!("{arguments:?}"), &output);
            output
        };
        look(&["estimate", &experiment]).expect_success();
        look(&["run", &experiment, "--dry-run"]).expect_success();
        look(&["run", &experiment]).expect_success();
        let folder = sandbox.run_folder("runs");
        let run = folder.file_name().unwrap().to_string_lossy().into_owned();
        for arguments in [
            &["run", &experiment, "--json"][..],
            &["show", &run, "7", "--prompts"],
            &["show", &run, "7", "--json"],
            &["cost", &run],
            &["cost", &run, "--format", "csv"],
            &["report", &run],
            &["export", &run, "--what", "predictions", "--format", "csv"],
            &["export", &run, "--what", "calls", "--format", "jsonl"],
            &["export", &run, "--what", "scores", "--format", "csv"],
            &["export", &run, "--what", "spend", "--format", "csv"],
            &["verify", &run],
            &["verify", &run, "--json"],
            &["status"],
        ] {
            look(arguments);
        }
        check_files(&folder);
        // Names that are wrong are repeated in errors.
        for arguments in [
            &["run", &word][..],
            &["run", "--survey", &word],
            &["run", "--codebook", &word],
            &["run", "--users", &word],
            &["run", "--by", &word],
            &["run", "--base-url", &word, "--model", &word],
            &["run", "--model", "m", "--base-url", "http://127.0.0.1:9/v1", "--api-key-file", &word],
            &[&word],
            &["verify", &word],
            &["show", &word, "7"],
            &["report", &word],
            &["report", &run, "--output", &word],
            &["export", &run, "--output", &word],
            &["prices", "check", &word],
            &["work", "--broker", &word, "--store", &word],
            &["work", "--broker", "amqp://127.0.0.1:9", "--store", "redis://127.0.0.1:9", "--keys", &word],
            &["runs", "--store", &word],
            &["reopen", &run, &word],
        ] {
            look(arguments);
        }
    }
}

#[test]
fn what_a_provider_says_steers_nothing() {
    for seed in 0..WORDS {
        let provider = Recorder::refusing(&word(seed, &PIECES));
        let sandbox = Sandbox::new();
        let experiment = write_experiment(&sandbox, seed, &provider.base_url());
        let output = sandbox.run_with(("VALUESIM_LOG", "debug"), &["run", &experiment]).expect_code(2);
        check_output("run", &output);
        assert!(output.stderr.contains("requires a key, and none was sent (401)"), "{}", output.stderr);
        check_output("status", &sandbox.run(&["status"]));
    }
}

#[test]
fn names_that_would_steer_are_refused() {
    let sandbox = Sandbox::new();
    for name in ["a\nFORGED: b", "\u{1b}[2J", "\u{202e}m"] {
        let quoted = serde_json::to_string(name).unwrap();
        sandbox.write("experiment.toml", format!("[[model]]\nname = {quoted}\nbase_url = 'http://127.0.0.1:9/v1'\n"));
        let output = sandbox.run(&["run", "experiment.toml"]).expect_code(2);
        check_output("run", &output);
        assert!(output.stderr.contains("its name has a line break, a control character"), "{}", output.stderr);
    }
    sandbox.write("experiment.toml", "survey.file = \"a\\nFORGED: b.csv\"\n");
    let output = sandbox.run(&["run", "experiment.toml"]).expect_code(2);
    check_output("run", &output);
    assert!(output.stderr.contains("must not have control characters"), "{}", output.stderr);
    let output = sandbox.run_with(("VALUESIM_SURVEY", "a\nFORGED: b"), &["run"]).expect_code(2);
    check_output("run", &output);
    assert!(output.stderr.contains("has a line break"), "{}", output.stderr);
}

#[test]
fn the_live_page_gets_words_of_others_as_texts() {
    let provider = Recorder::reporting(|_| "Answer: 1".to_owned(), &PIECES.concat());
    provider.pause_replies_after(3);
    let sandbox = Sandbox::new();
    let experiment = write_experiment(&sandbox, 1, &provider.base_url());
    let mut running = sandbox.start(&["run", &experiment, "--listen", "127.0.0.1:0"]);
    let line = running.wait_for_line("live page: ");
    let page = Browser::at(line.split_once("live page: ").unwrap().1.trim());
    check_markup("the page", &page.get("/").body);
    provider.wait_for(4);
    let status = page.get("/api/status");
    // In JSON they are texts; `tests/compat` looks at the page that shows them.
    assert!(status.json()["runs"].is_array());
    check_text("the status", &status.body);
    check_text("the metrics", &page.get("/metrics").body);
    provider.resume_replies();
    check_output("run", &running.wait().expect_code(0));
}
