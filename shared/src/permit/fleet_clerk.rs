//! Asks a quota in the store for a worker's calls, and tells it what came of them.

use std::sync::{Arc, Weak};
use std::time::Duration;

use governor::clock::{Clock as _, DefaultClock};
use governor::{Quota, RateLimiter};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, sleep_until};

use super::CircuitPauses;
use super::desk_book::Question;
use super::endpoint_state::EndpointState;
use super::quota::{Answer, Ask, Quota as DeskQuota};
use super::stored_quota::{Found, StoredQuota, random};
use super::waiting::RunWants;
use crate::redis_connection::RedisConnectionError;

/// How long to wait before the store is asked again that refuses this process.
const REFUSED_PAUSE: Duration = Duration::from_secs(1);

/// Grants of calls that wait for a limit go out within this time.
const SPREAD: Duration = Duration::from_millis(100);

/// Grants that arrive later than this after they were decided are not used: the minute in which they count may be over
/// sooner at the quota than at the provider.
const USE_BY: Duration = Duration::from_millis(250);

/// Asks for the calls of one endpoint and model.
#[derive(Debug)]
pub(super) struct FleetClerk {
    pub(super) stored: StoredQuota,
    pub(super) pauses: CircuitPauses,
    /// This process, by a random number.
    pub(super) worker: u64,
}

impl FleetClerk {
    /// Asks whenever there is something to ask or to tell, until the state is gone.
    pub(super) async fn work(self, state: Weak<EndpointState>, wake: Arc<Notify>) {
        loop {
            let Some(next) = state.upgrade().map(|state| state.book().next_ask()) else { return };
            match next {
                None => wake.notified().await,
                Some(at) if at > Instant::now() => {
                    tokio::select! {
                        () = wake.notified() => {}
                        () = sleep_until(at) => {}
                    }
                }
                Some(_) => {
                    let Some(state) = state.upgrade() else { return };
                    self.ask_once(&state).await;
                }
            }
        }
    }

    async fn ask_once(&self, state: &Arc<EndpointState>) {
        let question = state.book().question();
        match self.exchange(&question).await {
            Ok((answer, decided_at)) => {
                let turns = state.book().answered(&question, &answer, decided_at.elapsed() <= USE_BY);
                let spread = if answer.waits_for.is_some() { SPREAD } else { Duration::ZERO };
                tell_evenly(turns, spread, |turn| state.tell(turn)).await;
            }
            Err(error) => {
                tracing::warn!(%error, "the store refuses to say which calls may go; asking again");
                sleep(REFUSED_PAUSE).await;
            }
        }
    }

    /// Decides at the quota in the store, again and again until nobody else has decided meanwhile.
    async fn exchange(&self, question: &Question) -> Result<(Answer, Instant), RedisConnectionError> {
        let mut found = self.stored.read().await?;
        loop {
            let decided_at = Instant::now();
            let (quota, answer) = self.decide(question, &mut found);
            match self.stored.write(&found, &quota).await? {
                None => return Ok((answer, decided_at)),
                Some(other) => found = other,
            }
        }
    }

    fn decide(&self, question: &Question, found: &mut Found) -> (DeskQuota, Answer) {
        let quota = found.quota.take().unwrap_or_else(|| DeskQuota::reopened(random(), found.now));
        let mut quota = quota.with_pauses(self.pauses);
        let wants: Vec<_> = question.wants.iter().map(RunWants::want).collect();
        let jumped_ms =
            if question.generation == Some(quota.generation()) { question.jumped(quota.time_at(found.now)) } else { 0 };
        let ask = Ask {
            worker: self.worker,
            generation: question.generation,
            jumped_ms,
            configured: question.configured,
            wants: &wants,
            settlements: &question.settlements,
            in_flight: question.in_flight,
            capacity: question.capacity,
            sent: &question.sent,
            sent_at: question.sent_at,
        };
        let answer = quota.take(found.now, &ask);
        (quota, answer)
    }
}

/// Tells calls of their turns, evenly over a time, so that a provider that counts by the second sees no bursts.
async fn tell_evenly<T>(turns: Vec<T>, spread: Duration, tell: impl Fn(T)) {
    let count = u32::try_from(turns.len()).unwrap_or(u32::MAX).max(1);
    let pace = Quota::with_period(spread / count).map(RateLimiter::direct);
    for turn in turns {
        if let Some(Err(early)) = pace.as_ref().map(RateLimiter::check) {
            sleep(early.wait_time_from(DefaultClock::default().now())).await;
        }
        tell(turn);
    }
}
