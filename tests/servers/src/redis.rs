//! A private Redis or Valkey server for one test, or a database on a shared one.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use crate::port::{free_port, local};
use crate::process::Process;
use crate::{Authority, ServerError, eventually, file, program};

/// Ceilings for what hangs.
const START_LIMIT: Duration = Duration::from_mins(2);
const REQUEST_LIMIT: Duration = Duration::from_mins(1);

/// Enough for each test of a run to have its own. A Redis database takes a few hundred bytes.
const DATABASES: u32 = 4_096;

/// The key in database 0 that counts the databases given to tests.
const COUNTER: &str = "databases-given-to-tests";

/// The file of a Sentinel in its folder.
const SENTINEL_FILE: &str = "sentinel.conf";

/// A private Redis server. Dropping it kills the server and deletes its data.
pub struct RedisServer {
    port: u16,
    program: PathBuf,
    /// TLS on an additional port.
    tls: Option<Tls>,
    /// More arguments of its command.
    settings: Vec<String>,
    process: Option<Process>,
    // After the process, which writes into the folder and so must be dropped first.
    folder: TempDir,
}

/// A server's TLS configuration.
struct Tls {
    port: u16,
    /// The authority, the certificate, and its key.
    files: [PathBuf; 3],
}

impl RedisServer {
    /// Starts an empty server on a free port. It appends writes to its log at once, and syncs the log every second.
    pub async fn start() -> Result<Self, ServerError> {
        Self::start_with(None, &[]).await
    }

    /// The same with more settings, as arguments of its command: `&["--rename-command", "INFO", ""]`.
    pub async fn start_with_settings(settings: &[&str]) -> Result<Self, ServerError> {
        Self::start_with(None, settings).await
    }

    /// Starts a Sentinel that watches `primary` under the name `mymaster`.
    pub async fn start_sentinel(primary: &Self) -> Result<Self, ServerError> {
        let mut sentinel = Self::new(None, &["--sentinel"])?;
        // It writes what it learns into its file.
        let watched = format!("sentinel monitor mymaster 127.0.0.1 {} 1\n", primary.port);
        file::write(&sentinel.folder.path().join(SENTINEL_FILE), &watched)?;
        sentinel.start_again().await?;
        Ok(sentinel)
    }

    /// The same with TLS; [`RedisServer::url`] then is a TLS URL.
    pub async fn start_with_tls(authority: &Authority) -> Result<Self, ServerError> {
        let files = [authority.file(), authority.certificate(), authority.key()];
        Self::start_with(Some(Tls { port: free_port(), files }), &[]).await
    }

    async fn start_with(tls: Option<Tls>, settings: &[&str]) -> Result<Self, ServerError> {
        let mut server = Self::new(tls, settings)?;
        server.start_again().await?;
        Ok(server)
    }

    fn new(tls: Option<Tls>, settings: &[&str]) -> Result<Self, ServerError> {
        let program = program::redis_server()?;
        let folder = tempfile::Builder::new().prefix("valuesim-redis-").tempdir();
        let folder = folder.map_err(ServerError::io("make a folder for Redis"))?;
        let settings = settings.iter().map(|&setting| setting.to_owned()).collect();
        Ok(Self { port: free_port(), program, tls, settings, folder, process: None })
    }

    /// The server's URL without a database, for which clients use 0.
    pub fn url(&self) -> String {
        match &self.tls {
            Some(tls) => format!("rediss://{}", local(tls.port)),
            None => format!("redis://{}", local(self.port)),
        }
    }

