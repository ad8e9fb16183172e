//! The dictionaries of runs: finds the one that a backstory is packed with, keeps it in memory, and trains new ones.
//!
//! The first backstories of a run are packed without a dictionary and also stored as samples. The worker that adds the last
//! sample needed trains the dictionary. If two do, the first one to publish its dictionary wins, and the other uses that.
//! A backstory names its dictionary, so it does not matter when a worker learns of it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redis::{Pipeline, Value};

use super::dictionary::{Dictionary, DictionaryId, SAMPLES};
use super::story;
use crate::id::RunId;
use crate::redis_connection::key::{self, EXPIRY_SECONDS};
use crate::redis_connection::{RedisConnection, RedisConnectionError};

/// After how many more samples to train again if no dictionary came of the first, because the samples are too short or the
/// worker that trained has died.
const SAMPLES_UNTIL_NEXT_TRY: usize = 50;

/// How many dictionaries are kept in memory. Each takes about a megabyte.
const MAX_CACHED: usize = 32;

/// The dictionaries that this process knows.
#[derive(Debug, Clone)]
pub(super) struct DictionaryCache {
    connection: RedisConnection,
    known: Arc<Mutex<Known>>,
    /// Locked while a dictionary is trained. Otherwise many backstories that arrive at once would start many trainings, each of
    /// which takes tens of megabytes and a second.
    training: Arc<tokio::sync::Mutex<()>>,
}

#[derive(Debug, Default)]
struct Known {
    by_id: HashMap<DictionaryId, Arc<Dictionary>>,
    /// The dictionary with which a run's backstories are packed.
    of_run: HashMap<RunId, Arc<Dictionary>>,
}

impl DictionaryCache {
    pub(super) fn new(connection: RedisConnection) -> Self {
        Self { connection, known: Arc::default(), training: Arc::default() }
    }

    /// The run's dictionary, if it has one.
    pub(super) async fn of_run(&self, run: &RunId) -> Result<Option<Arc<Dictionary>>, RedisConnectionError> {
        if let Some(dictionary) = self.known().of_run.get(run) {
            return Ok(Some(Arc::clone(dictionary)));
        }
        let mut ask = Pipeline::new();
        ask.cmd("GET").arg(key::of_run(run, "dictionary"));
        let Some(id) = self.connection.read_or_lose(ask).await?.first().and_then(id_in) else { return Ok(None) };
        let dictionary = self.get(run, id).await?;
        if let Some(dictionary) = &dictionary {
            self.known().takes_for(run, dictionary);
        }
        Ok(dictionary)
    }

    /// A dictionary of the run; `None` if it is lost.
    pub(super) async fn get(
        &self,
        run: &RunId,
        id: DictionaryId,
    ) -> Result<Option<Arc<Dictionary>>, RedisConnectionError> {
        if let Some(dictionary) = self.known().by_id.get(&id) {
            return Ok(Some(Arc::clone(dictionary)));
        }
        let mut ask = Pipeline::new();
        ask.cmd("GET").arg(dictionary_key(run, id));
        let Some(Value::BulkString(bytes)) = self.connection.read_or_lose(ask).await?.pop() else { return Ok(None) };
        match Dictionary::new(bytes) {
            Ok(dictionary) if dictionary.id == id => Ok(Some(self.keep(dictionary))),
            // A damaged dictionary counts as lost.
            Ok(_) | Err(_) => Ok(None),
        }
    }

    /// Adds two commands that make a dictionary last as long as the backstory that was packed with it. From their answers
    /// [`Self::put_back`] sees whether the server has the dictionary at all.
    pub(super) fn refresh(run: &RunId, dictionary: &Dictionary, commands: &mut Pipeline) {
        commands.cmd("EXPIRE").arg(dictionary_key(run, dictionary.id)).arg(EXPIRY_SECONDS);
        commands.cmd("EXPIRE").arg(key::of_run(run, "dictionary")).arg(EXPIRY_SECONDS);
    }

    /// Stores the dictionary again if the answers say that the server has lost it.
    pub(super) async fn put_back(
        &self,
        run: &RunId,
        dictionary: &Dictionary,
        refreshed: &[Value],
    ) -> Result<(), RedisConnectionError> {
        if refreshed.iter().all(|answer| *answer == Value::Int(1)) {
            return Ok(());
        }
        self.publish(run, dictionary).await.map(|_| ())
    }

