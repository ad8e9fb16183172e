//! A request's body in parts, of which the long ones are shared by many requests: they are sent from where they are.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};

/// The settings, the text before the question, the question, the text after it, and what follows the prompt.
const PARTS: usize = 5;

/// A body that is sent part by part. A copy costs a few counters.
#[derive(Debug, Clone)]
pub struct RequestBody {
    parts: [Bytes; PARTS],
    next: usize,
}

impl RequestBody {
    pub(super) fn new(parts: [Bytes; PARTS]) -> Self {
        Self { parts, next: 0 }
    }

    /// The bytes that are left, in one piece.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.parts[self.next..].concat()
    }

    fn left(&self) -> u64 {
        self.parts[self.next..].iter().map(|part| part.len() as u64).sum()
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        while self.next < PARTS {
            let at = self.next;
            self.next += 1;
            let part = std::mem::take(&mut self.parts[at]);
            if !part.is_empty() {
                return Poll::Ready(Some(Ok(Frame::data(part))));
            }
        }
        Poll::Ready(None)
    }

    fn is_end_stream(&self) -> bool {
        self.left() == 0
    }

    /// Known, so that the request says its length.
    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left())
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn parts_are_sent_in_their_order_and_empty_ones_are_left_out(texts in prop::array::uniform5(".{0,20}")) {
            let body = RequestBody::new(texts.clone().map(Bytes::from));
            let whole = texts.concat();
            prop_assert_eq!(body.to_bytes(), whole.as_bytes());
            prop_assert_eq!(body.size_hint().exact(), Some(whole.len() as u64));
            prop_assert_eq!(body.is_end_stream(), whole.is_empty());
            let runtime = tokio::runtime::Builder::new_current_thread().build().expect("starts");
            let sent = runtime.block_on(body.collect()).expect("never fails").to_bytes();
            prop_assert_eq!(&sent[..], whole.as_bytes());
        }
    }
}
