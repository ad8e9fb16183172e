//! Whether a process is alive and ready, with the reasons why it is not.

use serde::Serialize;

/// The answer to a probe.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Health {
    /// Whether the process is healthy.
    pub ok: bool,
    /// Why it is not, for people.
    pub reasons: Vec<String>,
}

impl Health {
    /// Healthy unless there are reasons why not.
    pub fn unless(reasons: Vec<String>) -> Self {
        Self { ok: reasons.is_empty(), reasons }
    }
}

/// A process as seen by probes. The methods must not block, or the probe times out.
pub trait Probed: Send + Sync + 'static {
    /// Whether the process makes progress. One that does not should be restarted.
    fn alive(&self) -> Health;

    /// Whether the process can work now.
    fn ready(&self) -> Health;

    /// Its metrics, in Prometheus' text format.
    fn metrics(&self) -> String;
}
