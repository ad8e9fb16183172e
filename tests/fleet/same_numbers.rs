//! A run of two thousand cells whose workers are starved, blocked and killed: each time, and at its end, the live page, the
//! status as JSON and the metrics tell the same numbers.
#![expect(clippy::float_cmp, reason = "counts are whole numbers far below 2^52")]

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use tokio::time::sleep;
use valuesim_shared::codebook::Codebook;
use valuesim_shared::control::{Control as _, DesiredState, Order, RedisControl, WorkerReport};
use valuesim_shared::id::RunId;
use valuesim_simulator::provider::{Latency, Provider, ProviderOptions};
use valuesim_test_servers::{Broker, Database, Turn, eventually, shared_redis};

use crate::browser::Browser;
use crate::control_message::worker as worker_report;
use crate::exposition::Exposition;
use crate::fleet::IN_FLIGHT;
use crate::process::{FleetProcess, command};

/// Two thousand cells: twenty people in a hundred folds, with two or three questions each.
const CELLS: f64 = 2_000.0;

const EXPERIMENT: &str = r#"
methods = ["no-profile"]
survey.synthetic = 60
sample.users = 20
split.folds = 100

[[model]]
name = "m"
base_url = "BASE_URL"
limits = { calls_in_flight = 8 }
price = { input_usd_per_million = 1, output_usd_per_million = 2 }
"#;

/// Outcomes that are on their way arrive within this time.
const OUTCOMES_ARRIVE_WITHIN: Duration = Duration::from_secs(2);

/// A limit for hangs: far longer than any of the waits, even on a busy machine.
const TIMEOUT: Duration = Duration::from_secs(40);

/// Calls in flight of both workers.
const ALL_IN_FLIGHT: u64 = 2 * IN_FLIGHT;

/// Refused calls after which the provider counts as starving the run. Few, because the fleet soon learns the limit.
const REFUSED: u64 = 5;

/// Replies in each of the later parts of the run.
const REPLIES: u64 = 700;

/// The name of a worker that keeps the coordinator from ending, so that its last metrics can be read.
const STAYING: &str = "worker-that-stays";

/// What one view says of the run.
#[derive(Debug, Clone, PartialEq)]
struct Numbers {
    planned: f64,
    finished: f64,
    under_way: f64,
    dead: f64,
    sent: f64,
    answered: f64,
    failed: f64,
    rate_limited: f64,
    in_flight: f64,
    workers: f64,
    /// Millionths of a dollar, rounded: of finished cells, and of all calls.
    spent: f64,
    cost: f64,
}

/// The run and everybody who looks at it.
struct Scene {
    broker: Broker,
    broker_url: String,
    store: Database,
    control: RedisControl,
    provider: Option<Provider>,
    folder: TempDir,
    coordinator: Option<FleetProcess>,
    workers: Vec<FleetProcess>,
    /// The requests that an earlier provider received.
    requests_before: u64,
    /// The last metrics of workers that were killed.
    killed: Vec<Exposition>,
    _turn: Turn,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn page_status_and_metrics_tell_the_same_numbers_whatever_happens() {
    let mut scene = Scene::start().await;
    scene.starve().await;
    scene.block().await;
    scene.kill_a_worker().await;
    scene.end().await;
}

impl Scene {
    async fn start() -> Self {
        let turn = Turn::take().await;
        let (broker, store) = tokio::join!(Broker::start(), shared_redis());
        let broker = broker.expect("starts");
        let broker_url = broker.new_vhost().await.expect("is made");
        // Others use the key, so that it refuses calls whatever a fleet learns, and it fails at times.
        let options = ProviderOptions { rate_limited_rate: 0.8, error_rate: 0.02, ..provider_options() };
        let provider = provider("127.0.0.1:0", options).await;
        let folder = tempfile::tempdir().expect("a temporary folder");
        let experiment = EXPERIMENT.replace("BASE_URL", &provider.base_url());
        std::fs::write(folder.path().join("experiment.toml"), experiment).expect("writes");
        let control = RedisControl::connect(&store.url.parse().expect("an address")).await.expect("connects");
        let mut scene = Self {
            broker,
            broker_url,
            store,
            control,
            provider: Some(provider),
            folder,
            coordinator: None,
            workers: Vec::new(),
            requests_before: 0,
            killed: Vec::new(),
            _turn: turn,
        };
        scene.coordinator = Some(scene.process("coordinate", &["experiment.toml", "--window", "100"]));
        scene.workers = vec![scene.process("work", &[]), scene.process("work", &[])];
        scene
    }

