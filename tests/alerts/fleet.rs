//! A fleet whose provider and servers can be made to fail.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use secrecy::SecretString;
use valuesim_shared::codebook::Codebook;
use valuesim_shared::dead_letter::DeadLetter;
use valuesim_shared::id::{ModelId, RunId};
use valuesim_shared::queue::{Delivery as _, Queue as _, QueueKind, QueueName, RabbitQueue, RabbitSettings};
use valuesim_simulator::provider::{Provider, ProviderOptions};
use valuesim_test_servers::{Broker, RedisServer};

use crate::process::Running;
use crate::prometheus::Targets;
use crate::sandbox::Sandbox;

/// More cells than are done before the test ends.
const RUN: &str = r#"
name = "alerts"
survey.synthetic = 600
sample.users = 400
methods = ["valuesim", "full-info"]
# Beyond what the run costs, so that there is a budget to show.
budget_usd = 100000

[[model]]
name = "m"
base_url = "BASE_URL"
max_output_tokens = 8000
limits = { calls_in_flight = 8 }
price = { input_usd_per_million = 1, output_usd_per_million = 2 }
"#;

/// Calls at a rate that leaves a busy machine the time to scrape.
const UNPRICED: [&str; 8] = ["--synthetic", "60", "--users", "4", "--model", "unpriced", "--calls-in-flight", "4"];

pub(crate) struct Fleet {
    pub(crate) broker: Broker,
    broker_url: String,
    broker_metrics: u16,
    store: RedisServer,
    provider: Option<Provider>,
    provider_address: SocketAddr,
    sandbox: Sandbox,
    coordinator_port: u16,
    coordinator: Option<Running>,
    worker_ports: [u16; 2],
    workers: Vec<Running>,
}

impl Fleet {
    /// Starts servers and provider.
    pub(crate) async fn start(options: ProviderOptions) -> Self {
        let (broker, store) = tokio::join!(Broker::start_with_metrics(), RedisServer::start());
        let (broker, broker_metrics) = broker.unwrap();
        let provider = serve("127.0.0.1:0".parse().unwrap(), options).await;
        let sandbox = Sandbox::new();
        sandbox.write("experiment.toml", RUN.replace("BASE_URL", &provider.base_url()));
        Self {
            broker_url: broker.new_vhost().await.unwrap(),
            broker,
            broker_metrics,
            store: store.unwrap(),
            provider_address: provider.address(),
            provider: Some(provider),
            sandbox,
            coordinator_port: free_port(),
            coordinator: None,
            worker_ports: [free_port(), free_port()],
            workers: Vec::new(),
        }
    }

    /// What Prometheus is to scrape.
    pub(crate) fn targets(&self) -> Targets {
        Targets {
            workers: self.worker_ports.to_vec(),
            coordinators: vec![self.coordinator_port],
            broker: self.broker_metrics,
        }
    }

    pub(crate) fn start_coordinator(&mut self) {
        // A cell that fails goes to the end of the queue: with few cells in progress its turn comes again soon.
        let arguments = ["coordinate", "experiment.toml", "--window", "20"];
        self.coordinator = Some(self.command(&arguments, self.coordinator_port));
    }

    /// Ends it without a chance to clean up.
    pub(crate) fn kill_coordinator(&mut self) {
        drop(self.coordinator.take());
    }

    pub(crate) fn start_workers(&mut self) {
        self.workers = self.worker_ports.map(|port| self.command(&["work"], port)).into();
    }

    /// A run whose model has no price.
    pub(crate) fn start_unpriced_run(&self) -> Running {
        let base_url = self.provider.as_ref().unwrap().base_url();
        self.command(&[&["coordinate", "--base-url", &base_url], &UNPRICED[..]].concat(), 0)
    }

    /// Replaces the provider by one with other options at the same address.
    pub(crate) async fn restart_provider(&mut self, options: ProviderOptions) {
        self.provider.take().unwrap().stop().await;
        self.provider = Some(serve(self.provider_address, options).await);
    }

    /// Makes a task a dead letter, as a worker does that cannot do it.
    pub(crate) async fn give_up_a_cell(&self) {
        let settings = RabbitSettings::new(SecretString::from(self.broker_url.clone()), "test");
        let queue = RabbitQueue::connect(settings).await.unwrap();
        let name = |kind| QueueName { run: RunId(self.run()), kind };
        let delivery = queue.take(&name(QueueKind::Story(ModelId(0))), 1).await.unwrap();
        let letter = DeadLetter::new(delivery.body(), "it cannot be done".to_owned(), "test".to_owned());
        queue.publish(&name(QueueKind::Dead), letter.to_bytes().into()).await.unwrap();
        delivery.ack().await.unwrap();
        queue.close().await;
    }

    pub(crate) fn replay_dead_letters(&self) {
        self.command(&["dead", "replay", &self.run(), "--all"], 0).wait().expect_success();
    }

    fn run(&self) -> String {
        let run = self.sandbox.run_folder("runs");
        run.file_name().unwrap().to_str().unwrap().to_owned()
    }

    /// Sets the store's `maxmemory` in bytes; 0 is no limit.
    pub(crate) fn limit_memory_of_store(&self, bytes: &str) {
        let mut connection = redis::Client::open(self.store.url()).unwrap().get_connection().unwrap();
        let () = redis::cmd("CONFIG").arg("SET").arg("maxmemory").arg(bytes).query(&mut connection).unwrap();
    }

    fn command(&self, arguments: &[&str], port: u16) -> Running {
        let mut command = self.sandbox.command(arguments);
        command.env("VALUESIM_BROKER", &self.broker_url).env("VALUESIM_STORE", self.store.url());
        Running::new(command.env("VALUESIM_HTTP", format!("127.0.0.1:{port}")))
    }
}

async fn serve(address: SocketAddr, options: ProviderOptions) -> Provider {
    Provider::start(address, options, Arc::new(Codebook::built_in())).await.unwrap()
}

pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
