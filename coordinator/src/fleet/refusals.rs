//! What workers say that refuse to serve a run, and whether anybody serves it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use tokio::time::Instant;
use valuesim_shared::control::{Listing, RunTrouble, UnixMillis, WhatWasSaid, WorkerReport};
use valuesim_shared::id::RunId;

/// Maximum characters of what a worker says: whoever reaches the store can write a report.
const MAX_CHARS: usize = 600;

/// How many different things of workers are listed.
const MAX_LISTED: usize = 10;

/// How long workers that served the run are expected back after they were last seen: a rollout or a restart of their machine takes
/// less.
const COME_BACK_WITHIN: Duration = Duration::from_mins(1);

/// Maximum workers whose refusals are remembered.
const MAX_WORKERS: usize = 10_000;

/// Why a run was ended that all its workers refuse.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Whether nothing but the user's settings is at fault.
    pub by_settings: bool,
    /// What the workers say, how many of them each, the most frequent first.
    pub reasons: Vec<(String, usize)>,
    /// What their providers said to prompts that they did not take.
    pub said: WhatWasSaid,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "no worker serves the run any more:")?;
        writeln!(f, "{:>8}  why", "workers")?;
        for (why, workers) in self.reasons.iter().take(MAX_LISTED) {
            writeln!(f, "{workers:>8}  {why}")?;
        }
        let others: usize = self.reasons.iter().skip(MAX_LISTED).map(|(_, workers)| workers).sum();
        if others > 0 {
            writeln!(f, "{others:>8}  other things")?;
        }
        if self.said.is_nothing() { Ok(()) } else { self.said.fmt(f) }
    }
}

/// What the workers of a run do, by one look at their reports.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Some work on it, or nobody has refused it.
    Served,
    /// Some refuse it; these others serve it and have no task.
    Refused { idle: BTreeSet<String>, absent: Absent },
}

/// Who has been there and reports no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Absent {
    /// Some of those that refuse the run report, and nobody is missed.
    Nobody,
    /// Those that refuse the run report no more.
    Refusers,
    /// Others served the run a moment ago: they may be restarting.
    Servers,
}

/// The refusals of a run that its coordinator has seen.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    /// Those of the time before this coordinator, as worker and time: what led to them may have changed.
    before: BTreeSet<(String, UnixMillis)>,
    /// By worker. Those of workers that have ended stay until others work on the run.
    by_worker: BTreeMap<String, RunTrouble>,
    /// When workers were last seen that served the run; without those that refuse it now.
    served_at: BTreeMap<String, Instant>,
}

impl Refusals {
    /// Those of a coordinator that begins while workers report this.
    pub(super) fn since(run: &RunId, workers: &Listing<WorkerReport>) -> Self {
        let refused = workers.all.iter().filter_map(|worker| Some((worker, refusal(run, worker)?)));
        let before = refused.map(|(worker, trouble)| (worker.process.id.clone(), trouble.at)).collect();
        Self { before, ..Self::default() }
    }

    /// Whether anybody refuses the run who is not about to end.
    pub(super) fn are_heard(run: &RunId, workers: &Listing<WorkerReport>) -> bool {
        workers.all.iter().any(|worker| !worker.draining && refusal(run, worker).is_some())
    }

    /// Takes in what workers report now. A worker with tasks works on the run, unless `all_wait` for money that does not come.
    pub(super) fn see(&mut self, run: &RunId, workers: &Listing<WorkerReport>, all_wait: bool) -> Standing {
        let mut idle = BTreeSet::new();
        let mut is_served = false;
        for worker in &workers.all {
            let id = &worker.process.id;
            if worker.runs.contains(run) {
                self.by_worker.remove(id);
                self.served_at.insert(id.clone(), Instant::now());
                is_served |= worker.tasks > 0 && !all_wait;
                idle.insert(id.clone());
            } else if let Some(trouble) = refusal(run, worker) {
                self.served_at.remove(id);
                let is_new = !self.before.contains(&(id.clone(), trouble.at));
                if is_new && (self.by_worker.len() < MAX_WORKERS || self.by_worker.contains_key(id)) {
                    self.by_worker.insert(id.clone(), trouble.clone());
                }
            }
        }
        let reporting: BTreeSet<&str> = workers.all.iter().map(|worker| worker.process.id.as_str()).collect();
        if is_served {
            self.by_worker.retain(|id, _| reporting.contains(id.as_str()));
        }
        // A report that cannot be read may be that of a worker that works on the run.
        if is_served || workers.unreadable > 0 || self.by_worker.is_empty() {
            return Standing::Served;
        }
        let absent = self.absent(&reporting);
        Standing::Refused { idle, absent }
    }

