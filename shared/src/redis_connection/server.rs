//! Checks what a server reports about itself: whether it is usable, and whether its settings could lose paid results.

use std::collections::HashMap;

use redis::aio::MultiplexedConnection;
use redis::{ErrorKind, Value};

use super::{Address, RedisConnectionError};

/// The fields of `INFO`.
#[derive(Debug)]
pub(super) struct Facts(HashMap<String, String>);

impl Facts {
    fn read(info: &str) -> Self {
        let lines = info.lines().filter_map(|line| line.trim().split_once(':'));
        Self(lines.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }

    fn get(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    /// Fails unless the server is a single server that accepts writes.
    pub(super) fn check(&self, address: &Address) -> Result<(), RedisConnectionError> {
        let address = || address.to_string();
        match self.get("redis_mode") {
            "cluster" => return Err(RedisConnectionError::Cluster { address: address() }),
            "sentinel" => {
                return Err(RedisConnectionError::Sentinel { address: address(), primaries: self.watched() });
            }
            _ => {}
        }
        if self.get("role") == "slave" {
            let (host, port) = (self.get("master_host"), self.get("master_port"));
            let primary = (!host.is_empty()).then(|| format!("{host}:{port}"));
            return Err(RedisConnectionError::Replica { address: address(), primary });
        }
        Ok(())
    }

    /// The primaries that a Sentinel watches, of lines as `master0:name=mymaster,status=ok,address=10.0.0.7:6379,slaves=2`.
    fn watched(&self) -> String {
        let lines = self.0.iter().filter(|(name, _)| name.starts_with("master"));
        let watched = lines.filter_map(|(_, about)| {
            let field = |name: &str| about.split(',').find_map(|field| field.strip_prefix(name));
            Some(format!("{} at {}", field("name=")?, field("address=")?))
        });
        let mut watched: Vec<String> = watched.collect();
        watched.sort();
        if watched.is_empty() { "it reports none".to_owned() } else { watched.join(", ") }
    }

    /// Warnings for the operator of the server; `snapshots` is its setting `save`, `None` if unknown.
    fn warnings(&self, snapshots: Option<&str>) -> Vec<String> {
        let mut warnings = Vec::new();
        let policy = self.get("maxmemory_policy");
        // All keys have an expiry, so the policies that evict only expiring keys evict them as well.
        if !policy.is_empty() && policy != "noeviction" {
            warnings.push(format!(
                "the Redis server evicts keys when its memory is full (maxmemory-policy {policy}), including paid \
                 backstories: set maxmemory-policy to noeviction, so that the run waits for memory instead"
            ));
        }
        match (self.get("aof_enabled"), snapshots) {
            ("0", Some("")) => warnings.push(
                "the Redis server keeps nothing on disk (appendonly no, save \"\"): when it restarts, the calls of all cells in \
                 progress are repeated and paid for again; set appendonly to yes"
                    .to_owned(),
            ),
            ("0", _) => warnings.push(
                "the Redis server has no append-only file (appendonly no): when it crashes, the calls since its last snapshot \
                 are repeated and paid for again; set appendonly to yes"
                    .to_owned(),
            ),
            _ => {}
        }
        warnings
    }
}

/// The server's `INFO`.
pub(super) async fn facts(connection: &mut MultiplexedConnection) -> redis::RedisResult<Facts> {
    match redis::cmd("INFO").query_async::<Value>(connection).await? {
        Value::BulkString(info) => Ok(Facts::read(&String::from_utf8_lossy(&info))),
        Value::VerbatimString { text, .. } => Ok(Facts::read(&text)),
        _ => Err((ErrorKind::UnexpectedReturnType, "it answers INFO with no text").into()),
    }
}

/// What is said of a server that does what it is told, and does not answer `INFO`.
pub(super) fn unchecked(reason: &str) -> String {
    format!(
        "the server does not answer INFO ({reason}), as proxies and users with few rights may not: whether it is a primary, \
         keeps what it stores on disk and evicts nothing is not checked"
    )
}

/// Warnings about the server's settings.
pub(super) async fn warnings(facts: &Facts, connection: &mut MultiplexedConnection) -> Vec<String> {
    // Managed services forbid CONFIG.
    let asked: redis::RedisResult<(String, String)> =
        redis::cmd("CONFIG").arg("GET").arg("save").query_async(connection).await;
    let snapshots = asked.ok().map(|(_, snapshots)| snapshots);
    facts.warnings(snapshots.as_deref())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(info: &str, snapshots: Option<&str>, expected: &[&str]) {
        let warnings = Facts::read(info).warnings(snapshots);
        assert_eq!(warnings.len(), expected.len(), "{warnings:?}");
        for (warning, expected) in warnings.iter().zip(expected) {
            assert!(warning.contains(expected), "{warning}");
        }
    }

    #[test]
    fn settings_that_lose_what_was_paid_for_are_told() {
        check("# Memory\r\nmaxmemory_policy:noeviction\r\naof_enabled:1\r\n", Some(""), &[]);
        check("maxmemory_policy:allkeys-lru\r\naof_enabled:1\r\n", None, &["maxmemory-policy allkeys-lru"]);
        check("maxmemory_policy:noeviction\r\naof_enabled:0\r\n", Some(""), &["keeps nothing on disk"]);
        check("maxmemory_policy:noeviction\r\naof_enabled:0\r\n", Some("3600 1"), &["since its last"]);
        check("maxmemory_policy:volatile-ttl\r\naof_enabled:0\r\n", None, &["volatile-ttl", "since its last"]);
        check("", None, &[]);
    }

    #[test]
    fn a_replica_and_a_cluster_are_told_from_a_server_to_write_to() {
        let address: Address = "redis://store".parse().expect("is an address");
        let check = |info: &str| Facts::read(info).check(&address).map_err(|error| error.to_string());
        assert_eq!(check("redis_mode:standalone\r\nrole:master\r\n"), Ok(()));
        let replica = check("role:slave\r\nmaster_host:10.0.0.7\r\nmaster_port:6379\r\n").expect_err("takes no writes");
        assert!(replica.ends_with("give the address of its primary, 10.0.0.7:6379"), "{replica}");
        let sentinel =
            "redis_mode:sentinel\r\nmaster0:name=mymaster,status=ok,address=10.0.0.7:6379,slaves=2,sentinels=3\r\n";
        let sentinel = check(sentinel).expect_err("keeps nothing");
        assert!(sentinel.contains("it is a Sentinel") && sentinel.contains("mymaster at 10.0.0.7:6379"), "{sentinel}");
        assert!(check("redis_mode:cluster\r\nrole:master\r\n").expect_err("is no single server").contains("a cluster"));
    }
}
