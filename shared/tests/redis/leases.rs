//! Leases of cells: one of many attempts gets it, one that takes over gets it at once, and nobody gets a finished cell.

use valuesim_shared::store::{Lease, LeaseReason, Owner, Store as _};
use valuesim_test_servers::shared_redis;

use crate::support::{cell, command, keys, plain, run, store};

fn owner(name: &str) -> Owner {
    Owner(name.to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_many_gets_a_cell_and_the_next_when_it_is_released() {
    let database = shared_redis().await;
    let store = store(&database.url).await;
    let leases = (0..20).map(|number| {
        let store = store.clone();
        tokio::spawn(async move {
            let owner = Owner(number.to_string());
            let lease =
                store.acquire_lease(&run("r"), cell(1), &owner, LeaseReason::FirstDelivery).await.expect("asks");
            (lease, owner)
        })
    });
    let mut granted = Vec::new();
    for lease in leases.collect::<Vec<_>>() {
        let (lease, owner) = lease.await.expect("does not panic");
        match lease {
            Lease::Granted => granted.push(owner),
            other => assert_eq!(other, Lease::HeldByAnother),
        }
    }
    let [first] = granted.as_slice() else { panic!("granted to {granted:?}") };
    let lease = async |who: &Owner| {
        store.acquire_lease(&run("r"), cell(1), who, LeaseReason::FirstDelivery).await.expect("asks")
    };
    assert_eq!(lease(first).await, Lease::Granted, "to ask again changes nothing");
    store.release_lease(&run("r"), cell(1), &owner("somebody else")).await.expect("asks");
    assert_eq!(lease(&owner("next")).await, Lease::HeldByAnother);
    store.release_lease(&run("r"), cell(1), first).await.expect("asks");
    assert_eq!(lease(&owner("next")).await, Lease::Granted);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_takes_over_gets_the_cell_and_the_former_holder_hears_of_it() {
    let database = shared_redis().await;
    let store = store(&database.url).await;
    let (r, old, new) = (run("r"), owner("old"), owner("new"));
    assert_eq!(store.acquire_lease(&r, cell(1), &old, LeaseReason::FirstDelivery).await.expect("asks"), Lease::Granted);
    assert!(store.renew_lease(&r, cell(1), &old).await.expect("asks"));
    assert_eq!(store.acquire_lease(&r, cell(1), &new, LeaseReason::TakeOver).await.expect("asks"), Lease::Granted);
    assert!(!store.renew_lease(&r, cell(1), &old).await.expect("asks"));
    assert!(store.renew_lease(&r, cell(1), &new).await.expect("asks"));
    let mut plain = plain(&database.url).await;
    command(&mut plain, "FLUSHDB").await;
    assert!(store.renew_lease(&r, cell(1), &new).await.expect("asks"), "a lease that the server lost is granted again");
    assert_eq!(
        store.acquire_lease(&r, cell(1), &old, LeaseReason::FirstDelivery).await.expect("asks"),
        Lease::HeldByAnother
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_finished_cell_is_nobodys() {
    let database = shared_redis().await;
    let store = store(&database.url).await;
    let (r, who) = (run("r"), owner("who"));
    assert_eq!(store.acquire_lease(&r, cell(9), &who, LeaseReason::FirstDelivery).await.expect("asks"), Lease::Granted);
    store.forget(&r, cell(9)).await.expect("writes");
    for reason in [LeaseReason::FirstDelivery, LeaseReason::TakeOver] {
        assert_eq!(store.acquire_lease(&r, cell(9), &who, reason).await.expect("asks"), Lease::Finished);
        assert_eq!(store.acquire_lease(&run("other"), cell(9), &who, reason).await.expect("asks"), Lease::Granted);
    }
    assert_eq!(store.acquire_lease(&r, cell(8), &who, LeaseReason::FirstDelivery).await.expect("asks"), Lease::Granted);
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
    let (r, who) = (run("r"), owner("who"));
    // Finished in a ledger that was lost, as far as a bit beyond those of the next.
    for row in [1, 8, 9, 70_000] {
        store.forget(&r, cell(row)).await.expect("writes");
    }
    let first_of_each = || [cell(1)].into_iter();
    store.put_finished(&r, first_of_each(), [2, 8, 97_220].map(cell).into_iter()).await.expect("writes");
    for row in 1..20 {
        let expected = if [2, 8].contains(&row) { Lease::Finished } else { Lease::Granted };
        let lease = store.acquire_lease(&r, cell(row), &who, LeaseReason::FirstDelivery).await.expect("asks");
        assert_eq!(lease, expected, "row {row}");
    }
    for (row, expected) in [(70_000, Lease::Granted), (97_220, Lease::Finished), (97_221, Lease::Granted)] {
        let lease = store.acquire_lease(&r, cell(row), &who, LeaseReason::FirstDelivery).await.expect("asks");
        assert_eq!(lease, expected, "row {row}");
    }
    store.put_finished(&r, first_of_each(), std::iter::empty()).await.expect("writes");
    assert_eq!(store.acquire_lease(&r, cell(2), &who, LeaseReason::FirstDelivery).await.expect("asks"), Lease::Granted);
}