    fn absent(&mut self, reporting: &BTreeSet<&str>) -> Absent {
        self.served_at.retain(|_, at| at.elapsed() < COME_BACK_WITHIN);
        if self.served_at.keys().any(|id| !reporting.contains(id.as_str())) {
            Absent::Servers
        } else if self.by_worker.keys().any(|id| reporting.contains(id.as_str())) {
            Absent::Nobody
        } else {
            Absent::Refusers
        }
    }

    /// What they come to.
    pub(super) fn summary(&self) -> Refused {
        let (mut reasons, mut said) = (BTreeMap::<String, usize>::new(), WhatWasSaid::default());
        let mut by_settings = true;
        for trouble in self.by_worker.values() {
            *reasons.entry(line(&trouble.text)).or_default() += 1;
            let Some(refusal) = &trouble.refusal else { continue };
            by_settings &= refusal.settings;
            refusal.said.iter().for_each(|(words, prompts)| said.add(&line(words), prompts));
        }
        let mut reasons: Vec<(String, usize)> = reasons.into_iter().collect();
        reasons.sort_by_key(|(_, workers)| std::cmp::Reverse(*workers));
        Refused { by_settings, reasons, said }
    }
}

/// Why a worker refuses a run, if it does.
fn refusal<'a>(run: &RunId, worker: &'a WorkerReport) -> Option<&'a RunTrouble> {
    let is_serving = worker.runs.contains(run);
    worker.troubles.iter().find(|trouble| !is_serving && trouble.run == *run && trouble.refusal.is_some())
}