    /// The provider refuses many calls. The run is then paused, so that nothing moves while it is looked at.
    async fn starve(&mut self) {
        let provider = self.provider();
        let is_starved =
            async || (provider.stats().errors.get(&429).is_some_and(|refused| *refused >= REFUSED)).then_some(());
        eventually("calls that are refused", TIMEOUT, is_starved).await.expect("in time");
        let run = self.run();
        let order = async |desired| {
            let order = Order::new(desired, "ada".to_owned());
            self.control.give_order(&run, &order).await.expect("is given");
        };
        order(DesiredState::Pause).await;
        let numbers = self.until_all_agree("starved", |numbers, status| {
            numbers.in_flight == 0.0 && status["bottleneck"]["kind"] == "order"
        });
        let (numbers, _) = numbers.await;
        assert!(numbers.rate_limited >= REFUSED as f64 && numbers.workers == 2.0, "{numbers:?}");
        let seen = provider.stats();
        assert_eq!((numbers.sent, numbers.answered), (seen.requests as f64, seen.answered as f64), "{seen:?}");
        let address = provider.address().to_string();
        self.requests_before = seen.requests;
        self.provider.take().expect("it runs").stop().await;
        let healthy = self::provider(&address, provider_options()).await;
        healthy.pause_replies_after(REPLIES);
        self.provider = Some(healthy);
        self.forget_limits().await;
        let order = Order::new(DesiredState::Go, "ada".to_owned());
        self.control.give_order(&run, &order).await.expect("is given");
    }

    /// What the fleet has learned of the provider's limits is lost, so that it need not find out slowly that they are gone.
    async fn forget_limits(&self) {
        let client = redis::Client::open(self.store.url.as_str()).expect("is an address");
        let mut store = client.get_multiplexed_async_connection().await.expect("connects");
        let quotas: Vec<String> =
            redis::cmd("KEYS").arg("valuesim:{quota-*").query_async(&mut store).await.expect("lists");
        assert_eq!(quotas.len(), 1, "{quotas:?}");
        let _: () = redis::cmd("DEL").arg(quotas).query_async(&mut store).await.expect("deletes");
    }

    /// The broker takes no messages, so that workers finish their cells and start no more.
    async fn block(&mut self) {
        self.until_held().await;
        self.broker.raise_memory_alarm().await.expect("is set");
        self.provider().resume_replies();
        let (numbers, status) = self
            .until_all_agree("blocked", |numbers, status| {
                numbers.in_flight == 0.0 && status["bottleneck"]["kind"] == "servers"
            })
            .await;
        assert!(numbers.finished < CELLS, "{numbers:?}");
        let text = status["bottleneck"]["text"].as_str().expect("a text");
        let blocked: f64 =
            self.metrics_of_workers().iter().map(|shown| shown.sum("valuesim_broker_blocked", &[])).sum();
        assert_eq!(blocked, 2.0, "the status says: {text}");
        let more = self.provider().stats().answered + REPLIES;
        self.provider().pause_replies_after(more);
        self.broker.clear_memory_alarm().await.expect("is cleared");
    }

    /// A worker is killed with its calls in flight. What it did is not forgotten, and it is gone from the workers.
    async fn kill_a_worker(&mut self) {
        self.until_held().await;
        let before = self.until_nothing_moves().await;
        self.killed = vec![self.metrics_of_workers().swap_remove(0)];
        self.workers.remove(0).kill();
        let (after, _) = self.until_all_agree("killed", |numbers, _| numbers.workers == 1.0).await;
        assert_eq!(after, Numbers { workers: 1.0, in_flight: IN_FLIGHT as f64, ..before });
        self.workers.push(self.process("work", &[]));
    }

