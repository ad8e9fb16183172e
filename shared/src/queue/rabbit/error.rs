//! What an error of the broker means: retry, or report it.

use lapin::protocol::{AMQPErrorKind, AMQPSoftError};
use lapin::{Error, ErrorKind};

use super::connect::LIMITS;
use super::topology::broker_name;
use crate::queue::{QueueError, QueueName};

/// Why an operation on a connection failed.
#[derive(Debug)]
pub(super) enum BrokerError {
    /// The channel or the connection is gone, or the queue is unavailable for the moment: worth a retry.
    Passing(String),
    /// A retry would fail in the same way.
    Lasting(QueueError),
}

impl From<QueueError> for BrokerError {
    fn from(error: QueueError) -> Self {
        Self::Lasting(error)
    }
}

impl From<Error> for BrokerError {
    fn from(error: Error) -> Self {
        Self::Passing(said(&error))
    }
}

impl BrokerError {
    /// What `error` means for a message of `bytes` to `queue`.
    pub(super) fn of_message(error: Error, queue: &QueueName, bytes: usize) -> Self {
        match too_large(&error) {
            Some(most) if bytes > most => Self::Lasting(QueueError::TooLarge { queue: queue.clone(), bytes, most }),
            // Another message closed the channel.
            _ => error.into(),
        }
    }

    /// What `error` means for `queue`, which was declared, consumed or inspected.
    pub(super) fn of_queue(error: Error, queue: &QueueName) -> Self {
        let name = match broker_name(queue) {
            Ok(name) => String::from(name),
            Err(error) => return Self::Lasting(error),
        };
        match soft_error(&error) {
            Some((AMQPSoftError::PRECONDITIONFAILED, reason)) => {
                Self::Lasting(QueueError::OtherArguments { queue: name, run: queue.run.clone(), reason })
            }
            Some((AMQPSoftError::ACCESSREFUSED, reason)) => Self::Lasting(QueueError::Refused { queue: name, reason }),
            // Missing, locked, or without a leader at the moment: all of these pass.
            _ => error.into(),
        }
    }
}

/// What an error says, with what to do if a limit of connections or channels is reached.
pub(super) fn said(error: &Error) -> String {
    let text = error.to_string();
    let is_told_by_broker = text.contains("NOT_ALLOWED") && text.contains("limit");
    let is_limit = is_told_by_broker || matches!(error.kind(), ErrorKind::ChannelsLimitReached);
    if is_limit { format!("{text}; {LIMITS}") } else { text }
}

/// The largest message that the broker accepts, if it refused one for its size.
pub(super) fn too_large(error: &Error) -> Option<usize> {
    let (AMQPSoftError::PRECONDITIONFAILED, reason) = soft_error(error)? else { return None };
    let (_, limit) = reason.split_once("max size ")?;
    limit.split(|sign: char| !sign.is_ascii_digit()).next()?.parse().ok()
}

/// Whether the broker reports that there is no such queue.
pub(super) fn is_missing(error: &Error) -> bool {
    matches!(soft_error(error), Some((AMQPSoftError::NOTFOUND, _)))
}

/// Whether the error closed only one channel: the connection and its other channels stay open.
pub(super) fn is_of_a_channel(error: &Error) -> bool {
    soft_error(error).is_some()
}

fn soft_error(error: &Error) -> Option<(AMQPSoftError, String)> {
    let ErrorKind::ProtocolError(error) = error.kind() else { return None };
    match error.kind() {
        AMQPErrorKind::Soft(kind) => Some((kind.clone(), error.get_message().to_string())),
        AMQPErrorKind::Hard(_) => None,
    }
}
