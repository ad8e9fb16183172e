//! Another coordinator of the same run: two would each get a part of the outcomes, and neither run would end.
//!
//! The lock on a run's folder bars a second one there; one in another folder or on another machine shows only by its
//! reports in the store. A process that was killed leaves a report behind for some seconds: what moves on is alive.

use std::path::Path;
use std::time::Duration;

use tokio::time::{Instant, sleep};
use valuesim_shared::control::{Control, ControlError, CoordinatorReport, Process, REPORT_EVERY, UnixMillis};
use valuesim_shared::id::RunId;
use valuesim_shared::queue::QueueAdmin;
use valuesim_shared::store::Store;

use super::{FleetCoordinator, FleetError};

/// How long a report is looked at for a sign of life: a little more than what lies between two.
const MOVES_WITHIN: Duration = Duration::from_millis(2_200);

/// How often it is looked at meanwhile.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// The run has a coordinator already.
#[derive(Debug, thiserror::Error)]
#[error(
    "run {run} is coordinated already, by process {pid} on host {host} since {since}: two coordinators would each get a part of \
     its results, and neither would end. Let that one go on, or stop it and give this command again on the run folder that it \
     uses; `valuesim status {run}` shows it"
)]
pub struct AlreadyCoordinated {
    run: RunId,
    host: String,
    pid: u32,
    since: UnixMillis,
}

impl AlreadyCoordinated {
    fn new(run: &RunId, Process { host, pid, started_at, .. }: &Process) -> Self {
        Self { run: run.clone(), host: host.clone(), pid: *pid, since: *started_at }
    }
}

/// Fails where another process that coordinates the run is alive. A killed one's successor on the same machine waits for
/// nothing, another for two seconds.
pub(super) async fn refuse(control: &impl Control, run: &RunId, ours: &Process) -> Result<(), FleetError> {
    let mut first = others(control, run, ours).await?;
    first.retain(|other| !is_gone(other, ours));
    let start = Instant::now();
    while !first.is_empty() && start.elapsed() < MOVES_WITHIN {
        sleep(LOOK_EVERY).await;
        let now = others(control, run, ours).await?;
        if let Some(alive) = now.iter().find(|report| has_moved(&first, report)) {
            return Err(AlreadyCoordinated::new(run, &alive.process).into());
        }
        first.retain(|other| now.contains(other));
    }
    Ok(())
}

impl<Q: QueueAdmin, S: Store, C: Control> FleetCoordinator<Q, S, C> {
    /// Ends with an error once a coordinator that started before this one shows that it is alive: it was not heard of at the
    /// start. Both see the same, so that one of them stays.
    pub(super) async fn yield_to_another<T>(&self) -> Result<T, FleetError> {
        let (control, run, ours) = (&self.servers.control, &self.manifest.run, &self.process);
        let age = |process: &Process| (process.started_at, process.id.clone());
        let mut before = Vec::new();
        loop {
            sleep(REPORT_EVERY).await;
            // While the store is away, nobody is heard of.
            let Ok(others) = others(control, run, ours).await else { continue };
            let mut older = others.iter().filter(|other| age(&other.process) < age(ours));
            if let Some(alive) = older.find(|report| has_moved(&before, report)) {
                return Err(AlreadyCoordinated::new(run, &alive.process).into());
            }
            before = others;
        }
    }
}

async fn others(control: &impl Control, run: &RunId, ours: &Process) -> Result<Vec<CoordinatorReport>, ControlError> {
    let reports = control.coordinators().await?.all.into_iter();
    Ok(reports.filter(|report| report.run == *run && report.process.id != ours.id).collect())
}

/// Whether the process has reported again since `before`. Its own clock is compared with itself alone.
fn has_moved(before: &[CoordinatorReport], now: &CoordinatorReport) -> bool {
    before.iter().any(|report| report.process.id == now.process.id && report.at != now.at)
}

/// Whether it is known that the process has ended: it was one of this machine. Linux shows its processes as folders.
fn is_gone(report: &CoordinatorReport, ours: &Process) -> bool {
    let Process { host, pid, .. } = &report.process;
    let processes = Path::new("/proc");
    *host == ours.host && processes.join("self").exists() && !processes.join(pid.to_string()).exists()
}

#[cfg(test)]
mod tests {
    use valuesim_shared::control::{CONTROL_VERSION, CellCounts, this_process};
    use valuesim_shared::money::NanoUsd;

    use super::*;

    fn report(process: Process, at: u64) -> CoordinatorReport {
        CoordinatorReport {
            version: CONTROL_VERSION,
            process,
            run: RunId("r".to_owned()),
            cells: CellCounts::default(),
            cells_per_second: 0.0,
            last_finished_at: None,
            spent: NanoUsd(0),
            priced: true,
            http: None,
            last_trouble: None,
            at: UnixMillis(at),
        }
    }

    #[test]
    fn who_reports_again_is_alive_and_nobody_else() {
        let (one, other) = (this_process(), this_process());
        let before = [report(one.clone(), 5)];
        assert!(!has_moved(&before, &report(one.clone(), 5)));
        assert!(has_moved(&before, &report(one, 6)));
        assert!(!has_moved(&before, &report(other, 6)), "it was not heard of before");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_process_of_this_machine_that_has_ended_is_gone() {
        let ours = this_process();
        let check = |host: &str, pid, expected| {
            let process = Process { host: host.to_owned(), pid, ..this_process() };
            assert_eq!(is_gone(&report(process, 1), &ours), expected, "{host} {pid}");
        };
        check(&ours.host, ours.pid, false);
        // Above the greatest number that Linux gives to a process.
        check(&ours.host, 4_194_305, true);
        check("elsewhere", 4_194_305, false);
    }
}
