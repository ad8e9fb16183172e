//! The HTTP listener of a process: probes, scrapes, and whatever else the process serves.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

pub use axum::Router;
use axum::body::HttpBody as _;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use super::process::most_open_files;
use super::write_deadline::WriteDeadline;
use super::{Health, Probed};

/// The media type of Prometheus' text format.
const METRICS_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The most connections at once; others wait until one is closed. They are never more than a quarter of the files that the
/// process may have open, so that they leave it the files for its calls.
const MAX_CONNECTIONS: usize = 512;
const MIN_CONNECTIONS: usize = 8;

/// How long a client may take to send the head of a request, and how long a connection may be idle.
const HEAD_WITHIN: Duration = Duration::from_secs(10);

/// How long a client may take nothing of what it is sent.
const TAKEN_WITHIN: Duration = Duration::from_secs(30);

/// How long a request may take until its response begins, its body included.
const RESPONSE_WITHIN: Duration = Duration::from_secs(30);

/// The most bytes of a request's body.
const MAX_BODY_BYTES: usize = 16 * 1024;

/// How long to wait before connections are accepted again after the system has refused one, for want of files for example.
const ACCEPT_AGAIN_AFTER: Duration = Duration::from_millis(100);

/// Why the listener cannot be opened.
#[derive(Debug, thiserror::Error)]
#[error("listen at {address} for probes and metrics: {reason}; use another address, or port 0 for any free port")]
pub struct ListenError {
    /// The address.
    pub address: SocketAddr,
    /// The system's error.
    pub reason: std::io::Error,
}

/// An open listener that does not answer yet.
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    address: SocketAddr,
}

impl Listener {
    /// Binds the address. Fails if it is in use, or not an address of this machine.
    pub async fn open(address: SocketAddr) -> Result<Self, ListenError> {
        let taken = async {
            let socket = TcpListener::bind(address).await?;
            let address = socket.local_addr()?;
            Ok(Self { socket, address })
        };
        taken.await.map_err(|reason| ListenError { address, reason })
    }

    /// The URL, with the actual port.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Answers with the state of `observed`, and what `more` serves. Never returns, so that a process can be probed until it
    /// exits.
    pub async fn serve(self, observed: Arc<dyn Probed>, more: Router) {
        let probes = Router::new()
            .route("/healthz", get(async |State(observed): State<Arc<dyn Probed>>| answer(&observed.alive())))
            .route("/readyz", get(async |State(observed): State<Arc<dyn Probed>>| answer(&observed.ready())))
            .route("/metrics", get(metrics))
            .with_state(observed);
        self.accept(routes(probes.merge(more))).await;
    }

    /// Answers with what `routes` serve alone. Never returns.
    pub async fn serve_alone(self, more: Router) {
        self.accept(routes(more)).await;
    }

    async fn accept(self, routes: Router) {
        let places = Arc::new(Semaphore::new(most_connections(most_open_files())));
        loop {
            let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
            match self.socket.accept().await {
                Ok((stream, _)) => {
                    let routes = routes.clone();
                    tokio::spawn(async move {
                        answer_connection(stream, routes).await;
                        drop(place);
                    });
                }
                Err(error) => {
                    tracing::debug!(%error, "could not accept a connection");
                    tokio::time::sleep(ACCEPT_AGAIN_AFTER).await;
                }
            }
        }
    }
}

fn most_connections(most_files: Option<u64>) -> usize {
    let quarter = most_files.map_or(MAX_CONNECTIONS, |files| usize::try_from(files / 4).unwrap_or(usize::MAX));
    quarter.clamp(MIN_CONNECTIONS, MAX_CONNECTIONS)
}

fn routes(routes: Router) -> Router {
    let limit = DefaultBodyLimit::max(MAX_BODY_BYTES);
    routes.layer(middleware::from_fn(in_time)).layer(middleware::from_fn(of_allowed_length)).layer(limit)
}

async fn answer_connection(stream: TcpStream, routes: Router) {
    let mut server = http1::Builder::new();
    server.timer(TokioTimer::new()).header_read_timeout(HEAD_WITHIN);
    let stream = TokioIo::new(WriteDeadline::new(stream, TAKEN_WITHIN));
    let served = server.serve_connection(stream, TowerToHyperService::new(routes)).await;
    if let Err(error) = served {
        tracing::debug!(%error, "a connection broke off");
    }
}

