//! The body of a request, in parts. Many requests share the long parts, which are sent without being copied.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

/// The settings, the text before the question, the question, the text after it, and what follows the prompt.
const PARTS: usize = 5;

/// A body that is sent part by part. Clones share the bytes.
#[derive(Debug, Clone)]
pub struct RequestBody {
    /// Parts that were sent are empty.
    parts: [Bytes; PARTS],
}

impl RequestBody {
    pub(super) fn new(parts: [Bytes; PARTS]) -> Self {
        Self { parts }
    }

    /// A body in one part.
    pub(super) fn whole(body: Bytes) -> Self {
        let mut parts = [const { Bytes::new() }; PARTS];
        parts[0] = body;
        Self { parts }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let next = self.parts.iter_mut().find(|part| !part.is_empty());
        Poll::Ready(next.map(|part| Ok(Frame::data(std::mem::take(part)))))
    }

    fn is_end_stream(&self) -> bool {
        self.parts.iter().all(Bytes::is_empty)
    }

    /// Exact, so that the request has a `content-length` header.
    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.parts.iter().map(|part| part.len() as u64).sum())
    }
}

#[cfg(test)]
impl RequestBody {
    /// The bytes that are left, concatenated.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        self.parts.concat()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The parts that are sent.
    fn sent(mut body: RequestBody) -> Vec<Bytes> {
        let mut context = Context::from_waker(std::task::Waker::noop());
        let mut next = || match Pin::new(&mut body).poll_frame(&mut context) {
            Poll::Ready(frame) => Some(frame?.expect("never fails").into_data().expect("is data")),
            Poll::Pending => panic!("all of it is there"),
        };
        std::iter::from_fn(&mut next).collect()
    }

    proptest! {
        #[test]
        fn parts_are_sent_in_their_order_and_empty_ones_are_left_out(texts in prop::array::uniform5(".{0,20}")) {
            let body = RequestBody::new(texts.clone().map(Bytes::from));
            let whole = texts.concat();
            prop_assert_eq!(body.to_bytes(), whole.as_bytes());
            prop_assert_eq!(body.size_hint().exact(), Some(whole.len() as u64));
            prop_assert_eq!(body.is_end_stream(), whole.is_empty());
            let parts = sent(body);
            prop_assert!(parts.iter().all(|part| !part.is_empty()));
            prop_assert_eq!(parts.concat(), whole.as_bytes());
        }
    }
}
