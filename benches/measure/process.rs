//! Runs programs as child processes and measures their resource usage.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use serde_json::Value;

use crate::cpu::cpu_seconds;

/// Bytes of the simulated provider's replies.
const REPLY_BYTES: &str = "600";

/// Bytes of its backstories, so that prompts with a backstory have 12,000.
const STORY_BYTES: &str = "11000";

/// Bytes of five tokens, by the simulated provider's count.
const BYTES_OF_FIVE_TOKENS: f64 = 23.0;

/// A program's resource usage from start to end.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Usage {
    /// User and system time in seconds.
    pub(crate) cpu_seconds: f64,
    pub(crate) seconds: f64,
}

/// The `valuesim` command, without settings from the environment.
pub(crate) fn valuesim(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_valuesim"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("VALUESIM_")) {
        command.env_remove(name);
    }
    command.env("VALUESIM_PRICE_UNKNOWN", "true").args(arguments);
    command
}

/// This program in another role.
pub(crate) fn this_program(arguments: &[&str]) -> anyhow::Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(arguments);
    Ok(command)
}

/// Runs a program to its end; returns its resource usage and its standard output.
pub(crate) fn finish(mut command: Command) -> anyhow::Result<(Usage, String)> {
    let (start, (_, before)) = (Instant::now(), cpu_seconds("self")?);
    let Output { status, stdout, stderr } = command.output().with_context(|| format!("run {command:?}"))?;
    let used = Usage { cpu_seconds: cpu_seconds("self")?.1 - before, seconds: start.elapsed().as_secs_f64() };
    ensure!(status.success(), "{command:?} ended with {status}: {}", String::from_utf8_lossy(&stderr));
    Ok((used, String::from_utf8(stdout)?))
}

/// A size in bytes from `/proc/PID/status`, such as `VmRSS`.
pub(crate) fn memory(pid: &str, field: &str) -> anyhow::Result<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    let kilobytes = line.with_context(|| format!("find {field} of process {pid}"))?;
    Ok(kilobytes.trim().trim_end_matches(" kB").parse::<f64>()? * 1024.0)
}

/// A program in the background, killed when this is dropped.
#[derive(Debug)]
pub(crate) struct Background(pub(crate) Child);

impl Background {
    pub(crate) fn pid(&self) -> String {
        self.0.id().to_string()
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        // Fails if it has ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The simulated provider in a separate process.
#[derive(Debug)]
pub(crate) struct Provider {
    pub(crate) base_url: String,
    _process: Background,
}

impl Provider {
    pub(crate) fn start(latency: Duration) -> anyhow::Result<Self> {
        Self::start_with(latency, &["--fixed-reply", REPLY_BYTES, "--fixed-story", STORY_BYTES])
    }

    /// A provider with these flags. Unless they say otherwise, each person gets a backstory of their own.
    pub(crate) fn start_with(latency: Duration, flags: &[&str]) -> anyhow::Result<Self> {
        let latency_ms = latency.as_millis().to_string();
        let mut command = valuesim(&["simulate-provider", "--listen", "127.0.0.1:0", "--latency-ms", &latency_ms]);
        command.args(flags);
        let mut process = Background(command.stdout(Stdio::piped()).spawn().context("start the provider")?);
        let mut line = String::new();
        BufReader::new(process.0.stdout.take().context("it has an output")?).read_line(&mut line)?;
        let Some((_, url)) = line.trim().split_once(" at ") else { bail!("the provider printed {line:?}") };
        Ok(Self { base_url: url.to_owned(), _process: process })
    }

    /// The calls answered so far, and the tokens of their prompts.
    pub(crate) fn answered(&self) -> anyhow::Result<Answered> {
        let stats = self.stats()?;
        let count = |value: &Value| value.as_f64().context("read the statistics");
        Ok(Answered { calls: count(&stats["answered"])?, prompt_tokens: count(&stats["tokens"]["input"])? })
    }

    /// Its statistics.
    pub(crate) fn stats(&self) -> anyhow::Result<Value> {
        let address = self.base_url.trim_start_matches("http://").trim_end_matches("/v1");
        let mut connection = TcpStream::connect(address)?;
        connection.write_all(b"GET /stats HTTP/1.0\r\n\r\n")?;
        let mut response = String::new();
        connection.read_to_string(&mut response)?;
        let (_, body) = response.split_once("\r\n\r\n").context("find the body of the statistics")?;
        Ok(serde_json::from_str(body)?)
    }
}

/// The calls that a provider has answered.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Answered {
    pub(crate) calls: f64,
    pub(crate) prompt_tokens: f64,
}

impl Answered {
    /// Mean length of the prompts since then, in bytes.
    pub(crate) fn prompt_bytes_since(&self, before: Self) -> usize {
        let bytes = (self.prompt_tokens - before.prompt_tokens) * BYTES_OF_FIVE_TOKENS / 5.0;
        whole(bytes / (self.calls - before.calls))
    }
}

/// A count, rounded to a whole number.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "counts, all positive and small")]
pub(crate) fn whole(count: f64) -> usize {
    count.round() as usize
}
