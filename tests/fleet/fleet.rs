//! A test's own fleet: coordinators, workers, and the servers and the provider that they share.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use valuesim_shared::codebook::Codebook;
use valuesim_shared::control::{Control as _, RedisControl, WorkerReport};
use valuesim_shared::id::RunId;
use valuesim_simulator::provider::{Provider, ProviderOptions};
use valuesim_test_servers::{Database, Turn, Vhost, eventually, shared_broker, shared_redis};

use crate::process::{FleetProcess, command, command_with_file_limit};
use crate::support::{CELLS, only_ledger, provider, provider_with, rows};

/// Calls in flight of each worker.
pub(crate) const IN_FLIGHT: u64 = 8;

/// Workers of a fleet, unless a test says otherwise.
pub(crate) const WORKERS: u64 = 4;

/// The latency of each reply, unless a test says otherwise.
pub(crate) const LATENCY: Duration = Duration::from_millis(10);

/// A limit for hangs: far longer than any of these runs takes, even on a busy machine.
pub(crate) const TIMEOUT: Duration = Duration::from_mins(5);

/// The same for runs of thousands of cells.
pub(crate) const LONG_TIMEOUT: Duration = Duration::from_mins(20);

/// Respondents of a run, unless a test says otherwise.
const USERS: u32 = 5;

/// Respondents of the survey, unless a test says otherwise.
const SYNTHETIC: u32 = 60;

/// Cells of each respondent: one for each fold.
const CELLS_OF_A_USER: u32 = 5;

/// The backstory, and three modules for each of the 54 questions that the smallest folds ask. Coordinator calls come on top.
const MIN_CALLS_OF_A_CELL: u64 = 1 + 3 * 54;

/// Calls that the provider answers after those that a test waits for, before it pauses: a fault meets a working fleet, but
/// no run ends before its test resumes the replies.
const MARGIN: u64 = 300;

/// The fleet is idle when this many polls in a row, 20 ms apart, see no new call.
const IDLE_POLLS: u32 = 40;

/// The addresses at which a process reaches the servers.
#[derive(Debug, Clone)]
pub(crate) struct ServerUrls {
    pub(crate) broker: String,
    pub(crate) store: String,
}

/// The servers, the provider and the folder of a fleet. Tests start the processes.
pub(crate) struct Fleet {
    pub(crate) provider: Provider,
    pub(crate) urls: ServerUrls,
    /// The address at which workers call the provider.
    pub(crate) base_url: String,
    /// The number of respondents in the run.
    pub(crate) users: u32,
    /// The number of respondents in the survey.
    pub(crate) synthetic: u32,
    /// The methods of the run, in the syntax of `--methods`.
    pub(crate) methods: &'static str,
    /// More flags of the experiment.
    pub(crate) flags: &'static [&'static str],
    folder: TempDir,
    _shared: Option<(Vhost, Database)>,
    /// Dropped last: the next fleet may start when this one is gone.
    _turn: Turn,
}

impl Fleet {
    /// A fleet on servers that it shares with the fleets of other tests.
    pub(crate) async fn new(latency: Duration) -> Self {
        let turn = Turn::take().await;
        let (broker, store) = tokio::join!(shared_broker(), shared_redis());
        let urls = ServerUrls { broker: broker.url.clone(), store: store.url.clone() };
        Self { _shared: Some((broker, store)), ..Self::on(turn, urls, latency).await }
    }

    /// The same with other options for the provider.
    pub(crate) async fn with_provider(options: ProviderOptions) -> Self {
        let provider = provider_with(options).await;
        provider.pause_replies_after(0);
        let base_url = provider.base_url();
        Self { provider, base_url, ..Self::new(LATENCY).await }
    }

