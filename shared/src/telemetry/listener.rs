//! The HTTP listener for probes and scrapes.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;

use super::{Health, Probed};

/// The media type of Prometheus' text format.
const METRICS_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

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

    /// Answers with the state of `observed`. Never returns, so that a process can be probed until it exits.
    pub async fn serve(self, observed: Arc<dyn Probed>) {
        let routes = Router::new()
            .route("/healthz", get(async |State(observed): State<Arc<dyn Probed>>| answer(&observed.alive())))
            .route("/readyz", get(async |State(observed): State<Arc<dyn Probed>>| answer(&observed.ready())))
            .route("/metrics", get(metrics))
            .with_state(observed);
        if let Err(error) = axum::serve(self.socket, routes).await {
            tracing::error!(%error, "the listener for probes and metrics failed");
        }
    }
}

fn answer(health: &Health) -> Response {
    let status = if health.ok { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, axum::Json(health)).into_response()
}

async fn metrics(State(observed): State<Arc<dyn Probed>>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, METRICS_TYPE)], observed.metrics())
}
