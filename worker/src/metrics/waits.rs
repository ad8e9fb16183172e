//! Shows what calls wait for.

use prometheus::{IntGaugeVec, Registry};
use valuesim_shared::permit::{OwnLimit, Reason, Wait};
use valuesim_shared::telemetry::{metrics, register};

use super::provider_name;

/// What the calls of a process wait for.
#[derive(Debug)]
pub(crate) struct WaitMetrics {
    waits: IntGaugeVec,
}

impl WaitMetrics {
    /// Registers the metric.
    ///
    /// # Panics
    /// If it is registered already.
    pub(crate) fn new(registry: &Registry) -> Self {
        Self { waits: register(registry, metrics::LLM_WAITS.gauge()) }
    }

    /// Sets what calls wait for now.
    pub(crate) fn set(&self, waits: &[Wait]) {
        self.waits.reset();
        for Wait { endpoint, model, reason, .. } in waits {
            self.waits.with_label_values(&[provider_name(endpoint.address()), model, reason_name(*reason)]).set(1);
        }
    }
}

const fn reason_name(reason: Reason) -> &'static str {
    match reason {
        Reason::OwnLimit(OwnLimit::CallsInFlight(_)) => "calls_in_flight",
        Reason::OwnLimit(OwnLimit::RequestsPerMinute(_)) => "requests_per_minute",
        Reason::OwnLimit(OwnLimit::TokensPerMinute(..)) => "tokens_per_minute",
        Reason::ProviderLimit(OwnLimit::CallsInFlight(_)) => "provider_calls_in_flight",
        Reason::ProviderLimit(OwnLimit::RequestsPerMinute(_)) => "provider_requests_per_minute",
        Reason::ProviderLimit(OwnLimit::TokensPerMinute(..)) => "provider_tokens_per_minute",
        Reason::SlowStart(_) => "slow_start",
        Reason::Recovering => "recovering",
        Reason::Cooldown => "cooldown",
        Reason::CircuitOpen => "circuit_open",
        Reason::Stalled => "stalled",
    }
}

#[cfg(test)]
mod tests {
    use valuesim_shared::permit::{Endpoint, KeyName};
    use valuesim_shared::telemetry::Exposition;

    use super::*;

    #[test]
    fn a_wait_that_is_over_is_no_longer_shown() {
        let exposition = Exposition::new("worker");
        let metrics = WaitMetrics::new(exposition.registry());
        let wait = |reason| Wait {
            endpoint: Endpoint::new("https://api.openai.com/v1", KeyName::None),
            model: "m".to_owned(),
            reason,
            left: None,
        };
        metrics.set(&[wait(Reason::OwnLimit(OwnLimit::RequestsPerMinute(600)))]);
        metrics.set(&[wait(Reason::CircuitOpen)]);
        let text = exposition.text(|| ());
        let shown: Vec<&str> = text.lines().filter(|line| line.starts_with("valuesim_llm_waits")).collect();
        assert_eq!(shown, [r#"valuesim_llm_waits{model="m",provider="openai",reason="circuit_open"} 1"#]);
    }
}