    /// All calls are held, no outcome waits to be recorded, and none has arrived for a while.
    async fn until_nothing_moves(&self) -> Numbers {
        let held = async || {
            let is_still = |numbers: &Numbers, status: &Value| {
                let queues = status["queues"].as_array().expect("the broker reports them").iter();
                let outcomes =
                    queues.filter(|queue| queue["lane"] == "results").map(|queue| queue["messages"].as_u64());
                numbers.in_flight == ALL_IN_FLIGHT as f64 && outcomes.sum::<Option<u64>>() == Some(0)
            };
            self.until_all_agree("held", is_still).await.0
        };
        let mut numbers = held().await;
        loop {
            sleep(OUTCOMES_ARRIVE_WITHIN).await;
            let again = held().await;
            if again == numbers {
                return numbers;
            }
            numbers = again;
        }
    }

    /// The run ends with the same numbers everywhere, and the provider's.
    async fn end(&mut self) {
        self.stay().await;
        self.provider().resume_replies();
        let (last, _) = self.until_all_agree("ended", |numbers, _| numbers.finished == CELLS).await;
        assert_eq!((last.planned, last.under_way, last.dead, last.workers), (CELLS, 0.0, 0.0, 2.0), "{last:?}");
        assert_eq!(last.sent, last.answered + last.failed + IN_FLIGHT as f64, "those of the killed worker have no end");
        assert_eq!(last.sent, (self.requests_before + self.provider().stats().requests) as f64, "{last:?}");
        self.control.worker_ended(STAYING).await.expect("writes");
        self.coordinator.take().expect("it runs").expect_success().await;
    }

    /// Waits until the provider holds as many calls as there may be.
    async fn until_held(&self) {
        let is_held = async || (self.provider().stats().in_flight == ALL_IN_FLIGHT).then_some(());
        eventually("calls that wait for replies", TIMEOUT, is_held).await.expect("in time");
    }

    /// Waits until all three say the same, and what is expected: processes report every two seconds. Nothing moves meanwhile.
    async fn until_all_agree(&self, when: &str, expected: impl Fn(&Numbers, &Value) -> bool) -> (Numbers, Value) {
        let mut last = None;
        let agree = async || {
            if when == "ended" {
                self.stay().await;
            }
            let [page, shown] = [Self::of_json(&self.page())?, self.of_metrics()?];
            last = Some(vec![page.clone(), shown.clone()]);
            if page != shown {
                return None;
            }
            let mut told = self.told();
            let views = [page, Self::of_json(&told)?, shown];
            let agree = views.iter().all(|view| *view == views[0]) && expected(&views[0], &told["runs"][0]);
            last = Some(views.to_vec());
            let [numbers, ..] = views;
            agree.then(|| (numbers, told["runs"][0].take()))
        };
        let agreed = eventually(&format!("one story, {when}"), TIMEOUT, agree).await;
        agreed.unwrap_or_else(|error| panic!("{error}: page, status and metrics: {last:#?}"))
    }

    fn page(&self) -> Value {
        let coordinator = self.coordinator.as_ref().expect("it runs");
        Browser::at(&address(coordinator).expect("it listens")).get("/api/status").json()
    }

    fn told(&self) -> Value {
        let mut command = command("status");
        command.env("VALUESIM_BROKER", &self.broker_url).env("VALUESIM_STORE", &self.store.url);
        let output = command.arg("--json").stdout(std::process::Stdio::piped()).output().expect("runs");
        serde_json::from_slice(&output.stdout).expect("it is JSON")
    }

    /// The numbers of a page or a status; none while it has no run.
    fn of_json(status: &Value) -> Option<Numbers> {
        let run = status["runs"].as_array()?.first()?;
        let cells = &run["coordinators"].as_array()?.first()?["cells"];
        let number = |value: &Value| value.as_f64().unwrap_or_else(|| panic!("{value} is no number in {run:#}"));
        let failures = run["failures"].as_array()?;
        let limited = failures.iter().filter(|class| class["class"] == "rate_limited");
        let workers = status["workers"].as_array()?.iter().filter(|worker| worker["process"]["id"] != STAYING);
        let workers: Vec<&Value> = workers.collect();
        Some(Numbers {
            planned: number(&cells["planned"]),
            finished: number(&cells["finished"]),
            under_way: number(&cells["under_way"]),
            dead: number(&cells["dead"]),
            sent: number(&run["calls"]["sent"]),
            answered: number(&run["calls"]["answered"]),
            failed: failures.iter().map(|class| number(&class["count"])).sum(),
            rate_limited: limited.map(|class| number(&class["count"])).sum(),
            in_flight: workers.iter().map(|worker| number(&worker["calls_in_flight"])).sum(),
            workers: workers.len() as f64,
            spent: (number(&run["money"]["spent"]) / 1e3).round(),
            cost: (number(&run["calls"]["cost"]) / 1e3).round(),
        })
    }

