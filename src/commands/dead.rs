//! `valuesim dead`: looks at messages that nobody could deal with, and has them tried again or forgotten.

mod letter;
mod settle;
mod text;

use std::time::Duration;

use anyhow::{Context as _, anyhow};
use clap::{Args, Subcommand};
use tokio::runtime::Runtime;
use valuesim_coordinator::visible::visible_json;
use valuesim_shared::control::UnixMillis;
use valuesim_shared::id::{Cell, RunId};
use valuesim_shared::queue::{Lane, QueueName, RabbitQueue};

use self::letter::{Letter, LetterId, Which};
use self::settle::{Act, Choice, settle};
use super::order::run_id;
use super::sure::Sure;
use super::viewed::print;
use crate::exit::{Exit, Failure, OrUsage as _};
use crate::moment::utc;
use crate::servers::{BrokerAddress, BrokerFlags, within};
use crate::wiring::operator;

/// The most letters that are looked at: they come one by one and are all in memory.
const MOST_LETTERS: u32 = 10_000;

/// How long looking at them may take.
const LOOK_WITHIN: Duration = Duration::from_mins(1);

/// What `valuesim dead` takes.
#[derive(Debug, Args)]
pub(crate) struct Flags {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List the dead letters of a run: which cell, what kind of message, why
    List(Listing),
    /// Show dead letters whole, with the history of the task and the message itself
    Show(Showing),
    /// Put the messages back into their queues, to be tried again with a fresh history
    ///
    /// A message is in its queue again before its letter goes: if this breaks off, nothing is lost, and a message may be
    /// tried twice, which changes no result.
    Replay(Replaying),
    /// Forget dead letters
    Discard(Discarding),
}

#[derive(Debug, Args)]
struct Listing {
    #[command(flatten)]
    of: Of,

    /// Write a JSON object for each letter, a line each
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct Showing {
    #[command(flatten)]
    of: Of,

    /// A cell (MODEL/RESPONDENT/FOLD), or a letter by its id or its number in the list [default: all]
    #[arg(value_name = "CELL|LETTER|NUMBER")]
    which: Option<Which>,

    /// Write a JSON object for each letter, a line each
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct Replaying {
    #[command(flatten)]
    of: Of,

    #[command(flatten)]
    chosen: Chosen,
}

#[derive(Debug, Args)]
struct Discarding {
    #[command(flatten)]
    of: Of,

    #[command(flatten)]
    chosen: Chosen,

    #[command(flatten)]
    sure: Sure,
}

/// Whose letters.
#[derive(Debug, Args)]
#[group(skip)]
struct Of {
    /// The run, as `valuesim runs` lists it
    #[arg(value_parser = run_id)]
    run: RunId,

    #[command(flatten)]
    broker: BrokerFlags,
}

/// Which of the letters.
#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
struct Chosen {
    /// The letters of a cell, MODEL/RESPONDENT/FOLD; may be repeated
    #[arg(long = "cell", value_name = "CELL", value_parser = letter::cell)]
    cells: Vec<Cell>,

    /// A letter by its id in the list; may be repeated
    #[arg(long = "letter", value_name = "ID")]
    letters: Vec<LetterId>,

    /// All letters of the run
    #[arg(long, conflicts_with_all = ["cells", "letters"])]
    all: bool,
}

/// Looks at the letters, or deals with them.
pub(crate) fn run(flags: &Flags) -> Result<Exit, Failure> {
    match &flags.verb {
        Verb::List(list) => list.run(),
        Verb::Show(show) => show.run(),
        Verb::Replay(replay) => {
            let note = format!("replayed by {} at {}", operator(), utc(UnixMillis::now()));
            replay.of.settle(&replay.chosen.choice(), &Act::Replay { note })
        }
        Verb::Discard(discard) => {
            discard
                .sure
                .check("letters that are discarded are gone, and cells whose tasks they hold stay dead")
                .or_usage()?;
            discard.of.settle(&discard.chosen.choice(), &Act::Discard)
        }
    }
}

impl Listing {
    fn run(&self) -> Result<Exit, Failure> {
        let (letters, waiting) = self.of.letters()?;
        let text =
            if self.json { lines(&letters, Letter::listed) } else { text::list(&letters, waiting, UnixMillis::now()) };
        print(&text).context("write to standard output")?;
        Ok(Exit::Done)
    }
}

impl Showing {
    fn run(&self) -> Result<Exit, Failure> {
        let (mut letters, _) = self.of.letters()?;
        if let Some(which) = &self.which {
            letters.retain(|letter| which.is(letter));
            if letters.is_empty() {
                let run = &self.of.run;
                return Err(
                    anyhow!("run {run} has no dead letter {which}: `valuesim dead list {run}` lists them").into()
                );
            }
        }
        let text = if self.json { lines(&letters, Letter::whole) } else { text::show(&letters, UnixMillis::now()) };
        print(&text).context("write to standard output")?;
        Ok(Exit::Done)
    }
}

fn lines(letters: &[Letter], json: fn(&Letter) -> serde_json::Value) -> String {
    let mut text = String::new();
    for letter in letters {
        text += &visible_json(&json(letter).to_string());
        text.push('\n');
    }
    text
}

impl Chosen {
    fn choice(&self) -> Choice {
        if self.all {
            return Choice::All;
        }
        Choice::These { cells: self.cells.clone(), letters: self.letters.clone() }
    }
}

impl Of {
    /// The letters, which stay where they are, and how many there are.
    fn letters(&self) -> Result<(Vec<Letter>, u32), Failure> {
        let (dead, address) = (self.queue(), self.address()?);
        with_broker(&address, async |broker| {
            let looking = async {
                let waiting = broker.depth(&dead).await?.map_or(0, |depth| depth.messages);
                let most = waiting.min(MOST_LETTERS) as usize;
                anyhow::Ok((broker.browse(&dead, most).await?, waiting))
            };
            let (browsed, waiting) = within("look at the dead letters", LOOK_WITHIN, looking).await?;
            let letters = browsed.into_iter().zip(1..).map(|(message, number)| Letter::read(number, &message.body));
            Ok((letters.collect(), waiting))
        })
        .or_not_looked()
    }

    fn settle(&self, choice: &Choice, act: &Act) -> Result<Exit, Failure> {
        let (dead, address) = (self.queue(), self.address()?);
        let settled = with_broker(&address, async |broker| settle(broker, &dead, choice, act).await)?;
        print(&settled.text(act)).context("write to standard output")?;
        match settled.problem {
            None => Ok(Exit::Done),
            Some(problem) => Err(problem.into()),
        }
    }

    fn queue(&self) -> QueueName {
        QueueName { run: self.run.clone(), lane: Lane::Dead }
    }

    fn address(&self) -> Result<BrokerAddress, Failure> {
        self.broker.address("valuesim dead").or_usage()
    }
}

fn with_broker<T>(
    address: &BrokerAddress,
    doing: impl AsyncFnOnce(&RabbitQueue) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    Runtime::new().context("start the asynchronous runtime")?.block_on(async {
        let broker = address.reach().await?;
        let done = doing(&broker).await;
        broker.close().await;
        done
    })
}
