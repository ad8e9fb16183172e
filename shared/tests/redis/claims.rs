//! Claims to cells: one of many gets it, whoever comes for a reason gets it at once, and a finished cell nobody gets.

use valuesim_shared::store::{Claim, Ground, Holder, Store as _};
use valuesim_test_servers::shared_redis;

use crate::support::{cell, command, keys, plain, run, store};

fn holder(name: &str) -> Holder {
    Holder(name.to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_many_gets_a_cell_and_the_next_when_it_is_released() {
    let database = shared_redis().await;
    let store = store(&database.url).await;
    let claims = (0..20).map(|number| {
        let store = store.clone();
        tokio::spawn(async move {
            let holder = Holder(number.to_string());
            let claim = store.claim(&run("r"), cell(1), &holder, Ground::FirstDelivery).await.expect("asks");
            (claim, holder)
        })
    });
    let mut granted = Vec::new();
    for claim in claims.collect::<Vec<_>>() {
        let (claim, holder) = claim.await.expect("does not panic");
        match claim {
            Claim::Granted => granted.push(holder),
            other => assert_eq!(other, Claim::Held),
        }
    }
    let [first] = granted.as_slice() else { panic!("granted to {granted:?}") };
    let claim = async |who: &Holder| store.claim(&run("r"), cell(1), who, Ground::FirstDelivery).await.expect("asks");
    assert_eq!(claim(first).await, Claim::Granted, "to ask again changes nothing");
    store.release(&run("r"), cell(1), &holder("somebody else")).await.expect("asks");
    assert_eq!(claim(&holder("next")).await, Claim::Held);
    store.release(&run("r"), cell(1), first).await.expect("asks");
    assert_eq!(claim(&holder("next")).await, Claim::Granted);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_takes_over_gets_the_cell_and_the_former_holder_hears_of_it() {
    let database = shared_redis().await;
    let store = store(&database.url).await;
    let (r, old, new) = (run("r"), holder("old"), holder("new"));
    assert_eq!(store.claim(&r, cell(1), &old, Ground::FirstDelivery).await.expect("asks"), Claim::Granted);
    assert!(store.renew(&r, cell(1), &old).await.expect("asks"));
    assert_eq!(store.claim(&r, cell(1), &new, Ground::TakeOver).await.expect("asks"), Claim::Granted);
    assert!(!store.renew(&r, cell(1), &old).await.expect("asks"));
    assert!(store.renew(&r, cell(1), &new).await.expect("asks"));
    let mut plain = plain(&database.url).await;
    command(&mut plain, "FLUSHDB").await;
    assert!(store.renew(&r, cell(1), &new).await.expect("asks"), "a claim that the server lost is made anew");
    assert_eq!(store.claim(&r, cell(1), &old, Ground::FirstDelivery).await.expect("asks"), Claim::Held);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_finished_cell_is_nobodys() {
    let database = shared_redis().await;
    let store = store(&database.url).await;
    let (r, who) = (run("r"), holder("who"));
    assert_eq!(store.claim(&r, cell(9), &who, Ground::FirstDelivery).await.expect("asks"), Claim::Granted);
    store.forget(&r, cell(9)).await.expect("writes");
    for ground in [Ground::FirstDelivery, Ground::TakeOver] {
        assert_eq!(store.claim(&r, cell(9), &who, ground).await.expect("asks"), Claim::Finished);
        assert_eq!(store.claim(&run("other"), cell(9), &who, ground).await.expect("asks"), Claim::Granted);
    }
    assert_eq!(store.claim(&r, cell(8), &who, Ground::FirstDelivery).await.expect("asks"), Claim::Granted);
    // Nothing is left of a finished cell but its bit, which expires.
    let mut plain = plain(&database.url).await;
    assert_eq!(keys(&mut plain, "valuesim:{r/0/9/1}:*").await, Vec::<String>::new());
    let left: i64 = redis::cmd("TTL").arg("valuesim:{r/0/1}:finished").query_async(&mut plain).await.expect("reads");
    assert!(left > 0, "{left}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_counts_as_finished_is_what_the_ledger_has() {
    let database = shared_redis().await;
    let store = store(&database.url).await;
    let (r, who) = (run("r"), holder("who"));
    // Finished in a ledger that was lost, as far as a bit beyond those of the next.
    for row in [1, 8, 9, 70_000] {
        store.forget(&r, cell(row)).await.expect("writes");
    }
    let lanes = || [cell(1)].into_iter();
    store.put_finished(&r, lanes(), [2, 8, 97_220].map(cell).into_iter()).await.expect("writes");
    for row in 1..20 {
        let expected = if [2, 8].contains(&row) { Claim::Finished } else { Claim::Granted };
        let claim = store.claim(&r, cell(row), &who, Ground::FirstDelivery).await.expect("asks");
        assert_eq!(claim, expected, "row {row}");
    }
    for (row, expected) in [(70_000, Claim::Granted), (97_220, Claim::Finished), (97_221, Claim::Granted)] {
        let claim = store.claim(&r, cell(row), &who, Ground::FirstDelivery).await.expect("asks");
        assert_eq!(claim, expected, "row {row}");
    }
    store.put_finished(&r, lanes(), std::iter::empty()).await.expect("writes");
    assert_eq!(store.claim(&r, cell(2), &who, Ground::FirstDelivery).await.expect("asks"), Claim::Granted);
}