    /// The numbers of all processes' metrics; none while one of them does not answer.
    fn of_metrics(&self) -> Option<Numbers> {
        let of_run = metrics(&address(self.coordinator.as_ref()?)?)?;
        let alive = self.metrics_of_workers();
        let all = || alive.iter().chain(&self.killed);
        let sum = |name: &str, labels: &[(&str, &str)]| -> f64 { all().map(|shown| shown.sum(name, labels)).sum() };
        let in_flight = |shown: &Exposition| shown.sum("valuesim_llm_inflight_requests", &[]);
        let cells = |state: &str| of_run.sum("valuesim_run_tasks", &[("state", state)]);
        let (ended, answered) =
            ("valuesim_llm_requests_total", sum("valuesim_llm_requests_total", &[("outcome", "ok")]));
        let abandoned = sum(ended, &[("outcome", "abandoned")]);
        Some(Numbers {
            planned: of_run.sum("valuesim_run_expected_tasks", &[]),
            finished: cells("finished"),
            under_way: cells("under_way"),
            dead: cells("dead"),
            sent: sum(ended, &[]) + all().map(in_flight).sum::<f64>(),
            answered,
            failed: sum(ended, &[]) - answered - abandoned,
            rate_limited: sum(ended, &[("outcome", "rate_limited")]),
            in_flight: alive.iter().map(in_flight).sum(),
            workers: alive.len() as f64,
            spent: (of_run.sum("valuesim_run_cost_usd", &[]) * 1e6).round(),
            cost: (sum("valuesim_llm_cost_usd_total", &[]) * 1e6).round(),
        })
    }

    fn metrics_of_workers(&self) -> Vec<Exposition> {
        self.workers.iter().filter_map(|worker| metrics(&address(worker)?)).collect()
    }

    fn provider(&self) -> &Provider {
        self.provider.as_ref().expect("it runs")
    }

    async fn stay(&self) {
        let report = WorkerReport { runs: vec![self.run()], ..worker_report(STAYING) };
        self.control.report_worker(&report).await.expect("writes");
    }

    fn run(&self) -> RunId {
        let mut runs = std::fs::read_dir(self.folder.path().join("runs")).expect("a run has begun");
        let folder = runs.next().expect("there is one").expect("reads").file_name();
        RunId(folder.to_string_lossy().into_owned())
    }

    fn process(&self, verb: &str, flags: &[&str]) -> FleetProcess {
        let mut command = command(verb);
        command.args(flags).current_dir(self.folder.path());
        command.env("VALUESIM_BROKER", &self.broker_url).env("VALUESIM_STORE", &self.store.url);
        FleetProcess::spawn(&mut command)
    }
}

fn provider_options() -> ProviderOptions {
    ProviderOptions { latency: Latency::Fixed(Duration::from_millis(5)), ..ProviderOptions::default() }
}

async fn provider(address: &str, options: ProviderOptions) -> Provider {
    let address = address.parse().expect("an address");
    let listening = async || Provider::start(address, options.clone(), Arc::new(Codebook::built_in())).await.ok();
    eventually("a free address", TIMEOUT, listening).await.expect("in time")
}

/// Where a process answers, once it has said so.
fn address(process: &FleetProcess) -> Option<String> {
    let stderr = process.stderr();
    let (_, rest) = stderr.split_once("health and metrics: http://")?;
    Some(rest.split_once("/healthz")?.0.to_owned())
}

fn metrics(address: &str) -> Option<Exposition> {
    let response = Browser::at(address).get("/metrics");
    (response.status == 200).then(|| Exposition::read(&response.body))
}
