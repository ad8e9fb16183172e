//! The Prometheus metrics of a worker process: calls, tasks and predictions.

mod outcome;
mod waits;

use std::fmt::Debug;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use prometheus::{
    Counter, CounterVec, Histogram, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Registry,
};
use valuesim_shared::id::ModelId;
use valuesim_shared::method::Method;
use valuesim_shared::model::ModelSettings;
use valuesim_shared::outcome::{Ended, StageSpend};
use valuesim_shared::stage::{Stage, StageKind};
use valuesim_shared::task::TaskKind;
use valuesim_shared::telemetry::{CALL_SECONDS, metrics, register};

use self::outcome::OUTCOMES;
pub(crate) use self::outcome::Outcome;
pub(crate) use self::waits::WaitMetrics;
use crate::provider::CallErrorKind;

/// Upper bounds of the durations of tasks, in seconds. A backstory takes seconds, a cell at a slow provider up to an hour.
const TASK_SECONDS: [f64; 12] = [1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1_200.0, 1_800.0, 3_600.0];

/// The price tier of all calls: neither batches nor off-peak discounts are used.
const TIER: &str = "standard";

/// The metrics of one process, for all runs that it serves. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Metrics {
    families: Arc<Families>,
}

#[derive(Debug)]
struct Families {
    requests: IntCounterVec,
    request_seconds: HistogramVec,
    input: IntCounterVec,
    cached: IntCounterVec,
    cache_write: IntCounterVec,
    reasoning: IntCounterVec,
    output: IntCounterVec,
    cost: CounterVec,
    unpriced: IntCounterVec,
    retries: IntCounterVec,
    retry_wait: CounterVec,
    in_flight: IntGaugeVec,
    permit_wait: HistogramVec,
    tasks: IntCounterVec,
    task_seconds: HistogramVec,
    predictions: IntCounterVec,
    backstory_lookups: IntCounterVec,
}

impl Metrics {
    /// Registers the metrics.
    ///
    /// # Panics
    /// If they are registered already.
    pub fn new(registry: &Registry) -> Self {
        let families = Families {
            requests: register(registry, metrics::LLM_REQUESTS.counter()),
            request_seconds: register(registry, metrics::LLM_REQUEST_SECONDS.histogram(&CALL_SECONDS)),
            input: register(registry, metrics::LLM_INPUT_TOKENS.counter()),
            cached: register(registry, metrics::LLM_CACHED_TOKENS.counter()),
            cache_write: register(registry, metrics::LLM_CACHE_WRITE_TOKENS.counter()),
            reasoning: register(registry, metrics::LLM_REASONING_TOKENS.counter()),
            output: register(registry, metrics::LLM_OUTPUT_TOKENS.counter()),
            cost: register(registry, metrics::LLM_COST.fractional_counter()),
            unpriced: register(registry, metrics::LLM_UNPRICED_TOKENS.counter()),
            retries: register(registry, metrics::LLM_RETRIES.counter()),
            retry_wait: register(registry, metrics::LLM_RETRY_WAIT.fractional_counter()),
            in_flight: register(registry, metrics::LLM_IN_FLIGHT.gauge()),
            permit_wait: register(registry, metrics::PERMIT_WAIT.histogram(&CALL_SECONDS)),
            tasks: register(registry, metrics::TASKS.counter()),
            task_seconds: register(registry, metrics::TASK_SECONDS.histogram(&TASK_SECONDS)),
            predictions: register(registry, metrics::PREDICTIONS.counter()),
            backstory_lookups: register(registry, metrics::BACKSTORY_LOOKUPS.counter()),
        };
        Self { families: Arc::new(families) }
    }
}

/// The metrics of one run of the process, with their labels resolved.
#[derive(Debug)]
pub(crate) struct RunMetrics {
    families: Arc<Families>,
    models: Vec<ModelMetrics>,
    tasks: [TaskMetrics; 2],
    /// By method and ending.
    predictions: Vec<(Method, LazyArray<IntCounter, { Ended::ALL.len() }>)>,
}

