//! A run's budget in one process: each call reserves the most that it can cost before it is sent, so that the budget is
//! never passed.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::money::NanoUsd;

/// The shares of a budget whose use is told, in percent.
const TOLD_PERCENT: [u64; 3] = [50, 80, 95];

/// Which part of a run a purse pays for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PurseLimit {
    /// What the purse is for, as messages name it: `the run`, `model "m"`.
    pub name: String,
    /// The most that may be spent from it.
    pub limit: NanoUsd,
    /// What was spent before.
    pub spent: NanoUsd,
    /// The models that it pays for, by their place in the experiment.
    pub models: Vec<usize>,
}

/// The purses of a run. All clones are the same.
#[derive(Debug, Clone)]
pub struct Budget {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    /// Money came back, or the budget was raised.
    changed: Notify,
    /// A call cannot be paid for, and no money will come back.
    exhausted: Notify,
    tell: fn(&str),
}

#[derive(Debug)]
struct State {
    purses: Vec<Purse>,
    /// How many calls are paid for in advance.
    reserved_calls: u64,
    /// What waiting calls need, with the number of those that need it.
    waiting: BTreeMap<(NanoUsd, usize), u64>,
    is_exhausted: bool,
    /// By how much a reply exceeded what it could cost at most, in thousandths of that.
    widened_permille: u64,
}

#[derive(Debug)]
struct Purse {
    name: String,
    limit: NanoUsd,
    spent: NanoUsd,
    reserved: NanoUsd,
    models: Vec<usize>,
    told_percent: u64,
}

/// The budget does not pay for the call, and nothing that could pay for it is still reserved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutOfBudget;

/// Money reserved for one call. If it is dropped without being settled, all of it counts as spent.
#[derive(Debug)]
pub struct Reservation {
    budget: Budget,
    model: usize,
    amount: NanoUsd,
    is_settled: bool,
}

impl Purse {
    fn free(&self) -> NanoUsd {
        self.limit - self.spent - self.reserved
    }
}

impl State {
    fn can_pay(&self, amount: NanoUsd, model: usize) -> bool {
        self.of(model).all(|purse| purse.free() >= amount)
    }

    fn of(&self, model: usize) -> impl Iterator<Item = &Purse> {
        self.purses.iter().filter(move |purse| purse.models.contains(&model))
    }

    /// Whether no waiting call can be paid for, now or when calls in flight end.
    fn is_at_the_wall(&self) -> bool {
        let can_pay = |&(amount, model): &(NanoUsd, usize)| self.can_pay(amount, model);
        self.reserved_calls == 0 && !self.waiting.is_empty() && !self.waiting.keys().any(can_pay)
    }
}

