//! Takes the dead letters of a run, replays or discards the chosen ones, and returns the others to their queue.
//!
//! A dead letter is acknowledged last: if anything breaks off before that, the broker still has it, and a replayed message is
//! safe in its queue before its dead letter is deleted. So nothing is lost, and at worst a message is replayed twice.

use std::time::Duration;

use anyhow::anyhow;
use indicatif::HumanCount;
use valuesim_shared::dead_letter::{DeadContent, DeadMessage};
use valuesim_shared::id::Cell;
use valuesim_shared::queue::{Delivery as _, Queue as _, QueueName, RabbitDelivery, RabbitQueue};
use valuesim_shared::task::Task;

use super::entry::{self, DeadEntry, LetterId, cell_name};
use crate::columns::{one_line, shortened};
use crate::servers::{OPERATOR_PATIENCE, within};

/// Dead letters that do not arrive within this time are being processed by another command.
const COMES_WITHIN: Duration = Duration::from_secs(3);

/// How often to read the queue: a later round finds dead letters that somebody inspected meanwhile. Not more often, because
/// replayed messages may come back.
const ROUNDS: u32 = 3;

/// How long the broker may take to confirm a message.
const SAFE_WITHIN: Duration = Duration::from_secs(7);

/// Characters that are kept of each failure in the history of a task that is replayed.
const MAX_FAILURE_CHARS: usize = 300;

/// Which dead letters.
#[derive(Debug, Clone)]
pub(crate) enum Choice {
    All,
    These {
        cells: Vec<Cell>,
        letters: Vec<LetterId>,
    },
    /// Those of one kind that were given up for one reason.
    Alike {
        kind: String,
        reason: String,
    },
}

/// What to do with them.
#[derive(Debug, Clone)]
pub(crate) enum Act {
    /// Put their messages back into their queues.
    Replay {
        /// Who replays them and when, for the history of the task.
        note: String,
    },
    /// Delete them.
    Discard,
}

/// What was done with the dead letters.
#[derive(Debug, Default)]
pub(super) struct Settled {
    /// The number that was replayed or discarded.
    done: u32,
    /// The number that was not chosen, or cannot be replayed.
    stay: u32,
    /// The chosen ones, with their cells.
    chosen: Vec<(LetterId, Option<Cell>)>,
    /// Why chosen ones stay.
    kept: Vec<String>,
    /// Why it failed, or what was not found.
    pub(super) problem: Option<anyhow::Error>,
}

/// Processes the chosen dead letters in the queue `dead`. If it fails, the result still says what was done before. `progress`
/// hears how many of the waiting ones were looked at.
pub(super) async fn settle(
    broker: &RabbitQueue,
    dead: &QueueName,
    (choice, act): (&Choice, &Act),
    progress: impl Fn(u32, u32) + Send + Sync,
) -> Settled {
    let (mut settled, mut stay) = (Settled::default(), Vec::new());
    for round in 0..ROUNDS {
        let waiting = match settled.settle_waiting(broker, dead, (choice, act), (&mut stay, &progress)).await {
            Ok(waiting) => waiting,
            // Dead letters that another command has are waited for once; it may have processed them since.
            Err(Incomplete::Missing(_)) if round > 0 => continue,
            Err(Incomplete::Missing(left)) => {
                settled.problem = Some(missing(left));
                break;
            }
            Err(Incomplete::Broken(error)) => {
                settled.problem = Some(error.context(format!("{act}; this letter and those after it stay")));
                break;
            }
        };
        if waiting == 0 {
            break;
        }
    }
    // Only now: those that are returned earlier would arrive again at once.
    settled.stay = u32::try_from(stay.len()).unwrap_or(u32::MAX);
    drop(stay);
    settled.look_for_problems(choice);
    settled
}

fn missing(left: u32) -> anyhow::Error {
    let left = letters(left, "letter did", "letters did");
    let seconds = COMES_WITHIN.as_secs();
    anyhow!("{left} not come within {seconds} s: another command has them, or the broker is away; try again")
}

/// Why not all dead letters were read.
enum Incomplete {
    /// This many did not arrive.
    Missing(u32),
    Broken(anyhow::Error),
}

