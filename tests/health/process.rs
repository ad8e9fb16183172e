//! A coordinator or worker with probes and metrics.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use valuesim_coordinator::results::Results;
use valuesim_shared::codebook::Codebook;
use valuesim_shared::id::RunId;
use valuesim_simulator::provider::{Provider, ProviderOptions};
use valuesim_test_servers::eventually;

use crate::exposition::Exposition;

/// A limit for hangs: far longer than anything here takes, even on a busy machine.
pub(crate) const TIMEOUT: Duration = Duration::from_mins(2);

/// What the processes of a fleet share.
pub(crate) struct Fleet {
    pub(crate) broker: String,
    pub(crate) store: String,
    pub(crate) provider: Provider,
    pub(crate) folder: TempDir,
}

/// A process that ends with the test.
pub(crate) struct Process {
    child: Child,
    stderr: PathBuf,
}

impl Fleet {
    pub(crate) async fn new(broker: &str, store: &str, provider: ProviderOptions) -> Self {
        let anywhere = "127.0.0.1:0".parse().expect("an address");
        let provider = Provider::start(anywhere, provider, Arc::new(Codebook::built_in())).await.expect("listens");
        let folder = tempfile::tempdir().expect("a temporary folder");
        Self { broker: broker.to_owned(), store: store.to_owned(), provider, folder }
    }

    /// Coordinates an experiment with `users` respondents and with prices.
    pub(crate) fn coordinator(&self, users: u32) -> Process {
        let file = self.folder.path().join("experiment.toml");
        let price = "price = { input_usd_per_million = 1, output_usd_per_million = 2 }";
        let model = format!("[[model]]\nname = \"m\"\nbase_url = \"{}\"\n{price}\n", self.provider.base_url());
        std::fs::write(&file, model).expect("writes");
        let users = users.to_string();
        let flags = ["--synthetic", "60", "--users", &users, "--methods", "valuesim,full-info", "--runs", "runs"];
        self.start("coordinate", &[&["experiment.toml"], &flags[..]].concat())
    }

    /// The id of the only run.
    pub(crate) fn run(&self) -> RunId {
        let runs = std::fs::read_dir(self.folder.path().join("runs")).expect("a run has started");
        let folders: Vec<_> = runs.map(|folder| folder.expect("reads").file_name()).collect();
        let [folder] = folders.as_slice() else { panic!("expected one run, found {folders:?}") };
        RunId(folder.to_string_lossy().into_owned())
    }

    /// The results of the only run, once it has ended.
    pub(crate) fn results(&self) -> Results {
        let file = self.folder.path().join("runs").join(&self.run().0).join("results.json");
        Results::from_json(&std::fs::read_to_string(file).expect("reads")).expect("are results")
    }

    pub(crate) fn worker(&self) -> Process {
        self.start("work", &[])
    }

    pub(crate) fn start(&self, verb: &str, flags: &[&str]) -> Process {
        let stderr = self.folder.path().join(format!("{verb}.stderr"));
        let mut command = Command::new(env!("CARGO_BIN_EXE_valuesim"));
        command.env_clear().env("VALUESIM_PRICE_UNKNOWN", "true").arg(verb).args(flags).current_dir(self.folder.path());
        command.env("VALUESIM_BROKER", &self.broker).env("VALUESIM_STORE", &self.store);
        command.stdout(Stdio::null()).stderr(File::create(&stderr).expect("a new file"));
        Process { child: command.spawn().expect("the command starts"), stderr }
    }
}

impl Process {
    /// What it has written to standard error so far.
    pub(crate) fn stderr(&self) -> String {
        std::fs::read_to_string(&self.stderr).expect("reads")
    }

    /// The address of its probes, once it has printed that.
    pub(crate) async fn address(&self) -> String {
        let is_printed = async || {
            let stderr = self.stderr();
            let (_, rest) = stderr.split_once("health and metrics: http://")?;
            Some(rest.split_once("/healthz")?.0.to_owned())
        };
        eventually("an address for probes", TIMEOUT, is_printed).await.expect("in time")
    }

    pub(crate) fn terminate(&self) {
        let killed = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().expect("kill exists");
        assert!(killed.success());
    }

    pub(crate) async fn wait(&mut self) -> ExitStatus {
        let poll = async || self.child.try_wait().expect("waits");
        eventually("the end of a process", TIMEOUT, poll).await.expect("in time")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The process has ended already, unless the test failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The status and body of the response to a path; none if nothing answers.
pub(crate) fn get(address: &str, path: &str) -> Option<(u16, String)> {
    let mut connection = TcpStream::connect(address).ok()?;
    connection.set_read_timeout(Some(TIMEOUT)).ok()?;
    write!(connection, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").ok()?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some((status, body.to_owned()))
}

/// Waits until a probe answers with this status, and returns the body.
pub(crate) async fn probe(address: &str, path: &str, status: u16) -> String {
    let answers = async || get(address, path).filter(|(found, _)| *found == status).map(|(_, body)| body);
    eventually(&format!("{status} of {path}"), TIMEOUT, answers).await.expect("in time")
}

/// The metrics at an address.
pub(crate) fn metrics(address: &str) -> Exposition {
    let (status, text) = get(address, "/metrics").expect("it answers");
    assert_eq!(status, 200, "{text}");
    Exposition::read(&text)
}
