//! `valuesim synth`: writes a synthetic survey in the official format.

use std::fs::File;
use std::io::{BufWriter, ErrorKind, Write as _};
use std::path::PathBuf;

use anyhow::{Context as _, anyhow};
use clap::Args;
use valuesim_shared::experiment::MAX_SYNTHETIC;
use valuesim_simulator::synth::Synth;

use crate::exit::{Exit, Failure, OrUsage as _};

/// Size of the write buffer, so that large files take few system calls.
const BUFFER_BYTES: usize = 1 << 20;

/// What `valuesim synth` takes.
#[derive(Debug, Args)]
pub(crate) struct Flags {
    /// The file to write, or `-` for standard output
    file: PathBuf,

    /// Number of respondents; the official v6.0 file has 97220
    #[arg(long, value_name = "N", default_value_t = 2000, value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_SYNTHETIC)))]
    respondents: u32,

    /// Seed; the same seed writes the same bytes
    #[arg(long, value_name = "SEED", default_value_t = 0)]
    seed: u64,

    /// Overwrite an existing file
    #[arg(long)]
    force: bool,
}

/// Writes the survey.
pub(crate) fn run(flags: &Flags) -> Result<Exit, Failure> {
    let synth = Synth { respondents: flags.respondents, seed: flags.seed };
    if flags.file.as_os_str() == "-" {
        return match synth.write_csv(BufWriter::with_capacity(BUFFER_BYTES, std::io::stdout().lock())) {
            // A reader that has read enough, as `head` does.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(Exit::Done),
            written => Ok(written.map(|()| Exit::Done).context("write to standard output")?),
        };
    }
    let path = flags.file.display();
    if flags.file.exists() && !flags.force {
        return Err(anyhow!("{path} already exists: name another file, or overwrite it with --force")).or_usage();
    }
    let file = File::create(&flags.file).with_context(|| format!("create {path}")).or_usage()?;
    let mut out = BufWriter::with_capacity(BUFFER_BYTES, file);
    synth.write_csv(&mut out).and_then(|()| out.flush()).with_context(|| format!("write {path}"))?;
    Ok(Exit::Done)
}
