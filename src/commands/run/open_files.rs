//! Lowers the number of calls in flight to what this process may have open files for: each call is a connection.

use valuesim_shared::experiment::Experiment;

/// Files beside the calls': ledger, store, survey, queues, the runtime's own.
const OTHER_FILES: u64 = 48;

/// The listener for the page and the probes has at most a quarter of all files.
const LISTENER_SHARE: u64 = 4;

/// Lowers the calls in flight of all models alike if they are more than `most_files` open files carry. Returns what to say
/// then. A call to the simulated provider of this process takes two files: both ends are here.
pub(super) fn fit_calls(experiment: &mut Experiment, most_files: Option<u64>, listens: bool) -> Option<String> {
    let files = most_files?;
    let of_a_call = if experiment.simulate.is_some() { 2 } else { 1 };
    let of_listener = if listens { files / LISTENER_SHARE } else { 0 };
    let room = (files.saturating_sub(of_listener + OTHER_FILES) / of_a_call).max(1);
    let wanted: u64 = experiment.models.iter().map(|model| u64::from(model.limits.calls_in_flight)).sum();
    if wanted <= room {
        return None;
    }
    for model in &mut experiment.models {
        let share = u64::from(model.limits.calls_in_flight) * room / wanted;
        model.limits.calls_in_flight = u32::try_from(share).unwrap_or(u32::MAX).max(1);
    }
    Some(format!(
        "this process may have {files} open files (`ulimit -n`), which carry {room} calls in flight: that many are made in place of {wanted}"
    ))
}

/// How many calls in flight the open files of a worker process carry, whose probes listen.
pub(in crate::commands) fn calls_of_a_worker(most_files: Option<u64>) -> Option<u32> {
    let files = most_files?;
    let room = files.saturating_sub(files / LISTENER_SHARE + OTHER_FILES).max(1);
    Some(u32::try_from(room).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use valuesim_shared::experiment::Simulation;
    use valuesim_shared::model::ModelSettings;

    use super::*;

    fn experiment(calls: &[u32]) -> Experiment {
        let mut experiment = Experiment::default();
        for &calls_in_flight in calls {
            let mut model = ModelSettings::named("m");
            model.limits.calls_in_flight = calls_in_flight;
            experiment.models.push(model);
        }
        experiment
    }

    #[track_caller]
    fn check(mut experiment: Experiment, files: u64, listens: bool, expected: &[u32]) {
        let said = fit_calls(&mut experiment, Some(files), listens);
        let calls: Vec<u32> = experiment.models.iter().map(|model| model.limits.calls_in_flight).collect();
        assert_eq!(calls, expected);
        assert_eq!(said.is_some_and(|said| said.contains(&files.to_string())), calls.iter().sum::<u32>() < 1000);
    }

    #[test]
    fn calls_in_flight_are_what_the_open_files_carry() {
        check(experiment(&[1000]), 20_000, true, &[1000]);
        check(experiment(&[1000]), 256, false, &[208]);
        check(experiment(&[1000]), 256, true, &[144]);
        check(experiment(&[750, 250]), 256, false, &[156, 52]);
        check(experiment(&[1000]), 20, true, &[1]);
        let simulated = Experiment { simulate: Some(Simulation::default()), ..experiment(&[1000]) };
        check(simulated, 256, false, &[104]);
        assert_eq!(fit_calls(&mut experiment(&[1000]), None, true), None);
    }

    #[test]
    fn a_worker_has_room_for_the_calls_that_its_open_files_carry() {
        assert_eq!(calls_of_a_worker(Some(256)), Some(144));
        assert_eq!(calls_of_a_worker(Some(20)), Some(1));
        assert_eq!(calls_of_a_worker(None), None);
    }
}
