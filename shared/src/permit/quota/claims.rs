//! What workers want and have in flight, and each one's fair share.

use serde::{Deserialize, Serialize};

/// What a worker wants counts for this long after it said so.
const WANTS_MS: u64 = 2_000;

/// What a worker has in flight counts for this long after it said so.
const IN_FLIGHT_MS: u64 = 15_000;

/// A worker is owed, or owes, at most so many calls: one that was silent has no claim to what others got meanwhile.
const MOST_OWED: f64 = 4.0;

/// What one worker said last.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Claim {
    worker: u64,
    said_at: u64,
    in_flight: u32,
    capacity: u32,
    /// By how many calls it got less than its share lately.
    owed: f64,
    /// By run.
    wants: Vec<RunClaim>,
}

/// What a worker wants for one run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "(u64, u32, u32)", into = "(u64, u32, u32)")]
pub(super) struct RunClaim {
    pub(super) run: u64,
    pub(super) weight: u32,
    pub(super) calls: u32,
}

impl From<(u64, u32, u32)> for RunClaim {
    fn from((run, weight, calls): (u64, u32, u32)) -> Self {
        Self { run, weight, calls }
    }
}

impl From<RunClaim> for (u64, u32, u32) {
    fn from(claim: RunClaim) -> Self {
        (claim.run, claim.weight, claim.calls)
    }
}

/// What all workers said last.
#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Claims(Vec<Claim>);

impl Claims {
    /// Records what a worker says, and forgets workers that are gone.
    pub(super) fn record(
        &mut self,
        now: u64,
        worker: u64,
        (in_flight, capacity): (u32, u32),
        wants: impl Iterator<Item = RunClaim>,
    ) {
        self.0.retain(|claim| claim.worker == worker || claim.said_at + IN_FLIGHT_MS > now);
        let at = self.0.iter().position(|claim| claim.worker == worker).unwrap_or_else(|| {
            self.0.push(Claim { worker, said_at: now, in_flight, capacity, owed: 0.0, wants: Vec::new() });
            self.0.len() - 1
        });
        let claim = &mut self.0[at];
        (claim.said_at, claim.in_flight, claim.capacity) = (now, in_flight, capacity);
        claim.wants.clear();
        claim.wants.extend(wants);
    }

    /// Adds granted calls to those that a worker has in flight.
    pub(super) fn granted(&mut self, worker: u64, calls: u32) {
        if let Some(claim) = self.0.iter_mut().find(|claim| claim.worker == worker) {
            claim.in_flight += calls;
        }
    }

    /// The calls in flight of all workers.
    pub(super) fn in_flight(&self) -> u64 {
        self.0.iter().map(|claim| u64::from(claim.in_flight)).sum()
    }

    /// How many calls all workers may have in flight.
    pub(super) fn capacity(&self) -> u32 {
        self.0.iter().map(|claim| claim.capacity).fold(0, u32::saturating_add)
    }

    /// What each worker that wants something may have of what is available.
    pub(super) fn shares(&self, now: u64, worker: u64, available: f64) -> Shares {
        let live = |claim: &&Claim| claim.worker == worker || claim.said_at + WANTS_MS > now;
        let wanting: Vec<&Claim> = self.0.iter().filter(live).filter(|claim| !claim.wants.is_empty()).collect();
        if let [only] = wanting[..]
            && only.wants.len() == 1
        {
            let workers = vec![Share { worker: only.worker, owed: 0.0, calls: vec![available] }];
            return Shares { workers, of_runs: Vec::new() };
        }
        let mut runs: Vec<RunClaim> = Vec::new();
        for claim in wanting.iter().flat_map(|claim| &claim.wants) {
            match runs.iter_mut().find(|known| known.run == claim.run) {
                Some(known) => known.calls = known.calls.saturating_add(claim.calls),
                None => runs.push(*claim),
            }
        }
        let allotted = by_weight(&runs, available);
        let of_run = |claim: &RunClaim| {
            let known = runs.iter().zip(&allotted).find(|(run, _)| run.run == claim.run);
            known.map_or(0.0, |(run, allotted)| allotted * f64::from(claim.calls) / f64::from(run.calls.max(1)))
        };
        let is_enough = runs.iter().map(|run| f64::from(run.calls)).sum::<f64>() <= available;
        // What is owed counts beside the others: whoever is owed most always gets something.
        let most_owed = wanting.iter().map(|claim| claim.owed).fold(f64::NEG_INFINITY, f64::max);
        let share = |claim: &&Claim| Share {
            worker: claim.worker,
            owed: if is_enough { 0.0 } else { claim.owed - most_owed.min(0.0) },
            calls: claim.wants.iter().map(of_run).collect(),
        };
        let of_runs = runs.iter().zip(&allotted).map(|(run, &allotted)| (run.run, allotted)).collect();
        Shares { workers: wanting.iter().map(share).collect(), of_runs }
    }

