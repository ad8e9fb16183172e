//! What holds however calls come, are settled and given up.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use proptest::prelude::*;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use valuesim_shared::permit::{Limits, Permit as _, PermitDesk, PermitOffice};

use crate::support::{ANSWERED, MINUTE, granted, in_flight, is_free, open, request};

/// Calls that come after such gaps, with so many tokens; each lasts a while. Says when each was granted.
async fn grants<O: PermitOffice>(office: O, limits: Limits, calls: Vec<(u64, u64)>) -> Vec<(Instant, u64)> {
    let (desk, mut all) = (open(&office, limits), JoinSet::new());
    for (gap, tokens) in calls {
        sleep(Duration::from_millis(gap)).await;
        let desk = desk.clone();
        all.spawn(async move {
            let permit = desk.acquire(request(tokens)).await.expect("nothing is kept back");
            let at = Instant::now();
            sleep(Duration::from_millis(tokens)).await;
            drop(permit);
            (at, tokens)
        });
    }
    let mut grants = all.join_all().await;
    grants.sort_unstable();
    grants
}

/// The most that any minute holds.
fn most_in_a_minute(grants: &[(Instant, u64)], amount: impl Fn(u64) -> u64) -> u64 {
    let from = |start: usize| {
        let end = grants[start].0 + MINUTE;
        grants[start..].iter().take_while(|(at, _)| *at < end).map(|(_, tokens)| amount(*tokens)).sum::<u64>()
    };
    (0..grants.len()).map(from).max().unwrap_or(0)
}

/// However the calls come, no sliding minute holds more than the limit, of requests or of tokens.
pub(crate) fn no_minute_holds_more_than_the_limit<O: PermitOffice>(new: fn() -> O) {
    let calls = prop::collection::vec((0_u64..1_500, 1_u64..400), 1..120);
    let config = ProptestConfig { cases: 48, ..ProptestConfig::default() };
    // No call is larger than what may go out at once.
    let limits =
        prop_oneof![(1_u32..200).prop_map(|n| (Some(n), None)), (4_000_u32..20_000).prop_map(|n| (None, Some(n)))];
    proptest!(config, |((requests_per_minute, tokens_per_minute) in limits, in_flight in 1_u32..40, calls in calls)| {
        let limits =
            Limits { calls_in_flight: in_flight, requests_per_minute, tokens_per_minute, ..Limits::default() };
        let granted = paused().block_on(async { grants(new(), limits, calls).await });
        let requests = most_in_a_minute(&granted, |_| 1);
        prop_assert!(requests_per_minute.is_none_or(|limit| requests <= limit.into()), "{requests}, {limits:?}");
        let tokens = most_in_a_minute(&granted, |tokens| tokens);
        prop_assert!(tokens_per_minute.is_none_or(|limit| tokens <= limit.into()), "{tokens}, {limits:?}");
    });
}

/// However calls are made, settled and given up, no more than may be are in flight, and all can be in the end.
pub(crate) fn permits_are_neither_lost_nor_made<O: PermitOffice>(new: fn() -> O) {
    let calls = prop::collection::vec((0_u64..20, 0_u64..40, any::<bool>()), 1..200);
    let config = ProptestConfig { cases: 48, ..ProptestConfig::default() };
    proptest!(config, |(limit in 1_u32..8, calls in calls)| {
        paused().block_on(async {
            let office = new();
            let (desk, mut all) = (open(&office, in_flight(limit)), JoinSet::new());
            let now = Arc::new(AtomicU32::new(0));
            for (gap, patience, settles) in calls {
                sleep(Duration::from_millis(gap)).await;
                let (desk, now) = (desk.clone(), Arc::clone(&now));
                all.spawn(async move {
                    let Ok(acquired) = timeout(Duration::from_millis(patience), desk.acquire(request(1))).await else { return 0 };
                    let mut permit = acquired.expect("nothing is kept back");
                    let most = now.fetch_add(1, Ordering::Relaxed) + 1;
                    sleep(Duration::from_millis(patience)).await;
                    if settles {
                        permit.settle(ANSWERED);
                    }
                    now.fetch_sub(1, Ordering::Relaxed);
                    drop(permit);
                    most
                });
            }
            let most = all.join_all().await.into_iter().max().unwrap_or(0);
            assert!(most <= limit, "{most} in flight, limit {limit}");
            let mut permits = Vec::new();
            for _ in 0..limit {
                permits.push(granted(&desk).await);
            }
            assert!(!is_free(&desk));
        });
    });
}

/// A runtime on which time passes when all wait.
fn paused() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().expect("starts")
}
