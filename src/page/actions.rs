//! What an operator does with the page: orders for a run, and what becomes of its dead letters. Each has a reason that is kept.

use anyhow::{Context as _, anyhow};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::json;
use valuesim_shared::control::{Change, ChangeKind, DesiredState, Order, UnixMillis};
use valuesim_shared::id::RunId;
use valuesim_shared::queue::RabbitQueue;

use super::doings::DoingId;
use super::{Page, failed};
use crate::commands::dead::{self, Act, Choice};
use crate::commands::status::RunControl;

/// The longest reason and name that are kept, in characters.
const MAX_REASON_CHARS: usize = 500;
const MAX_NAME_CHARS: usize = 100;

/// An order for a run.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OrderRequest {
    run: RunId,
    wish: DesiredState,
    reason: String,
    by: String,
}

/// What becomes of the dead letters of one kind and reason.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SettleRequest {
    run: RunId,
    act: SettleKind,
    filter: Filter,
    reason: String,
    by: String,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "snake_case")]
enum SettleKind {
    Replay,
    Discard,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Filter {
    kind: String,
    reason: String,
}

/// Who does something, and why.
struct Signed {
    by: String,
    reason: String,
}

impl Signed {
    /// `None` if either is missing.
    fn new(by: &str, reason: &str) -> Option<Self> {
        let [by, reason] = [(by, MAX_NAME_CHARS), (reason, MAX_REASON_CHARS)]
            .map(|(text, most)| text.trim().chars().take(most).collect::<String>());
        let is_signed = !by.is_empty() && !reason.is_empty();
        is_signed.then(|| Self { by: format!("{by} (page)"), reason })
    }
}

fn not_signed() -> Response {
    failed(StatusCode::UNPROCESSABLE_ENTITY, "say who you are and why: both are kept with the run")
}

/// Gives an order.
pub(super) async fn order(State(page): State<Page>, Json(request): Json<OrderRequest>) -> Response {
    let OrderRequest { run, wish, reason, by } = request;
    let Some(Signed { by, reason }) = Signed::new(&by, &reason) else { return not_signed() };
    let order = Order { reason: Some(reason), ..Order::new(wish, by) };
    let given = async { anyhow::Ok(page.control_of(&run).await?.order(&run, order).await?) };
    match given.await {
        Ok(order) => Json(json!({ "given": order })).into_response(),
        Err(error) => failed(StatusCode::BAD_GATEWAY, &format!("{error:#}")),
    }
}

/// Begins to replay or discard dead letters; its progress is sent to all viewers.
pub(super) async fn settle(State(page): State<Page>, Json(request): Json<SettleRequest>) -> Response {
    let SettleRequest { run, act, filter, reason, by } = request;
    let Some(signed) = Signed::new(&by, &reason) else { return not_signed() };
    let reached = async { anyhow::Ok((page.control_of(&run).await?, page.broker().await?)) };
    let (control, broker) = match reached.await {
        Ok(reached) => reached,
        Err(error) => return failed(StatusCode::BAD_GATEWAY, &format!("{error:#}")),
    };
    let kind = match act {
        SettleKind::Replay => ChangeKind::Replay,
        SettleKind::Discard => ChangeKind::Discard,
    };
    let doing = page.doings.begin(&run, kind);
    let settling = Settling { page, run, control, broker, choice: filter.choice(), act: signed.act(act), kind, doing };
    // Nobody awaits it: it reports its end itself, and what it has not yet done when the process ends stays as it was.
    tokio::spawn(settling.carry_out(signed));
    (StatusCode::ACCEPTED, Json(json!({ "doing": doing }))).into_response()
}

impl Filter {
    fn choice(self) -> Choice {
        Choice::Alike { kind: self.kind, reason: self.reason }
    }
}

impl Signed {
    fn act(&self, kind: SettleKind) -> Act {
        match kind {
            SettleKind::Replay => Act::Replay { note: format!("replayed by {} at {}", self.by, UnixMillis::now()) },
            SettleKind::Discard => Act::Discard,
        }
    }
}

/// Dead letters that are being replayed or discarded.
struct Settling {
    page: Page,
    run: RunId,
    control: RunControl,
    broker: RabbitQueue,
    choice: Choice,
    act: Act,
    kind: ChangeKind,
    doing: DoingId,
}

impl Settling {
    async fn carry_out(self, Signed { by, reason }: Signed) {
        let progress = |done, of| self.page.doings.progress(self.doing, done, of);
        let settled = dead::settle_all(&self.broker, &self.run, (&self.choice, &self.act), progress).await;
        let text = match &settled {
            Ok(text) => text.clone(),
            Err(error) => format!("{error:#}"),
        };
        let change = Change::new(self.kind, by, Some(reason), Some(text.clone()));
        let noted = self.control.note(&self.run, &change).await;
        let result = match (settled, noted) {
            (Ok(_), Ok(())) => Ok(text),
            (Ok(_), Err(error)) => Err(format!("{text}; but it could not be recorded who did it and why: {error}")),
            (Err(_), _) => Err(text),
        };
        self.page.doings.end(self.doing, result);
    }
}

/// The dead letters of a run, without their messages.
pub(super) async fn dead_letters(State(page): State<Page>, Path(run): Path<String>) -> Response {
    let read = async {
        let (letters, waiting) = dead::listed(&page.broker().await?, &RunId(run)).await?;
        anyhow::Ok(json!({ "letters": letters, "waiting": waiting }))
    };
    answer(read.await)
}

/// One dead letter with its message.
pub(super) async fn dead_letter(State(page): State<Page>, Path((run, letter)): Path<(String, String)>) -> Response {
    let read = async {
        let letter = letter.parse().map_err(|error: String| anyhow!(error))?;
        let found = dead::whole(&page.broker().await?, &RunId(run), &letter).await?;
        found.context("it is gone: somebody has replayed or discarded it")
    };
    answer(read.await)
}

fn answer(read: anyhow::Result<serde_json::Value>) -> Response {
    match read {
        Ok(content) => Json(content).into_response(),
        Err(error) => failed(StatusCode::BAD_GATEWAY, &format!("{error:#}")),
    }
}

impl Page {
    async fn control_of(&self, run: &RunId) -> anyhow::Result<RunControl> {
        let found = self.live.observer().lock().await.control_of(run).await?;
        found.with_context(|| format!("run {run} is unknown: it may have been purged"))
    }

    async fn broker(&self) -> anyhow::Result<RabbitQueue> {
        let broker = self.live.observer().lock().await.broker().await?;
        broker.context("a run in one process has no dead letters: it ends instead")
    }
}