    /// The server's process id; `None` while it is not running.
    pub fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(Process::pid)
    }

    /// Starts a stopped or killed server on its old port with its old data.
    pub async fn start_again(&mut self) -> Result<(), ServerError> {
        let log = self.folder.path().join("output.log");
        let process = Process::spawn(&mut self.command(), self.folder.path(), &log)?;
        let process = self.process.insert(process);
        let address = local(self.port);
        // While it loads its data, it answers with an error.
        let answers = || ask(address, &["PING"]).is_ok();
        let ready = async || (process.has_ended() || answers()).then_some(());
        eventually("Redis", START_LIMIT, ready).await?;
        if process.has_ended() {
            self.process = None;
            return Err(ServerError::Ended { what: "Redis".to_owned(), log_tail: file::tail(&log), log });
        }
        Ok(())
    }

    /// Shuts the server down gracefully. Keeps its data.
    pub async fn stop(&mut self) -> Result<(), ServerError> {
        let Some(process) = self.process.take() else { return Ok(()) };
        process.stop().await
    }

    /// Kills the server. Keeps its data.
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// Deletes all data.
    pub fn flush(&self) -> Result<(), ServerError> {
        ask(local(self.port), &["FLUSHALL"]).map(|_| ())
    }

    pub(crate) fn address(&self) -> SocketAddr {
        local(self.port)
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        let sentinel = self.folder.path().join(SENTINEL_FILE);
        if sentinel.exists() {
            command.arg(sentinel).args(&self.settings).args(["--bind", "127.0.0.1", "--port", &self.port.to_string()]);
            return command;
        }
        command.args(["--bind", "127.0.0.1", "--port", &self.port.to_string()]).arg("--dir").arg(self.folder.path());
        command.args(["--appendonly", "yes", "--appendfsync", "everysec", "--save", ""]);
        // As the README recommends for fleets: rewriting the log every 64 MB costs a busy server more than its writes.
        command.args(["--auto-aof-rewrite-min-size", "512mb"]);
        command.args(["--databases", &DATABASES.to_string()]);
        if let Some(Tls { port, files: [trusted, certificate, key] }) = &self.tls {
            command.args(["--tls-port", &port.to_string(), "--tls-auth-clients", "no"]);
            command.arg("--tls-ca-cert-file").arg(trusted).arg("--tls-cert-file").arg(certificate);
            command.arg("--tls-key-file").arg(key);
        }
        command.args(&self.settings);
        command
    }
}

/// A numbered database on a shared server: keys need no prefix. Dropping it deletes its keys.
///
/// Commands that affect the whole server (`FLUSHALL`, `CONFIG SET`, a restart) need a private [`RedisServer`].
pub struct Database {
    /// The server's URL with the database's number.
    pub url: String,
    number: String,
    server: SocketAddr,
}

impl Database {
    pub(crate) fn new(server: SocketAddr) -> Result<Self, ServerError> {
        let number = ask(server, &[&format!("INCR {COUNTER}")])?;
        Ok(Self { url: format!("redis://{server}/{number}"), number, server })
    }
}

impl Drop for Database {
    /// Ignores failures: the server is removed with all its databases after the last test.
    fn drop(&mut self) {
        _ = ask(self.server, &[&format!("SELECT {}", self.number), "FLUSHDB"]);
    }
}

/// Sends commands whose words contain no spaces, and returns the last answer's line without its type prefix.
fn ask(server: SocketAddr, commands: &[&str]) -> Result<String, ServerError> {
    let request = || format!("Redis's {}", commands.join(", "));
    let answer = exchange(server, commands).map_err(ServerError::io(request()))?;
    let done = answer.strip_prefix(['+', ':']).map(|text| text.trim_end().to_owned());
    done.ok_or_else(|| ServerError::Refused { request: request(), answer })
}

fn exchange(server: SocketAddr, commands: &[&str]) -> std::io::Result<String> {
    let mut connection = TcpStream::connect_timeout(&server, REQUEST_LIMIT)?;
    connection.set_read_timeout(Some(REQUEST_LIMIT))?;
    let mut answer = String::new();
    let mut reader = BufReader::new(connection.try_clone()?);
    for command in commands {
        connection.write_all(format!("{command}\r\n").as_bytes())?;
        answer.clear();
        reader.read_line(&mut answer)?;
    }
    Ok(answer)
}
