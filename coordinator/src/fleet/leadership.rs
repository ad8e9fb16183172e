//! A run has one coordinator: two would each receive a part of the outcomes, and neither would finish.
//!
//! The lock on a run's folder prevents a second one in the same folder. The lease in the store, which the leader renews with
//! every report, prevents one in another folder or on another machine. A leader whose store is unreachable goes on. If the
//! store loses the lease, two may lead for a moment: the one that started later ends.
//!
//! Releases before the lease only report: a coordinator that reports again is alive, and is respected in the same way.

use std::path::Path;
use std::time::Duration;

use tokio::time::{Instant, sleep};
use valuesim_shared::control::{Control, ControlError, CoordinatorReport, Lead, Process, REPORT_EVERY, UnixMillis};
use valuesim_shared::id::RunId;

use super::FleetError;

/// How long to watch for a newer report of a coordinator: a little more than the time between two reports.
const REPORTS_WITHIN: Duration = Duration::from_millis(2_200);

/// How often lease and reports are checked meanwhile.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// The run has a coordinator already.
#[derive(Debug, thiserror::Error)]
#[error(
    "run {run} is coordinated already, by process {pid} on host {host} since {since}: two coordinators would each receive a \
     part of its results, and neither would finish. Let that one go on, or stop it and repeat this command with its run \
     folder; `valuesim status {run}` shows it"
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

/// Takes the lease on the run. Fails if another process that coordinates it is alive. The successor of a killed coordinator
/// does not wait on the same machine; on another it waits until the lease expires.
pub(super) async fn take(control: &impl Control, run: &RunId, ours: &Process) -> Result<(), FleetError> {
    take_lease(control, run, ours).await?;
    let refused = respect_reports(control, run, ours).await;
    if refused.is_err() {
        release(control, run, ours).await;
    }
    refused
}

/// Gives up the lease, so that a successor need not wait.
pub(super) async fn release(control: &impl Control, run: &RunId, ours: &Process) {
    if let Err(error) = control.release_lead(run, ours).await {
        tracing::debug!(%run, %error, "could not give up the lease; it expires by itself");
    }
}

/// Waits until this process has the lease. If the remaining time of another's lease grows, it was renewed: its owner is alive.
async fn take_lease(control: &impl Control, run: &RunId, ours: &Process) -> Result<(), FleetError> {
    let (mut known, mut gone): (Option<(String, Duration)>, Option<String>) = (None, None);
    loop {
        let Lead::Held { by, left } = control.take_lead(run, ours, gone.as_deref()).await? else { return Ok(()) };
        let is_renewed = known.as_ref().is_some_and(|(id, before)| *id == by.id && left > *before);
        if is_renewed {
            return Err(AlreadyCoordinated::new(run, &by).into());
        }
        if is_gone(&by, ours) {
            gone = Some(by.id);
            continue;
        }
        known = Some((by.id, left));
        sleep(LOOK_EVERY).await;
    }
}

/// Waits until it is clear whether another coordinator that has reported is alive.
async fn respect_reports(control: &impl Control, run: &RunId, ours: &Process) -> Result<(), FleetError> {
    let mut first = others(control, run, ours).await?;
    first.retain(|other| !is_gone(&other.process, ours));
    let start = Instant::now();
    while !first.is_empty() && start.elapsed() < REPORTS_WITHIN {
        sleep(LOOK_EVERY).await;
        let now = others(control, run, ours).await?;
        if let Some(alive) = now.iter().find(|report| has_moved(&first, report)) {
            return Err(AlreadyCoordinated::new(run, &alive.process).into());
        }
        first.retain(|other| now.contains(other));
    }
    Ok(())
}

/// Renews the lease, and takes it again if the store has lost it. Fails once a coordinator that started earlier turns out to
/// be alive. Both come to the same answer, so exactly one of them stays.
pub(super) async fn keep<T>(control: &impl Control, run: &RunId, ours: &Process) -> Result<T, FleetError> {
    let mut before = Vec::new();
    loop {
        // While the store is unreachable, no other coordinator can be seen, and none can start.
        if let Ok(Some(older)) = control.renew_lead(run, ours).await {
            return Err(AlreadyCoordinated::new(run, &older).into());
        }
        if let Ok(others) = others(control, run, ours).await {
            if let Some(alive) = older_and_alive(&before, &others, ours) {
                return Err(AlreadyCoordinated::new(run, &alive.process).into());
            }
            before = others;
        }
        sleep(REPORT_EVERY).await;
    }
}

fn older_and_alive<'a>(
    before: &[CoordinatorReport],
    others: &'a [CoordinatorReport],
    ours: &Process,
) -> Option<&'a CoordinatorReport> {
    let age = |process: &Process| (process.started_at, process.id.clone());
    let mut older = others.iter().filter(|other| age(&other.process) < age(ours));
    older.find(|report| has_moved(before, report))
}

async fn others(control: &impl Control, run: &RunId, ours: &Process) -> Result<Vec<CoordinatorReport>, ControlError> {
    let reports = control.coordinators().await?.all.into_iter();
    Ok(reports.filter(|report| report.run == *run && report.process.id != ours.id).collect())
}

