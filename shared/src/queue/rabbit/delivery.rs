//! A delivered message: acknowledged or returned, without waiting for the broker's answer.

use std::sync::Arc;

use bytes::Bytes;

use super::ack_batch::Ack;
use super::deferred_acks::DeferredAcks;
use super::headers;
use crate::queue::{Delivery, QueueError};

/// A message that a [`RabbitQueue`](super::RabbitQueue) has delivered.
///
/// If its connection is lost, the broker has already taken it back: an acknowledgement then does nothing, and the message
/// is delivered again.
#[derive(Debug)]
pub struct RabbitDelivery {
    settling: Arc<DeferredAcks>,
    tag: u64,
    body: Bytes,
    deliveries_before: u32,
    answer: Ack,
}

impl RabbitDelivery {
    pub(super) fn new(settling: &Arc<DeferredAcks>, message: lapin::message::Delivery) -> Self {
        Self {
            settling: Arc::clone(settling),
            tag: message.delivery_tag,
            deliveries_before: headers::deliveries_before(&message.properties),
            body: Bytes::from(message.data),
            answer: Ack::GiveBack,
        }
    }

    /// Whether the broker still expects an acknowledgement.
    pub(super) fn is_live(&self) -> bool {
        self.settling.is_live()
    }

    pub(super) fn acknowledge(mut self) {
        self.answer = Ack::Acknowledge;
    }
}

impl Delivery for RabbitDelivery {
    fn body(&self) -> &Bytes {
        &self.body
    }

    fn deliveries_before(&self) -> u32 {
        self.deliveries_before
    }

    fn gone(&self) -> impl Future<Output = ()> + Send + 'static {
        self.settling.gone()
    }

    async fn ack(self) -> Result<(), QueueError> {
        self.acknowledge();
        Ok(())
    }
}

impl Drop for RabbitDelivery {
    fn drop(&mut self) {
        self.settling.answer(self.tag, self.answer);
    }
}
