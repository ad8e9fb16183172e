//! A fleet of a test's own: a coordinator, workers, and the servers and the provider that they share.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;
use valuesim_simulator::provider::Provider;
use valuesim_test_servers::{Database, Vhost, eventually, shared_broker, shared_redis};

use crate::support::{CELLS, only_ledger, provider, rows};

/// Calls in flight of each worker.
pub(crate) const IN_FLIGHT: u64 = 8;

/// Longer than any of these runs takes on a busy machine.
const PATIENCE: Duration = Duration::from_mins(4);

/// What the run is about; the same for a fleet and for one process.
const EXPERIMENT: [&str; 8] = ["--synthetic", "60", "--users", "12", "--methods", "valuesim", "--model", "m"];

/// Cells of the experiment.
const ROWS: usize = 60;

/// Servers, provider and folder. The processes are the test's.
pub(crate) struct Fleet {
    pub(crate) provider: Provider,
    broker: Vhost,
    store: Database,
    folder: TempDir,
}

/// A process that ends with the test.
pub(crate) struct Member(Child);

impl Fleet {
    pub(crate) async fn new(latency: Duration) -> Self {
        let (broker, store) = tokio::join!(shared_broker(), shared_redis());
        let folder = tempfile::tempdir().expect("a temporary folder");
        Self { provider: provider(latency).await, broker, store, folder }
    }

    pub(crate) fn coordinator(&self) -> Member {
        self.start("coordinate", &self.experiment(&self.runs()))
    }

    pub(crate) fn worker(&self) -> Member {
        self.start("work", &[])
    }

    /// Compares the fleet's ledger with that of one undisturbed process, row for row, and returns how many more calls the
    /// fleet has sent.
    pub(crate) async fn compare_with_one_process(&self) -> u64 {
        let of_fleet = self.provider.stats().requests;
        let runs = self.folder.path().join("one");
        let mut command = command("run");
        command.args(self.experiment(&runs));
        Member::spawn(&mut command).ended_well().await;
        let of_one = self.provider.stats().requests - of_fleet;
        let rows_of_fleet = rows(&only_ledger(&self.runs()), CELLS);
        assert_eq!(rows_of_fleet.len(), ROWS);
        assert_eq!(rows_of_fleet, rows(&only_ledger(&runs), CELLS));
        of_fleet.checked_sub(of_one).expect("the fleet has made at least the calls of one process")
    }

    /// Waits until the provider has answered so many calls.
    pub(crate) async fn answered(&self, calls: u64) {
        let look = async || (self.provider.stats().answered >= calls).then_some(());
        eventually(&format!("{calls} answered calls"), PATIENCE, look).await.expect("in time");
    }

    fn runs(&self) -> PathBuf {
        self.folder.path().join("runs")
    }

    fn experiment(&self, runs: &Path) -> Vec<String> {
        let mut flags: Vec<String> = EXPERIMENT.map(str::to_owned).into();
        flags.extend(["--calls-in-flight".to_owned(), IN_FLIGHT.to_string()]);
        flags.extend(["--base-url".to_owned(), self.provider.base_url()]);
        flags.extend(["--runs".to_owned(), runs.display().to_string()]);
        flags
    }

    fn start(&self, verb: &str, flags: &[String]) -> Member {
        let mut command = command(verb);
        command.env("VALUESIM_BROKER", &self.broker.url).env("VALUESIM_STORE", &self.store.url);
        Member::spawn(command.args(flags))
    }
}

fn command(verb: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_valuesim"));
    command.env_clear().arg(verb).stdout(Stdio::null());
    command
}

impl Member {
    fn spawn(command: &mut Command) -> Self {
        Self(command.spawn().expect("the command starts"))
    }

    /// Ends it at once, as a crash does.
    pub(crate) fn kill(mut self) {
        self.0.kill().expect("it runs until it is killed");
        let ended = self.0.wait().expect("waits");
        assert!(ended.code().is_none(), "it ended by itself, with {ended}");
    }

    /// Asks it to end, as a service manager does.
    pub(crate) fn terminate(&self) {
        let killed = Command::new("kill").args(["-TERM", &self.0.id().to_string()]).status().expect("kill is there");
        assert!(killed.success());
    }

    /// Waits until it ends, with exit code 0.
    pub(crate) async fn ended_well(mut self) {
        let look = async || self.0.try_wait().expect("waits");
        let ended = eventually("the end of a process", PATIENCE, look).await.expect("in time");
        assert!(ended.success(), "it ended with {ended}");
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        // It has ended already, unless the test failed.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
