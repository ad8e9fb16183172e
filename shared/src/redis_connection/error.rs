//! Failures of a server: which are temporary, which are permanent, and what to do about them.

use redis::{ErrorKind, RedisError, ServerError};

use super::Address;

/// A permanent failure of a server.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RedisConnectionError {
    /// A text is not a valid server address.
    #[error(
        "read the address of the Redis server: {reason}; expected redis://[USER:PASSWORD@]HOST:PORT[/DATABASE], or rediss:// for TLS"
    )]
    Address {
        /// What is wrong with it.
        reason: String,
    },
    /// The server could not be reached in time.
    #[error("reach the Redis server {address}: {reason}; check that it runs and that the address is right")]
    Unreachable {
        /// Which server.
        address: String,
        /// What went wrong.
        reason: String,
    },
    /// The server rejects the user or the password, or requires one.
    #[error(
        "log in to the Redis server {address}: it rejects the user or the password; put the right ones into its address, redis://USER:PASSWORD@HOST:PORT, with special characters escaped (/ is %2F, # %23, @ %40, % %25)"
    )]
    Password {
        /// Which server.
        address: String,
    },
    /// The server there is not a Redis server.
    #[error("connect to {address}: the server there does not speak the Redis protocol ({reason}); check host and port")]
    NotRedis {
        /// Which server.
        address: String,
        /// What it answered.
        reason: String,
    },
    /// The server is a replica and accepts no writes.
    #[error("write to the Redis server {address}: it is a read-only replica; give the address of its primary{}", .primary.as_ref().map(|primary| format!(", {primary}")).unwrap_or_default())]
    Replica {
        /// Which server.
        address: String,
        /// Host and port of its primary, if it reports them.
        primary: Option<String>,
    },
    /// The server is a node of a Redis Cluster.
    #[error(
        "use the Redis server {address}: it is a node of a cluster; give the address of a single server, or of a proxy in front of the cluster"
    )]
    Cluster {
        /// Which server.
        address: String,
    },
    /// The server is a Sentinel.
    #[error(
        "use the Redis server {address}: it is a Sentinel, which keeps nothing; give the address of the primary that it watches ({primaries}), or of a proxy or name that follows it"
    )]
    Sentinel {
        /// Which server.
        address: String,
        /// The name, host and port of each primary that it watches.
        primaries: String,
    },
    /// The server refused a command, or its answer cannot be used.
    #[error("use the Redis server {address}: {reason}")]
    Refused {
        /// Which server.
        address: String,
        /// Its reason, and what to do if that is known.
        reason: String,
    },
}

/// What a failure means for the command that met it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Failure {
    /// The connection is lost or unusable.
    Lost(String),
    /// The failure is temporary: the server will accept the command later.
    Passing(String),
    /// The failure is permanent.
    Final(RedisConnectionError),
}

impl Failure {
    /// What a failure of the whole exchange means.
    pub(super) fn of_exchange(address: &Address, error: &RedisError) -> Self {
        let address = address.to_string();
        match error.kind() {
            ErrorKind::AuthenticationFailed => Self::Final(RedisConnectionError::Password { address }),
            ErrorKind::Parse => Self::Final(RedisConnectionError::NotRedis { address, reason: first_line(error) }),
            ErrorKind::InvalidClientConfig => Self::Final(RedisConnectionError::Address { reason: error.to_string() }),
            ErrorKind::Server(_) | ErrorKind::Extension => {
                let code = error.code().unwrap_or_default();
                Self::of_answer(address, code, error.detail().unwrap_or_default())
            }
            _ if error.is_timeout() => Self::Lost("it does not answer in time".to_owned()),
            _ => Self::Lost(first_line(error)),
        }
    }

    /// What the server's answer to one command, about a key, means.
    pub(super) fn of_command(address: &Address, error: &ServerError, key: &str) -> Self {
        if error.code() == "WRONGTYPE" {
            let reason =
                format!("its key {key} holds a value of another kind, which this program did not write: delete it");
            return Self::Final(RedisConnectionError::Refused { address: address.to_string(), reason });
        }
        Self::of_answer(address.to_string(), error.code(), error.details().unwrap_or_default())
    }

