//! Answers probes and scrapes over HTTP, until the process ends.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;

use super::{Health, Observed};

/// The type of Prometheus' text format.
const METRICS_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Why an address cannot be listened at.
#[derive(Debug, thiserror::Error)]
#[error("listen at {address} for probes and metrics: {reason}; name another address, port 0 for any free one")]
pub struct ListenError {
    /// Where.
    pub address: SocketAddr,
    /// What the system says.
    pub reason: std::io::Error,
}

/// An address that is listened at.
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    address: SocketAddr,
}

impl Listener {
    /// Takes the address, so that nobody else can have it. Fails where somebody has it, or where it is not this machine's.
    pub async fn open(address: SocketAddr) -> Result<Self, ListenError> {
        let taken = async {
            let socket = TcpListener::bind(address).await?;
            let address = socket.local_addr()?;
            Ok(Self { socket, address })
        };
        taken.await.map_err(|reason| ListenError { address, reason })
    }

    /// Where it is, with the port that was free.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Answers for `observed`. Never returns: whoever probes a process that ends is to see that until the last moment.
    pub async fn serve(self, observed: Arc<dyn Observed>) {
        let routes = Router::new()
            .route("/healthz", get(async |State(observed): State<Arc<dyn Observed>>| answer(&observed.alive())))
            .route("/readyz", get(async |State(observed): State<Arc<dyn Observed>>| answer(&observed.ready())))
            .route("/metrics", get(metrics))
            .with_state(observed);
        if let Err(error) = axum::serve(self.socket, routes).await {
            tracing::error!(%error, "probes and scrapes are no longer answered");
        }
    }
}

fn answer(health: &Health) -> Response {
    let status = if health.ok { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, axum::Json(health)).into_response()
}

async fn metrics(State(observed): State<Arc<dyn Observed>>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, METRICS_TYPE)], observed.metrics())
}
