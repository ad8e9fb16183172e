//! The clock of this machine, which dates results, prices and reports.

use std::time::SystemTime;

use anyhow::bail;

/// Refuses a clock that shows a time before 1970: results would be dated to a day that never was, and prices would be those of
/// no day.
pub(crate) fn check(now: SystemTime) -> anyhow::Result<()> {
    if now < SystemTime::UNIX_EPOCH {
        bail!("this machine's clock shows a time before 1970: set it (date, timedatectl), then repeat the command");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_clock_before_1970_is_refused() {
        let error = check(SystemTime::UNIX_EPOCH - Duration::from_secs(1)).expect_err("is refused");
        assert!(error.to_string().contains("before 1970: set it"), "{error}");
        assert!(check(SystemTime::UNIX_EPOCH).is_ok() && check(SystemTime::now()).is_ok());
    }
}
