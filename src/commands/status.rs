//! `valuesim status`: shows the state of runs, their processes, and what needs attention.

mod attention;
mod bottleneck;
mod calls;
mod conclusion;
mod found;
mod observer;
mod outlook;
mod run_control;
#[cfg(test)]
mod schema;
mod scores;
#[cfg(test)]
mod tests;
mod text;
mod waiting;

use std::io::IsTerminal as _;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use tokio::runtime::Runtime;
use valuesim_coordinator::terminal_escape::visible_json;
use valuesim_shared::id::RunId;

use crate::exit::{Exit, Failure, OrUsage as _};
use crate::interrupt::Signals;
use crate::output::{Reader, clear_terminal, print};
use crate::runs_flag::RunsFlag;
use crate::servers::{Addresses, ServerFlags};

pub(crate) use self::found::Status;
pub(crate) use self::observer::{Observer, Wanted};
pub(crate) use self::run_control::RunControl;
pub(super) use self::text::{phase, spent};

/// How often `--watch` refreshes.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// What `valuesim status` takes.
#[derive(Debug, Args)]
pub(crate) struct Flags {
    /// The run, as `valuesim runs` lists it [default: all active runs]
    #[arg(value_parser = super::control::run_id)]
    run: Option<RunId>,

    /// Refresh every two seconds until Ctrl-C
    #[arg(long)]
    watch: bool,

    /// Write one JSON object per refresh and line
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    servers: ServerFlags,

    #[command(flatten)]
    runs: RunsFlag,
}

/// Shows the runs once, or repeatedly.
pub(crate) fn run(flags: &Flags) -> Result<Exit, Failure> {
    let addresses = flags.servers.addresses_if_given("valuesim status").or_usage()?;
    Runtime::new().context("start the asynchronous runtime")?.block_on(Box::pin(flags.look(addresses)))
}

impl Flags {
    async fn look(&self, addresses: Option<Addresses>) -> Result<Exit, Failure> {
        let mut look = match addresses {
            Some(addresses) => Observer::at_servers(addresses, self.run.clone().map_or(Wanted::Active, Wanted::This)),
            None => self.look_at_folders().await?,
        };
        if self.watch {
            return Box::pin(self.watch(&mut look)).await;
        }
        let status = Box::pin(look.look()).await;
        // Before disconnecting, which may take seconds.
        let told = self.tell(&status);
        look.close().await;
        told
    }

    async fn look_at_folders(&self) -> Result<Observer, Failure> {
        Ok(match &self.run {
            Some(run) => {
                let (control, run) = self.runs.control_of(run).await?;
                Observer::at_folders(move || vec![control.clone()], Wanted::This(run))
            }
            None => Observer::at_folders(self.runs.clone().into_controls(), Wanted::Active),
        })
    }

    fn tell(&self, status: &Status) -> Result<Exit, Failure> {
        if let Some(run) = self.run.as_ref().filter(|run| status.knows_nothing_of(run)) {
            return Err(super::control::unknown(run).into());
        }
        self.print(status)?;
        Ok(if status.is_whole() { Exit::Done } else { Exit::NotLooked })
    }

    async fn watch(&self, look: &mut Observer) -> Result<Exit, Failure> {
        let mut signals = Signals::listen()?;
        let mut looks = tokio::time::interval(LOOK_EVERY);
        let clears = !self.json && std::io::stdout().is_terminal();
        loop {
            tokio::select! {
                biased;
                () = signals.next() => break,
                status = async { looks.tick().await; Box::pin(look.look()).await } => {
                    if clears {
                        clear_terminal()?;
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
        print(&text)
    }
}