/// The beginning of a text on one line.
fn line(text: &str) -> String {
    let short: String = text.chars().take(MAX_CHARS).collect();
    short.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
pub(super) mod tests {
    use valuesim_shared::control::{Activity, CONTROL_VERSION, Process, Refusal};

    use super::*;

    fn run() -> RunId {
        RunId("r1".to_owned())
    }

    pub(in crate::fleet) fn worker(id: &str, runs: &[&str], tasks: u32) -> WorkerReport {
        let (id, host, release) = (id.to_owned(), "h".to_owned(), "0.1.0".to_owned());
        WorkerReport {
            version: CONTROL_VERSION,
            process: Process { id, host, pid: 7, release, started_at: UnixMillis(0) },
            runs: runs.iter().map(|&run| RunId(run.to_owned())).collect(),
            draining: false,
            tasks,
            calls_in_flight: 0,
            capacity: 1,
            calls_per_second: 0.0,
            http: None,
            last_trouble: None,
            troubles: Vec::new(),
            activity: Activity::default(),
            at: UnixMillis(0),
        }
    }

    fn refusing(id: &str, at: u64, text: &str, refusal: Refusal) -> WorkerReport {
        let trouble = RunTrouble {
            run: run(),
            model: None,
            at: UnixMillis(at),
            text: text.to_owned(),
            left_alone_until: None,
            refusal: Some(refusal),
        };
        WorkerReport { troubles: vec![trouble], ..worker(id, &[], 0) }
    }

    pub(in crate::fleet) fn wrong_key(id: &str, at: u64) -> WorkerReport {
        refusing(id, at, "the provider refused the key", Refusal { settings: true, ..Refusal::default() })
    }

    pub(in crate::fleet) fn listing(all: Vec<WorkerReport>) -> Listing<WorkerReport> {
        Listing { all, unreadable: 0 }
    }

    fn see(refusals: &mut Refusals, all: Vec<WorkerReport>) -> Standing {
        refusals.see(&run(), &listing(all), false)
    }

    fn refused(idle: &[&str]) -> Standing {
        Standing::Refused { idle: idle.iter().map(|&id| id.to_owned()).collect(), absent: Absent::Nobody }
    }

    fn gone(absent: Absent) -> Standing {
        Standing::Refused { idle: BTreeSet::new(), absent }
    }

    #[test]
    fn a_run_is_refused_once_nobody_works_on_it_and_somebody_has_said_why() {
        let mut refusals = Refusals::default();
        assert_eq!(see(&mut refusals, vec![]), Standing::Served, "nobody has come yet");
        assert_eq!(see(&mut refusals, vec![worker("w1", &["r1"], 0)]), Standing::Served);
        assert_eq!(see(&mut refusals, vec![wrong_key("w1", 5), worker("w2", &["r1"], 3)]), Standing::Served);
        assert_eq!(see(&mut refusals, vec![wrong_key("w1", 5), worker("w2", &["r1"], 0)]), refused(&["w2"]));
        assert_eq!(see(&mut refusals, vec![wrong_key("w1", 5), worker("w2", &["r2"], 9)]), refused(&[]));
        assert_eq!(see(&mut refusals, vec![]), gone(Absent::Servers), "w2 served it a moment ago");
        refusals.served_at.clear();
        assert_eq!(see(&mut refusals, vec![]), gone(Absent::Refusers), "those that have ended have said so, too");
        let again = worker("w1", &["r1"], 0);
        assert_eq!(see(&mut refusals, vec![again]), Standing::Served, "it tries again");
    }

    #[test]
    fn a_worker_that_refuses_what_it_served_is_not_missed() {
        let mut refusals = Refusals::default();
        assert_eq!(see(&mut refusals, vec![worker("w1", &["r1"], 3)]), Standing::Served);
        assert_eq!(see(&mut refusals, vec![wrong_key("w1", 5)]), refused(&[]));
        assert_eq!(see(&mut refusals, vec![]), gone(Absent::Refusers));
    }

    #[test]
    fn what_an_ended_worker_refused_counts_until_others_work_on_the_run() {
        let mut refusals = Refusals::default();
        let busy = || worker("w2", &["r1"], 3);
        assert_eq!(see(&mut refusals, vec![wrong_key("w1", 5), busy()]), Standing::Served);
        assert_eq!(see(&mut refusals, vec![wrong_key("w1", 5)]), gone(Absent::Servers), "w2 may be restarting");
        assert_eq!(see(&mut refusals, vec![]), gone(Absent::Servers));
        let unreadable = Listing { unreadable: 1, ..listing(vec![]) };
        assert_eq!(refusals.see(&run(), &unreadable, false), Standing::Served);
        assert_eq!(see(&mut refusals, vec![]), gone(Absent::Servers), "nobody was seen to work on it");
        assert_eq!(see(&mut refusals, vec![busy()]), Standing::Served);
        assert_eq!(see(&mut refusals, vec![]), Standing::Served, "a rollout, or a store that is empty");
    }

    #[test]
    fn a_worker_whose_calls_all_wait_for_money_keeps_no_refused_run_alive() {
        let mut refusals = Refusals::default();
        let workers = listing(vec![wrong_key("w1", 5), worker("w2", &["r1"], 3)]);
        assert_eq!(refusals.see(&run(), &workers, false), Standing::Served);
        assert_eq!(refusals.see(&run(), &workers, true), refused(&["w2"]));
        let alone = listing(vec![worker("w2", &["r1"], 3)]);
        assert_eq!(Refusals::default().see(&run(), &alone, true), Standing::Served, "nobody has refused it");
    }

    #[test]
    fn what_was_refused_before_this_coordinator_began_does_not_count() {
        let mut refusals = Refusals::since(&run(), &listing(vec![wrong_key("w1", 5)]));
        assert_eq!(see(&mut refusals, vec![wrong_key("w1", 5)]), Standing::Served);
        assert_eq!(see(&mut refusals, vec![wrong_key("w1", 6)]), refused(&[]));
    }

    #[test]
    fn a_report_that_cannot_be_read_may_be_about_this_run() {
        let mut refusals = Refusals::default();
        let workers = Listing { unreadable: 1, ..listing(vec![wrong_key("w1", 5)]) };
        assert_eq!(refusals.see(&run(), &workers, false), Standing::Served);
    }

    #[test]
    fn what_workers_and_providers_say_is_counted_and_bounded() {
        let mut said = WhatWasSaid::default();
        said.add("422: no\nerror: forged", 21);
        let braked = |id| refusing(id, 1, "too many", Refusal { settings: false, said: said.clone() });
        let mut refusals = Refusals::default();
        let long = refusing("w4", 1, &format!("a\nb {}", "x".repeat(100_000)), Refusal::default());
        see(&mut refusals, vec![braked("w1"), wrong_key("w2", 1), braked("w3"), long]);
        let summary = refusals.summary();
        assert!(!summary.by_settings);
        let text = summary.to_string();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[..3], ["no worker serves the run any more:", " workers  why", "       2  too many"]);
        assert!(lines[3].starts_with("       1  a b xxx") && lines[3].len() < 700, "{text}");
        assert_eq!(
            lines[4..],
            [
                "       1  the provider refused the key",
                " prompts  what the provider said",
                "      42  422: no error: forged"
            ]
        );
        let mut refusals = Refusals::default();
        see(&mut refusals, vec![wrong_key("w1", 1), wrong_key("w2", 1)]);
        assert!(refusals.summary().by_settings);
    }
}
