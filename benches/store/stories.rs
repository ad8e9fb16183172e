//! The memory of ten thousand backstories in Redis relative to their size, and the CPU time of compressing them.

use std::time::Instant;

use valuesim_shared::id::{Cell, Fold, ModelId, Respondent, RunId};
use valuesim_shared::outcome::{CellSpend, Ended};
use valuesim_shared::store::{Backstory, Store as _};

use crate::server::{Server, cpu_seconds};
use crate::table::{Bound, Table};
use crate::{corpus, server};

const STORIES: u32 = 10_000;

/// The maximum memory in the store relative to the size of the stories.
const MAX_SHARE: f64 = 0.25;

pub(crate) async fn measure(table: &mut Table) -> anyhow::Result<()> {
    let stories = corpus::stories(STORIES)?;
    let mean = stories.iter().map(String::len).sum::<usize>() as f64 / stories.len() as f64;
    table.add("bytes of a backstory, on average", mean, Bound::AtLeast(9_000.0));
    let share = write_and_read(table, "", &stories).await?;
    table.add("memory that Redis takes for 10,000 backstories / their size", share, Bound::AtMost(MAX_SHARE));
    let others = corpus::with_other_words(&stories);
    let share = write_and_read(table, ", every fourth word replaced", &others).await?;
    table.add("memory / size, every fourth word replaced", share, Bound::None);
    Ok(())
}

/// Writes the stories to an empty server and reads some back; returns their memory relative to their size.
async fn write_and_read(table: &mut Table, which: &str, stories: &[String]) -> anyhow::Result<f64> {
    let mut server = Server::start().await?;
    let store = server.store().await?;
    let run = RunId("bench-0123456789ab".to_owned());
    let empty = server.memory().await?;
    let (start, before) = (Instant::now(), (cpu_seconds("self")?, server.cpu_seconds().await?));
    for (row, text) in (1..).zip(stories) {
        store.put_backstory(&run, cell(row), &backstory(text)).await?;
    }
    let count = stories.len() as f64;
    let (client, redis) = (cpu_seconds("self")? - before.0, server.cpu_seconds().await? - before.1);
    table.add(format!("milliseconds of CPU to write a story{which}"), client / count * 1e3, Bound::None);
    table.add(format!("milliseconds of Redis's CPU for it{which}"), redis / count * 1e3, Bound::None);
    table.add(
        format!("stories written per second, one by one{which}"),
        count / start.elapsed().as_secs_f64(),
        Bound::None,
    );
    let taken = server.memory().await? - empty;
    let before = server::cpu_seconds("self")?;
    for (row, text) in (1..).zip(stories).step_by(10) {
        let read = store.backstory(&run, cell(row)).await?;
        anyhow::ensure!(read.is_some_and(|story| story.text == *text), "story {row} came back changed");
    }
    let reading = (server::cpu_seconds("self")? - before) / (count / 10.0);
    table.add(format!("milliseconds of CPU to read a story{which}"), reading * 1e3, Bound::None);
    Ok(taken / stories.iter().map(String::len).sum::<usize>() as f64)
}

fn cell(row: u32) -> Cell {
    let respondent = Respondent::new(row).expect("rows count from 1");
    Cell { model: ModelId(0), respondent, fold: Fold::new(1).expect("folds count from 1") }
}

fn backstory(text: &str) -> Backstory {
    Backstory { text: text.to_owned(), ended: Ended::Answered, asked: 1, spend: CellSpend::default(), rejection: None }
}
