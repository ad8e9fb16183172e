//! The live page of a process: what its runs do now, over HTTP, and what an operator changes about them.

mod access;
mod actions;
mod assets;
mod doings;
mod live;

use std::net::SocketAddr;
use std::path::PathBuf;

use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use clap::Args;
use serde::Deserialize;
use valuesim_shared::control::{CallsByWorker, History};
use valuesim_shared::id::RunId;

use self::access::{Access, Refused};
use self::assets::{ASSETS, HEADERS};
use self::doings::Doings;
use self::live::Live;
use crate::commands::status::Observer;
use crate::output::note;

/// How long whoever gives a wrong token waits for the answer, so that nobody tries many.
const WRONG_TOKEN_PAUSE: std::time::Duration = std::time::Duration::from_millis(500);

/// How the page is protected.
#[derive(Debug, Args)]
#[group(skip)]
pub(crate) struct PageFlags {
    /// File with a token of at least 16 characters; whoever knows it may pause, resume and cancel on the live page, and see
    /// the page where it is served beyond this machine
    #[arg(long, value_name = "FILE", env = "VALUESIM_PAGE_TOKEN_FILE", help_heading = "Servers")]
    page_token_file: Option<PathBuf>,
}

/// The page of a process.
#[derive(Clone)]
pub(crate) struct Page {
    access: Access,
    live: Live,
    doings: Doings,
}

impl PageFlags {
    /// Reads the token for a page that is served at `address`.
    pub(crate) fn access(&self, address: SocketAddr) -> anyhow::Result<Access> {
        Access::new(address.ip(), self.page_token_file.as_deref())
    }
}

impl Page {
    /// A page that shows what `observer` sees, to those whom `access` admits. Call it within a runtime.
    pub(crate) fn new(access: Access, observer: Observer) -> Self {
        let doings = Doings::default();
        Self { access, live: Live::start(observer, doings.clone()), doings }
    }

    /// What it serves.
    pub(crate) fn routes(&self) -> Router {
        let mut files = Router::new();
        for asset in &ASSETS {
            files = files.route(asset.path, get(move || async move { asset.into_response() }));
        }
        let reading = Router::new()
            .route("/api/status", get(status))
            .route("/api/events", get(events))
            .route("/api/history/{run}", get(history))
            .route("/api/dead/{run}", get(actions::dead_letters))
            .route("/api/dead/{run}/{letter}", get(actions::dead_letter))
            .route_layer(middleware::from_fn_with_state(self.clone(), may_read));
        let changing = Router::new()
            .route("/api/order", post(actions::order))
            .route("/api/dead/settle", post(actions::settle))
            .route_layer(middleware::from_fn_with_state(self.clone(), may_change));
        let pages = files.merge(reading).merge(changing);
        let pages = pages.route("/api/session", get(session).post(sign_in));
        pages.route_layer(middleware::from_fn_with_state(self.clone(), protect)).with_state(self.clone())
    }

    /// Tells people where the page is, or why it is not served.
    pub(crate) fn announce(&self, url: &str) {
        if self.access.is_served() {
            note(&format!("live page: {url}/"));
        } else {
            note(
                "the live page is off, because others can reach this address: --page-token-file FILE serves it to whoever knows the token",
            );
        }
    }

    /// Sends viewers a last snapshot, and ends their streams.
    pub(crate) async fn end(&self) {
        self.live.end().await;
    }
}

/// Serves nothing where nobody could be told from anybody, and adds the headers of every response.
async fn protect(State(page): State<Page>, request: Request, next: Next) -> Response {
    let mut response = if page.access.is_served() { next.run(request).await } else { Refused::NoToken.into_response() };
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

async fn may_read(State(page): State<Page>, request: Request, next: Next) -> Response {
    match page.access.check_reading(request.headers()) {
        Ok(()) => next.run(request).await,
        Err(refused) => refused.into_response(),
    }
}

async fn may_change(State(page): State<Page>, request: Request, next: Next) -> Response {
    match page.access.check_changing(request.headers()) {
        Ok(()) => next.run(request).await,
        Err(refused) => refused.into_response(),
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let (status, error) = match self {
            Self::NoToken => (
                StatusCode::FORBIDDEN,
                "start the process with --page-token-file FILE to allow this: FILE holds a token",
            ),
            Self::NotSignedIn => (StatusCode::UNAUTHORIZED, "sign in with the token first"),
            Self::OtherSite => {
                (StatusCode::FORBIDDEN, "the request comes from another site's page, or names this machine differently")
            }
        };
        failed(status, error)
    }
}

/// A response that says what is wrong.
fn failed(status: StatusCode, error: &str) -> Response {
    (status, Json(serde_json::json!({ "error": error }))).into_response()
}

async fn status(State(page): State<Page>) -> Response {
    match page.live.now().await {
        Some(json) => ([(header::CONTENT_TYPE, "application/json")], json).into_response(),
        None => failed(StatusCode::SERVICE_UNAVAILABLE, "broker and store do not answer in time"),
    }
}

async fn events(State(page): State<Page>) -> Response {
    match page.live.events() {
        Some(events) => ([(header::CONTENT_TYPE, "text/event-stream")], Body::from_stream(events)).into_response(),
        None => failed(StatusCode::SERVICE_UNAVAILABLE, "too many viewers: close a page and load this one again"),
    }
}

async fn history(State(page): State<Page>, Path(run): Path<String>) -> Response {
    match page.live.history(&RunId(run)).await {
        // What the next coordinator needs is not for viewers.
        Ok(history) => Json(history.map(|all| History { calls: CallsByWorker::default(), ..all })).into_response(),
        Err(error) => failed(StatusCode::BAD_GATEWAY, &format!("{error:#}")),
    }
}

/// What the viewer may do.
async fn session(State(page): State<Page>, headers: HeaderMap) -> Response {
    let may_see = page.access.check_reading(&headers).is_ok();
    let is_signed_in = page.access.is_signed_in(&headers);
    Json(serde_json::json!({
        "may_see": may_see,
        "signed_in": is_signed_in,
        "has_token": page.access.allows_changes(),
        "release": env!("CARGO_PKG_VERSION"),
    }))
    .into_response()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SignIn {
    token: String,
}

/// Exchanges the token for a cookie.
async fn sign_in(State(page): State<Page>, headers: HeaderMap, Json(SignIn { token }): Json<SignIn>) -> Response {
    if let Err(refused) = page.access.check_signing_in(&headers) {
        return refused.into_response();
    }
    if let Some(cookie) = page.access.sign_in(&token) {
        return ([(header::SET_COOKIE, cookie)], Json(serde_json::json!({ "signed_in": true }))).into_response();
    }
    tokio::time::sleep(WRONG_TOKEN_PAUSE).await;
    failed(StatusCode::UNAUTHORIZED, "this is not the token in the file that --page-token-file names")
}
