//! `valuesim dead`: lists, shows, replays and discards dead letters.

mod entry;
mod settle;
mod text;

use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use clap::{Args, Subcommand};
use tokio::runtime::Runtime;
use valuesim_coordinator::terminal_escape::visible_json;
use valuesim_shared::control::{Control as _, UnixMillis, operator};
use valuesim_shared::id::{Cell, RunId};
use valuesim_shared::queue::{QueueKind, QueueName, RabbitQueue};

use self::entry::{DeadEntry, LetterId, Which};
use self::settle::settle;
use super::confirm::Confirm;
use super::control::{run_id, unknown};
use crate::exit::{Exit, Failure, OrUsage as _};
use crate::output::print;
use crate::servers::{BrokerAddress, BrokerFlags, OPERATOR_PATIENCE, StoreAddress, StoreFlags, hang_up, within};

pub(super) use self::entry::{cell, cell_name};
pub(crate) use self::settle::{Act, Choice};

/// The most dead letters that are read: they arrive one by one, and all are kept in memory.
const MAX_DEAD_LETTERS: u32 = 10_000;

/// How long reading dead letters may take: in any case, in addition for each, and at most.
const LOOK_WITHIN: Duration = Duration::from_secs(5);
const EACH_WITHIN: Duration = Duration::from_millis(10);
const MAX_LOOK_WITHIN: Duration = Duration::from_mins(1);

/// What `valuesim dead` takes.
#[derive(Debug, Args)]
pub(crate) struct Flags {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List a run's dead letters: cell, kind of message, reason
    List(Listing),
    /// Show dead letters in full: the task's history and the message itself
    Show(Showing),
    /// Put the messages back into their queues, with a fresh history
    ///
    /// Each message is back in its queue before its dead letter is deleted: if this is interrupted, nothing is lost. A
    /// message may then be tried twice, which changes no result.
    Replay(Replaying),
    /// Delete dead letters; a coordinator then starts their cells again
    Discard(Discarding),
}

#[derive(Debug, Args)]
struct Listing {
    #[command(flatten)]
    of: Of,

    /// Write one JSON object per dead letter and line
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct Showing {
    #[command(flatten)]
    of: Of,

    /// A cell (MODEL/RESPONDENT/FOLD), or a dead letter's id or number in the list [default: all]
    #[arg(value_name = "CELL|LETTER|NUMBER")]
    which: Option<Which>,

    /// Write one JSON object per dead letter and line
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
    confirm: Confirm,
}

/// The run whose dead letters are meant.
#[derive(Debug, Args)]
#[group(skip)]
struct Of {
    /// The run, as `valuesim runs` lists it
    #[arg(value_parser = run_id)]
    run: RunId,

    #[command(flatten)]
    broker: BrokerFlags,

    // Asked only if the broker has no dead letters of the run, to find out whether there is such a run.
    #[command(flatten)]
    store: StoreFlags,
}

/// The servers of these flags, not yet connected to.
struct Addresses {
    broker: BrokerAddress,
    store: Option<StoreAddress>,
}

/// Which dead letters.
#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
struct Chosen {
    /// The dead letters of this cell, MODEL/RESPONDENT/FOLD; may be repeated
    #[arg(long = "cell", value_name = "CELL", value_parser = cell)]
    cells: Vec<Cell>,

    /// The dead letter with this id in the list; may be repeated
    #[arg(long = "letter", value_name = "ID")]
    letters: Vec<LetterId>,