/// Metrics that are created when they are first counted, so that stages which no method uses have none.
type LazyArray<T, const N: usize> = [OnceLock<T>; N];

#[derive(Debug)]
pub(crate) struct ModelMetrics {
    families: Arc<Families>,
    provider: &'static str,
    model: String,
    is_priced: bool,
    pub(crate) in_flight: IntGauge,
    permit_wait: Histogram,
    stages: LazyArray<StageMetrics, { StageKind::ALL.len() }>,
}

#[derive(Debug)]
struct StageMetrics {
    seconds: Histogram,
    input: IntCounter,
    cached: IntCounter,
    cache_write: IntCounter,
    reasoning: IntCounter,
    output: IntCounter,
    /// `None` for a model without a price.
    cost: Option<Counter>,
    unpriced: IntCounter,
    outcomes: LazyArray<IntCounter, OUTCOMES>,
}

#[derive(Debug)]
struct TaskMetrics {
    done: IntCounter,
    seconds: Histogram,
}

/// What became of a task that was taken and not done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotDone {
    /// It was handed back, because the worker stops or cannot continue.
    HandedBack,
    /// It failed or panicked, and will be retried.
    Retried,
    /// Its cell had been finished before.
    Duplicate,
    /// It became a dead letter.
    Dead,
}

impl RunMetrics {
    pub(crate) fn new(Metrics { families }: &Metrics, models: &[ModelSettings], methods: &[Method]) -> Self {
        let task = |kind| TaskMetrics {
            done: families.tasks.with_label_values(&[kind_name(kind), "done"]),
            seconds: families.task_seconds.with_label_values(&[kind_name(kind)]),
        };
        Self {
            models: models.iter().map(|model| ModelMetrics::new(families, model)).collect(),
            tasks: [task(TaskKind::Story), task(TaskKind::Cab)],
            predictions: methods.iter().map(|&method| (method, Default::default())).collect(),
            families: Arc::clone(families),
        }
    }

    pub(crate) fn model(&self, model: ModelId) -> &ModelMetrics {
        &self.models[usize::from(model.0)]
    }

    pub(crate) fn predicted(&self, method: Method, ended: Ended) {
        // Methods without a model are computed by the coordinator.
        let Some((_, counters)) = self.predictions.iter().find(|(known, _)| *known == method) else { return };
        let new = || self.families.predictions.with_label_values(&[&*method.name(), ending_name(ended)]);
        counters[ended as usize].get_or_init(new).inc();
    }

    pub(crate) fn backstory_looked_up(&self, found: bool) {
        let result = if found { "hit" } else { "miss" };
        self.families.backstory_lookups.with_label_values(&[result]).inc();
    }

    pub(crate) fn task_done(&self, kind: TaskKind, after: Duration) {
        let task = &self.tasks[match kind {
            TaskKind::Story => 0,
            TaskKind::Cab => 1,
        }];
        task.done.inc();
        task.seconds.observe(after.as_secs_f64());
    }

    /// `kind` is `None` if the message is no task.
    pub(crate) fn task_not_done(&self, kind: Option<TaskKind>, not_done: NotDone) {
        let outcome = match not_done {
            NotDone::HandedBack => "handed_back",
            NotDone::Retried => "retried",
            NotDone::Duplicate => "duplicate",
            NotDone::Dead => "dead",
        };
        self.families.tasks.with_label_values(&[kind.map_or("unknown", kind_name), outcome]).inc();
    }
}

impl ModelMetrics {
    fn new(families: &Arc<Families>, settings: &ModelSettings) -> Self {
        let provider = provider_name(settings.base_url.as_deref().unwrap_or_default());
        Self {
            families: Arc::clone(families),
            provider,
            model: settings.name.clone(),
            is_priced: settings.price.is_some(),
            in_flight: families.in_flight.with_label_values(&[provider]),
            permit_wait: families.permit_wait.with_label_values(&[provider, &settings.name]),
            stages: Default::default(),
        }
    }

