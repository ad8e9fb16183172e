//! Waits until a condition is met or a time limit is reached.

use std::time::{Duration, Instant};

use crate::ServerError;

/// The polling interval: short compared with the seconds that a server takes, but long enough to leave it the CPU.
const INTERVAL: Duration = Duration::from_millis(20);

/// Calls `look` until it returns a value, and returns that.
///
/// # Errors
/// [`ServerError::Timeout`] with `what` after `limit`.
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
            return Err(ServerError::Timeout { what: what.to_owned(), limit });
        }
        tokio::time::sleep(INTERVAL).await;
    }
}
