//! The keys on the server, and how long they stay there.
//!
//! Each cell has a hash tag (the part in braces) of its own, so that a cluster spreads the cells. All keys of one cell share a
//! tag, as do all keys of a run as a whole, so that they can be changed together.
//!
//! | key | type | what | expiry |
//! | --- | --- | --- | --- |
//! | `valuesim:{RUN}:manifest` | string | the run's manifest | none until the run is finished |
//! | `valuesim:{RUN}:dictionary` | string | id of the dictionary that backstories are packed with | 30 days |
//! | `valuesim:{RUN}:dictionary:ID` | string | a dictionary, by the digest of its bytes | 30 days |
//! | `valuesim:{RUN}:samples` | list | the first backstories, until there is a dictionary | 30 days |
//! | `valuesim:{RUN/MODEL/ROW/FOLD}:story` | string | a cell's backstory | 30 days |
//! | `valuesim:{RUN/MODEL/ROW/FOLD}:calls` | list | records of a cell's calls, in the order of writing | 30 days |
//! | `valuesim:{RUN/MODEL/ROW/FOLD}:outcome` | hash | the parts of an outcome that is too long for a message | 30 days |
//! | `valuesim:{RUN/MODEL/ROW/FOLD}:holder` | string | the worker that holds the cell's lease | a minute |
//! | `valuesim:{RUN/MODEL/FOLD}:finished` | bitmap | the respondents whose cells are in the ledger, by row | 30 days |
//! | `valuesim:{RUN}:order` | string | the operator's order for the run | 30 days |
//! | `valuesim:{RUN}:about` | string | the run's entry in the list of runs | 30 days |
//! | `valuesim:{RUN}:scores` | string | what the run's finished cells score so far | 30 days |
//! | `valuesim:{RUN}:changes` | list | who changed what about the run, the latest first | 30 days |
//! | `valuesim:{RUN}:history` | string | how far the run was at points in time | 30 days |
//! | `valuesim:{RUN}:leader` | string | the coordinator that leads the run | 10 seconds |
//! | `valuesim:{RUN}:purses` | hash | what each worker may spend of the run's budget, by model | 30 days |
//! | `valuesim:{RUN}:statements` | hash | what each worker has spent, reserved and wants | 30 days |
//! | `valuesim:{quota-DIGEST}` | string | how much of the limits of an endpoint and model is used, and what was learned | a day |
//! | `valuesim:{runs}` | sorted set | the runs, by their last report | 30 days |
//! | `valuesim:{workers}`, `valuesim:{coordinators}` | sorted set | processes, by their last report | 30 days |
//! | `valuesim:{workers}:ID`, `valuesim:{coordinators}:ID` | string | the last report of a process | 10 seconds |

use std::borrow::Cow;
use std::fmt::Write as _;
use std::time::Duration;

use crate::id::{Cell, RunId};

/// How long a key stays after its last write: longer than any interruption after which a run is resumed, and short enough that
/// runs which nobody purges do not fill the server.
pub const EXPIRY: Duration = Duration::from_hours(30 * 24);

/// [`EXPIRY`] as commands take it.
pub(crate) const EXPIRY_SECONDS: u64 = EXPIRY.as_secs();

/// The key of something that belongs to a run as a whole.
pub(crate) fn of_run(run: &RunId, what: &str) -> String {
    format!("valuesim:{{{}}}:{what}", plain(&run.0))
}

/// The key of something that belongs to a cell.
pub(crate) fn of_cell(run: &RunId, cell: Cell, what: &str) -> String {
    let Cell { model, respondent, fold } = cell;
    format!("valuesim:{{{}/{}/{respondent}/{fold}}}:{what}", plain(&run.0), model.0)
}

/// The key of something that belongs to all cells of a model and a fold.
pub(crate) fn of_fold(run: &RunId, cell: Cell, what: &str) -> String {
    format!("valuesim:{{{}/{}/{}}}:{what}", plain(&run.0), cell.model.0, cell.fold)
}

/// The key of something that belongs to no run.
pub(crate) fn of_fleet(what: &str) -> String {
    format!("valuesim:{{{what}}}")
}

/// The key of the last report of a member of a fleet's list.
pub(crate) fn of_fleet_member(list: &str, member: &str) -> String {
    format!("valuesim:{{{list}}}:{}", plain(member))
}

/// The pattern of all keys of a run, and of no other run.
pub(crate) fn all_of_run(run: &RunId) -> String {
    format!("valuesim:{{{}[/}}]*", plain(&run.0))
}

/// A run id with all characters escaped that have a meaning in keys or patterns. Ids from the coordinator need no escaping.
pub(crate) fn plain(run: &str) -> Cow<'_, str> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if run.bytes().all(is_plain) {
        return Cow::Borrowed(run);
    }
    let mut text = String::with_capacity(run.len() * 3);
    for byte in run.bytes() {
        if is_plain(byte) {
            text.push(char::from(byte));
        } else {
            write!(text, "%{byte:02x}").expect("writing to memory does not fail");
        }
    }
    Cow::Owned(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{Fold, ModelId, Respondent};

    fn check(run: &str, of_run_expected: &str, of_cell_expected: &str) {
        let run = RunId(run.to_owned());
        let respondent = Respondent::new(97_220).expect("not 0");
        let cell = Cell { model: ModelId(1), respondent, fold: Fold::new(5).expect("not 0") };
        assert_eq!(of_run(&run, "manifest"), of_run_expected);
        assert_eq!(of_cell(&run, cell, "story"), of_cell_expected);
        let of_fold_expected = of_cell_expected.replace("/97220/", "/").replace("story", "finished");
        assert_eq!(of_fold(&run, cell, "finished"), of_fold_expected);
    }

    #[test]
    fn keys_say_run_and_cell() {
        check("ours-0a1b", "valuesim:{ours-0a1b}:manifest", "valuesim:{ours-0a1b/1/97220/5}:story");
        check("a}b/*", "valuesim:{a%7db%2f%2a}:manifest", "valuesim:{a%7db%2f%2a/1/97220/5}:story");
        assert_eq!(all_of_run(&RunId("a".to_owned())), "valuesim:{a[/}]*");
    }
}
