//! A message of the broker on loan: acknowledged or given back, without waiting for the broker's answer.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::FutureExt as _;
use lapin::Channel;
use lapin::options::{BasicAckOptions, BasicNackOptions};

use super::headers;
use crate::queue::{Delivery, QueueError};

/// A message on loan from a [`RabbitQueue`](super::RabbitQueue).
///
/// When its connection is gone, the broker has taken it back already: an acknowledgement then does nothing, and
/// somebody gets it again.
#[derive(Debug)]
pub struct RabbitDelivery {
    channel: Arc<Channel>,
    tag: u64,
    body: Bytes,
    deliveries_before: u32,
    settled: bool,
}

impl RabbitDelivery {
    pub(super) fn new(channel: &Arc<Channel>, message: lapin::message::Delivery) -> Self {
        Self {
            channel: Arc::clone(channel),
            tag: message.delivery_tag,
            deliveries_before: headers::deliveries_before(&message.properties),
            body: Bytes::from(message.data),
            settled: false,
        }
    }

    /// Whether the broker still counts on an answer.
    pub(super) fn is_live(&self) -> bool {
        self.channel.status().connected()
    }

    /// The acknowledgement itself: the frame is on its way when this returns.
    pub(super) fn acknowledge(mut self) {
        self.settled = true;
        // The first poll puts the frame in line, in order; what follows only tells when it was written.
        let _ = self.channel.basic_ack(self.tag, BasicAckOptions::default()).now_or_never();
    }
}

impl Delivery for RabbitDelivery {
    fn body(&self) -> &Bytes {
        &self.body
    }

    fn deliveries_before(&self) -> u32 {
        self.deliveries_before
    }

    async fn ack(self) -> Result<(), QueueError> {
        self.acknowledge();
        Ok(())
    }
}

impl Drop for RabbitDelivery {
    fn drop(&mut self) {
        if !self.settled {
            let options = BasicNackOptions { requeue: true, ..BasicNackOptions::default() };
            let _ = self.channel.basic_nack(self.tag, options).now_or_never();
        }
    }
}
