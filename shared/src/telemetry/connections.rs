//! Metrics of the connections to a fleet's servers.

use prometheus::{IntGauge, Registry};

use super::{Metric, metrics, register};
use crate::queue::BrokerState;
use crate::redis_connection::RedisConnectionState;

/// The state of the connections to broker and store.
#[derive(Debug)]
pub struct ConnectionMetrics {
    broker_connected: IntGauge,
    broker_blocked: IntGauge,
    store_connected: IntGauge,
}

impl ConnectionMetrics {
    /// Registers the metrics, with nothing connected.
    pub fn new(registry: &Registry) -> Self {
        let gauge = |metric: &Metric| register(registry, metric.gauge()).with_label_values::<&str>(&[]);
        Self {
            broker_connected: gauge(&metrics::BROKER_CONNECTED),
            broker_blocked: gauge(&metrics::BROKER_BLOCKED),
            store_connected: gauge(&metrics::STORE_CONNECTED),
        }
    }

    /// Updates the metrics.
    pub fn set(&self, broker: &BrokerState, store: &RedisConnectionState) {
        self.broker_connected.set(i64::from(!matches!(broker, BrokerState::Reconnecting { .. })));
        self.broker_blocked.set(i64::from(matches!(broker, BrokerState::Blocked { .. })));
        self.store_connected.set(i64::from(store.is_connected()));
    }
}