    /// Counts how long a call waited until it could be sent.
    pub(crate) fn permitted(&self, after: Duration) {
        self.permit_wait.observe(after.as_secs_f64());
    }

    /// Counts a request that has ended.
    pub(crate) fn ended(&self, stage: Stage, outcome: Outcome, after: Duration) {
        self.in_flight.dec();
        let metrics = self.stage(stage);
        metrics.seconds.observe(after.as_secs_f64());
        metrics.outcomes[outcome.number()]
            .get_or_init(|| {
                let labels = [self.provider, &self.model, stage.kind().name(), outcome.name()];
                self.families.requests.with_label_values(&labels)
            })
            .inc();
    }

    pub(crate) fn spent(&self, stage: Stage, spend: &StageSpend) {
        let metrics = self.stage(stage);
        metrics.input.inc_by(spend.tokens.input);
        metrics.cached.inc_by(spend.tokens.cached);
        metrics.cache_write.inc_by(spend.tokens.cache_write);
        metrics.reasoning.inc_by(spend.tokens.reasoning);
        metrics.output.inc_by(spend.tokens.output);
        match &metrics.cost {
            Some(cost) => cost.inc_by(spend.cost.dollars()),
            None => metrics.unpriced.inc_by(spend.tokens.input.saturating_add(spend.tokens.output)),
        }
    }

    pub(crate) fn retried(&self, kind: CallErrorKind, wait: Duration) {
        let labels = [self.provider, Outcome::Failed(kind).name()];
        self.families.retries.with_label_values(&labels).inc();
        self.families.retry_wait.with_label_values(&labels).inc_by(wait.as_secs_f64());
    }

    fn stage(&self, stage: Stage) -> &StageMetrics {
        self.stages[stage.kind() as usize].get_or_init(|| {
            let families = &self.families;
            let labels = [self.provider, &self.model, stage.kind().name()];
            let priced = [self.provider, &self.model, stage.kind().name(), TIER];
            StageMetrics {
                seconds: families.request_seconds.with_label_values(&labels),
                input: families.input.with_label_values(&labels),
                cached: families.cached.with_label_values(&labels),
                cache_write: families.cache_write.with_label_values(&labels),
                reasoning: families.reasoning.with_label_values(&labels),
                output: families.output.with_label_values(&labels),
                cost: self.is_priced.then(|| families.cost.with_label_values(&priced)),
                unpriced: families.unpriced.with_label_values(&[&self.model]),
                outcomes: Default::default(),
            }
        })
    }
}

const fn kind_name(kind: TaskKind) -> &'static str {
    match kind {
        TaskKind::Story => "story",
        TaskKind::Cab => "cab",
    }
}

const fn ending_name(ended: Ended) -> &'static str {
    match ended {
        Ended::Answered => "answered",
        Ended::Reminded => "reminded",
        Ended::Invalid => "invalid",
        Ended::Refused => "refused",
        Ended::CutOff => "cut_off",
        Ended::TooLong => "too_long",
        Ended::Rejected => "rejected",
        Ended::NoBackstory => "no_backstory",
    }
}

/// Hosts of providers, with the providers' names in OpenTelemetry's semantic conventions for generative AI.
const PROVIDERS: [(&str, &str); 9] = [
    ("api.openai.com", "openai"),
    ("api.deepseek.com", "deepseek"),
    ("api.anthropic.com", "anthropic"),
    ("generativelanguage.googleapis.com", "gcp.gemini"),
    ("api.groq.com", "groq"),
    ("api.mistral.ai", "mistral_ai"),
    ("api.x.ai", "x_ai"),
    ("api.perplexity.ai", "perplexity"),
    ("openrouter.ai", "openrouter"),
];

