//! `valuesim status`: how runs are doing, who works on them, and what needs attention.

mod attention;
mod look;
#[cfg(test)]
mod tests;
mod text;

use std::io::IsTerminal as _;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use serde::Serialize;
use tokio::runtime::Runtime;
use valuesim_coordinator::visible::visible_json;
use valuesim_shared::control::{AboutRun, CoordinatorReport, Order, UnixMillis, WorkerReport};
use valuesim_shared::id::RunId;

use self::look::Look;
use super::queues::FoundQueue;
use super::viewed::{Reader, print, print_to};
use crate::exit::{Exit, Failure, OrUsage as _};
use crate::interrupt::Signals;
use crate::servers::{Addresses, ServerFlags};

pub(super) use self::text::{phase, spent};

/// How often `--watch` looks.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Empties the terminal and begins at its top.
const CLEAR: &str = "\u{1b}[2J\u{1b}[H";

/// What `valuesim status` takes.
#[derive(Debug, Args)]
pub(crate) struct Flags {
    /// The run, as `valuesim runs` lists it [default: all active runs]
    #[arg(value_parser = super::order::run_id)]
    run: Option<RunId>,

    /// Refresh every two seconds until Ctrl-C
    #[arg(long)]
    watch: bool,

    /// Write one JSON object per refresh and line
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    servers: ServerFlags,
}

/// What was found in one look.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct Status {
    /// When it was looked.
    at: UnixMillis,
    /// The servers that could not be asked.
    unreached: Vec<Unreached>,
    runs: Vec<RunStatus>,
    /// The workers that are alive, whatever run they serve.
    workers: Vec<WorkerReport>,
    /// How much was said by other releases, and cannot be read.
    unreadable: u32,
}

/// One run.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct RunStatus {
    run: RunId,
    /// What the list of runs says of it.
    about: Option<AboutRun>,
    /// What an operator wants of it.
    order: Option<Order>,
    /// One, unless something is wrong.
    coordinators: Vec<CoordinatorReport>,
    /// None where the broker could not be asked, or was not asked of all queues in time.
    queues: Option<Vec<FoundQueue>>,
    /// What somebody should look after, a sentence each.
    attention: Vec<String>,
}

/// A server that could not be asked.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct Unreached {
    server: Server,
    why: String,
}

/// One of the two servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Server {
    Store,
    Broker,
}

/// Shows the runs once, or again and again.
pub(crate) fn run(flags: &Flags) -> Result<Exit, Failure> {
    let addresses = flags.servers.addresses("valuesim status").or_usage()?;
    Runtime::new().context("start the asynchronous runtime")?.block_on(Box::pin(flags.look(addresses)))
}

impl Flags {
    async fn look(&self, addresses: Addresses) -> Result<Exit, Failure> {
        let mut look = Look::new(addresses, self.run.clone());
        if self.watch {
            return Box::pin(self.watch(&mut look)).await;
        }
        let status = Box::pin(look.look()).await;
        // Before hanging up, which may take seconds that nobody wants to wait.
        let told = self.tell(&status);
        look.close().await;
        told
    }

    fn tell(&self, status: &Status) -> Result<Exit, Failure> {
        if let Some(run) = self.run.as_ref().filter(|run| status.knows_nothing_of(run)) {
            return Err(super::order::unknown(run).into());
        }
        self.print(status)?;
        Ok(if status.is_whole() { Exit::Done } else { Exit::NotLooked })
    }

    async fn watch(&self, look: &mut Look) -> Result<Exit, Failure> {
        let mut signals = Signals::hear()?;
        let mut looks = tokio::time::interval(LOOK_EVERY);
        let clears = !self.json && std::io::stdout().is_terminal();
        loop {
            tokio::select! {
                biased;
                () = signals.next() => break,
                status = async { looks.tick().await; Box::pin(look.look()).await } => {
                    if clears {
                        print(CLEAR).context("write to standard output")?;
                    }
                    if self.print(&status)? == Reader::IsGone {
                        break;
                    }
                }
            }
        }
        look.close().await;
        Ok(Exit::Done)
    }

    fn print(&self, status: &Status) -> anyhow::Result<Reader> {
        let text = if self.json {
            let json = serde_json::to_string(status).expect("a status can be written as JSON");
            format!("{}\n", visible_json(&json))
        } else {
            text::text(status)
        };
        print_to(&text).context("write to standard output")
    }
}

impl Status {
    /// Whether all was asked and nobody has ever heard of the run.
    fn knows_nothing_of(&self, run: &RunId) -> bool {
        let is_served = self.workers.iter().any(|worker| worker.runs.contains(run));
        self.is_whole() && !is_served && self.runs.iter().all(RunStatus::is_unknown)
    }

    /// Whether all was seen that there is.
    fn is_whole(&self) -> bool {
        self.unreached.is_empty() && self.runs.iter().all(|run| run.queues.is_some())
    }

    fn has_reached(&self, server: Server) -> bool {
        self.unreached.iter().all(|unreached| unreached.server != server)
    }
}

impl RunStatus {
    fn is_unknown(&self) -> bool {
        let has_queues = self.queues.iter().flatten().any(|queue| queue.depth.is_some());
        self.about.is_none() && self.order.is_none() && self.coordinators.is_empty() && !has_queues
    }

    /// How a model is called: by its name, where it is known.
    fn model(&self, model: usize) -> String {
        let name = self.about.as_ref().and_then(|about| about.models.get(model));
        name.cloned().unwrap_or_else(|| format!("model {model}"))
    }
}
