//! Finds the queues that a run has in the broker.

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use serde::Serialize;
use serde::ser::{SerializeStruct as _, Serializer};
use valuesim_shared::id::{ModelId, RunId};
use valuesim_shared::queue::{Depth, QueueError, QueueKind, QueueName, RabbitQueue};
use valuesim_shared::task::TASK_VERSION;

/// If the number of models is unknown, the search ends after this many models in a row without queues.
const MODELS_WITHOUT_QUEUE: u16 = 8;

/// Maximum number of queues of a model.
const QUEUES_PER_MODEL: usize = 4;

/// How many queues are inspected concurrently, each on a channel of its own.
const SIDE_BY_SIDE: usize = 16;

/// One of a run's queues.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FoundQueue {
    pub(super) name: QueueName,
    /// How full it is; `None` if there is no such queue.
    pub(super) depth: Option<Depth>,
}

impl FoundQueue {
    /// The name of its kind.
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

    /// The model whose tasks it holds; `None` if it holds no tasks.
    pub(super) const fn model(&self) -> Option<ModelId> {
        match self.name.kind {
            QueueKind::Story(model)
            | QueueKind::Cab(model)
            | QueueKind::Quarantine(model)
            | QueueKind::NextVersion(model, _) => Some(model),
            QueueKind::Results | QueueKind::Dead => None,
        }
    }

    /// Whether it is for workers of a newer release.
    const fn is_later(&self) -> bool {
        matches!(self.name.kind, QueueKind::NextVersion(..))
    }

    /// The number of messages that wait in it.
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

/// All queues that the run should have, including missing ones. If the number of `models` is unknown, searches for them until
/// there are no more.
pub(super) async fn look(
    queue: &RabbitQueue,
    run: &RunId,
    models: Option<usize>,
) -> Result<Vec<FoundQueue>, QueueError> {
    let mut found = match models {
        Some(models) => {
            let models = u16::try_from(models).unwrap_or(u16::MAX);
            let found = look_at(queue, run, (0..models).flat_map(kinds_of)).await?;
            // It exists only while workers of two releases serve the run.
            found.into_iter().filter(|queue| queue.depth.is_some() || !queue.is_later()).collect()
        }
        None => search(queue, run).await?,
    };
    found.extend(look_at(queue, run, [QueueKind::Results, QueueKind::Dead]).await?);
    Ok(found)
}

/// The queues of all models, if their number is unknown.
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

/// Inspects queues concurrently, and keeps their order.
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
