//! Random lives of a fleet that draws from a budget: whoever is killed and whatever the store loses, the budget is not passed,
//! and next to all of it is used.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tempfile::TempDir;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_util::task::AbortOnDropHandle;
use valuesim_shared::budget::Budget;
use valuesim_shared::budget::purses::Purse;
use valuesim_shared::budget::statement::{Account, Statement};
use valuesim_shared::money::NanoUsd;

use super::*;
use crate::wall::QUIET_FOR_OTHERS;

/// What a call can cost at most.
const MOST: u64 = 1_000;

/// A budget of some thousand calls, of which each costs half of that on average.
const LIMIT: u64 = 2_000_000;

const WORKERS: usize = 4;
const CALLS_IN_FLIGHT: u64 = 8;

/// Random lives, unless `VALUESIM_LIVES` says how many.
const LIVES: u64 = 12;

/// A small generator of random numbers.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// What calls have cost at the provider, whoever heard of it.
type Charged = Arc<AtomicU64>;

struct Life {
    purses: Purses,
    folder: TempDir,
    charged: Charged,
    workers: Vec<JoinSet<()>>,
    begun: u64,
}

/// A folder for the book; in memory where there is one, because the book waits for its disk.
fn folder() -> TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("a folder")
}

fn run() -> RunId {
    RunId("r".to_owned())
}

fn limits(limit: u64) -> Vec<PurseLimit> {
    vec![PurseLimit { name: "the run".to_owned(), limit: NanoUsd(limit), spent: NanoUsd(0), models: vec![0] }]
}

impl Life {
    fn new() -> Self {
        let (purses, folder) = (Purses::in_memory(), folder());
        Self { purses, folder, charged: Charged::default(), workers: Vec::new(), begun: 0 }
    }

    fn treasurer(&self, limit: u64) -> Treasurer {
        let folder = self.folder.path();
        let book = PurseBook::read(folder, limits(limit), 1).expect("reads");
        let book = book.unwrap_or_else(|| PurseBook::new(limits(limit), vec![NanoUsd(0)]));
        Treasurer::new(self.purses.clone(), run(), folder.to_owned(), book, |_| {})
    }

    /// A coordinator, which ends at the wall.
    fn coordinator(&self, limit: u64) -> AbortOnDropHandle<()> {
        let treasurer = self.treasurer(limit);
        AbortOnDropHandle::new(tokio::spawn(async move {
            treasurer.until_the_wall(|_| Others::Done).await.expect("goes on");
        }))
    }

    /// A worker that makes calls as long as it can pay for them.
    fn add_worker(&mut self) {
        self.begun += 1;
        let budget = Budget::in_fleet(self.purses.clone(), run(), self.begun.to_string(), 1);
        let mut calls = JoinSet::new();
        for call in 0..CALLS_IN_FLIGHT {
            let (budget, charged, mut random) =
                (budget.clone(), Arc::clone(&self.charged), Random(self.begun * 1_000 + call));
            calls.spawn(async move {
                while let Ok(money) = budget.reserve(0, NanoUsd(MOST)).await {
                    let cost = random.below(MOST + 1);
                    charged.fetch_add(cost, Ordering::Relaxed);
                    sleep(Duration::from_millis(50 + random.below(200))).await;
                    money.settle(NanoUsd(cost));
                }
            });
        }
        self.workers.push(calls);
    }

    /// Nobody hears any more what its calls in flight cost.
    fn kill_worker(&mut self, random: &mut Random) {
        let victim = random.below(self.workers.len() as u64);
        self.workers.swap_remove(usize::try_from(victim).expect("is small")).abort_all();
        self.add_worker();
    }
}