impl<E: Into<anyhow::Error>> From<E> for Incomplete {
    fn from(error: E) -> Self {
        Self::Broken(error.into())
    }
}

impl Settled {
    /// Processes the dead letters that wait now, and returns how many there were.
    async fn settle_waiting(
        &mut self,
        broker: &RabbitQueue,
        dead: &QueueName,
        how: (&Choice, &Act),
        (stay, progress): (&mut Vec<RabbitDelivery>, &(impl Fn(u32, u32) + Sync)),
    ) -> Result<u32, Incomplete> {
        let depth = within("count the dead letters", OPERATOR_PATIENCE, broker.depth(dead)).await?;
        let waiting = depth.map_or(0, |depth| depth.messages);
        for left in (1..=waiting).rev() {
            let taking = tokio::time::timeout(COMES_WITHIN, broker.take(dead, left as usize));
            let taken = taking.await.map_err(|_| Incomplete::Missing(left))?;
            self.settle_one(broker, dead, taken?, how, stay).await?;
            progress(waiting - left + 1, waiting);
        }
        Ok(waiting)
    }

    async fn settle_one(
        &mut self,
        broker: &RabbitQueue,
        dead: &QueueName,
        delivery: RabbitDelivery,
        (choice, act): (&Choice, &Act),
        stay: &mut Vec<RabbitDelivery>,
    ) -> anyhow::Result<()> {
        let DeadEntry { id, found, .. } = DeadEntry::read(0, delivery.body());
        if !choice.is(&id, &found) {
            stay.push(delivery);
            return Ok(());
        }
        self.chosen.push((id.clone(), found.content.cell()));
        if let Act::Replay { note } = act {
            match again(&found, dead, note) {
                Ok((queue, message)) => {
                    within("put a message back into its queue", SAFE_WITHIN, broker.publish(&queue, message.into()))
                        .await?;
                }
                Err(why) => {
                    self.kept.push(format!("letter {id} stays: {why}"));
                    stay.push(delivery);
                    return Ok(());
                }
            }
        }
        delivery.ack().await?;
        self.done += 1;
        Ok(())
    }

    fn look_for_problems(&mut self, choice: &Choice) {
        if self.problem.is_some() {
            return;
        }
        let kept = (!self.kept.is_empty()).then(|| "some of the chosen dead letters cannot be replayed".to_owned());
        let problems: Vec<String> = kept.into_iter().chain(choice.unmatched(&self.chosen)).collect();
        if !problems.is_empty() {
            self.problem = Some(anyhow!("{}", problems.join("; ")));
        }
    }

    /// What was done, for people.
    pub(super) fn text(&self, act: &Act) -> String {
        let done = match act {
            Act::Replay { .. } => "replayed",
            Act::Discard => "discarded",
        };
        let mut text = format!("{done} {}", letters(self.done, "letter", "letters"));
        if self.stay > 0 {
            text += &format!(", {}", letters(self.stay, "stays", "stay"));
        }
        text.push('\n');
        for kept in &self.kept {
            text += &format!("{}\n", one_line(kept));
        }
        text
    }
}

impl std::fmt::Display for Act {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Replay { .. } => "replay a dead letter",
            Self::Discard => "discard a dead letter",
        })
    }
}

impl Choice {
    fn is(&self, id: &LetterId, found: &DeadMessage) -> bool {
        match self {
            Self::All => true,
            Self::These { cells, letters } => {
                letters.contains(id) || found.content.cell().is_some_and(|cell| cells.contains(&cell))
            }
            Self::Alike { kind, reason } => entry::kind(found) == kind && entry::reason(found) == reason,
        }
    }

    /// Names the choices that match none of the dead letters found, given with their cells; `None` if all match.
    pub(super) fn unmatched(&self, found: &[(LetterId, Option<Cell>)]) -> Option<String> {
        let (cells, letters) = match self {
            Self::All => return None,
            Self::These { cells, letters } => (cells, letters),
            Self::Alike { .. } => {
                return found.is_empty().then(|| "no dead letter of this kind and reason is left".to_owned());
            }
        };
        let cells = cells.iter().filter(|cell| !found.iter().any(|(_, of)| of.as_ref() == Some(*cell)));
        let letters = letters.iter().filter(|id| !found.iter().any(|(of, _)| of == *id));
        let names: Vec<String> = cells.map(|cell| cell_name(*cell)).chain(letters.map(LetterId::to_string)).collect();
        let names = names.join(", ");
        (!names.is_empty()).then(|| format!("no dead letter has one of these cells or ids: {names}"))
    }
}

