//! The queues that a run has in the broker, found by their names.

use serde::Serialize;
use serde::ser::{SerializeStruct as _, Serializer};
use valuesim_shared::id::{ModelId, RunId};
use valuesim_shared::queue::{Depth, Lane, QueueError, QueueName, RabbitQueue};
use valuesim_shared::task::TASK_VERSION;

/// A run whose number of models is not known has no more of them, once so many in a row have no queue.
const MODELS_WITHOUT_QUEUE: u16 = 8;

/// One of a run's queues, as it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FoundQueue {
    pub(super) name: QueueName,
    /// How full it is; none where there is no such queue.
    pub(super) depth: Option<Depth>,
}

impl FoundQueue {
    /// What goes through it.
    pub(super) const fn lane(&self) -> &'static str {
        match self.name.lane {
            Lane::Story(_) => "story",
            Lane::Cab(_) => "cab",
            Lane::Suspects(_) => "suspects",
            Lane::Later(..) => "later",
            Lane::Results => "results",
            Lane::Dead => "dead",
        }
    }

    /// The model whose tasks it holds; none where it holds no tasks.
    pub(super) const fn model(&self) -> Option<ModelId> {
        match self.name.lane {
            Lane::Story(model) | Lane::Cab(model) | Lane::Suspects(model) | Lane::Later(model, _) => Some(model),
            Lane::Results | Lane::Dead => None,
        }
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
        queue.serialize_field("lane", self.lane())?;
        queue.serialize_field("model", &self.model())?;
        queue.serialize_field("messages", &self.depth.map(|depth| depth.messages))?;
        queue.serialize_field("consumers", &self.depth.map(|depth| depth.consumers))?;
        queue.end()
    }
}

/// All queues that the run should have, with those that it has not. Where the number of `models` is not known, they are
/// looked for one after the other until there are no more.
pub(super) async fn look(
    queue: &RabbitQueue,
    run: &RunId,
    models: Option<usize>,
) -> Result<Vec<FoundQueue>, QueueError> {
    let mut found = Vec::new();
    let mut without_queue = 0;
    for model in 0..u16::MAX {
        let is_last = match models {
            Some(models) => usize::from(model) == models,
            None => without_queue == MODELS_WITHOUT_QUEUE,
        };
        if is_last {
            break;
        }
        let of_model = [Lane::Story, Lane::Cab, Lane::Suspects].map(|lane| lane(ModelId(model)));
        let of_model = look_at(queue, run, &of_model).await?;
        let is_there = of_model.iter().any(|queue| queue.depth.is_some());
        without_queue = if is_there { 0 } else { without_queue + 1 };
        if is_there || models.is_some() {
            found.extend(of_model);
        }
        // It is there only while workers of two releases are at the run.
        let later = look_at(queue, run, &[Lane::Later(ModelId(model), TASK_VERSION + 1)]).await?;
        found.extend(later.into_iter().filter(|queue| queue.depth.is_some()));
    }
    found.extend(look_at(queue, run, &[Lane::Results, Lane::Dead]).await?);
    Ok(found)
}

async fn look_at(queue: &RabbitQueue, run: &RunId, lanes: &[Lane]) -> Result<Vec<FoundQueue>, QueueError> {
    let mut found = Vec::new();
    for &lane in lanes {
        let name = QueueName { run: run.clone(), lane };
        let depth = queue.depth(&name).await?;
        found.push(FoundQueue { name, depth });
    }
    Ok(found)
}
