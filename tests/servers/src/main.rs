//! `valuesim-test-servers with COMMAND`: runs a command with private RabbitMQ and Redis servers.
#![expect(clippy::print_stderr, reason = "a command reports errors on stderr")]

use std::os::unix::process::ExitStatusExt;
use std::process::{ExitCode, ExitStatus};

use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};
use valuesim_test_servers::Shared;

/// The base of shell exit codes: a command ended by signal N has exit code 128 + N.
const ENDED_BY_SIGNAL: i32 = 128;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let [verb, program, rest @ ..] = arguments.as_slice() else { return usage() };
    if verb != "with" {
        return usage();
    }
    let mut command = Command::new(program);
    match run(command.args(rest)).await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("valuesim-test-servers: {error}");
            ExitCode::FAILURE
        }
    }
}

fn usage() -> ExitCode {
    eprintln!("usage: valuesim-test-servers with COMMAND [ARGUMENT...]");
    ExitCode::from(2)
}

async fn run(command: &mut Command) -> Result<ExitCode, Box<dyn std::error::Error>> {
    let mut interrupts = signal(SignalKind::interrupt())?;
    let mut terminations = signal(SignalKind::terminate())?;
    let servers = tokio::select! {
        servers = Shared::start() => servers?,
        _ = interrupts.recv() => return Ok(ended_by(Signal::INT)),
        _ = terminations.recv() => return Ok(ended_by(Signal::TERM)),
    };
    let mut child = command.envs(servers.variables()).spawn()?;
    loop {
        tokio::select! {
            status = child.wait() => return Ok(code_of(status?)),
            // A terminal sends the signal to the command too. It ends in its own time, and the servers after it.
            _ = interrupts.recv() => {}
            _ = terminations.recv() => terminate(&child),
        }
    }
}

fn terminate(child: &Child) {
    let id = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
    if let Some(id) = id {
        _ = kill_process(id, Signal::TERM);
    }
}

fn ended_by(signal: Signal) -> ExitCode {
    exit_code(ENDED_BY_SIGNAL + signal.as_raw())
}

fn code_of(status: ExitStatus) -> ExitCode {
    let by_signal = || ENDED_BY_SIGNAL + status.signal().unwrap_or_default();
    exit_code(status.code().unwrap_or_else(by_signal))
}

fn exit_code(code: i32) -> ExitCode {
    u8::try_from(code).map_or(ExitCode::FAILURE, ExitCode::from)
}