    /// Keeps account of what a worker got beside its share.
    pub(super) fn got(&mut self, worker: u64, calls: usize, shares: &Shares) {
        let all: f64 = shares.workers.iter().map(Share::sum).sum();
        if shares.workers.len() < 2 || calls == 0 || all <= 0.0 || !all.is_finite() {
            return;
        }
        for share in &shares.workers {
            let Some(claim) = self.0.iter_mut().find(|claim| claim.worker == share.worker) else { continue };
            let got = if share.worker == worker { calls as f64 } else { 0.0 };
            claim.owed = (claim.owed + calls as f64 * share.sum() / all - got).clamp(-MOST_OWED, MOST_OWED);
        }
    }
}

/// What each worker that wants something may have.
#[derive(Debug)]
pub(super) struct Shares {
    workers: Vec<Share>,
    /// What each run may have, in all workers together; nothing if a single worker wants something for a single run.
    of_runs: Vec<(u64, f64)>,
}

#[derive(Debug)]
struct Share {
    worker: u64,
    owed: f64,
    /// In the order of its wants.
    calls: Vec<f64>,
}

impl Share {
    fn sum(&self) -> f64 {
        self.calls.iter().sum()
    }
}

impl Shares {
    /// What each run may have, in all workers together.
    pub(super) fn of_runs(&self) -> &[(u64, f64)] {
        &self.of_runs
    }

    /// How many calls a worker may have: its share with what it is owed, rounded up, so that whoever wants little gets
    /// something; and of each of its wants.
    pub(super) fn of(&self, worker: u64) -> (f64, &[f64]) {
        let own = self.workers.iter().find(|share| share.worker == worker);
        own.map_or((0.0, &[]), |own| ((own.sum() + own.owed).ceil().max(0.0), &own.calls))
    }
}