/// Whether the process has reported again since `before`. Its own clock is compared with itself alone.
fn has_moved(before: &[CoordinatorReport], now: &CoordinatorReport) -> bool {
    before.iter().any(|report| report.process.id == now.process.id && report.at != now.at)
}

/// Whether the process is known to have ended, because it ran on this machine. Linux lists its processes as folders.
fn is_gone(other: &Process, ours: &Process) -> bool {
    let processes = Path::new("/proc");
    other.host == ours.host && processes.join("self").exists() && !processes.join(other.pid.to_string()).exists()
}

#[cfg(test)]
mod tests {
    use valuesim_shared::control::{CONTROL_VERSION, CellCounts, LEASE_EXPIRY, MemoryControl, Pace, this_process};
    use valuesim_shared::money::NanoUsd;

    use super::*;

    fn run() -> RunId {
        RunId("r".to_owned())
    }

    fn report(process: Process, at: u64) -> CoordinatorReport {
        CoordinatorReport {
            version: CONTROL_VERSION,
            process,
            run: run(),
            cells: CellCounts::default(),
            cells_per_second: 0.0,
            pace: Pace::default(),
            last_finished_at: None,
            spent: NanoUsd(0),
            priced: true,
            http: None,
            last_trouble: None,
            at: UnixMillis(at),
        }
    }

    fn elsewhere(id: &str) -> Process {
        Process { id: id.to_owned(), host: "elsewhere".to_owned(), ..this_process() }
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
            assert_eq!(is_gone(&process, &ours), expected, "{host} {pid}");
        };
        check(&ours.host, ours.pid, false);
        // Above the greatest number that Linux gives to a process.
        check(&ours.host, 4_194_305, true);
        check("elsewhere", 4_194_305, false);
    }

    #[tokio::test(start_paused = true)]
    async fn a_second_coordinator_is_refused_while_the_first_renews_its_lease() {
        let (control, r) = (MemoryControl::in_memory(), run());
        let (first, second) = (elsewhere("c1"), elsewhere("c2"));
        take(&control, &r, &first).await.expect("nobody leads");
        let refused = tokio::select! {
            taken = take(&control, &r, &second) => taken,
            ended = keep::<()>(&control, &r, &first) => panic!("{ended:?}"),
        };
        let said = refused.expect_err("the first is alive").to_string();
        assert!(said.starts_with("run r is coordinated already, by process "), "{said}");
    }

    #[tokio::test(start_paused = true)]
    async fn the_successor_of_a_killed_one_waits_for_its_lease_at_most() {
        let (control, r) = (MemoryControl::in_memory(), run());
        take(&control, &r, &elsewhere("c1")).await.expect("nobody leads");
        let start = Instant::now();
        take(&control, &r, &elsewhere("c2")).await.expect("the first is silent");
        assert!(start.elapsed() <= LEASE_EXPIRY + LOOK_EVERY, "{:?}", start.elapsed());
    }

    #[cfg(target_os = "linux")]
    #[tokio::test(start_paused = true)]
    async fn the_successor_of_a_killed_one_of_the_same_machine_waits_for_nothing() {
        let (control, r) = (MemoryControl::in_memory(), run());
        let killed = Process { pid: 4_194_305, ..this_process() };
        take(&control, &r, &killed).await.expect("nobody leads");
        let start = Instant::now();
        take(&control, &r, &this_process()).await.expect("the first is gone");
        assert_eq!(start.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn where_the_store_has_lost_the_lease_the_one_that_started_first_stays() {
        let (control, r) = (MemoryControl::in_memory(), run());
        let first = elsewhere("c1");
        let second = Process { started_at: UnixMillis(first.started_at.0 + 1), ..elsewhere("c2") };
        // It finds nothing of the first.
        take(&control, &r, &second).await.expect("nobody leads");
        let ended = tokio::select! {
            ended = keep::<()>(&control, &r, &first) => panic!("{ended:?}"),
            ended = keep::<()>(&control, &r, &second) => ended,
        };
        assert!(matches!(ended, Err(FleetError::AlreadyCoordinated(_))), "{ended:?}");
        assert!(matches!(control.take_lead(&r, &second, None).await, Ok(Lead::Held { by, .. }) if by == first));
    }

    #[tokio::test(start_paused = true)]
    async fn a_coordinator_of_a_release_without_leases_is_respected_by_its_reports() {
        let (control, r) = (MemoryControl::in_memory(), run());
        let old = elsewhere("old");
        let reporting = async {
            for at in 1.. {
                control.report_coordinator(&report(old.clone(), at)).await.expect("writes");
                sleep(REPORT_EVERY).await;
            }
        };
        let ours = elsewhere("new");
        let refused = tokio::select! {
            biased;
            () = reporting => unreachable!("it reports for ever"),
            taken = take(&control, &r, &ours) => taken,
        };
        assert!(matches!(refused, Err(FleetError::AlreadyCoordinated(_))), "{refused:?}");
        // It leaves no lease behind that would bar others.
        assert_eq!(control.take_lead(&r, &elsewhere("other"), None).await, Ok(Lead::Ours));
    }
}
