//! Cuts a connection in the middle of a reply.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Body;
use axum::http::header;
use axum::response::Response;
use tokio::io::{AsyncRead, ReadBuf};
use tokio_util::io::ReaderStream;

use super::completion::json_response;

/// A response that announces the whole body and breaks off after half of it.
pub(crate) fn response(mut body: Vec<u8>) -> Response {
    let announced = body.len();
    body.truncate(announced / 2);
    let mut response = json_response(Body::from_stream(ReaderStream::new(Half { rest: body, flush: Flush::Pending })));
    response.headers_mut().insert(header::CONTENT_LENGTH, announced.into());
    response
}

/// Reads as the first half of a reply, then fails.
struct Half {
    rest: Vec<u8>,
    flush: Flush,
}

/// Whether the server has had a chance to send the first half before the failure.
enum Flush {
    Pending,
    Done,
}

impl AsyncRead for Half {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if !self.rest.is_empty() {
            let count = self.rest.len().min(into.remaining());
            into.put_slice(&self.rest[..count]);
            self.rest.drain(..count);
            return Poll::Ready(Ok(()));
        }
        if matches!(self.flush, Flush::Pending) {
            self.flush = Flush::Done;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(Err(io::Error::new(io::ErrorKind::ConnectionAborted, "cut off on purpose")))
    }
}