/// Refuses a body that is announced as too long without waiting for it.
async fn of_allowed_length(request: Request, next: Next) -> Response {
    if request.body().size_hint().lower() > MAX_BODY_BYTES as u64 {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    }
    next.run(request).await
}

/// Limits how long a request may take. A body that is streamed may go on after its beginning.
async fn in_time(request: Request, next: Next) -> Response {
    match tokio::time::timeout(RESPONSE_WITHIN, next.run(request)).await {
        Ok(response) => response,
        Err(_) => StatusCode::REQUEST_TIMEOUT.into_response(),
    }
}

fn answer(health: &Health) -> Response {
    let status = if health.ok { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, axum::Json(health)).into_response()
}

async fn metrics(State(observed): State<Arc<dyn Probed>>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, METRICS_TYPE)], observed.metrics())
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    /// A listener that serves one page.
    async fn listening() -> SocketAddr {
        let listener = Listener::open(SocketAddr::from(([127, 0, 0, 1], 0))).await.expect("opens");
        let address = listener.address;
        tokio::spawn(listener.serve_alone(Router::new().route("/", get("here"))));
        address
    }

    /// What comes until the listener closes the connection.
    async fn read_all(stream: &mut TcpStream) -> String {
        let mut text = String::new();
        stream.read_to_string(&mut text).await.expect("reads");
        text
    }

    #[test]
    fn connections_leave_the_calls_their_files() {
        let check = |files, expected| assert_eq!(most_connections(files), expected);
        check(Some(256), 64);
        check(Some(20), MIN_CONNECTIONS);
        check(Some(1_000_000), MAX_CONNECTIONS);
        check(None, MAX_CONNECTIONS);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_sends_no_whole_head_or_nothing_more_is_left() {
        let address = listening().await;
        for sent in ["GET / HTTP/1.1\r\nHost: x\r\n", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", ""] {
            let mut stream = TcpStream::connect(address).await.expect("connects");
            stream.write_all(sent.as_bytes()).await.expect("writes");
            let begun = tokio::time::Instant::now();
            let text = tokio::time::timeout(HEAD_WITHIN * 3, read_all(&mut stream)).await.expect("it is left");
            assert_eq!(text.contains("here"), sent.ends_with("\r\n\r\n"), "{text}");
            assert!(begun.elapsed() >= HEAD_WITHIN / 2, "it has some time");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_nothing_of_an_endless_answer_is_left() {
        let listener = Listener::open(SocketAddr::from(([127, 0, 0, 1], 0))).await.expect("opens");
        let address = listener.address;
        let chunk = || Ok::<_, std::convert::Infallible>(axum::body::Bytes::from_static(&[b'x'; 8 * 1024]));
        let endless = move || async move { axum::body::Body::from_stream(futures_util::stream::repeat_with(chunk)) };
        tokio::spawn(listener.serve_alone(Router::new().route("/", get(endless))));
        let mut stream = TcpStream::connect(address).await.expect("connects");
        stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.expect("writes");
        tokio::time::sleep(TAKEN_WITHIN * 2).await;
        // What was sent before it was left is still there, and ends.
        let mut taken = vec![0; 1 << 20];
        let end = async { while stream.read(&mut taken).await.is_ok_and(|bytes| bytes > 0) {} };
        tokio::time::timeout(TAKEN_WITHIN / 2, end).await.expect("it is left");
    }

    #[tokio::test]
    async fn a_body_that_is_too_long_is_refused() {
        let listener = Listener::open(SocketAddr::from(([127, 0, 0, 1], 0))).await.expect("opens");
        let address = listener.address;
        let echo = axum::routing::post(async |body: String| body);
        tokio::spawn(listener.serve_alone(Router::new().route("/", echo)));
        let mut stream = TcpStream::connect(address).await.expect("connects");
        let head = format!("POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", 1 << 20);
        stream.write_all(head.as_bytes()).await.expect("writes");
        let mut start = [0; 12];
        stream.read_exact(&mut start).await.expect("reads");
        assert_eq!(&start, b"HTTP/1.1 413");
    }
}