impl Budget {
    /// A budget of these purses. `tell` is called when much of one is used.
    pub fn new(limits: Vec<PurseLimit>, tell: fn(&str)) -> Self {
        let purse = |PurseLimit { name, limit, spent, models }| {
            let told_percent = told(spent, limit).unwrap_or(0);
            Purse { name, limit, spent, reserved: NanoUsd(0), models, told_percent }
        };
        let purses = limits.into_iter().map(purse).collect();
        let state =
            State { purses, reserved_calls: 0, waiting: BTreeMap::new(), is_exhausted: false, widened_permille: 1000 };
        let (changed, exhausted) = (Notify::new(), Notify::new());
        Self { shared: Arc::new(Shared { state: Mutex::new(state), changed, exhausted, tell }) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reserves money for a call to a model that costs at most `amount`. Waits while calls in flight may give some back.
    pub async fn reserve(&self, model: usize, amount: NanoUsd) -> Result<Reservation, OutOfBudget> {
        let waiting = Waiting { budget: self, need: None };
        self.reserve_waiting(waiting, model, amount).await
    }

    async fn reserve_waiting(
        &self,
        mut waiting: Waiting<'_>,
        model: usize,
        amount: NanoUsd,
    ) -> Result<Reservation, OutOfBudget> {
        loop {
            // Before the state is read, so that no change is missed.
            let mut changed = std::pin::pin!(self.shared.changed.notified());
            changed.as_mut().enable();
            {
                let mut state = self.state();
                let need = NanoUsd(
                    u64::try_from(u128::from(amount.0) * u128::from(state.widened_permille) / 1000).unwrap_or(u64::MAX),
                );
                if state.can_pay(need, model) {
                    state.reserved_calls += 1;
                    for purse in state.purses.iter_mut().filter(|purse| purse.models.contains(&model)) {
                        purse.reserved += need;
                    }
                    return Ok(Reservation { budget: self.clone(), model, amount: need, is_settled: false });
                }
                waiting.note(&mut state, (need, model));
                if state.is_at_the_wall() {
                    state.is_exhausted = true;
                }
                if state.is_exhausted {
                    self.shared.changed.notify_waiters();
                    self.shared.exhausted.notify_waiters();
                    return Err(OutOfBudget);
                }
            }
            changed.await;
        }
    }

    /// Waits until a call cannot be paid for and nothing comes back.
    pub async fn exhausted(&self) {
        loop {
            let mut exhausted = std::pin::pin!(self.shared.exhausted.notified());
            exhausted.as_mut().enable();
            if self.is_exhausted() {
                return;
            }
            exhausted.await;
        }
    }

    /// Whether a call could not be paid for.
    pub fn is_exhausted(&self) -> bool {
        self.state().is_exhausted
    }

    /// Sets the limit of the first purse, which is the run's. A limit below what is spent stops the run.
    pub fn set_limit(&self, limit: NanoUsd) {
        let mut state = self.state();
        if let Some(purse) = state.purses.first_mut().filter(|purse| purse.limit != limit) {
            purse.limit = limit;
            purse.told_percent = told(purse.spent, limit).unwrap_or(0);
        }
        drop(state);
        self.shared.changed.notify_waiters();
    }

    /// The first purse's limit, and what was spent from it.
    pub fn used(&self) -> Option<(NanoUsd, NanoUsd)> {
        self.state().purses.first().map(|purse| (purse.limit, purse.spent))
    }

    fn end(&self, reservation: &Reservation, actual: NanoUsd) {
        let mut state = self.state();
        state.reserved_calls = state.reserved_calls.saturating_sub(1);
        if actual > reservation.amount && reservation.amount.0 > 0 {
            // Models that reason may exceed the limit of their output: whatever comes next is expected to do so, too.
            let over = u128::from(actual.0) * u128::from(state.widened_permille) / u128::from(reservation.amount.0) + 1;
            state.widened_permille = state.widened_permille.max(u64::try_from(over).unwrap_or(u64::MAX));
        }
        let mut news = Vec::new();
        for purse in state.purses.iter_mut().filter(|purse| purse.models.contains(&reservation.model)) {
            purse.reserved = purse.reserved - reservation.amount;
            purse.spent += actual;
            if let Some(percent) = told(purse.spent, purse.limit).filter(|percent| *percent > purse.told_percent) {
                purse.told_percent = percent;
                news.push(format!("warning: {percent} % of the budget of {} for {} are used", purse.limit, purse.name));
            }
        }
        drop(state);
        for text in &news {
            (self.shared.tell)(text);
        }
        self.shared.changed.notify_waiters();
    }
}

/// The highest of the told shares that is used.
fn told(spent: NanoUsd, limit: NanoUsd) -> Option<u64> {
    let is_used = |percent: &u64| u128::from(spent.0) * 100 >= u128::from(limit.0) * u128::from(*percent);
    TOLD_PERCENT.into_iter().rfind(is_used)
}

impl Reservation {
    /// Ends the reservation: `actual` was spent, and the rest is free again.
    pub fn settle(mut self, actual: NanoUsd) {
        self.is_settled = true;
        let budget = self.budget.clone();
        budget.end(&self, actual);
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if !self.is_settled {
            self.is_settled = true;
            let budget = self.budget.clone();
            budget.end(self, self.amount);
        }
    }
}

/// A call that waits for money; dropping it ends the wait.
struct Waiting<'a> {
    budget: &'a Budget,
    need: Option<(NanoUsd, usize)>,
}

impl Waiting<'_> {
    fn note(&mut self, state: &mut State, need: (NanoUsd, usize)) {
        if self.need == Some(need) {
            return;
        }
        self.forget(state);
        *state.waiting.entry(need).or_insert(0) += 1;
        self.need = Some(need);
    }

