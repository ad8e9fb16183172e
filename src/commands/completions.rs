//! `valuesim completions`: prints what makes a shell complete the command's verbs, flags and values.

use clap::Args;
use clap_complete::Shell;

use crate::exit::{Exit, Failure};
use crate::output::print;

/// What `valuesim completions` takes.
#[derive(Debug, Args)]
pub(crate) struct Flags {
    /// The shell that reads the script
    shell: Shell,
}

/// Prints the script for `command`, the whole command line.
pub(crate) fn run(flags: &Flags, mut command: clap::Command) -> Result<Exit, Failure> {
    let name = command.get_name().to_owned();
    let mut script = Vec::new();
    clap_complete::generate(flags.shell, &mut command, name, &mut script);
    print(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Done)
}
