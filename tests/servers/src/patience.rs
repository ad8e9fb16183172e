//! Waits for what becomes true by and by, for as long as is sensible.

use std::time::{Duration, Instant};

use crate::ServerError;

/// How often is looked. Short beside the seconds that a server takes, long enough to leave the processor to it.
const INTERVAL: Duration = Duration::from_millis(20);

/// Looks until `look` finds something, and returns that.
///
/// # Errors
/// `TooSlow` with `what` after `limit`.
pub async fn eventually<T>(
    what: &str,
    limit: Duration,
    mut look: impl AsyncFnMut() -> Option<T>,
) -> Result<T, ServerError> {
    let start = Instant::now();
    loop {
        if let Some(found) = look().await {
            return Ok(found);
        }
        if start.elapsed() > limit {
            return Err(ServerError::TooSlow { what: what.to_owned(), limit });
        }
        tokio::time::sleep(INTERVAL).await;
    }
}
