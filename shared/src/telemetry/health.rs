//! Whether a process is alive and ready, with the reasons why it is not.

use serde::Serialize;

/// The answer to a probe.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Health {
    /// Whether all is well.
    pub ok: bool,
    /// What is not, a sentence each, for people.
    pub reasons: Vec<String>,
}

impl Health {
    /// Well, unless there are reasons.
    pub fn unless(reasons: Vec<String>) -> Self {
        Self { ok: reasons.is_empty(), reasons }
    }
}

/// A process as probes see it. Nothing here may wait: a probe that waits has failed.
pub trait Observed: Send + Sync + 'static {
    /// Whether the process does what it is there for; one that does not is to be killed and started again.
    fn alive(&self) -> Health;

    /// Whether the process can work now.
    fn ready(&self) -> Health;

    /// Its metrics, in Prometheus' text format.
    fn metrics(&self) -> String;
}
