//! The queues that a run has in the broker, found by their names.

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use serde::Serialize;
use serde::ser::{SerializeStruct as _, Serializer};
use valuesim_shared::id::{ModelId, RunId};
use valuesim_shared::queue::{Depth, QueueError, QueueKind, QueueName, RabbitQueue};
use valuesim_shared::task::TASK_VERSION;

/// A run whose number of models is not known has no more of them, once so many in a row have no queue.
const MODELS_WITHOUT_QUEUE: u16 = 8;

/// Queues that a model may have.
const QUEUES_PER_MODEL: usize = 4;

/// Queues that are looked at at the same time: a channel each, and the way to the broker is waited for once for all.
const SIDE_BY_SIDE: usize = 16;

/// One of a run's queues, as it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FoundQueue {
    pub(super) name: QueueName,
    /// How full it is; none where there is no such queue.
    pub(super) depth: Option<Depth>,
}

impl FoundQueue {
    /// What goes through it.
    pub(super) const fn kind_name(&self) -> &'static str {
        match self.name.kind {
            QueueKind::Story(_) => "story",
            QueueKind::Cab(_) => "cab",
            QueueKind::Quarantine(_) => "suspects",
            QueueKind::NextVersion(..) => "later",
            QueueKind::Results => "results",
            QueueKind::Dead => "dead",
        }
    }

    /// The model whose tasks it holds; none where it holds no tasks.
    pub(super) const fn model(&self) -> Option<ModelId> {
        match self.name.kind {
            QueueKind::Story(model)
            | QueueKind::Cab(model)
            | QueueKind::Quarantine(model)
            | QueueKind::NextVersion(model, _) => Some(model),
            QueueKind::Results | QueueKind::Dead => None,
        }
    }

    /// Whether it is for tasks that workers of a newer release do.
    const fn is_later(&self) -> bool {
        matches!(self.name.kind, QueueKind::NextVersion(..))
    }

    /// How many messages wait in it.
    pub(super) fn messages(&self) -> u32 {
        self.depth.map_or(0, |depth| depth.messages)
    }
}

impl Serialize for FoundQueue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut queue = serializer.serialize_struct("queue", 5)?;
        queue.serialize_field("queue", &self.name.to_string())?;
        queue.serialize_field("lane", self.kind_name())?;
        queue.serialize_field("model", &self.model())?;
        queue.serialize_field("messages", &self.depth.map(|depth| depth.messages))?;
        queue.serialize_field("consumers", &self.depth.map(|depth| depth.consumers))?;
        queue.end()
    }
}

/// All queues that the run should have, with those that it has not. Where the number of `models` is not known, they are
/// looked for until there are no more.
pub(super) async fn look(
    queue: &RabbitQueue,
    run: &RunId,
    models: Option<usize>,
) -> Result<Vec<FoundQueue>, QueueError> {
    let mut found = match models {
        Some(models) => {
            let models = u16::try_from(models).unwrap_or(u16::MAX);
            let found = look_at(queue, run, (0..models).flat_map(kinds_of)).await?;
            // It is there only while workers of two releases are at the run.
            found.into_iter().filter(|queue| queue.depth.is_some() || !queue.is_later()).collect()
        }
        None => search(queue, run).await?,
    };
    found.extend(look_at(queue, run, [QueueKind::Results, QueueKind::Dead]).await?);
    Ok(found)
}

/// The queues of models of which nobody knows how many there are.
async fn search(queue: &RabbitQueue, run: &RunId) -> Result<Vec<FoundQueue>, QueueError> {
    let (mut found, mut without_queue) = (Vec::new(), 0);
    for first in (0..u16::MAX).step_by(MODELS_WITHOUT_QUEUE.into()) {
        let models = first..first.saturating_add(MODELS_WITHOUT_QUEUE);
        for of_model in look_at(queue, run, models.flat_map(kinds_of)).await?.chunks_exact(QUEUES_PER_MODEL) {
            let is_there = of_model.iter().any(|queue| queue.depth.is_some() && !queue.is_later());
            without_queue = if is_there { 0 } else { without_queue + 1 };
            let to_show = |queue: &&FoundQueue| queue.depth.is_some() || (is_there && !queue.is_later());
            found.extend(of_model.iter().filter(to_show).cloned());
        }
        if without_queue >= MODELS_WITHOUT_QUEUE {
            break;
        }
    }
    Ok(found)
}

fn kinds_of(model: u16) -> [QueueKind; QUEUES_PER_MODEL] {
    let model = ModelId(model);
    [
        QueueKind::Story(model),
        QueueKind::Cab(model),
        QueueKind::Quarantine(model),
        QueueKind::NextVersion(model, TASK_VERSION + 1),
    ]
}

/// Looks at queues side by side, and keeps their order.
async fn look_at(
    queue: &RabbitQueue,
    run: &RunId,
    kinds: impl IntoIterator<Item = QueueKind>,
) -> Result<Vec<FoundQueue>, QueueError> {
    let look = async |kind| {
        let name = QueueName { run: run.clone(), kind };
        let depth = queue.depth(&name).await?;
        Ok(FoundQueue { name, depth })
    };
    stream::iter(kinds).map(look).buffered(SIDE_BY_SIDE).try_collect().await
}
