//! Thousands of cells under one fault after the other: `make soak`.

use std::time::Duration;

use tokio::time::{Instant, sleep};
use valuesim_test_servers::{Broker, Proxy, RedisServer, Turn};

use crate::chance::Chance;
use crate::fleet::{Fleet, IN_FLIGHT, LONG_PATIENCE, WORKERS, Ways};
use crate::member::Member;

/// The variable that says which faults come in which order.
const SEED_VARIABLE: &str = "VALUESIM_SOAK_SEED";

/// 6,000 cells: some minutes.
const USERS: u32 = 1_200;

/// Where all faults are over, even if the run is not.
const FAULTS_FOR: Duration = Duration::from_mins(10);

/// The longest time between the end of a fault and the next.
const BETWEEN_MS: usize = 4_000;

/// The longest time that a fault lasts.
const LASTS_MS: usize = 6_000;

/// What may happen.
#[derive(Debug, Clone, Copy)]
enum Fault {
    KillWorker,
    KillCoordinator,
    KillBoth,
    FreezeWorker,
    StopBroker,
    KillBroker,
    WipeBroker,
    RaiseAlarm,
    StopStore,
    KillStore,
    FlushStore,
    Cut(Line),
    Stall(Line),
}

/// Between the workers and a server.
#[derive(Debug, Clone, Copy)]
enum Line {
    Broker,
    Store,
    Provider,
}

const FAULTS: [Fault; 18] = [
    Fault::KillWorker,
    Fault::KillWorker,
    Fault::KillCoordinator,
    Fault::KillBoth,
    Fault::FreezeWorker,
    Fault::StopBroker,
    Fault::KillBroker,
    Fault::WipeBroker,
    Fault::RaiseAlarm,
    Fault::StopStore,
    Fault::KillStore,
    Fault::FlushStore,
    Fault::Cut(Line::Broker),
    Fault::Cut(Line::Store),
    Fault::Cut(Line::Provider),
    Fault::Stall(Line::Broker),
    Fault::Stall(Line::Store),
    Fault::Stall(Line::Provider),
];

/// A fleet with all that can be done to it.
struct Soak {
    chance: Chance,
    broker: Broker,
    store: RedisServer,
    lines: [Proxy; 3],
    fleet: Fleet,
    /// How workers reach the servers.
    ways: Ways,
    coordinator: Member,
    workers: Vec<Member>,
    /// The most calls that the faults so far can have cost.
    most: u64,
}

impl Soak {
    async fn new(seed: u64) -> Self {
        let turn = Turn::take().await;
        let (broker, store) = tokio::join!(Broker::start(), RedisServer::start());
        let (broker, store) = (broker.expect("starts"), store.expect("starts"));
        let direct = Ways { broker: broker.new_vhost().await.expect("is made"), store: store.url() };
        let mut fleet = Fleet::on(turn, direct.clone(), Duration::ZERO).await;
        fleet.users = USERS;
        fleet.synthetic = USERS;
        fleet.release();
        let silent_for = format!("{}?heartbeat=2", direct.broker);
        let (to_broker, broker_way) = Proxy::in_front_of(&silent_for).await.expect("starts");
        let (to_store, store_way) = Proxy::in_front_of(&direct.store).await.expect("starts");
        let (to_provider, base_url) = Proxy::in_front_of(&fleet.base_url).await.expect("starts");
        fleet.base_url = base_url;
        let ways = Ways { broker: broker_way, store: store_way };
        let coordinator = fleet.coordinator();
        let workers = (0..WORKERS).map(|_| Fleet::worker_by(&ways)).collect();
        let (chance, lines) = (Chance::new(seed), [to_broker, to_store, to_provider]);
        Self { chance, broker, store, lines, fleet, ways, coordinator, workers, most: 0 }
    }

