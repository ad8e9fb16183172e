//! What fifty viewers of the live page cost a run: CPU per call with and without them, in turns.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};

use crate::command::valuesim_run;
use crate::process::{Provider, Usage, finish};
use crate::table::{Bound, Table, median};

const VIEWERS: usize = 50;

/// Runs with and without viewers.
const ROUNDS: usize = 5;

/// Respondents of a run: about 87,500 calls.
pub(crate) const USERS: &str = "100";

pub(crate) const IN_FLIGHT: usize = 64;

/// The most CPU with viewers relative to that without.
const MAX_RATIO: f64 = 1.02;

/// How long the run may take to listen.
const LISTENS_WITHIN: Duration = Duration::from_secs(30);

pub(crate) fn measure(table: &mut Table) -> anyhow::Result<()> {
    let provider = Provider::start(Duration::ZERO)?;
    let (mut without, mut with, mut received) = (Vec::new(), Vec::new(), 0);
    for _ in 0..ROUNDS {
        without.push(run(&provider, 0)?.0.cpu_seconds);
        let (used, bytes) = run(&provider, VIEWERS)?;
        with.push(used.cpu_seconds);
        received += bytes;
    }
    ensure!(received > 0, "the viewers received nothing");
    let ratio = median(with.iter().zip(&without).map(|(with, without)| with / without).collect());
    table.add("live page: CPU of a run without viewers, s".to_owned(), median(without), Bound::None);
    table.add(format!("live page: CPU of a run with {VIEWERS} viewers, s"), median(with), Bound::None);
    table.add(format!("live page: CPU with {VIEWERS} viewers / without"), ratio, Bound::AtMost(MAX_RATIO));
    Ok(())
}

/// A whole run with this many viewers, and the bytes that they received.
fn run(provider: &Provider, viewers: usize) -> anyhow::Result<(Usage, u64)> {
    let runs = tempfile::tempdir()?;
    let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string();
    let mut command = valuesim_run(provider, IN_FLIGHT, runs.path());
    command.args(["--users", USERS, "--json", "--listen", &address]);
    let viewers: Vec<JoinHandle<anyhow::Result<u64>>> = (0..viewers)
        .map(|_| {
            let address = address.clone();
            thread::spawn(move || view(&address))
        })
        .collect();
    let (used, _) = finish(command)?;
    let received =
        viewers.into_iter().map(|viewer| viewer.join().expect("a viewer does not panic")).sum::<Result<_, _>>();
    Ok((used, received?))
}

/// Reads the page's events until the run ends, and returns how many bytes there were.
#[expect(clippy::disallowed_methods, reason = "a thread of its own that waits for another process")]
pub(crate) fn view(address: &str) -> anyhow::Result<u64> {
    let start = Instant::now();
    let mut connection = loop {
        match TcpStream::connect(address) {
            Ok(connection) => break connection,
            Err(_) if start.elapsed() < LISTENS_WITHIN => thread::sleep(Duration::from_millis(50)),
            Err(error) => return Err(error).context("connect to the run"),
        }
    };
    write!(connection, "GET /api/events HTTP/1.1\r\nHost: {address}\r\n\r\n")?;
    let (mut received, mut buffer) = (0, vec![0; 64 * 1024]);
    loop {
        match connection.read(&mut buffer) {
            Ok(0) => return Ok(received),
            Ok(bytes) => received += bytes as u64,
            // The process may end before it has read all that was sent to it.
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return Ok(received),
            Err(error) => return Err(error).context("read the events"),
        }
    }
}
