//! One snapshot a second for all viewers: taken while somebody looks, written once, and shared.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use futures_util::Stream;
use futures_util::stream;
use tokio::sync::{Mutex, Notify, watch};
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::task::AbortOnDropHandle;
use valuesim_shared::control::History;
use valuesim_shared::id::RunId;

use super::doings::Doings;
use crate::commands::status::{Observer, Status};

/// How often a snapshot is taken.
const EVERY: Duration = Duration::from_secs(1);

/// How old a snapshot may be that answers a single request.
const FRESH: Duration = Duration::from_secs(2);

/// How long a single request waits for a snapshot: the servers may be away.
const WITHIN: Duration = Duration::from_secs(10);

/// How long connections may take to write the end of a stream that they have been given.
const WRITTEN_WITHIN: Duration = Duration::from_millis(100);

/// The most viewers that are sent snapshots at once.
pub(super) const MAX_VIEWERS: usize = 256;

/// What is sent to viewers.
#[derive(Clone)]
enum Frame {
    /// Nothing was taken yet.
    Nothing,
    Snapshot(Snapshot),
    /// The process is about to end: the last snapshot, and no more.
    End(Option<Snapshot>),
}

/// A snapshot as it is sent.
#[derive(Clone)]
struct Snapshot {
    at: Instant,
    /// A JSON object.
    json: Bytes,
    /// The same as server-sent events.
    events: Bytes,
}

/// Takes the snapshots. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Live {
    observer: Arc<Mutex<Observer>>,
    frames: Arc<watch::Sender<Frame>>,
    wanted: Arc<Notify>,
    _task: Arc<AbortOnDropHandle<()>>,
}

impl Live {
    /// Takes snapshots with `observer` whenever somebody looks.
    pub(super) fn start(observer: Observer, doings: Doings) -> Self {
        let observer = Arc::new(Mutex::new(observer));
        let frames = Arc::new(watch::Sender::new(Frame::Nothing));
        let wanted = Arc::new(Notify::new());
        let taking = take(Arc::clone(&observer), Arc::clone(&frames), Arc::clone(&wanted), doings);
        Self { observer, frames, wanted, _task: Arc::new(AbortOnDropHandle::new(tokio::spawn(taking))) }
    }

    /// A current snapshot as a JSON object; `None` if the servers do not answer in time.
    pub(super) async fn now(&self) -> Option<Bytes> {
        let mut frames = self.frames.subscribe();
        if let Some(snapshot) = fresh(&frames.borrow()) {
            return Some(snapshot.json);
        }
        self.wanted.notify_one();
        let coming = frames.wait_for(|frame| fresh(frame).is_some());
        let frame = tokio::time::timeout(WITHIN, coming).await.ok()?.ok()?;
        fresh(&frame).map(|snapshot| snapshot.json)
    }

    /// Snapshots as server-sent events until the process ends; `None` if there are too many viewers.
    pub(super) fn events(&self) -> Option<impl Stream<Item = Result<Bytes, Infallible>> + use<>> {
        if self.frames.receiver_count() >= MAX_VIEWERS {
            return None;
        }
        let mut frames = self.frames.subscribe();
        // What was taken a moment ago is shown at once.
        if fresh(&frames.borrow()).is_some() {
            frames.mark_changed();
        } else {
            self.wanted.notify_one();
        }
        Some(stream::unfold(Some(frames), |frames| async move {
            let mut frames = frames?;
            frames.changed().await.ok()?;
            let frame = frames.borrow_and_update().clone();
            match frame {
                Frame::Nothing => Some((Bytes::from_static(b": nothing yet\n\n"), Some(frames))),
                Frame::Snapshot(snapshot) => Some((snapshot.events, Some(frames))),
                Frame::End(last) => {
                    let last = last.map(|snapshot| snapshot.events).unwrap_or_default();
                    Some(([&last[..], &b"event: end\ndata: {}\n\n"[..]].concat().into(), None))
                }
            }
        }))
        .map(|events| stream::StreamExt::map(events, Ok))
    }

    /// The history of a run.
    pub(super) async fn history(&self, run: &RunId) -> anyhow::Result<Option<History>> {
        let control = self.observer.lock().await.control_of(run).await?;
        Ok(match control {
            Some(control) => control.history(run).await?,
            None => None,
        })
    }

    /// The observer, for actions that use its connections.
    pub(super) fn observer(&self) -> &Mutex<Observer> {
        &self.observer
    }

    /// Sends viewers a last snapshot, and ends their streams.
    pub(crate) async fn end(&self) {
        let has_viewers = self.frames.receiver_count() > 0;
        let looking = async { snapshot(&self.observer.lock().await.look().await, "[]") };
        let last = if has_viewers { tokio::time::timeout(FRESH, looking).await.ok() } else { None };
        self.frames.send_replace(Frame::End(last));
        if has_viewers {
            // Whether they have gone or not, the process ends.
            let _ = tokio::time::timeout(FRESH, self.frames.closed()).await;
            tokio::time::sleep(WRITTEN_WITHIN).await;
        }
    }
}

/// Takes a snapshot each second while there are viewers, and when one is wanted.
async fn take(observer: Arc<Mutex<Observer>>, frames: Arc<watch::Sender<Frame>>, wanted: Arc<Notify>, doings: Doings) {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {
                if frames.receiver_count() == 0 {
                    continue;
                }
            }
            () = wanted.notified() => ticks.reset(),
        }
        let status = observer.lock().await.look().await;
        let next = Frame::Snapshot(snapshot(&status, &doings.json()));
        let is_sent = frames.send_if_modified(|frame| {
            let is_open = !matches!(frame, Frame::End(_));
            if is_open {
                *frame = next;
            }
            is_open
        });
        if !is_sent {
            return;
        }
    }
}

fn snapshot(status: &Status, doings: &str) -> Snapshot {
    // JSON has no line breaks outside of its texts, and those are escaped.
    let json = serde_json::to_string(status).expect("a status can be written as JSON");
    let events = format!("event: status\ndata: {json}\n\nevent: doings\ndata: {doings}\n\n");
    Snapshot { at: Instant::now(), json: json.into(), events: events.into() }
}

/// The snapshot of a frame if it is recent enough to be shown as the present.
fn fresh(frame: &Frame) -> Option<Snapshot> {
    match frame {
        Frame::Snapshot(snapshot) if snapshot.at.elapsed() < FRESH => Some(snapshot.clone()),
        Frame::End(last) => last.clone(),
        Frame::Nothing | Frame::Snapshot(_) => None,
    }
}