    /// Stores a backstory that was packed without a dictionary as a sample, and trains a dictionary once there are enough.
    pub(super) async fn add_sample(&self, run: &RunId, packed: &[u8]) -> Result<(), RedisConnectionError> {
        let samples = key::of_run(run, "samples");
        let mut commands = Pipeline::new();
        commands.cmd("RPUSH").arg(&samples).arg(packed);
        commands.cmd("EXPIRE").arg(&samples).arg(EXPIRY_SECONDS);
        commands.cmd("GET").arg(key::of_run(run, "dictionary"));
        let answers = self.connection.write(commands).await?.values;
        let there_is_one = answers.get(2).and_then(id_in).is_some();
        if there_is_one {
            // It was published while the backstory was packed, and the samples were removed then.
            return self.remove(&samples).await;
        }
        match answers.first() {
            Some(&Value::Int(count)) if is_time_to_train(count) => self.train(run).await,
            _ => Ok(()),
        }
    }

    /// Trains the run's dictionary on the latest samples, unless this process is training one already.
    async fn train(&self, run: &RunId) -> Result<(), RedisConnectionError> {
        let Ok(_alone) = self.training.try_lock() else { return Ok(()) };
        let samples = key::of_run(run, "samples");
        let mut ask = Pipeline::new();
        ask.cmd("LRANGE").arg(&samples).arg(format!("-{SAMPLES}")).arg(-1);
        let Some(Value::Array(packed)) = self.connection.read_or_lose(ask).await?.pop() else { return Ok(()) };
        let trained = tokio::task::spawn_blocking(move || Dictionary::train(&unpacked(&packed))).await;
        let dictionary = match trained.expect("training does not panic") {
            Ok(dictionary) => dictionary,
            Err(error) => {
                tracing::debug!(%run, %error, "no dictionary came of the first backstories");
                return Ok(());
            }
        };
        let id = self.publish(run, &dictionary).await?;
        if id == dictionary.id {
            let dictionary = self.keep(dictionary);
            self.known().takes_for(run, &dictionary);
        } else {
            self.remove(&dictionary_key(run, dictionary.id)).await?;
        }
        self.remove(&samples).await
    }

    /// Publishes a dictionary as the run's, unless it has one; returns the id of the run's dictionary.
    async fn publish(&self, run: &RunId, dictionary: &Dictionary) -> Result<DictionaryId, RedisConnectionError> {
        let run_key = key::of_run(run, "dictionary");
        let mut commands = Pipeline::new();
        let bytes = dictionary.bytes.as_slice();
        commands.cmd("SET").arg(dictionary_key(run, dictionary.id)).arg(bytes).arg("EX").arg(EXPIRY_SECONDS);
        let id = dictionary.id.to_string();
        commands.cmd("SET").arg(&run_key).arg(id).arg("NX").arg("EX").arg(EXPIRY_SECONDS);
        commands.cmd("GET").arg(&run_key);
        let answers = self.connection.write(commands).await?.values;
        Ok(answers.get(2).and_then(id_in).unwrap_or(dictionary.id))
    }

    async fn remove(&self, key: &str) -> Result<(), RedisConnectionError> {
        let mut command = Pipeline::new();
        command.cmd("UNLINK").arg(key);
        self.connection.write(command).await.map(|_| ())
    }

    fn keep(&self, dictionary: Dictionary) -> Arc<Dictionary> {
        let dictionary = Arc::new(dictionary);
        let mut known = self.known();
        if known.by_id.len() >= MAX_CACHED {
            *known = Known::default();
        }
        known.by_id.insert(dictionary.id, Arc::clone(&dictionary));
        dictionary
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn takes_for(&mut self, run: &RunId, dictionary: &Arc<Dictionary>) {
        self.of_run.insert(run.clone(), Arc::clone(dictionary));
    }
}

fn dictionary_key(run: &RunId, id: DictionaryId) -> String {
    key::of_run(run, &format!("dictionary:{id}"))
}

fn id_in(answer: &Value) -> Option<DictionaryId> {
    let Value::BulkString(text) = answer else { return None };
    std::str::from_utf8(text).ok()?.parse().ok()
}

fn is_time_to_train(count: i64) -> bool {
    let more = usize::try_from(count).ok().and_then(|count| count.checked_sub(SAMPLES));
    more.is_some_and(|more| more % SAMPLES_UNTIL_NEXT_TRY == 0)
}

fn unpacked(packed: &[Value]) -> Vec<Vec<u8>> {
    let bytes = packed.iter().filter_map(|value| match value {
        Value::BulkString(bytes) => Some(bytes.as_slice()),
        _ => None,
    });
    bytes.filter_map(story::sample).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn training_is_tried_at_the_last_sample_and_now_and_then_after_it() {
        let tries: Vec<i64> = (0..350).filter(|&count| is_time_to_train(count)).collect();
        assert_eq!(tries, [200, 250, 300]);
    }
}
