//! The meter of a run: counts what the process has done, for progress displays, and keeps the last trouble of each model.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use valuesim_shared::control::{FailureClass, UnixMillis};
use valuesim_shared::id::ModelId;
use valuesim_shared::method::Method;
use valuesim_shared::model::ModelSettings;
use valuesim_shared::money::{NanoUsd, Tokens};
use valuesim_shared::outcome::{Ended, StageSpend, UncertainSpend};
use valuesim_shared::stage::Stage;
use valuesim_shared::task::TaskKind;

use crate::failure_log::FailureLog;
use crate::idle_timer::IdleTimer;
use crate::metrics::{Metrics, ModelMetrics, NotDone, Outcome, RunMetrics};
use crate::provider::CallError;

/// Counts what one process has done for a run. All methods are cheap and may be called from any thread.
#[derive(Debug, Default)]
pub struct Meter {
    backstories: AtomicU64,
    predictions: AtomicU64,
    sent: AtomicU64,
    ended: AtomicU64,
    answered: AtomicU64,
    failed: AtomicU64,
    input: AtomicU64,
    cached: AtomicU64,
    output: AtomicU64,
    cost: AtomicU64,
    /// What failed calls may have cost at most, in nano-dollars.
    wasted_at_most: AtomicU64,
    /// Calls that wait before they are tried again.
    to_be_retried: AtomicU64,
    /// By model.
    providers: Vec<Provider>,
    /// By model.
    idle_timers: Vec<IdleTimer>,
    /// The metrics of the process, if it has any.
    metrics: Option<RunMetrics>,
}

/// The provider of a model.
#[derive(Debug)]
struct Provider {
    model: String,
    /// The last failure, until a call is answered.
    trouble: Mutex<Option<(UnixMillis, String)>>,
    /// All failures so far.
    failures: Mutex<FailureLog>,
}

/// The last failure of the calls to a model, none of which was answered since.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// The model's name.
    pub model: String,
    /// When the call failed.
    pub at: UnixMillis,
    /// The error.
    pub text: String,
}

/// The counts at one moment.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Reading {
    /// Backstories written.
    pub backstories: u64,
    /// Predictions made, all arms together.
    pub predictions: u64,
    /// Requests that were sent.
    pub sent: u64,
    /// Requests that were sent and have not ended.
    pub in_flight: u64,
    /// Requests that were answered.
    pub answered: u64,
    /// Requests that failed.
    pub failed: u64,
    /// Tokens that providers reported.
    pub tokens: Tokens,
    /// What the tokens cost.
    pub cost: NanoUsd,
    /// What failed requests may have cost in addition, at most.
    pub wasted_at_most: NanoUsd,
    /// Calls that wait before they are tried again.
    pub to_be_retried: u64,
    /// The latest trouble of any model, as long as it lasts.
    pub trouble: Option<String>,
}

/// A call that waits before it is tried again, until this is dropped.
#[derive(Debug)]
pub(crate) struct WaitsForRetry<'a>(&'a AtomicU64);

impl Drop for WaitsForRetry<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A request that was sent and has not ended. If it is dropped, it counts as abandoned.
#[derive(Debug)]
pub(crate) struct InFlightCall<'a> {
    meter: &'a Meter,
    provider: Option<&'a Provider>,
    metrics: Option<&'a ModelMetrics>,
    stage: Stage,
    since: Instant,
    ended: Outcome,
}

impl Meter {
    /// A meter for a run with these models and methods. It counts for the process's metrics too, if there are any.
    pub(crate) fn new((models, methods): (&[ModelSettings], &[Method]), metrics: Option<&Metrics>) -> Self {
        Self {
            providers: models.iter().map(Provider::of).collect(),
            idle_timers: models.iter().map(|_| IdleTimer::default()).collect(),
            metrics: metrics.map(|metrics| RunMetrics::new(metrics, models, methods)),
            ..Self::default()
        }
    }

    /// The counts now.
    pub fn read(&self) -> Reading {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let ended = get(&self.ended);
        let sent = get(&self.sent);
        Reading {
            backstories: get(&self.backstories),
            predictions: get(&self.predictions),
            sent,
            in_flight: sent.saturating_sub(ended),
            answered: get(&self.answered),
            failed: get(&self.failed),
            tokens: Tokens {
                input: get(&self.input),
                cached: get(&self.cached),
                output: get(&self.output),
                ..Tokens::default()
            },
            cost: NanoUsd(get(&self.cost)),
            wasted_at_most: NanoUsd(get(&self.wasted_at_most)),
            to_be_retried: get(&self.to_be_retried),
            trouble: self.troubles().into_iter().max_by_key(|trouble| trouble.at).map(|trouble| trouble.text),
        }
    }

