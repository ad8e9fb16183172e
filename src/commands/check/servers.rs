//! Connects to the servers of a fleet, as an operator does.

use super::finding::{Finding, Grade, Group};
use crate::servers::{Addresses, hang_up};

/// What was found about the broker and the store.
pub(super) async fn check(addresses: &Addresses) -> [Group; 2] {
    let (broker, store) = tokio::join!(broker(addresses), store(addresses));
    [broker, store]
}

async fn broker(addresses: &Addresses) -> Group {
    let findings = match addresses.broker.reach().await {
        Ok(queue) => {
            let problem = queue.state().problem();
            hang_up(&queue).await;
            vec![match problem {
                None => Finding::good("reachable", "it lets this user in"),
                Some(problem) => Finding::new(Grade::Bad, "reachable", problem, "see its log"),
            }]
        }
        Err(error) => vec![unreachable(&error)],
    };
    Group { about: "broker".to_owned(), findings }
}

async fn store(addresses: &Addresses) -> Group {
    let findings = match addresses.store.reach().await {
        Ok((store, _)) => {
            let warnings = store.connection().warnings().iter();
            let warnings =
                warnings.map(|warning| Finding::note("settings", warning.clone(), "a run goes on all the same"));
            std::iter::once(Finding::good("reachable", "it lets this user in")).chain(warnings).collect()
        }
        Err(error) => vec![unreachable(&error)],
    };
    Group { about: "store".to_owned(), findings }
}

fn unreachable(error: &anyhow::Error) -> Finding {
    Finding::new(Grade::Unknown, "reachable", format!("{error:#}"), "a fleet needs it")
}
