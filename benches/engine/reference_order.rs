//! The calls of a run once more, in the order in which the paper's program makes them.
//!
//! It works on one cell after the other: first its backstory, then fifteen threads take its questions, and each asks the three
//! modules and the coordinator about its question in turn.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::Mutex;

use anyhow::Context as _;
use reqwest::Client;
use reqwest::header::{CONTENT_TYPE, HeaderValue};
use serde::Deserialize;
use serde_json::json;
use tokio::task::JoinSet;

use crate::bare_loop::client;
use crate::process::{Provider, finish, valuesim};

/// The threads of the paper's program.
pub(crate) const THREADS: usize = 15;

/// A call, as `valuesim export --what calls` writes it.
#[derive(Deserialize)]
struct Call {
    respondent: u32,
    fold: u32,
    stage: String,
    question: Option<String>,
    prompt: String,
}

/// The calls of one cell.
#[derive(Default)]
struct CellCalls {
    story: Vec<String>,
    /// By question, in the order in which the modules and the coordinator are asked.
    questions: BTreeMap<String, [Option<String>; 4]>,
}

/// The stages of a question, in the order of the paper's program.
const STAGES: [&str; 4] = ["cognitive", "affective", "behavioral", "coordinator"];

/// Makes the calls of the only run in `runs`, which kept its transcripts, at another provider.
pub(crate) fn replay(runs: &Path, provider: &Provider) -> anyhow::Result<()> {
    let cells = calls_by_cell(runs)?;
    let url = format!("{}/chat/completions", provider.base_url);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let client = client()?;
        for cell in cells.into_values() {
            for prompt in &cell.story {
                send(&client, &url, prompt).await?;
            }
            let left = Arc::new(Mutex::new(cell.questions.into_values().collect::<Vec<_>>().into_iter()));
            let mut threads = JoinSet::new();
            for _ in 0..THREADS {
                threads.spawn(ask_some(client.clone(), url.clone(), Arc::clone(&left)));
            }
            while let Some(ended) = threads.join_next().await {
                ended??;
            }
        }
        Ok(())
    })
}

fn calls_by_cell(runs: &Path) -> anyhow::Result<BTreeMap<(u32, u32), CellCalls>> {
    let run = std::fs::read_dir(runs)?.next().context("find the run")??.path();
    let mut export = valuesim(&["export", "--what", "calls", "--format", "jsonl"]);
    export.arg(run);
    let (_, lines) = finish(export)?;
    let mut cells: BTreeMap<_, CellCalls> = BTreeMap::new();
    for line in lines.lines() {
        let call: Call = serde_json::from_str(line).context("read an exported call")?;
        let cell = cells.entry((call.respondent, call.fold)).or_default();
        match (call.question, STAGES.iter().position(|stage| *stage == call.stage)) {
            (Some(question), Some(stage)) => cell.questions.entry(question).or_default()[stage] = Some(call.prompt),
            _ => cell.story.push(call.prompt),
        }
    }
    Ok(cells)
}

async fn ask_some(
    client: Client,
    url: String,
    left: Arc<Mutex<impl Iterator<Item = [Option<String>; 4]>>>,
) -> anyhow::Result<()> {
    loop {
        let Some(question) = left.lock().expect("no other thread panics").next() else { return Ok(()) };
        for prompt in question.iter().flatten() {
            send(&client, &url, prompt).await?;
        }
    }
}

async fn send(client: &Client, url: &str, prompt: &str) -> anyhow::Result<()> {
    let body = json!({"model": "m", "temperature": 0, "messages": [{"role": "user", "content": prompt}]}).to_string();
    let request = client.post(url).header(CONTENT_TYPE, HeaderValue::from_static("application/json")).body(body);
    request.send().await?.error_for_status()?.bytes().await?;
    Ok(())
}