    fn forget(&mut self, state: &mut State) {
        let Some(need) = self.need.take() else { return };
        if let Some(count) = state.waiting.get_mut(&need) {
            *count -= 1;
            if *count == 0 {
                state.waiting.remove(&need);
            }
        }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut state = self.budget.state();
        self.forget(&mut state);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn budget(limit: u64) -> Budget {
        let purse = |name: &str, limit, models: &[usize]| PurseLimit {
            name: name.to_owned(),
            limit: NanoUsd(limit),
            spent: NanoUsd(0),
            models: models.to_vec(),
        };
        Budget::new(vec![purse("the run", limit, &[0, 1]), purse("model \"b\"", limit / 2, &[1])], |_| {})
    }

    #[tokio::test]
    async fn what_is_reserved_is_not_free_and_what_was_not_used_is_again() {
        let budget = budget(100);
        let first = budget.reserve(0, NanoUsd(70)).await.expect("is free");
        let second = budget.reserve(0, NanoUsd(70));
        let (settled, second) = tokio::join!(async { first.settle(NanoUsd(20)) }, second);
        let () = settled;
        second.expect("80 are free again").settle(NanoUsd(70));
        assert_eq!(budget.used(), Some((NanoUsd(100), NanoUsd(90))));
        assert_eq!(budget.reserve(0, NanoUsd(20)).await.err(), Some(OutOfBudget));
        assert!(budget.is_exhausted());
        budget.exhausted().await;
    }

    #[tokio::test]
    async fn a_purse_of_a_model_is_a_wall_for_this_model_alone() {
        let budget = budget(100);
        budget.reserve(1, NanoUsd(50)).await.expect("is free").settle(NanoUsd(50));
        budget.reserve(0, NanoUsd(50)).await.expect("is free").settle(NanoUsd(1));
        assert_eq!(budget.reserve(1, NanoUsd(1)).await.err(), Some(OutOfBudget));
    }

    #[tokio::test]
    async fn a_raised_budget_lets_waiting_calls_go_on() {
        let budget = budget(100);
        let first = budget.reserve(0, NanoUsd(100)).await.expect("is free");
        let waiting = budget.reserve(0, NanoUsd(50));
        let raise = async { budget.set_limit(NanoUsd(150)) };
        let (second, ()) = tokio::join!(waiting, raise);
        second.expect("50 more").settle(NanoUsd(50));
        first.settle(NanoUsd(100));
        assert_eq!(budget.used(), Some((NanoUsd(150), NanoUsd(150))));
    }

    #[tokio::test]
    async fn a_call_that_was_dropped_counts_as_the_most_that_it_can_cost() {
        let budget = budget(100);
        drop(budget.reserve(0, NanoUsd(40)).await.expect("is free"));
        assert_eq!(budget.used(), Some((NanoUsd(100), NanoUsd(40))));
    }

    #[tokio::test]
    async fn a_reply_that_costs_more_than_it_could_widens_the_bound_of_all_others() {
        let budget = budget(100);
        budget.reserve(0, NanoUsd(10)).await.expect("is free").settle(NanoUsd(20));
        let next = budget.reserve(0, NanoUsd(30)).await.expect("is free");
        assert!(next.amount >= NanoUsd(60), "{next:?}");
    }

    proptest! {
        #[test]
        fn whatever_calls_cost_within_their_bounds_the_budget_is_never_passed(
            limit in 1_u64..10_000,
            calls in prop::collection::vec((0_usize..2, 0_u64..400, 0_u64..=100), 1..60),
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().expect("starts");
            let budget = budget(limit);
            let spent = runtime.block_on(async {
                let one = |(model, most, percent): (usize, u64, u64)| {
                    let budget = budget.clone();
                    async move {
                        let Ok(reservation) = budget.reserve(model, NanoUsd(most)).await else { return 0 };
                        tokio::task::yield_now().await;
                        let actual = most * percent / 100;
                        reservation.settle(NanoUsd(actual));
                        actual
                    }
                };
                let set: tokio::task::JoinSet<u64> = calls.into_iter().map(one).collect();
                set.join_all().await.into_iter().sum::<u64>()
            });
            prop_assert!(spent <= limit, "{} of {}", spent, limit);
            prop_assert_eq!(budget.used(), Some((NanoUsd(limit), NanoUsd(spent))));
        }
    }
}
