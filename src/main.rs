//! The `valuesim` command: arguments in, exit code out.

mod age;
mod columns;
mod commands;
mod damage;
mod exit;
mod interrupt;
mod precedence;
mod progress;
mod run_folder;
mod runtime;
mod servers;
mod vitals;
mod wiring;

use std::process::ExitCode;

use clap::{Arg, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use exit::{Exit, Failure};
use valuesim_coordinator::visible::visible;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Runs the ValueSim evaluation: a language model writes a person's backstory from World Values Survey answers, then
/// predicts the answers that were held out.
///
/// Flags go before VALUESIM_* environment variables, these before the experiment file.
///
/// Exit codes: 0 done; 1 failed, what was done is kept; 2 a flag, a file or a key is wrong; 4 something could not be
/// looked at, such as a run that goes on or a server that is away; 130 interrupted, the same command goes on.
#[derive(Debug, Parser)]
#[command(name = "valuesim", version, max_term_width = 120, disable_help_subcommand = true)]
struct Command {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Run an experiment in this process, from survey to results
    Run(Box<commands::run::Flags>),
    /// Run an experiment from survey to results with workers elsewhere, over RabbitMQ and Redis
    ///
    /// Takes the experiment as `run` does. The calls are made by `valuesim work`, any number of them on any machines,
    /// at the addresses and with the keys that the experiment names. The survey and its held-out answers stay here.
    /// The same command goes on after an interruption or a crash, and gives what `run` gives.
    Coordinate(Box<commands::coordinate::Flags>),
    /// Do the tasks of runs that are coordinated elsewhere
    ///
    /// Needs the servers and the providers' keys, never the survey. Any number may work and come and go at any time.
    /// The limits of an experiment (calls in flight, requests and tokens a minute) are those of each worker: two
    /// workers together may use twice as much.
    ///
    /// Ctrl-C or SIGTERM lets it finish the calls in flight, hand the rest back, and end with exit code 0. With --run
    /// it ends by itself when those runs have ended.
    Work(commands::work::Flags),
    /// List the runs of a store: how far each is, what it has cost, when it was last heard of
    Runs(commands::runs::Flags),
    /// Show how runs of a fleet are doing: progress, queues, coordinator, workers, and what needs attention
    ///
    /// Works while things are broken: shows what it could reach, says what it could not, and then ends with exit code 4.
    ///
    /// The consumers of a queue are the workers that wait for its messages: one that has as many tasks as it has room for
    /// is none, so that 0 beside busy workers is well.
    Status(commands::status::Flags),
    /// Let a run make no new calls; those under way are finished
    Pause(commands::pause::Flags),
    /// Let a run go on that was paused, or that was to be cancelled and has not ended
    Resume(commands::resume::Flags),
    /// End a run before it is finished; what is finished stays
    Cancel(commands::cancel::Flags),
    /// Look at messages that nobody could deal with, and have them tried again or forgotten
    Dead(commands::dead::Flags),
    /// Remove a run's queues and all it has in the store; its ledger stays
    Purge(commands::purge::Flags),
    /// Show what a run knows of one respondent: profile, backstory, what the model said, predictions, truth
    Show(Box<commands::show::Flags>),
    /// Write a run's predictions, transcripts or calls as Parquet, CSV or JSON lines
    Export(Box<commands::export::Flags>),
    /// Prove a run: planned and finished cells, checksums, provenance, and the results computed again
    ///
    /// Of the files in the run folder, `ledger.redb`, `results.json`, `report.md` and `predictions.parquet` are proven
    /// whole, `experiment.toml` as far as it decides the results: keys, limits and prices may differ.
    /// Other files are listed as not checked.
    ///
    /// Changes nothing. Exits with 0 where everything is sound, be the run finished or not (see --complete), with 1
    /// where anything is wrong, and with 4 where it could not look: while a process works on the run, or where the
    /// ledger cannot be opened or is of another release.
    Verify(commands::verify::Flags),
    /// Write a synthetic survey in the official format
    Synth(commands::synth::Flags),
    /// Serve the simulated provider over HTTP until interrupted
    SimulateProvider(Box<commands::simulate_provider::Flags>),
}

fn main() -> ExitCode {
    let command = command();
    start_logging();
    let outcome = match command.verb {
        Verb::Run(flags) => commands::run::run(&flags),
        Verb::Coordinate(flags) => commands::coordinate::run(&flags),
        Verb::Work(flags) => commands::work::run(&flags),
        Verb::Runs(flags) => commands::runs::run(&flags),
        Verb::Status(flags) => commands::status::run(&flags),
        Verb::Pause(flags) => commands::pause::run(&flags),
        Verb::Resume(flags) => commands::resume::run(&flags),
        Verb::Cancel(flags) => commands::cancel::run(&flags),
        Verb::Dead(flags) => commands::dead::run(&flags),
        Verb::Purge(flags) => commands::purge::run(&flags),
        Verb::Show(flags) => commands::show::run(&flags),
        Verb::Export(flags) => commands::export::run(&flags),
        Verb::Verify(flags) => commands::verify::run(&flags),
        Verb::Synth(flags) => commands::synth::run(&flags),
        Verb::SimulateProvider(flags) => commands::simulate_provider::run(&flags),
    };
    outcome.unwrap_or_else(|failure| report(&failure)).into()
}

/// The arguments, with variables that are set to nothing taken as not set.
fn command() -> Command {
    let matches = without_empty_variables(Command::command()).get_matches();
    Command::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
}

fn without_empty_variables(command: clap::Command) -> clap::Command {
    let is_empty = |arg: &Arg| arg.get_env().and_then(std::env::var_os).is_some_and(|value| value.is_empty());
    let forget = |arg: Arg| if is_empty(&arg) { arg.env(None::<&str>) } else { arg };
    command.mut_args(forget).mut_subcommands(without_empty_variables)
}

/// Logs to standard error as `VALUESIM_LOG` says (for example `debug`, or `valuesim_worker=trace`); warnings where it
/// says nothing. What the broker's client logs is told in this program's own words, and left out unless asked for.
fn start_logging() {
    let said = std::env::var("VALUESIM_LOG").unwrap_or_default();
    let said = if said.trim().is_empty() { "warn".to_owned() } else { said };
    let said = if said.contains("lapin") { said } else { format!("lapin=off,{said}") };
    let filter = tracing_subscriber::EnvFilter::builder().parse_lossy(said);
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
}

#[expect(clippy::print_stderr, reason = "errors are for people, and go to standard error")]
fn report(failure: &Failure) -> Exit {
    // What servers said, and names that others chose, may be in it.
    eprintln!("{}", visible(&format!("error: {:#}", failure.error)));
    if let Some(note) = failure.note {
        eprintln!("{note}");
    }
    failure.exit
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        Command::command().debug_assert();
    }
}