/// The name of the provider at an address. The address itself would be a label with unboundedly many values.
fn provider_name(base_url: &str) -> &'static str {
    let host = url::Url::parse(base_url).ok().and_then(|url| url.host_str().map(str::to_owned));
    let known = PROVIDERS.iter().find(|(known, _)| Some(*known) == host.as_deref());
    known.map_or("other", |(_, name)| name)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use valuesim_shared::telemetry::Exposition;

    use super::*;

    #[test]
    fn providers_are_known_by_their_host() {
        assert_eq!(provider_name("https://api.deepseek.com/v1"), "deepseek");
        assert_eq!(provider_name("https://api.deepseek.com.example/v1"), "other");
        assert_eq!(provider_name("http://127.0.0.1:8400/v1"), "other");
    }

    #[test]
    fn arrays_have_a_slot_for_each_variant() {
        assert!(StageKind::ALL.iter().enumerate().all(|(at, stage)| *stage as usize == at));
        assert!(Ended::ALL.iter().enumerate().all(|(at, ended)| *ended as usize == at));
    }

    /// A failure for each outcome of that kind.
    const FAILURES: [CallErrorKind; 13] = [
        CallErrorKind::Unreachable,
        CallErrorKind::TimedOut,
        CallErrorKind::ConnectionBroken,
        CallErrorKind::Malformed,
        CallErrorKind::Intermediary,
        CallErrorKind::ServerFault,
        CallErrorKind::Overloaded,
        CallErrorKind::RateLimited,
        CallErrorKind::TooLong,
        CallErrorKind::Refused,
        CallErrorKind::WrongKey,
        CallErrorKind::InsufficientFunds,
        CallErrorKind::BadRequest,
    ];

    /// The most that one worker serves: every stage of four models, every outcome, every reason.
    fn everything(exposition: &Exposition) {
        let metrics = Metrics::new(exposition.registry());
        let models: Vec<ModelSettings> = (0..4).map(|model| ModelSettings::named(&format!("model-{model}"))).collect();
        let run = RunMetrics::new(&metrics, &models, &Method::WITH_MODEL);
        run.models.iter().for_each(everything_of_model);
        for (method, ended) in Method::WITH_MODEL.into_iter().flat_map(|method| Ended::ALL.map(|ended| (method, ended)))
        {
            run.predicted(method, ended);
        }
        for kind in [TaskKind::Story, TaskKind::Cab] {
            run.task_done(kind, Duration::ZERO);
            for not_done in [NotDone::HandedBack, NotDone::Retried, NotDone::Duplicate, NotDone::Dead] {
                run.task_not_done(Some(kind), not_done);
            }
        }
        for found in [true, false] {
            run.backstory_looked_up(found);
        }
    }

    fn everything_of_model(model: &ModelMetrics) {
        let outcomes = FAILURES.map(Outcome::Failed).into_iter().chain([Outcome::Ok, Outcome::Abandoned]);
        let outcomes: Vec<Outcome> = outcomes.collect();
        let names: BTreeSet<&str> = outcomes.iter().map(|outcome| outcome.name()).collect();
        assert_eq!(names.len(), OUTCOMES, "a failure is missing");
        model.permitted(Duration::ZERO);
        for kind in FAILURES {
            model.retried(kind, Duration::ZERO);
        }
        for stage in StageKind::ALL.map(Stage::plain) {
            for &outcome in &outcomes {
                model.ended(stage, outcome, Duration::ZERO);
            }
            model.spent(stage, &StageSpend::default());
        }
    }

    #[test]
    fn two_hundred_workers_with_four_models_have_a_bounded_number_of_series() {
        let exposition = Exposition::new("worker");
        everything(&exposition);
        let text = exposition.text(|| ());
        let series = text.lines().filter(|line| !line.starts_with('#')).count();
        assert!(200 * series <= 500_000, "{series} of one worker");
    }
}
