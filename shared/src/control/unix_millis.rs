//! A time that one process writes and another reads.

use std::fmt;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// A time: milliseconds since 1970 in UTC, by the clock of its writer.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UnixMillis(pub u64);

impl UnixMillis {
    /// Now, by this machine's clock.
    pub fn now() -> Self {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Self(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }
}

impl fmt::Display for UnixMillis {
    /// As RFC 3339 in UTC, to the second; as milliseconds if it is beyond the calendar.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = i64::try_from(self.0 / 1000).unwrap_or(i64::MAX);
        let moment = OffsetDateTime::from_unix_timestamp(seconds).ok();
        match moment.and_then(|moment| moment.format(&Rfc3339).ok()) {
            Some(date) => f.write_str(&date),
            None => write!(f, "{} ms", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_shown_as_a_date() {
        assert_eq!(UnixMillis(1_790_000_000_999).to_string(), "2026-09-21T14:13:20Z");
        assert_eq!(UnixMillis::default().to_string(), "1970-01-01T00:00:00Z");
        assert_eq!(UnixMillis(u64::MAX).to_string(), "18446744073709551615 ms");
    }
}
