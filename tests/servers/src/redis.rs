//! A Redis or Valkey server of a test's own, or a part of one that is shared.

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

/// One for each test of a run. A Redis database costs a few hundred bytes.
const DATABASES: u32 = 4_096;

/// Database 0 counts the databases that are given away.
const COUNTER: &str = "databases-given-to-tests";

/// A Redis server that nobody else uses. Killed and removed when it is dropped.
pub struct RedisServer {
    port: u16,
    program: PathBuf,
    /// Beside the other port.
    tls: Option<Tls>,
    process: Option<Process>,
    // Below the process: what is dropped first is what writes into the folder.
    folder: TempDir,
}

/// How a server speaks TLS.
struct Tls {
    port: u16,
    /// The authority, the certificate, its key.
    files: [PathBuf; 3],
}

impl RedisServer {
    /// Starts a server on a port of its own with no data. What it is told it writes to its log at once and to the disk
    /// every second.
    pub async fn start() -> Result<Self, ServerError> {
        Self::start_speaking(None).await
    }

    /// The same with a certificate; [`RedisServer::url`] then is one for TLS.
    pub async fn start_with_tls(authority: &Authority) -> Result<Self, ServerError> {
        let files = [authority.file(), authority.certificate(), authority.key()];
        Self::start_speaking(Some(Tls { port: free_port(), files })).await
    }

    async fn start_speaking(tls: Option<Tls>) -> Result<Self, ServerError> {
        let program = program::redis_server()?;
        let folder = tempfile::Builder::new().prefix("valuesim-redis-").tempdir();
        let folder = folder.map_err(ServerError::io("make a folder for Redis"))?;
        let mut server = Self { port: free_port(), program, tls, folder, process: None };
        server.start_again().await?;
        Ok(server)
    }

    /// The server's address without a database: a client's default there is 0.
    pub fn url(&self) -> String {
        match &self.tls {
            Some(tls) => format!("rediss://{}", local(tls.port)),
            None => format!("redis://{}", local(self.port)),
        }
    }

    /// The server's process id; none while it does not run.
    pub fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(Process::pid)
    }

    /// Starts a stopped or killed server on its old port with its old data.
    pub async fn start_again(&mut self) -> Result<(), ServerError> {
        let log = self.folder.path().join("output.log");
        let process = Process::spawn(&mut self.command(), self.folder.path(), &log)?;
        let process = self.process.insert(process);
        let address = local(self.port);
        // While it loads its data it answers, but with an error.
        let answers = || ask(address, &["PING"]).is_ok();
        let ready = async || (process.has_ended() || answers()).then_some(());
        eventually("Redis", START_LIMIT, ready).await?;
        if process.has_ended() {
            self.process = None;
            return Err(ServerError::Ended { what: "Redis".to_owned(), words: file::last_words(&log), log });
        }
        Ok(())
    }

    /// Ends the server in good order. Its data stays.
    pub async fn stop(&mut self) -> Result<(), ServerError> {
        let Some(process) = self.process.take() else { return Ok(()) };
        process.stop().await
    }

    /// Kills the server at once. Its data stays.
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// Removes all data.
    pub fn flush(&self) -> Result<(), ServerError> {
        ask(local(self.port), &["FLUSHALL"]).map(|_| ())
    }

    pub(crate) fn address(&self) -> SocketAddr {
        local(self.port)
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(["--bind", "127.0.0.1", "--port", &self.port.to_string()]).arg("--dir").arg(self.folder.path());
        command.args(["--appendonly", "yes", "--appendfsync", "everysec", "--save", ""]);
        // As the README says for fleets: a log that is written anew every 64 MB costs a busy server more than its writes.
        command.args(["--auto-aof-rewrite-min-size", "512mb"]);
        command.args(["--databases", &DATABASES.to_string()]);
        if let Some(Tls { port, files: [trusted, certificate, key] }) = &self.tls {
            command.args(["--tls-port", &port.to_string(), "--tls-auth-clients", "no"]);
            command.arg("--tls-ca-cert-file").arg(trusted).arg("--tls-cert-file").arg(certificate);
            command.arg("--tls-key-file").arg(key);
        }
        command
    }
}

/// A numbered database of a server that others use too: keys need no prefix. Emptied when it is dropped.
///
/// What concerns the whole server (`FLUSHALL`, `CONFIG SET`, a restart) needs a [`RedisServer`] of the test's own.
pub struct Database {
    /// Its address: the server's, with the database's number.
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
    /// Whether it succeeds or not: the server goes with all its databases after the last test.
    fn drop(&mut self) {
        _ = ask(self.server, &[&format!("SELECT {}", self.number), "FLUSHDB"]);
    }
}

/// Sends commands without spaces in their words, and returns the last answer's line without its sign.
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
