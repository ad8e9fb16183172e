//! `valuesim export`: writes a run's data as one flat table.

use std::io::{self, IsTerminal as _, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use clap::{Args, ValueEnum};
use valuesim_coordinator::evaluation::Evaluated;
use valuesim_coordinator::export::{Compression, ExportError, Format, Table, export};
use valuesim_coordinator::ledger::Ledger;
use valuesim_shared::fresh_file;

use super::open_run::Which;
use crate::exit::{Exit, Failure, OrUsage as _};
use crate::output::note;

/// What `valuesim export` takes.
#[derive(Debug, Args)]
pub(crate) struct Flags {
    #[command(flatten)]
    which: Which,

    /// What to write
    #[arg(long, value_enum, value_name = "TABLE", default_value = "predictions")]
    what: What,

    /// The format. CSV and JSON lines escape terminal control characters in model text; Parquet keeps the text unchanged
    #[arg(long, value_enum, value_name = "FORMAT")]
    format: How,

    /// The compression of Parquet; `snappy` and `none` are for programs that read no Zstandard
    #[arg(long, value_enum, value_name = "NAME", default_value = "zstd")]
    compression: CompressedBy,

    /// The file to write [default: standard output]
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,

    /// Overwrite an existing file
    #[arg(long)]
    force: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum What {
    /// Every prediction of every arm that asks a model, with the true answer
    Predictions,
    /// Every scored person: who they are, and how well each arm predicts them
    People,
    /// Every score with its interval, of everybody and of groups
    Scores,
    /// Every call that `--transcripts` kept: prompt, reply, tokens
    Calls,
    /// Requests, tokens and cost of each cell, by stage
    Spend,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum How {
    /// Apache Parquet
    Parquet,
    /// Comma-separated values
    Csv,
    /// One JSON object per line
    Jsonl,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum CompressedBy {
    Zstd,
    Snappy,
    None,
}

impl From<What> for Table {
    fn from(what: What) -> Self {
        match what {
            What::Predictions => Self::Predictions,
            What::People => Self::People,
            What::Scores => Self::Scores,
            What::Calls => Self::Calls,
            What::Spend => Self::Spend,
        }
    }
}

impl From<CompressedBy> for Compression {
    fn from(by: CompressedBy) -> Self {
        match by {
            CompressedBy::Zstd => Self::Zstd,
            CompressedBy::Snappy => Self::Snappy,
            CompressedBy::None => Self::None,
        }
    }
}

/// Writes the table.
pub(crate) fn run(flags: &Flags) -> Result<Exit, Failure> {
    if flags.compression != CompressedBy::Zstd && !matches!(flags.format, How::Parquet) {
        return Err(anyhow!("--compression is that of Parquet: pass --format parquet, or leave it out")).or_usage();
    }
    if let Some(path) = &flags.output
        && path.exists()
        && !flags.force
    {
        let path = path.display();
        return Err(anyhow!("{path} already exists: name another file, or overwrite it with --force")).or_usage();
    }
    if let Some(path) = &flags.output
        && flags.which.has(path)
    {
        let path = path.display();
        return Err(anyhow!("{path} is a file of the run itself, which needs it as it is: name another file"))
            .or_usage();
    }
    let to_terminal = flags.output.is_none() && io::stdout().is_terminal();
    if to_terminal && matches!(flags.format, How::Parquet) {
        return Err(anyhow!("write Parquet to a terminal: it is binary; name a file with --output")).or_usage();
    }
    flags.which.view(|run| {
        match &flags.output {
            Some(path) => flags.write_file(run, path)?,
            None => flags.write(run, io::stdout())?,
        }
        if matches!(flags.what, What::Calls) {
            say_what_is_missing(run.ledger)?;
        }
        Ok(Exit::Done)
    })
}

impl Flags {
    /// Writes to a temporary file, which is renamed once it is complete.
    fn write_file(&self, run: &Evaluated<'_>, path: &Path) -> Result<(), Failure> {
        let mut name = path.as_os_str().to_owned();
        name.push(".unfinished");
        let unfinished = PathBuf::from(name);
        let file =
            fresh_file::create(&unfinished).with_context(|| format!("create {}", unfinished.display())).or_usage()?;
        self.write(run, &file).inspect_err(|_| {
            // The original error matters, not this one; half a file is useless.
            let _ = std::fs::remove_file(&unfinished);
        })?;
        file.sync_all()
            .and_then(|()| std::fs::rename(&unfinished, path))
            .with_context(|| format!("complete {}", path.display()))?;
        Ok(())
    }

    fn format(&self) -> Format {
        match self.format {
            How::Parquet => Format::Parquet(self.compression.into()),
            How::Csv => Format::Csv,
            How::Jsonl => Format::JsonLines,
        }
    }

    /// A reader that closes the pipe, as `head` does, is not a failure.
    fn write<W: Write + Send>(&self, run: &Evaluated<'_>, out: W) -> Result<(), Failure> {
        match export(run, self.what.into(), self.format(), out) {
            Err(error) if ExportError::is_broken_pipe(&error) => Ok(()),
            written => Ok(written.map(drop)?),
        }
    }
}

fn say_what_is_missing(ledger: &Ledger) -> Result<(), Failure> {
    let mut finished = 0;
    for cell in ledger.finished()? {
        cell?;
        finished += 1;
    }
    let without = finished - ledger.transcripts()?;
    if without > 0 {
        note(&format!(
            "no transcript was kept for {without} of {finished} finished cells: `valuesim run --transcripts` keeps the transcripts of cells that finish from then on"
        ));
    }
    Ok(())
}
