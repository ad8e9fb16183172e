//! The addresses that serve one model. All calls of a session go to the same one, so that its cache has the beginning of their
//! prompts; while that one is down, they go to the session's next.
//!
//! Which is next is decided by rendezvous hashing: each session has an order of the addresses of its own, so that the sessions
//! of one that is down spread over all others, and the others keep theirs (Thaler and Ravishankar, "Using name-based mappings
//! to increase hit rates", 1998).

use std::hash::Hasher as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use xxhash_rust::xxh3::Xxh3;

use super::connection::Connection;
use super::error::CallErrorKind;

/// An address at which a call failed is left alone for this long. The time doubles while it stays down.
const FIRST_REST: Duration = Duration::from_secs(1);

/// The longest such time.
const LONGEST_REST: Duration = Duration::from_secs(30);

/// The addresses of a model. Cheap to clone; clones share what they know.
#[derive(Debug, Clone)]
pub(super) struct Replicas(Arc<[Replica]>);

/// One address.
#[derive(Debug)]
pub(super) struct Replica {
    pub(super) connection: Connection,
    /// Decides, with the session, which address is the session's first.
    seed: u64,
    /// `None` while it answers.
    rests: Mutex<Option<Rest>>,
}

/// The time in which an address is left alone.
#[derive(Debug, Clone, Copy)]
struct Rest {
    until: Instant,
    length: Duration,
    /// Whether it is over, and a call tries the address.
    is_tried: bool,
}

impl Replicas {
    /// The replicas at these connections, of which there must be one.
    pub(super) fn new(connections: Vec<Connection>) -> Self {
        let replica = |connection: Connection| {
            let seed = digest(connection.address().as_str().as_bytes(), 0);
            Replica { connection, seed, rests: Mutex::default() }
        };
        Self(connections.into_iter().map(replica).collect())
    }

    /// Where a call of a session goes now: to the session's first address that is not down, or to its first if all are.
    pub(super) fn of(&self, session: &str) -> &Replica {
        if let [only] = &self.0[..] {
            return only;
        }
        let rank = |replica: &&Replica| digest(session.as_bytes(), replica.seed);
        let mut by_rank: Vec<&Replica> = self.0.iter().collect();
        by_rank.sort_by_key(|replica| std::cmp::Reverse(rank(replica)));
        let up = by_rank.iter().find(|replica| replica.is_up());
        up.unwrap_or(&by_rank[0])
    }
}

impl Replica {
    /// Whether calls go to it. Once it has rested, one call tries it, and the others wait for what comes of that.
    fn is_up(&self) -> bool {
        let mut rests = self.rests.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(Rest { until, length, .. }) = *rests else { return true };
        let now = Instant::now();
        if now < until {
            return false;
        }
        *rests = Some(Rest { until: now + length, length, is_tried: true });
        true
    }

    /// Takes in what came of a call: `failure` is its error, if there was one.
    pub(super) fn note(&self, failure: Option<&CallErrorKind>) {
        let mut rests = self.rests.lock().unwrap_or_else(PoisonError::into_inner);
        match failure {
            // Other calls that were under way when it went down are no further sign.
            Some(kind) if is_down(kind) && rests.is_none_or(|rest| rest.is_tried) => {
                let length = rests.map_or(FIRST_REST, |rest| (rest.length * 2).min(LONGEST_REST));
                *rests = Some(Rest { until: Instant::now() + length, length, is_tried: false });
            }
            Some(_) => {}
            None => *rests = None,
        }
    }
}

/// Whether an error says that nobody answers at an address.
const fn is_down(kind: &CallErrorKind) -> bool {
    matches!(
        kind,
        CallErrorKind::Unreachable
            | CallErrorKind::ConnectionBroken
            | CallErrorKind::TimedOut
            | CallErrorKind::ServerFault
    )
}

fn digest(bytes: &[u8], seed: u64) -> u64 {
    let mut hasher = Xxh3::with_seed(seed);
    hasher.write(bytes);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use valuesim_shared::model::ModelSettings;

    use super::super::key::Keys;
    use super::super::setup::Deadlines;
    use super::*;

    fn replicas(count: usize) -> Replicas {
        let connection = |at: usize| {
            let model =
                ModelSettings { base_url: Some(format!("http://127.0.0.{at}:9/v1")), ..ModelSettings::named("m") };
            Connection::new(&model, &["x"], (Deadlines::default(), 1), &Keys::OfUser).expect("is set up")
        };
        Replicas::new((1..=count).map(connection).collect())
    }

    fn seeds(replicas: &Replicas) -> Vec<u64> {
        (0..1_000).map(|session| replicas.of(&format!("{session:x}")).seed).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn sessions_spread_evenly_and_stay_where_they_are() {
        let replicas = replicas(4);
        let before = seeds(&replicas);
        let mut counts: HashMap<u64, usize> = HashMap::new();
        for seed in &before {
            *counts.entry(*seed).or_default() += 1;
        }
        assert!(counts.len() == 4 && counts.values().all(|&count| (190..310).contains(&count)), "{counts:?}");
        assert_eq!(before, seeds(&replicas));

        // One goes down: its sessions spread over all others, which keep their own.
        let down = &replicas.0[2];
        down.note(Some(&CallErrorKind::Unreachable));
        let meanwhile = seeds(&replicas);
        assert!(
            before.iter().zip(&meanwhile).all(|(then, now)| now != &down.seed && (then == now || *then == down.seed))
        );
        let moved: Vec<u64> =
            before.iter().zip(&meanwhile).filter(|(then, now)| then != now).map(|(_, now)| *now).collect();
        assert!(replicas.0.iter().all(|other| other.seed == down.seed || moved.contains(&other.seed)));

        // It is back.
        tokio::time::advance(FIRST_REST).await;
        down.note(None);
        assert_eq!(before, seeds(&replicas));
    }

    #[tokio::test(start_paused = true)]
    async fn one_call_tries_an_address_that_was_down_and_it_rests_longer_each_time() {
        let replicas = replicas(2);
        let down = &replicas.0[0];
        for expected in [1, 2, 4, 8, 16, 30, 30] {
            (0..9).for_each(|_| down.note(Some(&CallErrorKind::TimedOut)));
            assert!(!down.is_up());
            tokio::time::advance(Duration::from_millis(expected * 1_000 - 1)).await;
            assert!(!down.is_up(), "{expected} s have not passed");
            tokio::time::advance(Duration::from_millis(1)).await;
            assert!(down.is_up() && !down.is_up(), "one call is enough");
        }
        down.note(None);
        assert!(down.is_up() && down.is_up());
    }

    #[tokio::test(start_paused = true)]
    async fn if_all_are_down_the_first_is_asked() {
        let replicas = replicas(2);
        let first = replicas.of("session").seed;
        replicas.0.iter().for_each(|replica| replica.note(Some(&CallErrorKind::ServerFault)));
        assert_eq!(replicas.of("session").seed, first);
        replicas.0[0].note(Some(&CallErrorKind::RateLimited));
        replicas.0[0].note(None);
        assert_eq!(replicas.of("session").seed, replicas.0[0].seed);
    }
}
