//! The `valuesim` command: arguments in, exit code out.

mod age;
mod clock;
mod columns;
mod commands;
mod disk_room;
mod exit;
mod http;
mod interrupt;
mod logging;
mod output;
mod page;
mod precedence;
mod private_files;
mod progress;
mod redb_panic;
mod run_folder;
mod runs_flag;
mod runtime;
mod servers;
mod wiring;

use std::process::ExitCode;
use std::time::SystemTime;

use clap::error::{ContextValue, ErrorKind};
use clap::{Arg, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use columns::one_line;
use exit::{Exit, Failure, OrUsage as _};
use output::note;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Runs the ValueSim evaluation: a language model writes a person's backstory from World Values Survey answers, then
/// predicts the answers that were held out.
///
/// Flags override VALUESIM_* environment variables, which override the experiment file.
///
/// Exit codes: 0 done; 1 failed, finished work is kept; 2 wrong flag, file, key or address; 3 stopped by the budget, finished work is kept and scored; 4 something could not be
/// inspected, for example a run in progress or an unreachable server; 5 the run was cancelled; 130 interrupted, the same
/// command resumes.
#[derive(Debug, Parser)]
#[command(name = "valuesim", version, max_term_width = 120, disable_help_subcommand = true)]
struct Command {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Run an experiment in this process, from survey to results
    ///
    /// Without arguments it runs a demonstration: a synthetic survey, answered by a simulated provider. Ctrl-C finishes
    /// the calls in flight and stops; the same command resumes.
    Run(Box<commands::run::LocalFlags>),
    /// Say what a run will take: calls, tokens, money and time by stage, what its sample can show, and what would be cheaper
    ///
    /// Takes the same experiment as `run`, and makes no call. Of a run that has been begun it says what the rest will take, by
    /// what its finished cells took.
    Estimate(Box<commands::run::Flags>),
    /// Ask each endpoint of an experiment one tiny question, and look at prices, servers and disk, before a run
    ///
    /// Takes the same experiment as `run`; with --broker and --store, or their variables, it looks at these, too. Says of each
    /// endpoint whether it answers, takes the key and the temperature, and tells the model, tokens, cached tokens, limits and
    /// context, and what to do about what is missing. Where the price is known, no question costs a cent. Exits with 2 if a
    /// setting or a key is wrong, with 1 if anything else would stop the run, with 4 if something could not be looked at.
    Check(Box<commands::check::Flags>),
    /// Coordinate an experiment whose calls are made by workers, over RabbitMQ and Redis
    ///
    /// Takes the same experiment as `run` and gives the same results. Any number of `valuesim work` processes, on any
    /// machines, make the calls, with keys of their own that the experiment names. The survey and its held-out answers
    /// never leave this process. After an interruption or a crash the same command resumes.
    Coordinate(Box<commands::coordinate::Flags>),
    /// Make the calls of runs that `coordinate` processes own
    ///
    /// Needs the servers and the providers' keys, never the survey. Workers may join and leave at any time. All
    /// workers share the limits of requests and tokens per minute; the limit of calls in flight is each worker's own.
    ///
    /// On Ctrl-C or SIGTERM it finishes the calls in flight, hands the rest back, and exits with code 0. With --run it
    /// exits when those runs have ended.
    Work(commands::work::Flags),
    /// List the runs in the store, with their progress, cost and last sign of life
    Runs(commands::runs::Flags),
    /// Show a fleet's progress, queues, coordinators and workers, and what needs attention
    ///
    /// Works during outages: shows what it can reach, names what it cannot, and then exits with code 4.
    ///
    /// The consumers of a queue are the workers that wait for its messages. A worker that is full is not counted, so 0
    /// consumers are normal while all workers are busy.
    Status(commands::status::Flags),
    /// Serve the live page of all runs of a broker and store, or of the runs in a folder, until interrupted
    ///
    /// Needs neither the survey nor a key. `coordinate` and `run --listen` serve the same page of their own run.
    Dashboard(commands::dashboard::Flags),
    /// Probe a process: exit with 0 if it is ready (--live: alive), 1 if it is not, 4 if nobody answers
    ///
    /// Meant for health checks in containers, which have no shell and no HTTP client.
    Health(commands::health::Flags),
    /// List all metrics that processes serve at /metrics: name, type, labels, who serves it, and what it says
    Metrics(commands::metrics::Flags),
    /// Pause a run: calls in flight finish, no new ones start
    Pause(commands::pause::Flags),
    /// Resume a paused run, or one that is being cancelled and has not ended yet
    Resume(commands::resume::Flags),
    /// Set what a run may cost in all, also while it goes on
    Budget(commands::budget::Flags),
    /// End a run early; finished cells are kept
    Cancel(commands::cancel::Flags),
    /// List, show, replay or discard dead letters: messages that could not be processed
    Dead(commands::dead::Flags),
    /// Delete a run's queues and everything it has in the store; the run folder is not touched
    Purge(commands::purge::Flags),
    /// Show one respondent: profile, backstory, replies, predictions and true answers
    Show(Box<commands::show::Flags>),
    /// Export a run's predictions, people, scores, calls or spend as Parquet, CSV or JSON lines
    Export(Box<commands::export::Flags>),
    /// Write a report to show to others, on one run or on several side by side
    ///
    /// Writes the paper's tables and figures for the runs' own data, tests between arms, groups of people, questions, people,
    /// cost, and a paragraph on methods ready to be quoted, as one self-contained HTML page, Markdown, CSV, LaTeX and SVG.
    /// Reads `results.json` alone: neither the survey nor the ledger is needed, and no call is made.
    Report(commands::report::Flags),
    /// Show what a run cost: by model, arm, stage, fold and day, what was wasted, and what was saved
    ///
    /// Reads the ledger and the experiment of the run alone. Cells that are not finished are not in the bill.
    Cost(commands::cost::Flags),
    /// Verify a run: cells, checksums, provenance, and the results recomputed from the ledger
    ///
    /// Checks `ledger.redb`, `results.json`, `report.md` and the Parquet files completely, and `experiment.toml` as
    /// far as it decides the results: keys, limits and prices may differ. Lists other files as not checked.
    ///
    /// Changes nothing. Exits with 0 if everything is sound, whether the run is finished or not (see --complete); with
    /// 1 if anything is wrong; with 4 if it could not check: while a process works on the run, or if the ledger cannot
    /// be opened or comes from another release.
    Verify(commands::verify::Flags),
    /// Open finished or dead cells again, so that the run's command asks for them again
    ///
    /// For cells that were recorded wrongly. Their former rows stay in the ledger, in a table of their own. Results and
    /// report of the run are as before until its command has run again.
    Reopen(commands::reopen::Flags),
    /// List known prices, import others, or check a table of prices
    #[command(subcommand)]
    Prices(commands::prices::Verb),
    /// Write a synthetic survey in the format of the official file
    Synth(commands::synth::Flags),
    /// Show how replies of models are read: the answer, or why there is none, and what decided
    ///
    /// Reads them with the code that reads the replies of a run. If the file says how a person reads them, it exits with 1
    /// where one is read otherwise.
    Parse(commands::parse::Flags),
    /// Serve a simulated, OpenAI-compatible provider until interrupted
    SimulateProvider(Box<commands::simulate_provider::Flags>),
    /// Print a script that makes a shell complete verbs, flags and values
    ///
    /// For the present shell: `source <(valuesim completions bash)`. docs/install.md says how to keep it.
    Completions(commands::completions::Flags),
    /// Print the manual page of the command or of a verb, or write all pages into a folder
    ///
    /// To read one: `valuesim man run | man -l -`.
    Man(commands::man::Flags),
}

fn main() -> ExitCode {
    let command = command();
    logging::start();
    let outcome = clock::check(SystemTime::now()).or_usage().and_then(|()| execute(command.verb));
    logging::finish();
    outcome.unwrap_or_else(|failure| report(&failure)).into()
}

fn execute(verb: Verb) -> Result<Exit, Failure> {
    match verb {
        Verb::Run(flags) => commands::run::run(&flags),
        Verb::Estimate(flags) => commands::estimate::run(&flags),
        Verb::Check(flags) => commands::check::run(&flags),
        Verb::Coordinate(flags) => commands::coordinate::run(&flags),
        Verb::Work(flags) => commands::work::run(&flags),
        Verb::Runs(flags) => commands::runs::run(&flags),
        Verb::Status(flags) => commands::status::run(&flags),
        Verb::Dashboard(flags) => commands::dashboard::run(&flags),
        Verb::Health(flags) => commands::health::run(&flags),
        Verb::Metrics(flags) => commands::metrics::run(&flags),
        Verb::Pause(flags) => commands::pause::run(&flags),
        Verb::Resume(flags) => commands::resume::run(&flags),
        Verb::Budget(flags) => commands::budget::run(&flags),
        Verb::Cancel(flags) => commands::cancel::run(&flags),
        Verb::Dead(flags) => commands::dead::run(&flags),
        Verb::Purge(flags) => commands::purge::run(&flags),
        Verb::Show(flags) => commands::show::run(&flags),
        Verb::Export(flags) => commands::export::run(&flags),
        Verb::Report(flags) => commands::report::run(&flags),
        Verb::Cost(flags) => commands::cost::run(&flags),
        Verb::Verify(flags) => commands::verify::run(&flags),
        Verb::Reopen(flags) => commands::reopen::run(&flags),
        Verb::Prices(verb) => commands::prices::run(&verb),
        Verb::Synth(flags) => commands::synth::run(&flags),
        Verb::Parse(flags) => commands::parse::run(&flags),
        Verb::SimulateProvider(flags) => commands::simulate_provider::run(&flags),
        Verb::Completions(flags) => commands::completions::run(&flags, Command::command()),
        Verb::Man(flags) => commands::man::run(&flags, Command::command()),
    }
}

/// The arguments, with variables that are set to nothing taken as not set.
fn command() -> Command {
    let matches = without_empty_variables(Command::command()).try_get_matches();
    let matches = matches.and_then(|matches| check_arguments().map(|()| matches));
    let read = matches.and_then(|matches| Command::from_arg_matches(&matches));
    read.unwrap_or_else(|error| harmless(error).exit())
}

/// Refuses line breaks in arguments and settings: errors, logs and reports repeat them, and would have lines that others have
/// written. Other control characters are escaped there.
fn check_arguments() -> Result<(), clap::Error> {
    let settings = std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("VALUESIM_"));
    let mut all = std::env::args_os().skip(1).chain(settings.map(|(_, value)| value));
    match all.find(|text| text.to_string_lossy().trim_end_matches('\n').contains('\n')) {
        None => Ok(()),
        Some(text) => {
            let message =
                format!("{:?} has a line break: expected text on one line", one_line(&text.to_string_lossy()));
            Err(Command::command().error(ErrorKind::InvalidValue, message))
        }
    }
}

/// The error with each word of the command line on one line, with control characters escaped: a script may have it from elsewhere.
fn harmless(mut error: clap::Error) -> clap::Error {
    let words: Vec<_> = error.context().filter_map(|(kind, value)| Some((kind, one_line_of(value)?))).collect();
    for (kind, word) in words {
        error.insert(kind, ContextValue::String(word));
    }
    error
}

fn one_line_of(value: &ContextValue) -> Option<String> {
    match value {
        ContextValue::String(text) => Some(one_line(text)).filter(|line| line != text),
        _ => None,
    }
}

fn without_empty_variables(command: clap::Command) -> clap::Command {
    let is_empty = |arg: &Arg| arg.get_env().and_then(std::env::var_os).is_some_and(|value| value.is_empty());
    let forget = |arg: Arg| if is_empty(&arg) { arg.env(None::<&str>) } else { arg };
    command.mut_args(forget).mut_subcommands(without_empty_variables)
}

fn report(failure: &Failure) -> Exit {
    note(&format!("error: {:#}", failure.error));
    if let Some(text) = failure.note {
        note(text);
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
