//! CPU time of processes, as counted by the kernel.

use std::fs;

use anyhow::Context as _;

/// Ticks per second of the times in `/proc` (proc(5); always 100 on x86 and Arm).
const TICKS_PER_SECOND: f64 = 100.0;

/// User and system CPU seconds of a process with all its threads, and of its children that ended and were waited for.
/// The pid `self` is this process.
pub(crate) fn cpu_seconds(pid: &str) -> anyhow::Result<(f64, f64)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).with_context(|| format!("look at process {pid}"))?;
    // The name in parentheses may contain spaces, so count from its end: the next field is 3, and utime, stime, cutime
    // and cstime are fields 14 to 17.
    let (_, fields) = stat.rsplit_once(')').context("find the program's name in its statistics")?;
    let times = fields.split_whitespace().skip(11).take(4).map(str::parse::<f64>);
    let times: Vec<f64> = times.collect::<Result<_, _>>()?;
    let [user, system, childrens_user, childrens_system] = times[..] else {
        anyhow::bail!("expected four times in the statistics of process {pid}, found {}", times.len())
    };
    Ok(((user + system) / TICKS_PER_SECOND, (childrens_user + childrens_system) / TICKS_PER_SECOND))
}
