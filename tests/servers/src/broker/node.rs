//! One RabbitMQ node: its folder, settings, start and end.

use std::fs;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::management::Management;
use crate::port::{free_port, local};
use crate::process::Process;
use crate::{Authority, ServerError, eventually, file, program};

/// A node starts in about five seconds on an idle machine of two cores.
const START_LIMIT: Duration = Duration::from_mins(2);

/// Two schedulers without busy waiting, because tests run at the same time. Accepts nodes of this machine only.
const ERLANG: &str = "+S 2:2 +sbwt none +sbwtdcpu none +sbwtdio none -kernel inet_dist_use_interface {127,0,0,1}";

/// A small write-ahead log, and no statistics, which tests do not use.
const SETTINGS: &str = "\
raft.wal_max_size_bytes = 67108864
management.tcp.ip = 127.0.0.1
management_agent.disable_metrics_collector = true
";

/// What a client sends first, and the type of the frame that a ready broker answers with.
const AMQP_HELLO: &[u8] = b"AMQP\x00\x00\x09\x01";
const METHOD_FRAME: u8 = 1;

/// A node, running or not. Dropping it deletes its folder.
pub(crate) struct Node {
    pub(crate) name: String,
    pub(crate) port: u16,
    pub(crate) management: Management,
    distribution_port: u16,
    scripts: PathBuf,
    /// TLS on an additional port.
    tls: Option<Tls>,
    /// The port of its metrics for Prometheus, if it serves them.
    metrics_port: Option<u16>,
    more_settings: String,
    process: Option<Process>,
    // After the process, which writes into the folder and so must be dropped first.
    folder: TempDir,
}

/// A node's TLS configuration.
struct Tls {
    port: u16,
    settings: String,
}

impl Node {
    /// A node that shares a cookie with its peers, if any. Does not start it.
    pub(crate) fn new(cookie: &str) -> Result<Self, ServerError> {
        let scripts = program::rabbitmq_scripts()?;
        let folder = tempfile::Builder::new().prefix("valuesim-rabbitmq-").tempdir();
        let folder = folder.map_err(ServerError::io("make a folder for RabbitMQ"))?;
        let [port, distribution_port, management_port] = [(); 3].map(|()| free_port());
        let name = format!("valuesim-{port}@localhost");
        let management = Management(local(management_port));
        let (tls, metrics_port, process, more_settings) = (None, None, None, String::new());
        let node = Self {
            name,
            port,
            management,
            distribution_port,
            scripts,
            tls,
            metrics_port,
            more_settings,
            process,
            folder,
        };
        file::write(&node.path(".erlang.cookie"), cookie)?;
        file::write(&node.path("enabled_plugins"), "[rabbitmq_management].")?;
        node.configure(&[])?;
        Ok(node)
    }

    /// Writes the settings; on its first start the node joins the running `peers`.
    pub(crate) fn configure(&self, peers: &[&str]) -> Result<(), ServerError> {
        let management_port = self.management.0.port();
        let ports = format!("listeners.tcp.1 = 127.0.0.1:{}\nmanagement.tcp.port = {management_port}\n", self.port);
        let peers = if peers.is_empty() { String::new() } else { peer_settings(peers) };
        let tls = self.tls.as_ref().map_or("", |tls| &tls.settings);
        let metrics = self
            .metrics_port
            .map_or_else(String::new, |port| format!("prometheus.tcp.ip = 127.0.0.1\nprometheus.tcp.port = {port}\n"));
        let more = &self.more_settings;
        file::write(&self.path("rabbitmq.conf"), &format!("{ports}{SETTINGS}{peers}{tls}{metrics}{more}\n"))
    }

    /// Adds lines to the configuration.
    pub(crate) fn add_settings(&mut self, settings: &str) -> Result<(), ServerError> {
        settings.clone_into(&mut self.more_settings);
        self.configure(&[])
    }

    /// Serves the node's metrics, as `deploy/rabbitmq/enabled_plugins` says, and returns their port.
    pub(crate) fn enable_metrics(&mut self) -> Result<u16, ServerError> {
        let port = free_port();
        self.metrics_port = Some(port);
        file::write(&self.path("enabled_plugins"), "[rabbitmq_management,rabbitmq_prometheus].")?;
        self.configure(&[])?;
        Ok(port)
    }

    /// Enables TLS on an additional port.
    pub(crate) fn enable_tls(&mut self, authority: &Authority) -> Result<(), ServerError> {
        let port = free_port();
        let (trusted, certificate, key) = (authority.file(), authority.certificate(), authority.key());
        let files = [("cacertfile", trusted), ("certfile", certificate), ("keyfile", key)];
        let lines = files.map(|(name, file)| format!("ssl_options.{name} = {}\n", file.display())).concat();
        let settings = format!("listeners.ssl.1 = 127.0.0.1:{port}\n{lines}ssl_options.verify = verify_none\n");
        self.tls = Some(Tls { port, settings });
        self.configure(&[])
    }

