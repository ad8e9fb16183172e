//! The one list of all metrics: `valuesim metrics` prints it, docs/metrics.md is it, and a name that alerts, dashboards or
//! pages use must be in it.

use super::metric::{Metric, MetricKind, ServedBy};

/// Declares constants and the list of all of them.
macro_rules! metrics {
    ($($constant:ident: $kind:ident $name:literal [$($label:ident),*] $served_by:ident $help:literal;)*) => {
        $(
            #[doc = concat!("`", $name, "`")]
            pub const $constant: Metric = Metric {
                name: $name,
                kind: MetricKind::$kind,
                labels: &[$(stringify!($label)),*],
                help: $help,
                served_by: ServedBy::$served_by,
            };
        )*

        /// All metrics, by what they are about.
        pub const ALL: &[Metric] = &[$($constant),*];
    };
}

metrics! {
    RUN_TASKS: Gauge "valuesim_run_tasks" [run, kind, state] Coordinator
        "Cells of the run in each state: waiting (not dispatched yet), under_way, finished, dead.";
    RUN_EXPECTED_TASKS: Gauge "valuesim_run_expected_tasks" [run, kind] Coordinator
        "All cells of the run.";
    RUN_COST: Gauge "valuesim_run_cost_usd" [run] Coordinator
        "Cost of the run's finished cells at the known prices, in US dollars; absent if a price is unknown.";
    RUN_BUDGET: Gauge "valuesim_run_budget_usd" [run, part] Coordinator
        "The run's budget in US dollars: limit, spent (calls of which nobody saw the end at the most that they can have cost), reserved (held for calls in flight and the next ones), free; absent without a budget.";
    RUN_TIME_LEFT: Gauge "valuesim_run_eta_seconds" [run] Coordinator
        "Seconds until all cells are finished, at the rate of the last five minutes; absent while none finish.";
    RUN_PAUSED: Gauge "valuesim_run_paused" [run] Coordinator
        "Whether the run is paused by an order: 1 or 0.";
    RUN_WAITS_FOR_HOURS: Gauge "valuesim_run_waits_off_peak" [run] Coordinator
        "Whether cells of the run wait for the cheap hours of their model (--when off-peak): 1 or 0.";

    EVAL_ACCURACY: Gauge "valuesim_eval_accuracy_ratio" [run, method, model, category] Coordinator
        "Mean over people of the share of answers predicted exactly, so far, in each category and overall; baselines have no model.";
    EVAL_MAE: Gauge "valuesim_eval_mae" [run, method, model, category] Coordinator
        "Mean over people of the mean absolute error as a share of the scale, so far, in each category and overall.";
    EVAL_ANSWERS: Gauge "valuesim_eval_answers" [run, method, model, category] Coordinator
        "Predictions that count for accuracy so far, in each category.";

    LLM_REQUESTS: Counter "valuesim_llm_requests_total" [provider, model, stage, outcome] Worker
        "Requests to providers that have ended, counting each attempt; abandoned: the end was not awaited.";
    LLM_REQUEST_SECONDS: Histogram "valuesim_llm_request_duration_seconds" [provider, model, stage] Worker
        "Duration of requests to providers, including failed ones.";
    LLM_IN_FLIGHT: Gauge "valuesim_llm_inflight_requests" [provider] Worker
        "Requests in flight.";
    LLM_RETRIES: Counter "valuesim_llm_retries_total" [provider, reason] Worker
        "Requests that are retried, by the reason why the attempt before failed.";
    LLM_RETRY_WAIT: Counter "valuesim_llm_retry_wait_seconds_total" [provider, reason] Worker
        "Delays before retries, summed over all calls.";
    PERMIT_WAIT: Histogram "valuesim_rate_limit_wait_seconds" [provider, model] Worker
        "How long calls wait before each attempt for limits, pauses that the provider asked for, and open circuits.";
    LLM_WAITS: Gauge "valuesim_llm_waits" [provider, model, reason] Worker
        "What calls wait for: 1 for calls_in_flight, requests_per_minute, tokens_per_minute, the same with provider_ before them (limits that the provider states or its refusals have taught), slow_start, cooldown (the provider asked for it), circuit_open, recovering or stalled.";
    LLM_INPUT_TOKENS: Counter "valuesim_llm_input_tokens_total" [provider, model, stage] Worker
        "Prompt tokens, cached ones included.";
    LLM_CACHED_TOKENS: Counter "valuesim_llm_cache_read_input_tokens_total" [provider, model, stage] Worker
        "Prompt tokens that the provider read from its cache; part of the input tokens.";
    LLM_CACHE_WRITE_TOKENS: Counter "valuesim_llm_cache_write_input_tokens_total" [provider, model, stage] Worker
        "Prompt tokens that the provider wrote to its cache at a price of its own; part of the input tokens.";
    LLM_OUTPUT_TOKENS: Counter "valuesim_llm_output_tokens_total" [provider, model, stage] Worker
        "Reply tokens, reasoning included.";
    LLM_REASONING_TOKENS: Counter "valuesim_llm_reasoning_output_tokens_total" [provider, model, stage] Worker
        "Reply tokens that were reasoning; part of the output tokens.";
    LLM_COST: Counter "valuesim_llm_cost_usd_total" [provider, model, stage, tier] Worker
        "Cost of tokens at the known prices, for display; the ledger has the exact sum.";
    LLM_UNPRICED_TOKENS: Counter "valuesim_llm_unpriced_tokens_total" [model] Worker
        "Prompt and reply tokens of models without a price.";

    TASKS: Counter "valuesim_tasks_total" [kind, outcome] Worker
        "Tasks that this worker has taken, by outcome; handed_back: left unfinished through no fault of the task; duplicate: done before.";
    TASK_SECONDS: Histogram "valuesim_task_duration_seconds" [kind] Worker
        "Time from taking a task to finishing it, for tasks that were done.";
    PREDICTIONS: Counter "valuesim_predictions_total" [method, outcome] Worker
        "Predictions of all arms, by how their calls ended.";
    BACKSTORY_LOOKUPS: Counter "valuesim_story_cache_total" [result] Worker
        "Backstories that CAB tasks looked up in the store: hit, or miss (the store lost it, and it is written again).";

    QUEUE_PUBLISHED: Counter "valuesim_queue_publish_total" [outcome] Fleet
        "Messages sent to RabbitMQ, by its answer: ack, nack, returned (no such queue), timeout.";
    QUEUE_CONFIRM_SECONDS: Histogram "valuesim_queue_confirm_seconds" [] Fleet
        "Time from sending a message to RabbitMQ to its answer.";
    BROKER_CONNECTED: Gauge "valuesim_broker_connected" [] Fleet
        "Whether RabbitMQ can be reached: 1 or 0.";
    BROKER_BLOCKED: Gauge "valuesim_broker_blocked" [] Fleet
        "Whether RabbitMQ accepts no messages because it lacks memory or disk: 1 or 0.";
    STORE_CONNECTED: Gauge "valuesim_redis_connected" [] Fleet
        "Whether Redis can be reached and executes commands: 1 or 0.";
    STORE_SECONDS: Histogram "valuesim_redis_command_duration_seconds" [] Fleet
        "Time from sending commands to Redis together to the last answer, lost and refused ones included.";
    STORE_ERRORS: Counter "valuesim_redis_errors_total" [kind] Fleet
        "Commands sent to Redis together that failed: lost (the connection broke), refused (for the moment), permanent.";

    BUILD_INFO: Gauge "valuesim_build_info" [version, role] All
        "The release and the role of this process: always 1.";
    RUNTIME_WORKERS: Gauge "valuesim_tokio_workers" [] All
        "Threads that run asynchronous tasks.";
    RUNTIME_TASKS: Gauge "valuesim_tokio_alive_tasks" [] All
        "Asynchronous tasks that have started and not ended.";
    RUNTIME_QUEUE: Gauge "valuesim_tokio_global_queue_tasks" [] All
        "Asynchronous tasks that are ready to run and wait for a thread.";
    PROCESS_CPU: Counter "process_cpu_seconds_total" [] All
        "Seconds of processor time, user and system.";
    PROCESS_START: Gauge "process_start_time_seconds" [] All
        "When the process started, in seconds since 1970 in UTC.";
    PROCESS_MEMORY: Gauge "process_resident_memory_bytes" [] All
        "Memory that is in use and not swapped out, in bytes.";
    PROCESS_OPEN_FILES: Gauge "process_open_fds" [] All
        "Open files and connections.";
    PROCESS_MAX_FILES: Gauge "process_max_fds" [] All
        "The most files and connections that may be open.";
    PROCESS_THREADS: Gauge "process_threads" [] All
        "Threads of the operating system.";
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_say_type_and_owner_and_help_is_a_sentence() {
        for Metric { name, kind, labels, help, .. } in ALL {
            assert!(name.starts_with("valuesim_") || name.starts_with("process_"), "{name}");
            assert_eq!(*kind == MetricKind::Counter, name.ends_with("_total"), "{name}");
            assert!(help.len() > 10 && help.ends_with('.') && !help.contains('\n'), "{name}: {help}");
            assert!(!labels.contains(&"le"), "{name}");
        }
        let names: BTreeSet<&str> = ALL.iter().map(|metric| metric.name).collect();
        assert_eq!(names.len(), ALL.len(), "a name is declared twice");
    }
}