    /// The present troubles, at most one for each model.
    pub fn troubles(&self) -> Vec<Trouble> {
        let trouble = |provider: &Provider| {
            let (at, text) = provider.trouble().clone()?;
            Some(Trouble { model: provider.model.clone(), at, text })
        };
        self.providers.iter().filter_map(trouble).collect()
    }

    /// Counts that a call to a model waited this long until it could be sent.
    pub(crate) fn permitted(&self, model: ModelId, after: Duration) {
        if let Some(metrics) = &self.metrics {
            metrics.model(model).permitted(after);
        }
    }

    /// Counts that the store was asked for a backstory, and whether it had it.
    pub(crate) fn backstory_looked_up(&self, found: bool) {
        if let Some(metrics) = &self.metrics {
            metrics.backstory_looked_up(found);
        }
    }

    /// All failures so far, by model and class.
    pub fn failures(&self) -> Vec<FailureClass> {
        self.providers.iter().flat_map(|provider| provider.failures().classes(&provider.model)).collect()
    }

    pub(crate) fn backstory_written(&self) {
        self.backstories.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn predicted(&self, method: Method, ended: Ended) {
        self.predictions.fetch_add(1, Ordering::Relaxed);
        if let Some(metrics) = &self.metrics {
            metrics.predicted(method, ended);
        }
    }

    pub(crate) fn call_sent(&self, model: ModelId, stage: Stage) -> InFlightCall<'_> {
        self.sent.fetch_add(1, Ordering::Relaxed);
        let metrics = self.metrics.as_ref().map(|metrics| metrics.model(model));
        if let Some(metrics) = metrics {
            metrics.in_flight.inc();
        }
        let provider = self.providers.get(usize::from(model.0));
        InFlightCall { meter: self, provider, metrics, stage, since: Instant::now(), ended: Outcome::Abandoned }
    }

    pub(crate) fn call_retried(&self, model: ModelId, error: &CallError, wait: Duration) -> WaitsForRetry<'_> {
        if let Some(metrics) = &self.metrics {
            metrics.model(model).retried(error.kind, wait);
        }
        self.to_be_retried.fetch_add(1, Ordering::Relaxed);
        WaitsForRetry(&self.to_be_retried)
    }

    pub(crate) fn task_done(&self, kind: TaskKind, after: Duration) {
        if let Some(metrics) = &self.metrics {
            metrics.task_done(kind, after);
        }
    }

    /// `kind` is `None` if the message is no task.
    pub(crate) fn task_not_done(&self, kind: Option<TaskKind>, not_done: NotDone) {
        if let Some(metrics) = &self.metrics {
            metrics.task_not_done(kind, not_done);
        }
    }

    /// How long each model's loop has waited for a delivery, by model.
    pub(crate) fn idle_timers(&self) -> &[IdleTimer] {
        &self.idle_timers
    }
}

impl Provider {
    fn of(model: &ModelSettings) -> Self {
        Self { model: model.name.clone(), trouble: Mutex::default(), failures: Mutex::default() }
    }

    fn trouble(&self) -> MutexGuard<'_, Option<(UnixMillis, String)>> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn failures(&self) -> MutexGuard<'_, FailureLog> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answers(&self) {
        let mut trouble = self.trouble();
        if trouble.is_some() {
            *trouble = None;
        }
    }
}

impl InFlightCall<'_> {
    /// Counts a reply, which ends any trouble of the model.
    pub(crate) fn answered(mut self, spend: &StageSpend) {
        let meter = self.meter;
        meter.input.fetch_add(spend.tokens.input, Ordering::Relaxed);
        meter.cached.fetch_add(spend.tokens.cached, Ordering::Relaxed);
        meter.output.fetch_add(spend.tokens.output, Ordering::Relaxed);
        meter.cost.fetch_add(spend.cost.0, Ordering::Relaxed);
        meter.answered.fetch_add(1, Ordering::Relaxed);
        if let Some(provider) = self.provider {
            provider.answers();
        }
        if let Some(metrics) = self.metrics {
            metrics.spent(self.stage, spend);
        }
        self.ended = Outcome::Ok;
    }

    /// Counts a failure; `uncertain` is what the provider may bill for it.
    pub(crate) fn failed(mut self, error: &CallError, uncertain: &UncertainSpend) {
        self.meter.failed.fetch_add(1, Ordering::Relaxed);
        if error.kind.perhaps_billed() {
            self.meter.wasted_at_most.fetch_add(uncertain.at_most_cost.0, Ordering::Relaxed);
        }
        self.ended = Outcome::Failed(error.kind);
        if let Some(provider) = self.provider {
            let (now, text) = (UnixMillis::now(), error.to_string());
            provider.failures().add(self.ended.name(), now, &text);
            *provider.trouble() = Some((now, text));
        }
    }
}