    /// The TLS port, if TLS is enabled.
    pub(crate) fn tls_port(&self) -> Option<u16> {
        self.tls.as_ref().map(|tls| tls.port)
    }

    /// Starts the node with its existing data, and waits until it accepts connections.
    pub(crate) async fn start(&mut self) -> Result<(), ServerError> {
        let mut command = self.script("rabbitmq-server");
        // Makes the script exec the server instead of waiting for it.
        command.env("RUNNING_UNDER_SYSTEMD", "true");
        let log = self.path("output.log");
        let process = self.process.insert(Process::spawn(&mut command, self.folder.path(), &log)?);
        let what = format!("RabbitMQ node {}", self.name);
        let port = self.port;
        let ready = async || (process.has_ended() || answers_amqp(port).await.unwrap_or(false)).then_some(());
        eventually(&what, START_LIMIT, ready).await?;
        if process.has_ended() {
            self.process = None;
            return Err(ServerError::Ended { what, log_tail: file::tail(&log), log });
        }
        Ok(())
    }

    /// Shuts the node down gracefully and keeps its data.
    pub(crate) async fn stop(&mut self) -> Result<(), ServerError> {
        let Some(process) = self.process.take() else { return Ok(()) };
        process.stop().await
    }

    /// Ends the node like a power failure, except that the system still writes its cached data.
    pub(crate) fn kill(&mut self) {
        self.process = None;
    }

    /// Deletes the data of a stopped node.
    pub(crate) fn wipe(&self) -> Result<(), ServerError> {
        let data = self.path("data");
        fs::remove_dir_all(&data).map_err(ServerError::io(format!("remove {}", data.display())))
    }

    /// The process id of the Erlang VM; `None` while the node is not running.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(Process::pid)
    }

    pub(crate) fn runs(&self) -> bool {
        self.process.is_some()
    }

    /// Runs `rabbitmqctl`, which takes a second or two.
    pub(crate) async fn rabbitmqctl(&self, arguments: &[&str]) -> Result<(), ServerError> {
        let request = format!("rabbitmqctl {}", arguments.join(" "));
        let mut command = tokio::process::Command::from(self.script("rabbitmqctl"));
        let output = command.args(arguments).output().await.map_err(ServerError::io(request.clone()))?;
        if output.status.success() {
            return Ok(());
        }
        Err(ServerError::Refused { request, answer: String::from_utf8_lossy(&output.stderr).into_owned() })
    }

    /// A RabbitMQ script with the environment of this node, without the machine's other RabbitMQ settings.
    fn script(&self, name: &str) -> Command {
        let mut command = Command::new(self.scripts.join(name));
        for (key, _) in std::env::vars_os().filter(|(key, _)| key.to_string_lossy().starts_with("RABBITMQ_")) {
            command.env_remove(key);
        }
        command
            .env("HOME", self.folder.path())
            .env("RABBITMQ_NODENAME", &self.name)
            .env("RABBITMQ_DIST_PORT", self.distribution_port.to_string())
            .env("RABBITMQ_CONF_ENV_FILE", self.path("none"))
            .env("RABBITMQ_CONFIG_FILE", self.path("rabbitmq"))
            .env("RABBITMQ_ADVANCED_CONFIG_FILE", self.path("none"))
            .env("RABBITMQ_ENABLED_PLUGINS_FILE", self.path("enabled_plugins"))
            .env("RABBITMQ_MNESIA_BASE", self.path("data"))
            .env("RABBITMQ_LOG_BASE", self.path("log"))
            .env("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", ERLANG)
            // A killed node writes no crash dump.
            .env("ERL_CRASH_DUMP_SECONDS", "0");
        command
    }

    fn path(&self, name: &str) -> PathBuf {
        Path::join(self.folder.path(), name)
    }
}

fn peer_settings(peers: &[&str]) -> String {
    let backend = "cluster_formation.peer_discovery_backend = classic_config\n".to_owned();
    let lines = peers.iter().zip(1..);
    lines.fold(backend, |text, (peer, n)| text + &format!("cluster_formation.classic_config.nodes.{n} = {peer}\n"))
}

/// Whether the port answers like a ready broker.
async fn answers_amqp(port: u16) -> std::io::Result<bool> {
    let mut connection = TcpStream::connect(local(port)).await?;
    connection.write_all(AMQP_HELLO).await?;
    Ok(connection.read_u8().await? == METHOD_FRAME)
}

/// A secret shared by the nodes of a cluster: anyone who knows it can run code in them.
pub(crate) fn new_cookie() -> String {
    let [first, second] = [(); 2].map(|()| RandomState::new().build_hasher().finish());
    format!("{first:016x}{second:016x}")
}
