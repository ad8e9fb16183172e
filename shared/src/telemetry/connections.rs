//! Metrics of the connections to a fleet's servers.

use prometheus::{IntGauge, Registry, register_int_gauge_with_registry};

use super::REGISTERS;
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
        let gauge = |name: &str, help: &str| register_int_gauge_with_registry!(name, help, registry).expect(REGISTERS);
        Self {
            broker_connected: gauge("valuesim_broker_connected", "Whether RabbitMQ can be reached: 1 or 0."),
            broker_blocked: gauge(
                "valuesim_broker_blocked",
                "Whether RabbitMQ takes no messages, for want of memory or disk: 1 or 0.",
            ),
            store_connected: gauge(
                "valuesim_redis_connected",
                "Whether Redis can be reached and does what it is told: 1 or 0.",
            ),
        }
    }

    /// Updates the metrics.
    pub fn set(&self, broker: &BrokerState, store: &RedisConnectionState) {
        self.broker_connected.set(i64::from(!matches!(broker, BrokerState::Reconnecting { .. })));
        self.broker_blocked.set(i64::from(matches!(broker, BrokerState::Blocked { .. })));
        self.store_connected.set(i64::from(store.is_connected()));
    }
}