/// Lives until the wall under random faults, and returns what was charged and what was killed.
async fn live(seed: u64, limit: u64, life: &mut Life) -> (u64, u64) {
    let mut random = Random(seed.wrapping_mul(7_919) + 1);
    let (mut killed, mut lost_with) = (0, 0);
    let mut coordinator = life.coordinator(limit);
    while life.workers.len() < WORKERS {
        life.add_worker();
    }
    loop {
        let lull = Duration::from_millis(500 + random.below(9_000));
        if let Ok(ended) = timeout(lull, &mut coordinator).await {
            ended.expect("no panic");
            return (life.charged.load(Ordering::Relaxed), killed * CALLS_IN_FLIGHT * MOST + lost_with);
        }
        assert!(life.charged.load(Ordering::Relaxed) <= limit, "seed {seed}");
        if killed >= 6 {
            continue;
        }
        match random.below(5) {
            0 => (life.kill_worker(&mut random), killed += 1).0,
            1 => {
                coordinator = life.coordinator(limit);
            }
            2 => life.purses.lose_all(),
            3 => {
                // What the dead have drawn and not spent is lost with their statements.
                lost_with += limit / 100;
                life.kill_worker(&mut random);
                life.purses.lose_all();
                killed += 1;
            }
            _ => {
                coordinator = life.coordinator(limit);
                life.kill_worker(&mut random);
                killed += 1;
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_dies_and_whatever_is_lost_the_budget_is_kept_and_used() {
    let lives = std::env::var("VALUESIM_LIVES").ok().and_then(|lives| lives.parse().ok()).unwrap_or(LIVES);
    for seed in 0..lives {
        let mut life = Life::new();
        let (charged, unknown) = live(seed, LIMIT, &mut life).await;
        assert!(charged <= LIMIT, "seed {seed}: {charged}");
        assert!(charged + unknown >= LIMIT / 100 * 97, "seed {seed}: {charged} and {unknown} of {LIMIT}");
        // Raised, it goes on.
        let (charged, _) = live(seed + 1, 2 * LIMIT, &mut life).await;
        assert!(charged <= 2 * LIMIT && charged > LIMIT, "seed {seed}: {charged}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_undisturbed_fleet_uses_next_to_all_of_its_budget() {
    let mut life = Life::new();
    (0..WORKERS).for_each(|_| life.add_worker());
    life.coordinator(LIMIT).await.expect("no panic");
    let charged = life.charged.load(Ordering::Relaxed);
    assert!(charged <= LIMIT && charged + 2 * MOST >= LIMIT, "{charged}");
    let used = life.treasurer(LIMIT).used();
    assert_eq!((used.limit, used.spent + used.reserved <= used.limit), (NanoUsd(LIMIT), true), "{used:?}");
}

/// Two models, of which the second has a small purse of its own that is spent at once, while the provider of the first is away for
/// `away`. Returns when the run ended, and whether calls of the first were paid for afterwards.
async fn with_one_purse_spent(away: Duration, others: impl Fn(bool) -> Others) -> (Duration, bool) {
    let (purses, folder) = (Purses::in_memory(), folder());
    let of = |name: &str, limit, models: &[usize]| PurseLimit {
        name: name.to_owned(),
        models: models.to_vec(),
        ..limits(limit).remove(0)
    };
    let limits = vec![of("the run", LIMIT, &[0, 1]), of("the second", 5 * MOST, &[1])];
    let book = PurseBook::new(limits, vec![NanoUsd(0); 2]);
    let treasurer = Treasurer::new(purses.clone(), run(), folder.path().to_owned(), book, |_| {});
    let budget = Budget::in_fleet(purses, run(), "w".to_owned(), 2);
    let (begun, is_done) = (Instant::now(), AtomicBool::new(false));
    let call = async |model| {
        let money = budget.reserve(model, NanoUsd(MOST)).await?;
        sleep(Duration::from_millis(200)).await;
        money.settle(NanoUsd(MOST));
        Ok::<(), valuesim_shared::budget::OutOfBudget>(())
    };
    let second = async { while call(1).await.is_ok() {} };
    let first = async {
        sleep(away).await;
        call(0).await.expect("it has money");
        is_done.store(true, Ordering::Relaxed);
        std::future::pending::<()>().await;
    };
    let wall = treasurer.until_the_wall(|walled| {
        assert_eq!(walled, &BTreeSet::from([1]));
        others(is_done.load(Ordering::Relaxed))
    });
    tokio::select! {
        () = async { tokio::join!(first, second); } => unreachable!("the calls wait for ever"),
        ended = wall => ended.expect("looks"),
    }
    (begun.elapsed(), is_done.load(Ordering::Relaxed))
}

#[tokio::test(start_paused = true)]
async fn a_purse_that_is_spent_ends_no_run_while_other_models_are_held_up() {
    let until_done = |is_done| if is_done { Others::Done } else { Others::Open };
    let away = Duration::from_mins(10);
    let (after, is_done) = with_one_purse_spent(away, until_done).await;
    assert!(is_done && after >= away && after < away + Duration::from_secs(10), "{after:?}");
    // Nobody helps for an hour; or the time of the others is still to come.
    let away = Duration::from_hours(5);
    let (after, is_done) = with_one_purse_spent(away, until_done).await;
    assert!(!is_done && after >= QUIET_FOR_OTHERS && after < QUIET_FOR_OTHERS + Duration::from_mins(1), "{after:?}");
    let until_its_hour = |is_done| if is_done { Others::Done } else { Others::Wait };
    let (after, is_done) = with_one_purse_spent(away, until_its_hour).await;
    assert!(is_done && after >= away && after < away + Duration::from_secs(10), "{after:?}");
}

#[tokio::test(start_paused = true)]
async fn a_purse_whose_owner_says_nothing_any_more_shrinks_to_what_it_had_in_flight() {
    let life = Life::new();
    let treasurer = life.treasurer(LIMIT);
    let state = async |number, spent, reserved| {
        let account =
            Account { spent: NanoUsd(spent), reserved: NanoUsd(reserved), least: NanoUsd(MOST), ..Account::default() };
        let statement = Statement { number, models: vec![account], is_last: false };
        let purse = life.purses.state(&run(), "w", &statement).await.expect("states");
        treasurer.look().await.expect("looks");
        purse
    };
    treasurer.look().await.expect("begins the store's life");
    assert_eq!(state(1, 0, 0).await, Purse::Absent);
    assert_eq!(state(2, 0, MOST).await, Purse::Open(vec![NanoUsd(MOST)]));
    // It is killed, and its reply of 10 is not heard of.
    state(3, 10, MOST).await;
    for _ in 0..110 {
        treasurer.look().await.expect("looks");
        sleep(TICK).await;
    }
    let used = treasurer.used();
    assert_eq!((used.spent, used.reserved), (NanoUsd(10 + MOST), NanoUsd(0)));
    // If it was only slow, it hears of that before its next call.
    assert_eq!(state(4, 20, MOST).await, Purse::Closed);
    assert_eq!(treasurer.used().spent, NanoUsd(10 + MOST), "and it counts once");
}
