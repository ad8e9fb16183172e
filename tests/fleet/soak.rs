//! Thousands of cells under one fault after another: `make soak`.

use std::time::Duration;

use tokio::time::{Instant, sleep};
use valuesim_test_servers::{Broker, Proxy, RedisServer, Turn};

use crate::fleet::{Fleet, IN_FLIGHT, LONG_TIMEOUT, ServerUrls, WORKERS};
use crate::process::FleetProcess;
use crate::rng::Rng;

/// The variable with the seed of the faults.
const SEED_VARIABLE: &str = "VALUESIM_SOAK_SEED";

/// Respondents: 6,000 cells, which take some minutes.
const USERS: u32 = 1_200;

/// No fault begins after this time, even if the run goes on.
const FAULTS_FOR: Duration = Duration::from_mins(10);

/// The longest time between two faults.
const BETWEEN_MS: usize = 4_000;

/// The longest duration of a fault.
const LASTS_MS: usize = 6_000;

/// What can happen to a fleet.
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
    Cut(Link),
    Stall(Link),
}

/// A connection from workers to a server.
#[derive(Debug, Clone, Copy)]
enum Link {
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
    Fault::Cut(Link::Broker),
    Fault::Cut(Link::Store),
    Fault::Cut(Link::Provider),
    Fault::Stall(Link::Broker),
    Fault::Stall(Link::Store),
    Fault::Stall(Link::Provider),
];

/// A fleet with everything that a fault needs.
struct Soak {
    rng: Rng,
    broker: Broker,
    store: RedisServer,
    links: [Proxy; 3],
    fleet: Fleet,
    /// The addresses at which workers reach the servers.
    urls: ServerUrls,
    coordinator: FleetProcess,
    workers: Vec<FleetProcess>,
    /// The most extra calls that the faults so far can have caused.
    most: u64,
}

impl Soak {
    async fn new(seed: u64) -> Self {
        let turn = Turn::take().await;
        let (broker, store) = tokio::join!(Broker::start(), RedisServer::start());
        let (broker, store) = (broker.expect("starts"), store.expect("starts"));
        let direct = ServerUrls { broker: broker.new_vhost().await.expect("is made"), store: store.url() };
        let mut fleet = Fleet::on(turn, direct.clone(), Duration::ZERO).await;
        fleet.users = USERS;
        fleet.synthetic = USERS;
        fleet.resume_replies();
        let silent_for = format!("{}?heartbeat=2", direct.broker);
        let (to_broker, broker_way) = Proxy::in_front_of(&silent_for).await.expect("starts");
        let (to_store, store_way) = Proxy::in_front_of(&direct.store).await.expect("starts");
        let (to_provider, base_url) = Proxy::in_front_of(&fleet.base_url).await.expect("starts");
        fleet.base_url = base_url;
        let urls = ServerUrls { broker: broker_way, store: store_way };
        let coordinator = fleet.coordinator();
        let workers = (0..WORKERS).map(|_| Fleet::worker_at(&urls)).collect();
        let (rng, links) = (Rng::new(seed), [to_broker, to_store, to_provider]);
        Self { rng, broker, store, links, fleet, urls, coordinator, workers, most: 0 }
    }

    async fn cause(&mut self, fault: Fault) {
        if let Fault::WipeBroker | Fault::FlushStore = fault {
            self.most += self.fleet.calls_of_unfinished_cells().await;
        }
        // After any fault, the calls in flight may be made again.
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
                self.disturb_broker(fault).await;
            }
            Fault::StopStore | Fault::KillStore | Fault::FlushStore => self.disturb_store(fault).await,
            Fault::Cut(link) | Fault::Stall(link) => self.disturb_link(fault, link).await,
        }
    }

    fn kill_worker(&mut self) {
        let victim = self.rng.below(self.workers.len());
        self.workers.swap_remove(victim).kill();
        self.workers.push(Fleet::worker_at(&self.urls));
    }

    fn kill_coordinator(&mut self) {
        let next = || self.fleet.coordinator();
        std::mem::replace(&mut self.coordinator, next()).kill();
    }

    async fn freeze_worker(&mut self) {
        let frozen = self.rng.below(self.workers.len());
        self.workers[frozen].freeze();
        self.pause(LASTS_MS).await;
        self.workers[frozen].wake();
    }

    async fn disturb_broker(&mut self, fault: Fault) {
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

    async fn disturb_store(&mut self, fault: Fault) {
        match fault {
            Fault::FlushStore => return self.store.flush().expect("is flushed"),
            Fault::StopStore => self.store.stop().await.expect("stops"),
            _ => self.store.kill(),
        }
        self.pause(LASTS_MS).await;
        self.store.start_again().await.expect("starts");
    }

    async fn disturb_link(&mut self, fault: Fault, link: Link) {
        let proxy = link as usize;
        match fault {
            Fault::Cut(_) => self.links[proxy].cut().await,
            _ => self.links[proxy].stall().await,
        }
        self.pause(LASTS_MS).await;
        self.links[proxy].heal().await;
    }

    /// Waits for a random time, not for an event.
    async fn pause(&mut self, at_most_ms: usize) {
        sleep(Duration::from_millis(self.rng.below(at_most_ms) as u64)).await;
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
        let fault = FAULTS[soak.rng.below(FAULTS.len())];
        println!(
            "{:>4} s: {fault:?}, {} calls answered",
            begun.elapsed().as_secs(),
            soak.fleet.provider.stats().answered
        );
        soak.cause(fault).await;
    }
    let Soak { fleet, coordinator, workers, most, .. } = soak;
    coordinator.expect_success_within(LONG_TIMEOUT).await;
    drop(workers);
    let extra = fleet.compare_with_one_process().await;
    println!("{extra} extra calls, at most {most} allowed");
    assert!(extra <= most, "{extra} extra calls, but at most {most} were in flight or lost");
}
