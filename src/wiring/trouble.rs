//! What is wrong with a fleet's servers, as one of its processes sees it.

use valuesim_shared::control::UnixMillis;
use valuesim_shared::link::LinkState;
use valuesim_shared::queue::BrokerState;

use crate::servers::Servers;

/// The last trouble with the servers. Kept when it is over: while the store is away nobody can be told.
#[derive(Debug, Default)]
pub(super) struct ServerTrouble(Option<(UnixMillis, String)>);

impl ServerTrouble {
    /// Looks again; returns what was wrong last, and when that was.
    pub(super) fn look(&mut self, servers: &Servers) -> Option<(UnixMillis, String)> {
        if let Some(text) = said(&servers.queue.state(), &servers.link.state()) {
            self.0 = Some((UnixMillis::now(), text));
        }
        self.0.clone()
    }
}

/// What is wrong now, if anything is. Without how long it has lasted, so that all who see it say the same.
fn said(broker: &BrokerState, store: &LinkState) -> Option<String> {
    let broker = match broker {
        BrokerState::Connected => None,
        BrokerState::Blocked { reason } => Some(format!("the broker takes no messages: {reason}")),
        BrokerState::Reconnecting { reason, .. } => Some(format!("the broker cannot be reached: {reason}")),
    };
    let store = match store {
        LinkState::Connected => None,
        LinkState::Unreachable { reason, .. } => Some(format!("the store cannot be reached: {reason}")),
        LinkState::Refusing { reason, .. } => Some(format!("the store does not do what it is told: {reason}")),
    };
    let said: Vec<String> = broker.into_iter().chain(store).collect();
    (!said.is_empty()).then(|| said.join("; "))
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use tokio::time::Instant;

    use super::*;

    #[test]
    fn what_is_wrong_with_the_servers_is_said_and_nothing_else() {
        let check = |broker: &BrokerState, store: &LinkState, expected: Option<&str>| {
            assert_eq!(said(broker, store).as_deref(), expected);
        };
        let reason = || "refused".to_owned();
        check(&BrokerState::Connected, &LinkState::Connected, None);
        let blocked = BrokerState::Blocked { reason: "low on memory".to_owned() };
        check(&blocked, &LinkState::Connected, Some("the broker takes no messages: low on memory"));
        let away = BrokerState::Reconnecting { since: SystemTime::now(), reason: reason() };
        let refusing = LinkState::Refusing { since: Instant::now(), reason: "its memory is full".to_owned() };
        check(
            &away,
            &refusing,
            Some("the broker cannot be reached: refused; the store does not do what it is told: its memory is full"),
        );
        let unreachable = LinkState::Unreachable { since: Instant::now(), reason: reason() };
        check(&BrokerState::Connected, &unreachable, Some("the store cannot be reached: refused"));
    }
}
