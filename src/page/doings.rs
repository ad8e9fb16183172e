//! What operators do with the page, while it is done and for a while after: each action's own progress.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use valuesim_shared::control::{ChangeKind, UnixMillis};
use valuesim_shared::id::RunId;

/// How many actions are kept; the run's list of changes keeps them for longer.
const KEPT: usize = 20;

/// The actions of this process's page. Cheap to clone; clones share the list.
#[derive(Debug, Clone, Default)]
pub(crate) struct Doings {
    list: Arc<Mutex<Vec<Doing>>>,
}

/// An action.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Doing {
    /// Counts up from 1.
    id: u64,
    run: RunId,
    kind: ChangeKind,
    state: State,
    /// How much of it is done, of what it concerns; absent for an order.
    #[serde(skip_serializing_if = "Option::is_none")]
    progress: Option<(u32, u32)>,
    /// What came of it.
    text: String,
    at: UnixMillis,
}

/// How far an action is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum State {
    Running,
    Done,
    Failed,
}

/// The number of an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(super) struct DoingId(u64);

impl Doings {
    /// Begins an action.
    pub(super) fn begin(&self, run: &RunId, kind: ChangeKind) -> DoingId {
        let mut list = self.list();
        let id = list.last().map_or(0, |last| last.id) + 1;
        let (run, text, at) = (run.clone(), String::new(), UnixMillis::now());
        list.push(Doing { id, run, kind, state: State::Running, progress: None, text, at });
        let surplus = list.len().saturating_sub(KEPT);
        list.drain(..surplus);
        DoingId(id)
    }

    /// Reports how much of an action is done.
    pub(super) fn progress(&self, id: DoingId, done: u32, of: u32) {
        self.change(id, |doing| doing.progress = Some((done, of)));
    }

    /// Ends an action.
    pub(super) fn end(&self, id: DoingId, result: Result<String, String>) {
        self.change(id, |doing| {
            (doing.state, doing.text) = match result {
                Ok(text) => (State::Done, text),
                Err(text) => (State::Failed, text),
            };
        });
    }

    /// All that are kept, as a JSON array.
    pub(super) fn json(&self) -> String {
        serde_json::to_string(&*self.list()).expect("actions can be written as JSON")
    }

    fn change(&self, DoingId(id): DoingId, change: impl FnOnce(&mut Doing)) {
        if let Some(doing) = self.list().iter_mut().find(|doing| doing.id == id) {
            change(doing);
        }
    }

    fn list(&self) -> MutexGuard<'_, Vec<Doing>> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_action_shows_its_progress_and_its_end_and_old_ones_go() {
        let (doings, run) = (Doings::default(), RunId("r".to_owned()));
        let first = doings.begin(&run, ChangeKind::Replay);
        doings.progress(first, 3, 10);
        assert!(doings.json().contains(r#""state":"running","progress":[3,10]"#), "{}", doings.json());
        doings.end(first, Err("the broker is away".to_owned()));
        assert!(doings.json().contains(r#""state":"failed","progress":[3,10],"text":"the broker is away""#));
        for _ in 0..KEPT {
            let id = doings.begin(&run, ChangeKind::Pause);
            doings.end(id, Ok(String::new()));
        }
        let kept = doings.list().len();
        assert!(kept == KEPT && !doings.json().contains("the broker is away"));
        // Its end is no news any more, and disturbs nobody.
        doings.end(first, Ok(String::new()));
    }
}
