//! Stops a run in the user's time: by signals, with a word about what happens until it has ended.

use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

use crate::interrupt::Signals;
use crate::output::note;

/// A token that the first Ctrl-C or SIGTERM cancels; a second one ends the process.
pub(in crate::commands) fn stop_on_signals(runtime: &Runtime) -> anyhow::Result<CancellationToken> {
    let stop = CancellationToken::new();
    let _inside = runtime.enter();
    runtime.spawn(Signals::listen()?.stop_then_leave(stop.clone()));
    Ok(stop)
}

/// Says something once it is cancelled.
pub(in crate::commands) async fn say_when(stop: CancellationToken, text: &'static str) {
    stop.cancelled().await;
    note(text);
}