    fn of_answer(address: String, code: &str, detail: &str) -> Self {
        let passing = |reason: &str| Self::Passing(reason.to_owned());
        match code {
            "OOM" => passing("its memory is full (maxmemory): give it more memory, or purge finished runs"),
            "LOADING" => passing("it is loading its data"),
            "READONLY" => Self::Lost("it is a read-only replica now: its address must lead to a primary".to_owned()),
            "MASTERDOWN" | "CLUSTERDOWN" | "TRYAGAIN" => passing(&format!("it is not ready ({code} {detail})")),
            "MISCONF" => passing("it cannot write to its disk and accepts no writes: free some disk space"),
            "NOREPLICAS" => passing("it accepts no writes while its replicas are unreachable"),
            "BUSY" => passing("it is busy running a script"),
            "ERR" if detail.contains("max number of clients") => {
                passing("it has reached its maximum number of clients (maxclients)")
            }
            "NOAUTH" | "WRONGPASS" => Self::Final(RedisConnectionError::Password { address }),
            "MOVED" | "ASK" | "CROSSSLOT" => Self::Final(RedisConnectionError::Cluster { address }),
            "NOPERM" => Self::Final(RedisConnectionError::Refused {
                address,
                reason: format!("{detail}; grant its user the keys ~valuesim:* and this command"),
            }),
            _ if is_our_fault(code, detail) => Self::Final(RedisConnectionError::Refused {
                address,
                reason: format!("it refused a command: {code} {detail}"),
            }),
            // A proxy has messages of its own while the server behind it is unreachable.
            _ => passing(&format!("it refuses commands: {code} {detail}")),
        }
    }
}

/// Whether the server would refuse this command at any time.
fn is_our_fault(code: &str, detail: &str) -> bool {
    let faults = [
        "unknown command",
        "unknown subcommand",
        "syntax",
        "wrong number of arguments",
        "DB index",
        "not an integer",
        "not a valid",
        "script",
        "Client sent AUTH",
    ];
    let is_fault = || faults.iter().any(|fault| detail.contains(fault));
    matches!(code, "WRONGTYPE" | "NOSCRIPT" | "EXECABORT" | "NOPROTO") || (code == "ERR" && is_fault())
}

/// What a failure says, without what follows in further lines.
pub(super) fn first_line(error: &RedisError) -> String {
    error.to_string().lines().next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(code: &str, detail: &str, expected: &str) {
        let text = match Failure::of_answer("redis://store:1".to_owned(), code, detail) {
            Failure::Lost(reason) => format!("lost: {reason}"),
            Failure::Passing(reason) => format!("passing: {reason}"),
            Failure::Final(error) => format!("final: {error}"),
        };
        assert!(text.contains(expected), "{code}: {text}");
    }

    #[test]
    fn what_a_server_says_is_waited_for_or_not() {
        check("OOM", "command not allowed when used memory > 'maxmemory'.", "passing: its memory is full");
        check("LOADING", "Redis is loading the dataset in memory", "passing: it is loading");
        check("MISCONF", "Redis is configured to save RDB snapshots", "passing: it cannot write to its disk");
        check("ERR", "max number of clients reached", "passing: it has reached its maximum number of clients");
        check("READONLY", "You can't write against a read only replica.", "lost: it is a read-only replica");
        check("WRONGPASS", "invalid username-password pair", "final: log in to the Redis server redis://store:1");
        check("NOAUTH", "Authentication required.", "final: log in");
        check("MOVED", "3999 127.0.0.1:6381", "final: use the Redis server redis://store:1: it is a node of a cluster");
        check("NOPERM", "this user has no permissions to run 'rpush'", "no permissions to run 'rpush'; grant its user");
        check(
            "ERR",
            "unknown command",
            "final: use the Redis server redis://store:1: it refused a command: ERR unknown",
        );
        check("ERR", "syntax error", "final: use the Redis server");
        check("ERR", "DB index is out of range", "final: use the Redis server");
        check("WRONGTYPE", "Operation against a key holding the wrong kind of value", "final: use the Redis server");
    }

    #[test]
    fn what_a_proxy_says_while_its_server_is_away_is_waited_for() {
        check("no", "upstream host", "passing: it refuses commands: no upstream host");
        check("upstream", "failure", "passing: it refuses commands: upstream failure");
        check("ERR", "server disconnected", "passing: it refuses commands: ERR server disconnected");
    }
}
