//! A fleet of a test's own: a coordinator, workers, and the servers and the provider that they share.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;
use valuesim_shared::control::{Control as _, RedisControl};
use valuesim_shared::id::RunId;
use valuesim_simulator::provider::{Provider, ProviderOptions};
use valuesim_test_servers::{Database, Turn, Vhost, eventually, shared_broker, shared_redis};

use crate::member::{Member, command, command_with_little_room};
use crate::support::{CELLS, only_ledger, provider, provider_with, rows};

/// Calls in flight of each worker.
pub(crate) const IN_FLIGHT: u64 = 8;

/// Workers of a fleet, where nothing else is said.
pub(crate) const WORKERS: u64 = 4;

/// What each reply takes, where nothing else is said.
pub(crate) const LATENCY: Duration = Duration::from_millis(10);

/// A ceiling for what hangs: longer than any of these runs takes on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_mins(2);

/// Longer than a run of thousands of cells takes.
pub(crate) const LONG_PATIENCE: Duration = Duration::from_mins(10);

/// Respondents of a run, where nothing else is said.
const USERS: u32 = 5;

/// Respondents of the survey, where nothing else is said.
const SYNTHETIC: u32 = 60;

/// A cell for each fold.
const CELLS_OF_A_USER: u32 = 5;

/// The backstory, and three modules for each of the 58 questions; coordinator calls come on top.
const MIN_CALLS_OF_A_CELL: u64 = 1 + 3 * 58;

/// Calls that the provider still answers after those that a test waits for: faults meet a fleet that works, and no run
/// ends before its test releases the rest.
const MARGIN: u64 = 300;

/// So many looks in a row, 20 ms apart, see no call come before the fleet counts as quiet.
const QUIET_LOOKS: u32 = 40;

/// How a process reaches the servers.
#[derive(Debug, Clone)]
pub(crate) struct Ways {
    pub(crate) broker: String,
    pub(crate) store: String,
}

/// Servers, provider and folder. The processes are the test's.
pub(crate) struct Fleet {
    pub(crate) provider: Provider,
    pub(crate) ways: Ways,
    /// Where workers find the provider.
    pub(crate) base_url: String,
    /// How many respondents the run is about.
    pub(crate) users: u32,
    /// Respondents of the survey.
    pub(crate) synthetic: u32,
    /// The methods of the run, as `--methods` takes them.
    pub(crate) methods: &'static str,
    folder: TempDir,
    _lent: Option<(Vhost, Database)>,
    /// Dropped last: the next fleet starts when this one is gone.
    _turn: Turn,
}

impl Fleet {
    /// A fleet on servers that it shares with other tests.
    pub(crate) async fn new(latency: Duration) -> Self {
        let turn = Turn::take().await;
        let (broker, store) = tokio::join!(shared_broker(), shared_redis());
        let ways = Ways { broker: broker.url.clone(), store: store.url.clone() };
        Self { _lent: Some((broker, store)), ..Self::on(turn, ways, latency).await }
    }

    /// The same with a provider of the test's own kind.
    pub(crate) async fn with_provider(options: ProviderOptions) -> Self {
        let provider = provider_with(options).await;
        provider.hold_after(0);
        let base_url = provider.base_url();
        Self { provider, base_url, ..Self::new(LATENCY).await }
    }