    async fn suffer(&mut self, fault: Fault) {
        if let Fault::WipeBroker | Fault::FlushStore = fault {
            self.most += self.fleet.calls_of_unfinished_cells().await;
        }
        // Whatever a fault does, the calls in flight may be made again.
        self.most += WORKERS * IN_FLIGHT;
        match fault {
            Fault::KillWorker => self.kill_worker(),
            Fault::KillCoordinator => self.kill_coordinator(),
            Fault::KillBoth => {
                self.kill_worker();
                self.kill_coordinator();
            }
            Fault::FreezeWorker => self.freeze_worker().await,
            Fault::StopBroker | Fault::KillBroker | Fault::WipeBroker | Fault::RaiseAlarm => {
                self.trouble_broker(fault).await;
            }
            Fault::StopStore | Fault::KillStore | Fault::FlushStore => self.trouble_store(fault).await,
            Fault::Cut(line) | Fault::Stall(line) => self.trouble_line(fault, line).await,
        }
    }

    fn kill_worker(&mut self) {
        let victim = self.chance.below(self.workers.len());
        self.workers.swap_remove(victim).kill();
        self.workers.push(Fleet::worker_by(&self.ways));
    }

    fn kill_coordinator(&mut self) {
        let next = || self.fleet.coordinator();
        std::mem::replace(&mut self.coordinator, next()).kill();
    }

    async fn freeze_worker(&mut self) {
        let frozen = self.chance.below(self.workers.len());
        self.workers[frozen].freeze();
        self.pause(LASTS_MS).await;
        self.workers[frozen].wake();
    }

    async fn trouble_broker(&mut self, fault: Fault) {
        match fault {
            Fault::StopBroker => self.broker.stop().await.expect("stops"),
            Fault::WipeBroker => self.broker.kill_and_wipe().expect("is wiped"),
            Fault::RaiseAlarm => {
                self.broker.raise_memory_alarm().await.expect("is set");
                self.pause(LASTS_MS).await;
                return self.broker.clear_memory_alarm().await.expect("is cleared");
            }
            _ => self.broker.kill(),
        }
        self.pause(LASTS_MS).await;
        self.broker.start_again().await.expect("starts");
    }

    async fn trouble_store(&mut self, fault: Fault) {
        match fault {
            Fault::FlushStore => return self.store.flush().expect("is flushed"),
            Fault::StopStore => self.store.stop().await.expect("stops"),
            _ => self.store.kill(),
        }
        self.pause(LASTS_MS).await;
        self.store.start_again().await.expect("starts");
    }

    async fn trouble_line(&mut self, fault: Fault, line: Line) {
        let proxy = line as usize;
        match fault {
            Fault::Cut(_) => self.lines[proxy].cut().await,
            _ => self.lines[proxy].stall().await,
        }
        self.pause(LASTS_MS).await;
        self.lines[proxy].heal().await;
    }

    /// Lets some time pass: here chance says how long, not an event.
    async fn pause(&mut self, at_most_ms: usize) {
        sleep(Duration::from_millis(self.chance.below(at_most_ms) as u64)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes: make soak"]
async fn soak() {
    let seed = std::env::var(SEED_VARIABLE).map_or(1, |seed| seed.parse().expect("a number"));
    let mut soak = Soak::new(seed).await;
    let begun = Instant::now();
    println!("{SEED_VARIABLE}={seed}");
    while begun.elapsed() < FAULTS_FOR && !soak.coordinator.has_ended() {
        soak.pause(BETWEEN_MS).await;
        if soak.coordinator.has_ended() {
            break;
        }
        let fault = FAULTS[soak.chance.below(FAULTS.len())];
        println!(
            "{:>4} s: {fault:?}, {} calls answered",
            begun.elapsed().as_secs(),
            soak.fleet.provider.stats().answered
        );
        soak.suffer(fault).await;
    }
    let Soak { fleet, coordinator, workers, most, .. } = soak;
    coordinator.ended_well_within(LONG_PATIENCE).await;
    drop(workers);
    let extra = fleet.compare_with_one_process().await;
    println!("{extra} calls more, at most {most} could be");
    assert!(extra <= most, "{extra} calls more, at most {most} were in flight or lost");
}
