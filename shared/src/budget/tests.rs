//! The laws of a budget, in one process.

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
    assert_eq!(budget.used(), Some((NanoUsd(100), NanoUsd(90), NanoUsd(0))));
    assert_eq!(budget.reserve(0, NanoUsd(20)).await.err(), Some(OutOfBudget));
    assert!(budget.is_exhausted());
    budget.exhausted().await;
}

#[tokio::test]
async fn a_purse_of_a_model_is_a_wall_for_this_model_alone() {
    let budget = budget(100);
    budget.reserve(1, NanoUsd(50)).await.expect("is free").settle(NanoUsd(50));
    let waiting = budget.reserve(1, NanoUsd(1));
    let others = async {
        tokio::task::yield_now().await;
        assert!(!budget.is_exhausted(), "others may go on");
        assert_eq!(budget.walled(), Some(BTreeSet::from([1])));
        let money = budget.reserve(0, NanoUsd(50)).await.expect("is free");
        assert_eq!(budget.walled(), None, "a call is in flight");
        money.settle(NanoUsd(1));
        assert_eq!(budget.walled(), Some(BTreeSet::from([1])));
        budget.exhaust();
    };
    let (waited, ()) = tokio::join!(waiting, others);
    assert_eq!(waited.err(), Some(OutOfBudget));
    budget.exhausted().await;
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
    assert_eq!(budget.used(), Some((NanoUsd(150), NanoUsd(150), NanoUsd(0))));
}

#[tokio::test]
async fn a_call_that_was_dropped_counts_as_the_most_that_it_can_cost() {
    let budget = budget(100);
    drop(budget.reserve(0, NanoUsd(40)).await.expect("is free"));
    assert_eq!(budget.used(), Some((NanoUsd(100), NanoUsd(40), NanoUsd(0))));
}

#[tokio::test]
async fn a_reply_that_costs_more_than_it_could_widens_the_bound_of_all_others() {
    let budget = budget(100);
    budget.reserve(0, NanoUsd(10)).await.expect("is free").settle(NanoUsd(20));
    let next = budget.reserve(0, NanoUsd(30)).await.expect("is free");
    assert!(next.reserved.amount >= NanoUsd(60), "{next:?}");
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
            let watching = async {
                while budget.walled().is_none() {
                    tokio::task::yield_now().await;
                }
                budget.exhaust();
                std::future::pending::<u64>().await
            };
            tokio::select! {
                spent = set.join_all() => spent.into_iter().sum::<u64>(),
                spent = watching => spent,
            }
        });
        prop_assert!(spent <= limit, "{} of {}", spent, limit);
        prop_assert_eq!(budget.used(), Some((NanoUsd(limit), NanoUsd(spent), NanoUsd(0))));
    }
}