impl Drop for InFlightCall<'_> {
    fn drop(&mut self) {
        self.meter.ended.fetch_add(1, Ordering::Relaxed);
        if let Some(metrics) = self.metrics {
            metrics.ended(self.stage, self.ended, self.since.elapsed());
        }
    }
}

#[cfg(test)]
mod tests {
    use valuesim_shared::telemetry::Exposition;

    use super::*;
    use crate::provider::CallErrorKind;

    fn shown(model: &str) -> (Meter, Exposition) {
        let exposition = Exposition::new("worker");
        let metrics = Metrics::new(exposition.registry());
        (Meter::new((&[ModelSettings::named(model)], &Method::DEFAULT), Some(&metrics)), exposition)
    }

    fn failed_with(kind: CallErrorKind, message: Option<&str>) -> CallError {
        CallError::new(kind, None, message.unwrap_or_default())
    }

    #[test]
    fn a_call_counts_once_however_it_ends() {
        let (meter, exposition) = shown("m");
        let call = || meter.call_sent(ModelId(0), Stage::STORY);
        let error = failed_with(CallErrorKind::WrongKey, None);
        call().answered(&StageSpend::default());
        call().failed(&error, &UncertainSpend::default());
        drop(call());
        let under_way = call();
        let text = exposition.text(|| ());
        let check = |line: &str| assert!(text.lines().any(|found| found == line), "{line} is missing in\n{text}");
        for outcome in ["ok", "auth", "abandoned"] {
            let labels = format!("model=\"m\",outcome=\"{outcome}\",provider=\"other\",stage=\"story\"");
            check(&format!("valuesim_llm_requests_total{{{labels}}} 1"));
        }
        check("valuesim_llm_inflight_requests{provider=\"other\"} 1");
        let reading = meter.read();
        assert_eq!((reading.sent, reading.in_flight, reading.answered, reading.failed), (4, 1, 1, 1));
        drop(under_way);
        assert_eq!(meter.read().in_flight, 0);
    }

    #[test]
    fn a_trouble_belongs_to_one_model_and_to_the_moment_of_the_failure() {
        let meter = Meter::new((&["one", "other"].map(ModelSettings::named), &[]), None);
        let call = |model| meter.call_sent(ModelId(model), Stage::STORY);
        let error = failed_with(CallErrorKind::WrongKey, None);
        let before = UnixMillis::now();
        call(1).failed(&error, &UncertainSpend::default());
        let [trouble] = &meter.troubles()[..] else { panic!("{:?}", meter.troubles()) };
        assert!(trouble.model == "other" && (before..=UnixMillis::now()).contains(&trouble.at), "{trouble:?}");
        call(0).answered(&StageSpend::default());
        assert_eq!(meter.read().trouble, Some(error.to_string()), "another model's answer does not end it");
        call(1).answered(&StageSpend::default());
        assert_eq!((meter.read().trouble, meter.troubles()), (None, Vec::new()));
    }

    #[test]
    fn failures_are_kept_by_model_and_class_and_what_they_may_cost_is_counted_once() {
        let meter = Meter::new((&["one", "other"].map(ModelSettings::named), &[]), None);
        let error = |kind, text: &str| failed_with(kind, Some(text));
        let uncertain = UncertainSpend { at_most_cost: NanoUsd(5), ..UncertainSpend::default() };
        let fail = |model, error: &CallError| meter.call_sent(ModelId(model), Stage::STORY).failed(error, &uncertain);
        fail(0, &error(CallErrorKind::TimedOut, "first"));
        fail(0, &error(CallErrorKind::TimedOut, "second"));
        fail(1, &error(CallErrorKind::WrongKey, "no"));
        let found = meter.failures();
        let shown: Vec<_> = found.iter().map(|of| (of.model.as_str(), of.class.as_str(), of.count)).collect();
        assert_eq!(shown, [("one", "timeout", 2), ("other", "auth", 1)]);
        assert!(found[0].example.ends_with("second"), "{found:?}");
        assert_eq!(meter.read().wasted_at_most, NanoUsd(10), "a refused key costs nothing");
        let waiting = meter.call_retried(ModelId(0), &error(CallErrorKind::TimedOut, ""), Duration::ZERO);
        assert_eq!(meter.read().to_be_retried, 1);
        drop(waiting);
        assert_eq!(meter.read().to_be_retried, 0);
    }

    #[test]
    fn a_label_is_escaped_whatever_text_it_holds() {
        let (meter, exposition) = shown("a\"b\\c\nd");
        meter.call_sent(ModelId(0), Stage::STORY).answered(&StageSpend::default());
        let text = exposition.text(|| ());
        assert!(text.contains(r#"model="a\"b\\c\nd",outcome="ok""#), "{text}");
    }
}