/// The message to replay and its queue; or why it cannot be replayed.
fn again(found: &DeadMessage, dead: &QueueName, note: &str) -> Result<(QueueName, Vec<u8>), String> {
    let (Some(kind), Some(run)) = (found.content.queue_kind(), found.content.run()) else {
        return Err("this release cannot read it; `valuesim dead discard` deletes it".to_owned());
    };
    if *run != dead.run {
        return Err(format!("it belongs to run {run}"));
    }
    let message = match &found.content {
        DeadContent::Task(task) => Task { history: vec![fresh(note, &task.history)], ..task.clone() }.to_bytes(),
        DeadContent::Outcome(_) | DeadContent::Unreadable(_) => found.body.clone(),
    };
    Ok((QueueName { run: run.clone(), kind }, message))
}

/// One history entry instead of many, so that the task gets new attempts without losing its history.
fn fresh(note: &str, history: &[String]) -> String {
    let before: Vec<String> = history.iter().map(|failure| shortened(failure, MAX_FAILURE_CHARS)).collect();
    if before.is_empty() { note.to_owned() } else { format!("{note}; before that: {}", before.join("; ")) }
}

fn letters(number: u32, one: &str, several: &str) -> String {
    format!("{} {}", HumanCount(number.into()), if number == 1 { one } else { several })
}

#[cfg(test)]
mod tests {
    use valuesim_shared::id::RunId;
    use valuesim_shared::queue::QueueKind;

    use super::*;

    const TASK: &str = r#"{"version":1,"kind":"story","run":"r1","cell":{"model":0,"respondent":7,"fold":1},"profile":"AgM","history":["w1: boom","w2: boom again"]}"#;

    fn check(message: &str, run: &str, expected: Result<(&str, &str), &str>) {
        let dead = QueueName { run: RunId(run.to_owned()), kind: QueueKind::Dead };
        let found = DeadMessage::read(message.as_bytes());
        match (again(&found, &dead, "replayed by ada@h"), expected) {
            (Ok((queue, message)), Ok((expected_queue, says))) => {
                assert_eq!(queue.to_string(), expected_queue);
                let message = String::from_utf8(message).expect("text");
                assert!(message.contains(says), "{message}");
            }
            (Err(why), Err(says)) => assert!(why.contains(says), "{why}"),
            (other, _) => panic!("{other:?}, expected {expected:?}"),
        }
    }

    #[test]
    fn a_task_goes_back_to_its_queue_with_a_fresh_history() {
        let history = r#""history":["replayed by ada@h; before that: w1: boom; w2: boom again"]}"#;
        check(TASK, "r1", Ok(("r1.0.story", history)));
        let without = TASK.replace(r#","history":["w1: boom","w2: boom again"]"#, "");
        check(&without, "r1", Ok(("r1.0.story", r#""history":["replayed by ada@h"]}"#)));
        check(&without.replace("story", "cab"), "r1", Ok(("r1.0.cab", "")));
    }

    #[test]
    fn an_outcome_goes_back_as_it_was() {
        let outcome = r#"{"version":1,"run":"r1","cell":{"model":2,"respondent":7,"fold":1},"result":{"arms":[]},"spend":{"stages":{},"reported_models":[]}}"#;
        check(outcome, "r1", Ok(("r1.results", outcome)));
    }

    #[test]
    fn what_cannot_be_read_or_is_of_another_run_stays() {
        check("no task", "r1", Err("this release cannot read it"));
        check(TASK, "r2", Err("belongs to run r1"));
    }

    #[test]
    fn a_history_does_not_grow_without_bound() {
        let long = "x".repeat(10_000);
        let once = fresh("n", std::slice::from_ref(&long));
        assert!(once.len() < 400 && fresh("n", std::slice::from_ref(&once)).len() < 400);
    }
}
