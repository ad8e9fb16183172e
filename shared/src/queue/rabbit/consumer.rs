//! Fetches messages of one queue while somebody waits for them, and no more than they have room for.
//!
//! ```text
//!   somebody waits ──> consume, prefetch = room ──> messages ──> as many as the prefetch came ──> cancel
//!        ^                        │                                                               │
//!        │                        └── much less room, or nobody waits any more ────────────────────────┤
//!        └────────────────────────────────────────────────────────────────────────────────────────┘
//! ```
//!
//! A process therefore never holds more than twice as many messages as it asked for, and waits at an empty queue instead of
//! polling it.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{FutureExt as _, StreamExt as _};
use lapin::options::{BasicCancelOptions, BasicConsumeOptions, BasicQosOptions};
use lapin::types::FieldTable;
use lapin::{Channel, Consumer};
use tokio::time::{Instant, interval_at, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::ack_batch::AckBatch;
use super::backoff::Backoff;
use super::connection::RabbitConnection;
use super::deferred_acks::DeferredAcks;
use super::delivery::RabbitDelivery;
use super::error::BrokerError;
use super::prefetch_buffer::PrefetchBuffer;
use super::publish_batch::BatchSchedule;
use super::publisher::Publisher;
use super::session::{ANSWER_WITHIN, Session};
use super::topology::broker_name;
use crate::queue::Verdict;

/// The largest prefetch that quorum queues allow.
const MAX_PREFETCH: usize = 2_000;

/// How long a consumer stays open while nobody waits: a caller that takes tasks one by one is back long before.
const LINGER: Duration = Duration::from_secs(2);

/// A consumer whose prefetch is not full after this time has emptied its queue, so acknowledgements need not wait for its
/// end any more.
const FILLS_WITHIN: Duration = Duration::from_millis(50);

/// A fetched message that nobody takes within this time goes back to the queue, for other processes.
const KEEP: Duration = Duration::from_mins(1);

/// A consumer that receives nothing for this long is reopened on a new channel: a broker in trouble drops some consumers
/// without notice.
const SILENCE: Duration = Duration::from_secs(30);

/// How long handing messages back may take when this side closes.
const CLOSE_WITHIN: Duration = Duration::from_secs(5);

/// Fetches messages for one buffer.
pub(super) struct Fetcher {
    pub(super) buffer: Arc<PrefetchBuffer>,
    pub(super) connection: RabbitConnection,
    pub(super) publisher: Publisher,
    pub(super) schedule: Arc<BatchSchedule>,
}

/// A consumer, and how many more messages it may deliver.
struct Open {
    consumer: Consumer,
    settling: Arc<DeferredAcks>,
    left: usize,
}

/// How this side ended a consumer.
#[derive(Debug, Clone, Copy)]
enum Ended {
    Regularly,
    /// The broker may have lost the consumer.
    InDoubt,
}

impl Open {
    fn delivery(&self, message: lapin::message::Delivery) -> RabbitDelivery {
        RabbitDelivery::new(&self.settling, message)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.settling.release();
        self.settling.notify_if_gone();
    }
}

impl Fetcher {
    /// Fetches until `stop` is cancelled, then hands back what nobody took.
    pub(super) async fn run(self, stop: CancellationToken) {
        let mut answers = None;
        tokio::select! {
            () = self.fetch(&mut answers, &stop) => {}
            // The broker does not answer. It takes back what it has sent, and counts a delivery.
            () = async { stop.cancelled().await; sleep(CLOSE_WITHIN).await } => {}
        }
        let left = self.buffer.close();
        let _ = timeout(CLOSE_WITHIN, self.give_back(left)).await;
        if let Some(answers) = answers.filter(|answers| answers.are_awaited()) {
            answers.flush();
            // The broker answers once it has read every earlier acknowledgement.
            let closing = answers.channel.close(lapin::protocol::constants::REPLY_SUCCESS, "done".into());
            let _ = timeout(CLOSE_WITHIN, closing).await;
        }
    }

    async fn fetch(&self, answers: &mut Option<Arc<AckBatch>>, stop: &CancellationToken) {
        let mut backoff = Backoff::default();
        while !stop.is_cancelled() {
            let Some(room) = self.buffer.wanted() else {
                stop.run_until_cancelled(self.wait_for_need()).await;
                continue;
            };
            match self.serve(answers, room.clamp(1, MAX_PREFETCH), stop).await {
                Ok(()) => {
                    backoff = Backoff::default();
                    continue;
                }
                Err(BrokerError::Passing(reason)) => {
                    tracing::debug!(queue = %self.buffer.queue, reason, "consuming again");
                }
                Err(BrokerError::Lasting(error)) => self.buffer.fail(error),
            }
            stop.run_until_cancelled(backoff.pause()).await;
        }
    }

    async fn wait_for_need(&self) {
        let oldest = self.buffer.oldest();
        tokio::select! {
            () = self.buffer.somebody_waits() => {}
            () = sleep_until(oldest.unwrap_or_else(Instant::now) + KEEP), if oldest.is_some() => {
                self.give_back(self.buffer.fetched_before(Instant::now() - KEEP)).await;
            }
        }
    }

    /// Runs one consumer from opening to end. Ends it in order even if `stop` is cancelled: messages on their way are then
    /// handed back, so that the broker counts no failed delivery.
    async fn serve(
        &self,
        kept: &mut Option<Arc<AckBatch>>,
        room: usize,
        stop: &CancellationToken,
    ) -> Result<(), BrokerError> {
        let queue = &self.buffer.queue;
        let Some(prepared) = stop.run_until_cancelled(self.prepare(kept)).await else { return Ok(()) };
        let (session, answers) = prepared?;
        let served = self.serve_on(&session, &answers, (room, stop)).await;
        match served {
            Ok(Ended::Regularly) => *kept = Some(answers),
            // A channel that used the queue before it was deleted may never deliver messages of its successor.
            Ok(Ended::InDoubt) | Err(_) => session.forget(queue),
        }
        served.map(drop)
    }

    /// A session on which the queue is declared, and a channel of it.
    async fn prepare(&self, kept: &mut Option<Arc<AckBatch>>) -> Result<(Arc<Session>, Arc<AckBatch>), BrokerError> {
        let queue = &self.buffer.queue;
        let session = self.connection.session(queue).await?;
        session.declare(queue).await?;
        let answers = match kept.take() {
            Some(answers) if answers.are_awaited() => answers,
            _ => AckBatch::new(session.channel().await?, &self.schedule),
        };
        Ok((session, answers))
    }

    async fn serve_on(
        &self,
        session: &Session,
        answers: &Arc<AckBatch>,
        (room, stop): (usize, &CancellationToken),
    ) -> Result<Ended, BrokerError> {
        let opening = self.open(answers, session.gone(), room);
        let mut open = session.within(ANSWER_WITHIN, opening).await??;
        let ended = self.receive(&mut open, stop).await?;
        session.within(ANSWER_WITHIN, self.cancel(&answers.channel, open)).await??;
        Ok(ended)
    }

    async fn open(&self, answers: &Arc<AckBatch>, gone: &CancellationToken, room: usize) -> Result<Open, BrokerError> {
        let queue = &self.buffer.queue;
        let name = broker_name(queue)?;
        let prefetch = u16::try_from(room).unwrap_or(u16::MAX);
        let channel = &answers.channel;
        channel.basic_qos(prefetch, BasicQosOptions::default()).await?;
        let consumer = channel
            .basic_consume(name, "".into(), BasicConsumeOptions::default(), FieldTable::default())
            .await
            .map_err(|error| BrokerError::of_queue(error, queue))?;
        let settling = Arc::new(DeferredAcks::new(answers, gone));
        Ok(Open { consumer, settling, left: room })
    }

    /// Returns when the consumer has delivered all that it may, or should end early.
    async fn receive(&self, open: &mut Open, stop: &CancellationToken) -> Result<Ended, BrokerError> {
        let mut filling = std::pin::pin!(sleep(FILLS_WITHIN));
        let mut is_filling = true;
        let mut last_came = Instant::now();
        let mut look = interval_at(last_came + LINGER, LINGER);
        while open.left > 0 {
            tokio::select! {
                biased;
                next = open.consumer.next() => {
                    let message = next.ok_or_else(|| BrokerError::Passing("the broker ended the consumer".to_owned()))??;
                    self.buffer.put(open.delivery(message));
                    open.left -= 1;
                    last_came = Instant::now();
                }
                () = stop.cancelled() => return Ok(Ended::Regularly),
                () = &mut filling, if is_filling => {
                    is_filling = false;
                    open.settling.release();
                }
                () = self.buffer.somebody_waits() => {
                    // Replacing the consumer for every small difference would cost the broker more than a few surplus messages.
                    let too_much = self.buffer.wanted().is_some_and(|room| room.saturating_mul(2) < open.left);
                    if too_much {
                        return Ok(Ended::Regularly);
                    }
                }
                _ = look.tick() => {
                    if last_came.elapsed() >= SILENCE {
                        return Ok(Ended::InDoubt);
                    }
                    if self.buffer.idle() >= LINGER {
                        return Ok(Ended::Regularly);
                    }
                }
            }
        }
        Ok(Ended::Regularly)
    }

    /// Cancels the consumer, and keeps the messages that arrive meanwhile.
    async fn cancel(&self, channel: &Channel, mut open: Open) -> Result<(), BrokerError> {
        let cancelling = channel.basic_cancel(open.consumer.tag(), BasicCancelOptions::default()).fuse();
        let mut cancelling = std::pin::pin!(cancelling);
        let mut is_sent = false;
        loop {
            tokio::select! {
                biased;
                cancelled = &mut cancelling => cancelled?,
                () = std::future::ready(()), if !is_sent => {
                    // The first poll of the cancellation above has queued it, so acknowledgements follow it.
                    is_sent = true;
                    open.settling.release();
                }
                next = open.consumer.next() => match next {
                    Some(message) => self.buffer.put(open.delivery(message?)),
                    None => return Ok(()),
                },
            }
        }
    }

    /// Hands messages back as copies, so that the broker counts no failed delivery.
    async fn give_back(&self, deliveries: Vec<RabbitDelivery>) {
        let live = deliveries.into_iter().filter(RabbitDelivery::is_live);
        futures_util::future::join_all(live.map(|delivery| self.give_one_back(delivery))).await;
    }

    async fn give_one_back(&self, delivery: RabbitDelivery) {
        let queue = &self.buffer.queue;
        if let Err(error) = self.publisher.hand_back(queue, delivery, Verdict::Unknown).await {
            // Dropping it returns it as well, but the broker counts a failed delivery.
            tracing::warn!(%queue, %error, "could not hand a message back");
        }
    }
}
