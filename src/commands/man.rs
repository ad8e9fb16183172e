//! `valuesim man`: prints the manual page of the command or of a verb, or writes the pages of all.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use clap::{Args, Command};
use clap_mangen::Man;

use crate::exit::{Exit, Failure, OrUsage as _};
use crate::output::print;

/// What `valuesim man` takes.
#[derive(Debug, Args)]
pub(crate) struct Flags {
    /// The verb whose page to print, for example `run` or `dead list`; without it, the page of the command
    verb: Vec<String>,

    /// Write the pages of the command and of all verbs into this folder instead
    #[arg(long, value_name = "FOLDER", conflicts_with = "verb")]
    output: Option<PathBuf>,
}

/// Prints or writes pages of `command`, the whole command line.
pub(crate) fn run(flags: &Flags, mut command: Command) -> Result<Exit, Failure> {
    // Gives every verb its full name, such as `valuesim-dead-list`.
    command.build();
    if let Some(folder) = &flags.output {
        fs::create_dir_all(folder).with_context(|| format!("create the folder {}", folder.display()))?;
        write_all(&command, folder)?;
    } else {
        print(&page(find(&command, &flags.verb).or_usage()?)?)?;
    }
    Ok(Exit::Done)
}

fn find<'a>(command: &'a Command, verb: &[String]) -> anyhow::Result<&'a Command> {
    let found = verb.iter().try_fold(command, |command, name| command.find_subcommand(name));
    found.ok_or_else(|| anyhow!("there is no verb {:?}: `valuesim --help` lists the verbs", verb.join(" ")))
}

fn write_all(command: &Command, folder: &Path) -> anyhow::Result<()> {
    for verb in command.get_subcommands() {
        write_all(verb, folder)?;
    }
    let name = command.get_display_name().unwrap_or(command.get_name());
    let path = folder.join(format!("{name}.1"));
    fs::write(&path, page(command)?).with_context(|| format!("write {}", path.display()))
}

/// The page in the format of man(7).
fn page(command: &Command) -> anyhow::Result<String> {
    let mut page = Vec::new();
    let man = Man::new(command.clone()).source(concat!("valuesim ", env!("CARGO_PKG_VERSION")));
    man.render(&mut page).context("make a manual page")?;
    Ok(String::from_utf8_lossy(&page).into_owned())
}