    /// A fleet on servers of the test's own, which it has started when it had its turn. Its provider holds all replies until [`Fleet::answered`] or
    /// [`Fleet::release`].
    pub(crate) async fn on(turn: Turn, ways: Ways, latency: Duration) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let provider = provider(latency).await;
        provider.hold_after(0);
        let base_url = provider.base_url();
        Self {
            provider,
            ways,
            base_url,
            users: USERS,
            synthetic: SYNTHETIC,
            methods: "valuesim",
            folder,
            _lent: None,
            _turn: turn,
        }
    }

    pub(crate) fn coordinator(&self) -> Member {
        self.coordinator_of(self.users)
    }

    /// The coordinator of another run, which is about so many respondents.
    pub(crate) fn coordinator_of(&self, users: u32) -> Member {
        start(command("coordinate").args(self.experiment(users, &self.runs(users))), &self.ways)
    }

    /// Another coordinator of the run, with a folder of its own; what it says goes into a file.
    pub(crate) fn coordinator_elsewhere(&self) -> (Member, PathBuf) {
        let said = self.folder.path().join("said-elsewhere");
        let file = File::create(&said).expect("makes a file");
        let mut command = command("coordinate");
        command.args(self.experiment(self.users, &self.folder.path().join("elsewhere"))).stderr(file);
        (start(&mut command, &self.ways), said)
    }

    /// A coordinator whose disk has room for files of so many blocks of 512 bytes.
    pub(crate) fn coordinator_with_little_room(&self, blocks: u32) -> Member {
        let mut command = command_with_little_room("coordinate", blocks);
        start(command.args(self.experiment(self.users, &self.runs(self.users))), &self.ways)
    }

    pub(crate) fn worker(&self) -> Member {
        Self::worker_by(&self.ways)
    }

    /// A worker that reaches the servers in another way.
    pub(crate) fn worker_by(ways: &Ways) -> Member {
        start(&mut command("work"), ways)
    }

    /// A coordinator with settings of its own.
    pub(crate) fn coordinator_with(&self, flags: &[&str]) -> Member {
        let mut command = command("coordinate");
        start(command.args(self.experiment(self.users, &self.runs(self.users))).args(flags), &self.ways)
    }

    /// A worker with settings of its own.
    pub(crate) fn worker_with(&self, flags: &[&str]) -> Member {
        start(command("work").args(flags), &self.ways)
    }

    pub(crate) fn workers(&self) -> Vec<Member> {
        (0..WORKERS).map(|_| self.worker()).collect()
    }

    /// Compares the fleet's ledger with that of one undisturbed process, row for row, and returns how many more calls the
    /// fleet has sent.
    pub(crate) async fn compare_with_one_process(&self) -> u64 {
        self.compare_all(&[self.users]).await
    }

    /// The same for several runs.
    pub(crate) async fn compare_all(&self, runs: &[u32]) -> u64 {
        self.release();
        let of_fleet = self.provider.stats().requests;
        for &users in runs {
            let one = self.folder.path().join(format!("one-{users}"));
            let run = Member::spawn(command("run").args(self.experiment(users, &one)));
            run.ended_well_within(LONG_PATIENCE).await;
            let rows_of_fleet = rows(&only_ledger(&self.runs(users)), CELLS);
            assert_eq!(rows_of_fleet.len(), (users * CELLS_OF_A_USER) as usize);
            assert_eq!(rows_of_fleet, rows(&only_ledger(&one), CELLS));
        }
        let of_one = self.provider.stats().requests - of_fleet;
        of_fleet.checked_sub(of_one).expect("the fleet has made at least the calls of one process")
    }

    /// Waits until the provider has answered so many calls. It answers few more until [`Fleet::release`]: the run goes on
    /// until then, however slow the test is.
    pub(crate) async fn answered(&self, calls: u64) {
        self.answered_of(calls, calls + MARGIN).await;
    }

    /// The same where it answers none more.
    pub(crate) async fn answered_exactly(&self, calls: u64) {
        self.answered_of(calls, calls).await;
    }

    async fn answered_of(&self, calls: u64, limit: u64) {
        let least_calls = u64::from(self.users * CELLS_OF_A_USER) * MIN_CALLS_OF_A_CELL;
        assert!(limit < least_calls, "the run may have ended after {least_calls} calls");
        self.provider.hold_after(limit);
        let look = async || (self.provider.stats().answered >= calls).then_some(());
        eventually(&format!("{calls} answered calls"), PATIENCE, look).await.expect("in time");
    }

    /// Lets the provider answer everything from now on.
    pub(crate) fn release(&self) {
        self.provider.release();
    }

    /// Waits until so many calls are under way.
    pub(crate) async fn under_way(&self, calls: u64) {
        let look = async || (self.provider.stats().in_flight >= calls).then_some(());
        eventually(&format!("{calls} calls under way"), PATIENCE, look).await.expect("in time");
    }

    /// Waits until nobody calls any more: whoever could waits for something.
    pub(crate) async fn quiet(&self) {
        let (mut looks, mut before) = (0, 0);
        let look = async || {
            let stats = self.provider.stats();
            looks = if stats.in_flight == 0 && stats.requests == before { looks + 1 } else { 0 };
            before = stats.requests;
            (looks == QUIET_LOOKS).then_some(())
        };
        eventually("a quiet fleet", PATIENCE, look).await.expect("in time");
    }

    /// The most calls that were answered so far for cells that are not finished.
    pub(crate) async fn calls_of_unfinished_cells(&self) -> u64 {
        let answered = self.provider.stats().answered;
        let address = self.ways.store.parse().expect("an address");
        let control = RedisControl::connect(&address).await.expect("the store answers");
        let runs = control.runs().await.expect("the store answers").all;
        // What the coordinator last said: since then more cells may have finished, not less.
        let finished: u64 = runs.iter().map(|(about, _)| about.cells.finished).sum();
        answered - finished * MIN_CALLS_OF_A_CELL
    }

    /// Whether the coordinator has made the run's folder.
    pub(crate) fn has_begun(&self) -> bool {
        std::fs::read_dir(self.runs(self.users)).is_ok_and(|mut folders| folders.next().is_some())
    }

    /// The run's name.
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

    /// What a run is about; the same for a fleet and for one process.
    fn experiment(&self, users: u32, runs: &Path) -> Vec<String> {
        let about = ["--methods", self.methods, "--model", "m"];
        let mut flags: Vec<String> = about.map(str::to_owned).into();
        flags.extend(["--synthetic".to_owned(), self.synthetic.to_string()]);
        flags.extend(["--users".to_owned(), users.to_string()]);
        flags.extend(["--calls-in-flight".to_owned(), IN_FLIGHT.to_string()]);
        flags.extend(["--base-url".to_owned(), self.base_url.clone()]);
        flags.extend(["--embeddings-model", "e", "--embeddings-base-url", &self.base_url].map(str::to_owned));
        flags.extend(["--runs".to_owned(), runs.display().to_string()]);
        flags
    }
}

fn start(command: &mut Command, ways: &Ways) -> Member {
    Member::spawn(command.env("VALUESIM_BROKER", &ways.broker).env("VALUESIM_STORE", &ways.store))
}
