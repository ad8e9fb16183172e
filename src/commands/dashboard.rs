//! `valuesim dashboard`: serves the live page of all runs of a broker and store, or of a folder of runs.

use std::net::SocketAddr;

use anyhow::Context as _;
use clap::Args;
use tokio::runtime::Runtime;
use valuesim_shared::telemetry::Listener;

use super::status::{Observer, Wanted};
use crate::exit::{Exit, Failure, OrUsage as _};
use crate::interrupt::Signals;
use crate::page::{Page, PageFlags};
use crate::runs_flag::RunsFlag;
use crate::servers::ServerFlags;

/// What `valuesim dashboard` takes.
#[derive(Debug, Args)]
pub(crate) struct Flags {
    /// Address to serve the page at; port 0 picks a free port
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0", help_heading = "Servers")]
    listen: SocketAddr,

    #[command(flatten)]
    page: PageFlags,

    #[command(flatten)]
    servers: ServerFlags,

    #[command(flatten)]
    runs: RunsFlag,
}

/// Serves the page until Ctrl-C.
pub(crate) fn run(flags: &Flags) -> Result<Exit, Failure> {
    let access = flags.page.access(flags.listen).or_usage()?;
    let observer = match flags.servers.addresses_if_given("valuesim dashboard").or_usage()? {
        Some(addresses) => Observer::at_servers(addresses, Wanted::All),
        None => Observer::at_folders(flags.runs.clone().into_controls(), Wanted::All),
    };
    Runtime::new().context("start the asynchronous runtime")?.block_on(async {
        let mut signals = Signals::listen()?;
        let page = Page::new(access, observer);
        let listener = Listener::open(flags.listen).await.or_usage()?;
        page.announce(&listener.url());
        tokio::select! {
            () = listener.serve_alone(page.routes()) => {}
            () = signals.next() => page.end().await,
        }
        Ok(Exit::Done)
    })
}
