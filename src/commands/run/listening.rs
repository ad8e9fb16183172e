//! Where a run in one process serves probes, metrics and its page.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use valuesim_shared::control::FolderControl;
use valuesim_shared::id::RunId;
use valuesim_shared::telemetry::HttpStatus;

use crate::commands::status::{Observer, Wanted};
use crate::exit::{Failure, OrUsage as _};
use crate::http;
use crate::page::{Page, PageFlags};
use crate::run_folder::RunFolder;

/// Where a process serves its page, and to whom.
#[derive(Clone, Copy)]
pub(in crate::commands) struct Listening<'a> {
    address: SocketAddr,
    page: &'a PageFlags,
}

impl<'a> Listening<'a> {
    pub(super) const fn new(address: SocketAddr, page: &'a PageFlags) -> Self {
        Self { address, page }
    }

    /// Serves probes, metrics and the page of the run in `folder`.
    pub(super) async fn serve(
        self,
        run: &RunId,
        folder: &RunFolder,
        stop: &CancellationToken,
    ) -> Result<(Arc<HttpStatus>, Page), Failure> {
        let access = self.page.access(self.address).or_usage()?;
        let control = FolderControl::in_folder(folder.control());
        let observer = Observer::at_folders(move || vec![control.clone()], Wanted::This(run.clone()));
        let page = Page::new(access, observer);
        let served = HttpStatus::serve_without_servers(self.address, ("run", page.routes()), stop).await.or_usage()?;
        http::announce(&served);
        page.announce(served.url());
        Ok((served, page))
    }
}