    /// All dead letters of the run
    #[arg(long, conflicts_with_all = ["cells", "letters"])]
    all: bool,
}

/// Lists, shows, replays or discards dead letters.
pub(crate) fn run(flags: &Flags) -> Result<Exit, Failure> {
    match &flags.verb {
        Verb::List(list) => list.run(),
        Verb::Show(show) => show.run(),
        Verb::Replay(replay) => {
            let note = format!("replayed by {} at {}", operator(), UnixMillis::now());
            replay.of.settle(&replay.chosen.choice(), &Act::Replay { note })
        }
        Verb::Discard(discard) => {
            discard
                .confirm
                .check("this deletes the dead letters, and the cells of their tasks are open again")
                .or_usage()?;
            discard.of.settle(&discard.chosen.choice(), &Act::Discard)
        }
    }
}

impl Listing {
    fn run(&self) -> Result<Exit, Failure> {
        let (letters, waiting) = self.of.letters()?.ok_or_else(|| unknown(&self.of.run))?;
        let text = if self.json {
            lines(&letters, DeadEntry::listed)
        } else {
            text::list(&letters, waiting, UnixMillis::now())
        };
        print(&text)?;
        Ok(Exit::Done)
    }
}

impl Showing {
    fn run(&self) -> Result<Exit, Failure> {
        let (run, letters) = (&self.of.run, self.of.letters()?);
        let letters = match (letters, &self.which) {
            (None, None) => return Err(unknown(run).into()),
            (None, Some(which)) => return Err(unknown(run).context(has_no(run, which)).into()),
            (Some((letters, _)), None) => letters,
            (Some((mut letters, _)), Some(which)) => {
                letters.retain(|letter| which.is(letter));
                if letters.is_empty() {
                    let has_no = has_no(run, which);
                    return Err(anyhow!("{has_no}: `valuesim dead list {run}` lists them").into());
                }
                letters
            }
        };
        let text = if self.json { lines(&letters, DeadEntry::whole) } else { text::show(&letters, UnixMillis::now()) };
        print(&text)?;
        Ok(Exit::Done)
    }
}

fn has_no(run: &RunId, which: &Which) -> String {
    format!("run {run} has no dead letter {which}")
}

fn lines(letters: &[DeadEntry], json: fn(&DeadEntry) -> serde_json::Value) -> String {
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
    /// The dead letters, which stay in their queue, and their number; `None` if the run is unknown.
    fn letters(&self) -> Result<Option<(Vec<DeadEntry>, u32)>, Failure> {
        let (dead, addresses) = (self.queue(), self.addresses()?);
        let looking = async |broker: &RabbitQueue| {
            let Some(waiting) = self.waiting(broker, &addresses).await? else { return Ok(None) };
            Ok(Some((browse(broker, &dead, waiting).await?, waiting)))
        };
        with_broker(&addresses.broker, looking).or_not_looked()
    }

    fn settle(&self, choice: &Choice, act: &Act) -> Result<Exit, Failure> {
        let (dead, addresses) = (self.queue(), self.addresses()?);
        let settling = async |broker: &RabbitQueue| match self.waiting(broker, &addresses).await? {
            Some(_) => Ok(Some(settle(broker, &dead, (choice, act), |_, _| ()).await)),
            None => Ok(None),
        };
        let Some(settled) = with_broker(&addresses.broker, settling)? else {
            let unknown = unknown(&self.run);
            return Err(match choice.unmatched(&[]) {
                Some(nothing) => unknown.context(nothing).into(),
                None => unknown.into(),
            });
        };
        print(&settled.text(act))?;
        match settled.problem {
            None => Ok(Exit::Done),
            Some(problem) => Err(problem.into()),
        }
    }

    /// The number of dead letters; `None` if the broker has no queue for them and the run is unknown.
    async fn waiting(&self, broker: &RabbitQueue, addresses: &Addresses) -> anyhow::Result<Option<u32>> {
        let depth = within("count the dead letters", OPERATOR_PATIENCE, broker.depth(&self.queue())).await?;
        match depth {
            Some(depth) => Ok(Some(depth.messages)),
            None => Ok(self.is_known(addresses.store.as_ref()).await?.then_some(0)),
        }
    }

    /// Whether the run is in the store's list of runs.
    async fn is_known(&self, store: Option<&StoreAddress>) -> anyhow::Result<bool> {
        let run = &self.run;
        let none = format!("the broker has no dead letters of run {run}");
        let Some(store) = store else {
            bail!("{none}: pass --store redis://host to check whether there is such a run");
        };
        let asking = async { anyhow::Ok(store.reach().await?.1.runs().await?) };
        let runs = asking.await.with_context(|| format!("{none}; check whether there is such a run"))?;
        // The entry that cannot be read may be that of this run.
        Ok(runs.unreadable > 0 || runs.all.iter().any(|(about, _)| about.run == *run))
    }

    fn queue(&self) -> QueueName {
        dead_letters_of(&self.run)
    }

    fn addresses(&self) -> Result<Addresses, Failure> {
        let broker = self.broker.address("valuesim dead").or_usage()?;
        Ok(Addresses { broker, store: self.store.address_if_given().or_usage()? })
    }
}

/// The dead letters of a run as JSON, without their messages, and how many there are.
pub(crate) async fn listed(broker: &RabbitQueue, run: &RunId) -> anyhow::Result<(Vec<serde_json::Value>, u32)> {
    let (letters, waiting) = read(broker, run).await?;
    Ok((letters.iter().map(DeadEntry::listed).collect(), waiting))
}

/// One dead letter of a run as JSON, with its message; `None` if there is none with this id.
pub(crate) async fn whole(
    broker: &RabbitQueue,
    run: &RunId,
    id: &LetterId,
) -> anyhow::Result<Option<serde_json::Value>> {
    let (letters, _) = read(broker, run).await?;
    Ok(letters.iter().find(|letter| letter.id == *id).map(DeadEntry::whole))
}

/// Replays or discards the chosen dead letters of a run, and says what was done. `progress` hears how many of the waiting ones
/// were looked at.
pub(crate) async fn settle_all(
    broker: &RabbitQueue,
    run: &RunId,
    (choice, act): (&Choice, &Act),
    progress: impl Fn(u32, u32) + Send + Sync,
) -> anyhow::Result<String> {
    let settled = settle(broker, &dead_letters_of(run), (choice, act), progress).await;
    let text = settled.text(act).trim_end().replace('\n', "; ");
    match settled.problem {
        None => Ok(text),
        Some(problem) => Err(problem.context(text)),
    }
}

async fn read(broker: &RabbitQueue, run: &RunId) -> anyhow::Result<(Vec<DeadEntry>, u32)> {
    let dead = dead_letters_of(run);
    let depth = within("count the dead letters", OPERATOR_PATIENCE, broker.depth(&dead)).await?;
    let waiting = depth.map_or(0, |depth| depth.messages);
    Ok((browse(broker, &dead, waiting).await?, waiting))
}

async fn browse(broker: &RabbitQueue, dead: &QueueName, waiting: u32) -> anyhow::Result<Vec<DeadEntry>> {
    let most = waiting.min(MAX_DEAD_LETTERS);
    let browsing = broker.browse(dead, most as usize);
    let browsed = within("read the dead letters", look_within(most), browsing).await?;
    Ok(browsed.into_iter().zip(1..).map(|(message, number)| DeadEntry::read(number, &message.body)).collect())
}

fn dead_letters_of(run: &RunId) -> QueueName {
    QueueName { run: run.clone(), kind: QueueKind::Dead }
}

/// How long reading this many dead letters may take: they arrive one by one.
fn look_within(letters: u32) -> Duration {
    (LOOK_WITHIN + EACH_WITHIN * letters).min(MAX_LOOK_WITHIN)
}

fn with_broker<T>(
    address: &BrokerAddress,
    doing: impl AsyncFnOnce(&RabbitQueue) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    Runtime::new().context("start the asynchronous runtime")?.block_on(async {
        let broker = address.reach().await?;
        let done = doing(&broker).await;
        hang_up(&broker).await;
        done
    })
}
