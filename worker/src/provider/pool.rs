//! Connections to a provider, used again and again.
//!
//! Who makes a call moves its connection on: a reply is read where it is needed, with one waking of one task, instead of
//! being handed from a task of the connection to the task of the call. A connection that waits for its next call is moved on
//! by nobody; whether it has ended is seen now and then, and when it is taken.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use hyper::client::conn::http1::{Connection, SendRequest, handshake};
use hyper::{Request, Response, Uri};
use hyper_rustls::MaybeHttpsStream;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::coop::unconstrained;
use tokio::time::{Instant, sleep};
use tower_service::Service as _;

use super::connect::Connector;
use super::request_body::RequestBody;

/// How long a connection may wait for its next call: as long as the pools of other clients keep theirs.
const IDLE_AT_MOST: Duration = Duration::from_secs(90);

/// How often the connections that wait are looked at: one that the provider has closed is given up within that time.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// Connections to one address, as many as there are calls at a time. Cheap to clone; clones share them.
#[derive(Debug, Clone)]
pub(super) struct Pool {
    connector: Connector,
    address: Uri,
    waiting: Arc<Mutex<Waiting>>,
}

/// The connections that wait for a call, since when; the last used one last, which is taken first.
#[derive(Debug, Default)]
struct Waiting {
    lines: VecDeque<(Instant, Line)>,
    looked_at: bool,
}

/// One connection.
#[derive(Debug)]
pub(super) struct Line {
    requests: SendRequest<RequestBody>,
    /// None once it has ended.
    connection: Option<Pin<Box<Connection<Stream, RequestBody>>>>,
}

type Stream = MaybeHttpsStream<TokioIo<TcpStream>>;

/// Why there is no new connection.
pub(super) type NoLine = Box<dyn std::error::Error + Send + Sync>;

impl Pool {
    pub(super) fn new(connector: Connector, address: Uri) -> Self {
        Self { connector, address, waiting: Arc::default() }
    }

    /// A connection that was used before, if one waits; it may have ended.
    pub(super) fn take(&self) -> Option<Line> {
        lock(&self.waiting).lines.pop_back().map(|(_, line)| line)
    }

    /// A new connection.
    pub(super) async fn connect(&self) -> Result<Line, NoLine> {
        // A copy of its own: connecting takes a while, and many do it at the same time.
        let mut connector = self.connector.clone();
        poll_fn(|context| connector.poll_ready(context)).await?;
        let stream = connector.call(self.address.clone()).await?;
        let (requests, connection) = handshake(stream).await?;
        Ok(Line { requests, connection: Some(Box::pin(connection)) })
    }

    /// Keeps a connection for the next call, if it can take one.
    pub(super) fn put(&self, mut line: Line) {
        if !line.rests() {
            return;
        }
        let mut waiting = lock(&self.waiting);
        waiting.lines.push_back((Instant::now(), line));
        if !waiting.looked_at {
            waiting.looked_at = true;
            tokio::spawn(look_after(Arc::downgrade(&self.waiting)));
        }
    }
}

impl Line {
    /// Sends a request; [`heard`](Self::heard) waits for the head of its response. Gives the request back where no byte of it
    /// was sent.
    pub(super) fn send(
        &mut self,
        request: Request<RequestBody>,
    ) -> impl Future<Output = Result<Response<Incoming>, TrySendError<Request<RequestBody>>>> + use<> {
        unconstrained(self.requests.try_send_request(request))
    }

    /// Waits for something that comes over the connection, and moves that on.
    pub(super) async fn heard<T>(&mut self, mut coming: Pin<&mut impl Future<Output = T>>) -> T {
        // Only the connection brings it, and that is in the same hands: it need wake nobody.
        let mut look = move || coming.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        poll_fn(|context| {
            if let Poll::Ready(here) = look() {
                return Poll::Ready(here);
            }
            self.move_on(context);
            look()
        })
        .await
    }

    fn move_on(&mut self, context: &mut Context<'_>) {
        let ended = self.connection.as_mut().is_none_or(|connection| connection.as_mut().poll(context).is_ready());
        if ended {
            // Says to whoever waits for something from it why that does not come.
            self.connection = None;
        }
    }

    /// Whether it can take a request. Lets go of the task that used it: that is over, and its memory with it.
    fn rests(&mut self) -> bool {
        self.move_on(&mut Context::from_waker(Waker::noop()));
        self.connection.is_some() && self.requests.is_ready()
    }
}

impl Waiting {
    /// Gives up the connections that have ended or were not needed for long.
    fn look(&mut self) {
        self.lines.retain_mut(|(since, line)| since.elapsed() < IDLE_AT_MOST && line.rests());
    }
}

/// Looks at the connections that wait until none does.
async fn look_after(waiting: Weak<Mutex<Waiting>>) {
    loop {
        sleep(LOOK_EVERY).await;
        let Some(waiting) = waiting.upgrade() else { return };
        let mut waiting = lock(&waiting);
        waiting.look();
        if waiting.lines.is_empty() {
            waiting.looked_at = false;
            return;
        }
    }
}

fn lock(waiting: &Mutex<Waiting>) -> MutexGuard<'_, Waiting> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::super::connect::connector;
    use super::*;

    /// A pool whose two connections wait, and the provider's ends of them.
    async fn two_that_wait() -> (Pool, [TcpStream; 2]) {
        let provider = TcpListener::bind("127.0.0.1:0").await.expect("listens");
        let address: Uri = format!("http://{}/", provider.local_addr().expect("is bound")).parse().expect("is a URI");
        let pool = Pool::new(connector(&address, Duration::from_secs(5)).expect("is set up"), address);
        let (mut lines, mut ends) = (Vec::new(), Vec::new());
        for _ in 0..2 {
            lines.push(pool.connect().await.expect("connects"));
            ends.push(provider.accept().await.expect("accepts").0);
        }
        for line in lines {
            pool.put(line);
        }
        (pool, ends.try_into().expect("two"))
    }

    fn count(pool: &Pool) -> usize {
        lock(&pool.waiting).lines.len()
    }

    #[tokio::test]
    async fn a_connection_that_the_provider_has_closed_is_given_up() {
        let (pool, [first, _second]) = two_that_wait().await;
        lock(&pool.waiting).look();
        assert_eq!(count(&pool), 2);
        drop(first);
        let gone = async {
            while count(&pool) == 2 {
                sleep(Duration::from_millis(5)).await;
                lock(&pool.waiting).look();
            }
        };
        tokio::time::timeout(Duration::from_secs(10), gone).await.expect("is noticed");
        assert_eq!(count(&pool), 1);
    }

    #[tokio::test]
    async fn a_connection_that_nobody_needs_is_given_up_and_a_new_one_is_looked_after_again() {
        let (pool, _ends) = two_that_wait().await;
        tokio::time::pause();
        tokio::time::advance(IDLE_AT_MOST.saturating_sub(LOOK_EVERY)).await;
        sleep(Duration::from_millis(1)).await;
        let line = pool.take().expect("one waits");
        assert_eq!(count(&pool), 1);
        sleep(LOOK_EVERY * 2).await;
        assert_eq!((count(&pool), lock(&pool.waiting).looked_at), (0, false));
        pool.put(line);
        assert!(lock(&pool.waiting).looked_at);
    }
}