    /// A fleet on these servers, which the test started after it took its turn. The provider sends no reply until
    /// [`Fleet::wait_for_answered`] or [`Fleet::resume_replies`].
    pub(crate) async fn on(turn: Turn, urls: ServerUrls, latency: Duration) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let provider = provider(latency).await;
        provider.pause_replies_after(0);
        let base_url = provider.base_url();
        Self {
            provider,
            urls,
            base_url,
            users: USERS,
            synthetic: SYNTHETIC,
            methods: "valuesim",
            flags: &[],
            folder,
            _shared: None,
            _turn: turn,
        }
    }

    pub(crate) fn coordinator(&self) -> FleetProcess {
        self.coordinator_of(self.users)
    }

    /// The coordinator of another run, with this many respondents.
    pub(crate) fn coordinator_of(&self, users: u32) -> FleetProcess {
        self.coordinator_in(users, &self.runs(users))
    }

    /// A folder for the runs of samples of all sizes.
    pub(crate) fn run_folder_of_all(&self) -> PathBuf {
        self.folder.path().join("all")
    }

    /// The coordinator of a run with this many respondents, in this folder of runs.
    pub(crate) fn coordinator_in(&self, users: u32, runs: &Path) -> FleetProcess {
        start(command("coordinate").args(self.experiment(users, runs)), &self.urls)
    }

    /// A second coordinator of the same run, in a folder of its own.
    pub(crate) fn coordinator_elsewhere(&self) -> FleetProcess {
        self.coordinator_in(self.users, &self.folder.path().join("elsewhere"))
    }

    /// A coordinator whose files cannot grow beyond this many blocks of 512 bytes.
    pub(crate) fn coordinator_with_file_limit(&self, blocks: u32) -> FleetProcess {
        let mut command = command_with_file_limit("coordinate", blocks);
        start(command.args(self.experiment(self.users, &self.runs(self.users))), &self.urls)
    }

    pub(crate) fn worker(&self) -> FleetProcess {
        Self::worker_at(&self.urls)
    }

    /// A worker that reaches the servers at other addresses.
    pub(crate) fn worker_at(urls: &ServerUrls) -> FleetProcess {
        start(&mut command("work"), urls)
    }

    /// A coordinator with more flags.
    pub(crate) fn coordinator_with(&self, flags: &[&str]) -> FleetProcess {
        let mut command = command("coordinate");
        start(command.args(self.experiment(self.users, &self.runs(self.users))).args(flags), &self.urls)
    }

    /// A worker with more flags.
    pub(crate) fn worker_with(&self, flags: &[&str]) -> FleetProcess {
        start(command("work").args(flags), &self.urls)
    }

    /// A worker with more flags and variables.
    pub(crate) fn worker_in(&self, flags: &[&str], variables: &[(&str, String)]) -> FleetProcess {
        let mut command = command("work");
        start(command.args(flags).envs(variables.iter().map(|(name, value)| (name, value))), &self.urls)
    }

    /// Replaces the provider by one with these options, at the same address.
    pub(crate) async fn restart_provider(&mut self, options: ProviderOptions) {
        let address = self.provider.address();
        let none = provider(LATENCY).await;
        std::mem::replace(&mut self.provider, none).stop().await;
        let codebook = Arc::new(Codebook::built_in());
        self.provider = Provider::start(address, options, codebook).await.expect("listens again");
    }

    pub(crate) fn workers(&self) -> Vec<FleetProcess> {
        (0..WORKERS).map(|_| self.worker()).collect()
    }

    /// Compares the fleet's ledger row for row with that of one undisturbed process. Returns how many extra calls the fleet
    /// made.
    pub(crate) async fn compare_with_one_process(&self) -> u64 {
        self.compare_runs_with_one_process(&[self.users]).await
    }

    /// The same for several runs.
    pub(crate) async fn compare_runs_with_one_process(&self, runs: &[u32]) -> u64 {
        self.resume_replies();
        let of_fleet = self.provider.stats().requests;
        for &users in runs {
            let one = self.folder.path().join(format!("one-{users}"));
            let run = FleetProcess::spawn(command("run").args(self.experiment(users, &one)));
            run.expect_success_within(LONG_TIMEOUT).await;
            let rows_of_fleet = rows(&only_ledger(&self.runs(users)), CELLS);
            // Flags may choose fewer.
            assert!(!self.flags.is_empty() || rows_of_fleet.len() == (users * CELLS_OF_A_USER) as usize);
            assert_eq!(rows_of_fleet, rows(&only_ledger(&one), CELLS));
        }
        let of_one = self.provider.stats().requests - of_fleet;
        of_fleet.checked_sub(of_one).expect("the fleet made at least the calls of one process")
    }

    /// Waits until the provider has answered this many calls. It answers few more until [`Fleet::resume_replies`], so the run
    /// cannot end before that, however slow the test is.
    pub(crate) async fn wait_for_answered(&self, calls: u64) {
        self.wait_for_answered_with_limit(calls, calls + MARGIN).await;
    }

    /// The same, but the provider answers no more calls than that.
    pub(crate) async fn wait_for_exactly(&self, calls: u64) {
        self.wait_for_answered_with_limit(calls, calls).await;
    }

    async fn wait_for_answered_with_limit(&self, calls: u64, limit: u64) {
        let least_calls = u64::from(self.users * CELLS_OF_A_USER) * MIN_CALLS_OF_A_CELL;
        assert!(limit < least_calls, "the run might end after {least_calls} calls");
        self.provider.pause_replies_after(limit);
        let is_reached = async || (self.provider.stats().answered >= calls).then_some(());
        eventually(&format!("{calls} answered calls"), TIMEOUT, is_reached).await.expect("in time");
    }

    /// Lets the provider answer all calls from now on.
    pub(crate) fn resume_replies(&self) {
        self.provider.resume_replies();
    }

    /// Waits until this many calls are in flight.
    pub(crate) async fn wait_for_in_flight(&self, calls: u64) {
        let is_reached = async || (self.provider.stats().in_flight >= calls).then_some(());
        eventually(&format!("{calls} calls in flight"), TIMEOUT, is_reached).await.expect("in time");
    }

    /// Waits until this many workers report that they serve the run.
    pub(crate) async fn wait_for_workers(&self, count: usize) {
        self.wait_for_reports(count, "workers of the run", |_| true).await;
    }

    /// Waits until a worker reports that it has tasks of the run.
    pub(crate) async fn wait_for_a_busy_worker(&self) {
        self.wait_for_reports(1, "busy worker", |worker| worker.tasks > 0).await;
    }

    async fn wait_for_reports(&self, count: usize, what: &str, fits: impl Fn(&WorkerReport) -> bool) {
        let (control, run) = (self.control().await, self.wait_for_run().await);
        let are_there = async || {
            let workers = control.workers().await.expect("reads").all;
            (workers.iter().filter(|worker| worker.runs.contains(&run) && fits(worker)).count() >= count).then_some(())
        };
        eventually(&format!("{count} {what}"), TIMEOUT, are_there).await.expect("in time");
    }

    /// Waits until no calls are in flight and no new ones arrive.
    pub(crate) async fn wait_until_idle(&self) {
        let (mut idle_polls, mut before) = (0, 0);
        let is_idle = async || {
            let stats = self.provider.stats();
            idle_polls = if stats.in_flight == 0 && stats.requests == before { idle_polls + 1 } else { 0 };
            before = stats.requests;
            (idle_polls == IDLE_POLLS).then_some(())
        };
        eventually("an idle fleet", TIMEOUT, is_idle).await.expect("in time");
    }

    /// The run's control on the store, as an operator uses it.
    pub(crate) async fn control(&self) -> RedisControl {
        let address = self.urls.store.parse().expect("an address");
        RedisControl::connect(&address).await.expect("connects")
    }

    /// An upper bound on the calls answered so far for cells that are not finished.
    pub(crate) async fn calls_of_unfinished_cells(&self) -> u64 {
        let answered = self.provider.stats().answered;
        let runs = self.control().await.runs().await.expect("the store answers").all;
        // As the coordinator last reported: more cells may have finished since, but not fewer.
        let finished: u64 = runs.iter().map(|(about, _)| about.cells.finished).sum();
        answered - finished * MIN_CALLS_OF_A_CELL
    }

    /// Waits until the coordinator has created the run's folder, and returns the run's id.
    pub(crate) async fn wait_for_run(&self) -> RunId {
        let runs = self.runs(self.users);
        let has_begun = async || std::fs::read_dir(&runs).ok()?.next().map(|_| self.run());
        eventually("the run's folder", TIMEOUT, has_begun).await.expect("in time")
    }

    /// The run's id.
    pub(crate) fn run(&self) -> RunId {
        let folder = self.run_folder();
        RunId(folder.file_name().expect("a folder has a name").to_string_lossy().into_owned())
    }

    pub(crate) fn run_folder(&self) -> PathBuf {
        only_ledger(&self.runs(self.users)).parent().expect("a ledger is in a run's folder").to_owned()
    }

    fn runs(&self, users: u32) -> PathBuf {
        self.folder.path().join(format!("fleet-{users}"))
    }

    /// The flags with which one process goes on with the fleet's run.
    pub(crate) fn experiment_of_fleet(&self) -> Vec<String> {
        self.experiment(self.users, &self.runs(self.users))
    }

    /// The flags of the experiment, which are the same for a fleet and for one process.
    fn experiment(&self, users: u32, runs: &Path) -> Vec<String> {
        let about = ["--methods", self.methods, "--model", "m"];
        let mut flags: Vec<String> = about.map(str::to_owned).into();
        flags.extend(["--synthetic".to_owned(), self.synthetic.to_string()]);
        flags.extend(["--users".to_owned(), users.to_string()]);
        flags.extend(["--calls-in-flight".to_owned(), IN_FLIGHT.to_string()]);
        // Far beyond what is reached, so that no slow start looks for the provider's limit.
        flags.extend(["--requests-per-minute", "100000000"].map(str::to_owned));
        flags.extend(["--base-url".to_owned(), self.base_url.clone()]);
        flags.extend(["--embeddings-model", "e", "--embeddings-base-url", &self.base_url].map(str::to_owned));
        flags.extend(["--runs".to_owned(), runs.display().to_string()]);
        flags.extend(self.flags.iter().map(|&flag| flag.to_owned()));
        flags
    }
}

fn start(command: &mut Command, urls: &ServerUrls) -> FleetProcess {
    FleetProcess::spawn(command.env("VALUESIM_BROKER", &urls.broker).env("VALUESIM_STORE", &urls.store))
}
