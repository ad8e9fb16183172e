//! The last problem with the servers that a process uses.

use crate::control::UnixMillis;

/// The last problem with the servers. Kept after it is over, because it cannot be reported while the store is unreachable.
#[derive(Debug, Default)]
pub struct ServerStatus(Option<(UnixMillis, String)>);

impl ServerStatus {
    /// Takes the current problem of each server, if any. Returns the last problem and its time.
    pub fn update(&mut self, problems: impl IntoIterator<Item = Option<String>>) -> Option<(UnixMillis, String)> {
        let problems: Vec<String> = problems.into_iter().flatten().collect();
        if !problems.is_empty() {
            self.0 = Some((UnixMillis::now(), problems.join("; ")));
        }
        self.0.clone()
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use tokio::time::Instant;

    use super::*;
    use crate::queue::BrokerState;
    use crate::redis_connection::RedisConnectionState;

    #[test]
    fn only_problems_of_the_servers_are_reported() {
        let check = |broker: &BrokerState, store: &RedisConnectionState, expected: Option<&str>| {
            let problem = ServerStatus::default().update([broker.problem(), store.problem()]);
            assert_eq!(problem.map(|(_, text)| text).as_deref(), expected);
        };
        let reason = || "refused".to_owned();
        check(&BrokerState::Connected, &RedisConnectionState::Connected, None);
        let blocked = BrokerState::Blocked { reason: "low on memory".to_owned() };
        check(&blocked, &RedisConnectionState::Connected, Some("the broker takes no messages: low on memory"));
        let away = BrokerState::Reconnecting { since: SystemTime::now(), reason: reason() };
        let refusing =
            RedisConnectionState::Refusing { since: Instant::now(), reason: "its memory is full".to_owned() };
        check(
            &away,
            &refusing,
            Some("the broker cannot be reached: refused; the store does not do what it is told: its memory is full"),
        );
        let unreachable = RedisConnectionState::Unreachable { since: Instant::now(), reason: reason() };
        check(&BrokerState::Connected, &unreachable, Some("the store cannot be reached: refused"));
    }

    #[test]
    fn a_past_problem_is_remembered() {
        let mut status = ServerStatus::default();
        let seen = status.update([Some("away".to_owned())]);
        assert!(seen.is_some());
        assert_eq!(status.update([None]), seen);
    }
}