/// Shares an amount by weight; what a run does not want goes to the others.
fn by_weight(runs: &[RunClaim], available: f64) -> Vec<f64> {
    let mut allotted = vec![0.0; runs.len()];
    let mut left = available;
    // Each round satisfies a run or shares out all that is left.
    for _ in 0..runs.len() {
        let wants_more = |(at, run): &(usize, &RunClaim)| f64::from(run.calls) > allotted[*at] + 1e-9;
        let open: Vec<usize> = runs.iter().enumerate().filter(wants_more).map(|(at, _)| at).collect();
        let weights: f64 = open.iter().map(|&at| f64::from(runs[at].weight.max(1))).sum();
        if open.is_empty() || left <= 1e-9 {
            break;
        }
        let to_share = left;
        for at in open {
            let part = to_share * f64::from(runs[at].weight.max(1)) / weights;
            let part = part.min(f64::from(runs[at].calls) - allotted[at]);
            allotted[at] += part;
            left -= part;
        }
    }
    allotted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(run: u64, weight: u32, calls: u32) -> RunClaim {
        RunClaim { run, weight, calls }
    }

    #[test]
    fn runs_share_by_weight_and_leave_what_they_do_not_want() {
        let check = |runs: &[RunClaim], available: f64, expected: &[f64]| {
            let allotted = by_weight(runs, available);
            let is_close = allotted.iter().zip(expected).all(|(one, other)| (one - other).abs() < 1e-6);
            assert!(is_close && allotted.len() == expected.len(), "{allotted:?}, expected {expected:?}");
        };
        check(&[run(1, 1, 100), run(2, 3, 100)], 40.0, &[10.0, 30.0]);
        check(&[run(1, 1, 100), run(2, 3, 6)], 40.0, &[34.0, 6.0]);
        check(&[run(1, 1, 2), run(2, 1, 4), run(3, 2, 100)], 30.0, &[2.0, 4.0, 24.0]);
        check(&[run(1, 1, 2)], 30.0, &[2.0]);
        check(&[], 30.0, &[]);
    }

    fn share(claims: &Claims, now: u64, worker: u64) -> f64 {
        claims.shares(now, worker, 20.0).of(worker).0
    }

    #[test]
    fn workers_share_by_what_they_want_and_silent_ones_do_not_count() {
        let mut claims = Claims::default();
        claims.record(0, 1, (3, 8), [run(7, 1, 30)].into_iter());
        claims.record(0, 2, (4, 8), [run(7, 1, 10)].into_iter());
        assert_eq!((share(&claims, 0, 1), share(&claims, 0, 2)), (15.0, 5.0));
        claims.granted(2, 5);
        assert_eq!((claims.in_flight(), claims.capacity()), (12, 16));
        claims.record(2_000, 2, (4, 8), [run(7, 1, 10)].into_iter());
        assert!(share(&claims, 2_000, 2) > 19.0, "the first was silent for two seconds");
        assert_eq!(claims.in_flight(), 7, "its calls still count");
        claims.record(15_000, 2, (4, 8), [run(7, 1, 10)].into_iter());
        assert_eq!(claims.in_flight(), 4);
    }

    #[test]
    fn the_only_worker_of_a_heavy_run_has_the_heavy_share() {
        let mut claims = Claims::default();
        claims.record(0, 1, (0, 8), [run(7, 3, 100)].into_iter());
        claims.record(0, 2, (0, 8), [run(8, 1, 900)].into_iter());
        assert_eq!((share(&claims, 0, 1), share(&claims, 0, 2)), (15.0, 5.0));
    }

    #[test]
    fn workers_that_owe_are_not_kept_from_what_nobody_else_wants() {
        let mut claims = Claims::default();
        for worker in [1, 2] {
            claims.record(0, worker, (0, 8), [run(7, 1, 1)].into_iter());
        }
        claims.0.iter_mut().for_each(|claim| claim.owed = -MOST_OWED);
        let of = |available| [1, 2].map(|worker| claims.shares(0, worker, available).of(worker).0);
        assert!(of(1.0).iter().chain(&of(100.0)).all(|&calls| calls >= 1.0));
        claims.0[0].owed = -1.0;
        assert!(claims.shares(0, 1, 1.0).of(1).0 >= 1.0);
        claims.record(0, 2, (0, 8), [].into_iter());
        claims.0[0].owed = -MOST_OWED;
        assert!(claims.shares(0, 1, 1.0).of(1).0 >= 1.0, "it is alone");
    }

    #[test]
    fn a_call_at_a_time_goes_to_whoever_is_owed_it() {
        let mut claims = Claims::default();
        for worker in [1, 2] {
            claims.record(0, worker, (0, 8), [run(7, 1, 100)].into_iter());
        }
        let mut got = [0, 0];
        for _ in 0..10 {
            let shares = claims.shares(0, 1, 1.0);
            let worker = if shares.of(1).0 >= 1.0 { 1 } else { 2 };
            got[worker - 1] += 1;
            claims.got(worker as u64, 1, &shares);
        }
        assert_eq!(got, [5, 5]);
    }
}
