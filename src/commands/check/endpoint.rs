//! Asks one address of a model, and says what came of it.

use std::time::{Duration, Instant};

use indicatif::HumanCount;
use tokio::time::timeout;
use valuesim_shared::embeddings::EmbeddingSettings;
use valuesim_shared::model::{ModelSettings, Temperature};
use valuesim_shared::money::NanoUsd;
use valuesim_shared::permit::Stated;
use valuesim_worker::provider::{
    Answered, CallError, CallErrorKind, ClientError, Deadlines, EmbeddingsClient, Setting, Trial,
};

use super::finding::{Finding, Grade, Group};

/// The tokens of the longest prompt of the method, with room for its reply: that of a backstory.
const NEEDED_CONTEXT: u64 = 16_000;

/// How long an answer may take.
const WITHIN: Duration = Duration::from_mins(1);

/// A model at one of its addresses.
pub(super) struct AtAddress(pub(super) ModelSettings);

/// The one of a simulated provider, which this process would be.
pub(super) fn simulated() -> Group {
    let said = "simulated in the process that runs the experiment: there is nothing to ask";
    Group { about: "models".to_owned(), findings: vec![Finding::good("reachable", said)] }
}

/// Asks, and says what was found and what the question cost.
pub(super) async fn check(AtAddress(model): &AtAddress) -> (Group, Option<NanoUsd>) {
    let about = format!("model {} at {}", model.name, model.base_url.as_deref().unwrap_or_default());
    let trial = match Trial::new(model, Deadlines::default()) {
        Ok(trial) => trial,
        Err(error) => {
            return (Group { about, findings: vec![unusable(&error)] }, Some(NanoUsd::default()));
        }
    };
    if let Some(cost) = trial.too_dear() {
        let said = format!("it was not asked: the shortest question can cost {cost}");
        let finding = Finding::note("reachable", said, "the first call of the run tells");
        return (Group { about, findings: vec![finding, of_price(model)] }, Some(NanoUsd::default()));
    }
    let begun = Instant::now();
    let asked = timeout(WITHIN, async { tokio::join!(trial.ask(), trial.context_length()) }).await;
    let Ok((answer, context)) = asked else { return (Group { about, findings: vec![silent()] }, None) };
    let (mut findings, cost) = match &answer {
        Ok(answered) => (of_answer(model, answered, begun.elapsed().as_secs_f64()), answered.cost),
        Err(error) => (of_error(error), Some(NanoUsd::default()).filter(|_| !error.kind.perhaps_billed())),
    };
    findings.push(of_context(context));
    findings.push(of_price(model));
    (Group { about, findings }, cost)
}

/// A key, an address, a certificate or a proxy without which nothing can be asked.
fn unusable(error: &ClientError) -> Finding {
    let what = if error.is_about_the_key() { "key" } else { "settings" };
    Finding::new(Grade::Setting, what, error.to_string(), "it was not asked; mend that first")
}

fn silent() -> Finding {
    let said = format!("it gave no answer within {} seconds", WITHIN.as_secs());
    Finding::new(Grade::Unknown, "reachable", said, "a run waits longer: see whether the server is busy")
}

/// Asks for one embedding.
pub(super) async fn check_embeddings(settings: &EmbeddingSettings) -> (Group, Option<NanoUsd>) {
    let about = format!("embeddings {} at {}", settings.name, settings.base_url.as_deref().unwrap_or_default());
    let group = |finding| Group { about: about.clone(), findings: vec![finding] };
    let client = match EmbeddingsClient::new(settings, Deadlines::default()) {
        Ok(client) => client,
        Err(error) => {
            return (group(unusable(&error)), Some(NanoUsd::default()));
        }
    };
    match timeout(WITHIN, client.send(&["1"])).await {
        Err(_) => (group(silent()), None),
        // A token of text costs less than is shown.
        Ok(Ok(_)) => (group(Finding::good("reachable", "it answered with a vector")), Some(NanoUsd::default())),
        Ok(Err(error)) => {
            let findings = of_error(&error);
            (Group { about, findings }, Some(NanoUsd::default()).filter(|_| !error.kind.perhaps_billed()))
        }
    }
}

fn of_answer(model: &ModelSettings, answered: &Answered, seconds: f64) -> Vec<Finding> {
    let Answered { reply, usage, is_simulated, .. } = answered;
    let simulated = if *is_simulated { ", SIMULATED" } else { "" };
    let mut findings = vec![
        Finding::good("reachable", format!("it answered in {seconds:.1} s{simulated}")),
        Finding::good("key", if has_key(model) { "it is accepted" } else { "none is sent, and none is needed" }),
        of_name(model, &reply.model),
        Finding::good(
            "temperature",
            match model.temperature {
                Temperature::Default => "left to the provider".to_owned(),
                Temperature::Set(value) => format!("{value} is accepted"),
            },
        ),
        of_usage(reply.tokens.is_some(), usage),
        of_cache(usage),
        of_limits(&reply.stated),
    ];
    findings.extend(reply.oddity.as_ref().map(|oddity| {
        Finding::note("reply", oddity.clone(), "if replies of the run are so, too, the report counts them")
    }));
    findings
}

fn has_key(model: &ModelSettings) -> bool {
    model.api_key_env.is_some()
        || model.api_key_file.is_some()
        || model.api_key_name.is_some()
        || !model.headers.is_empty()
}

fn of_name(model: &ModelSettings, reported: &str) -> Finding {
    match reported {
        "" => Finding::note("model", "it reports no name", "the report cannot say which version answered"),
        same if same == model.name_at_provider() => Finding::good("model", format!("reported as {same}")),
        other => Finding::good("model", format!("reported as {other}, which the report will name")),
    }
}

fn of_usage(is_known: bool, fields: &[String]) -> Finding {
    if is_known {
        return Finding::good("usage", format!("reported: {}", fields.join(", ")));
    }
    let advice = "costs and limits of tokens are estimated from lengths, on the safe side";
    Finding::note("usage", "no tokens are reported", advice)
}

fn of_cache(fields: &[String]) -> Finding {
    match fields.iter().find(|field| field.contains("cache")) {
        Some(field) => Finding::good("cached tokens", format!("reported as {field}")),
        None => Finding::note("cached tokens", "none are reported", "what a cache saves cannot be seen in the bill"),
    }
}

fn of_limits(stated: &Stated) -> Finding {
    let tokens = stated.tokens;
    let kinds = [
        (stated.calls, "calls"),
        (tokens.all, "tokens"),
        (tokens.input, "input tokens"),
        (tokens.uncached, "uncached input tokens"),
        (tokens.output, "output tokens"),
    ];
    let limits: Vec<String> =
        kinds.iter().filter_map(|(most, of)| most.map(|most| format!("{} {of}", HumanCount(most)))).collect();
    if limits.is_empty() {
        let advice =
            "the run learns them from refusals; --requests-per-minute and --tokens-per-minute set those you know";
        return Finding::note("limits", "the headers state none", advice);
    }
    Finding::good("limits", format!("{} a minute, which the run keeps to by itself", limits.join(", ")))
}

fn of_context(context: Option<u64>) -> Finding {
    match context {
        None => Finding::note(
            "context",
            "the list of models does not tell its length",
            format!("{NEEDED_CONTEXT} tokens are enough"),
        ),
        Some(tokens) if tokens < NEEDED_CONTEXT => Finding::note(
            "context",
            format!("{} tokens", HumanCount(tokens)),
            format!(
                "{} are needed for the longest prompts and their replies; shorter ones end `too long`",
                HumanCount(NEEDED_CONTEXT)
            ),
        ),
        Some(tokens) => Finding::good("context", format!("{} tokens", HumanCount(tokens))),
    }
}

fn of_price(model: &ModelSettings) -> Finding {
    match &model.price {
        Some(price) => Finding::good(
            "price",
            format!("${} in, ${} out for a million tokens", price.input_usd_per_million, price.output_usd_per_million),
        ),
        None => Finding::note(
            "price",
            "not known",
            "--price IN,OUT states it; without it there is neither a bill nor a budget",
        ),
    }
}

/// What an error says of the checks before it, and which one it is about.
fn of_error(error: &CallError) -> Vec<Finding> {
    let (what, grade) = of_kind(error.kind);
    let advice = match error.kind {
        CallErrorKind::Unreachable => "check base_url, the network and proxies",
        CallErrorKind::TimedOut => "check base_url, and whether the server is up",
        kind => match kind.advice() {
            "the run continues by itself" => "a run waits and tries again; check later",
            advice => advice,
        },
    };
    let reachable = Finding::good("reachable", "it answered");
    let wrong = Finding::new(grade, what, error.to_string(), advice);
    if what == "reachable" { vec![wrong] } else { vec![reachable, wrong] }
}

fn of_kind(kind: CallErrorKind) -> (&'static str, Grade) {
    match kind {
        CallErrorKind::Unreachable | CallErrorKind::TimedOut | CallErrorKind::ConnectionBroken => {
            ("reachable", Grade::Unknown)
        }
        CallErrorKind::MissingKey | CallErrorKind::WrongKey | CallErrorKind::Forbidden => ("key", Grade::Setting),
        CallErrorKind::UnknownModel => ("model", Grade::Setting),
        CallErrorKind::SettingRefused(Setting::Temperature) => ("temperature", Grade::Setting),
        CallErrorKind::SettingRefused(_) => ("reply limit", Grade::Setting),
        CallErrorKind::BadRequest
        | CallErrorKind::Page
        | CallErrorKind::Malformed
        | CallErrorKind::AboveLimit { .. } => ("request", Grade::Setting),
        CallErrorKind::InsufficientFunds => ("money", Grade::Bad),
        CallErrorKind::Refused | CallErrorKind::TooLong | CallErrorKind::NotRetryable => ("request", Grade::Bad),
        CallErrorKind::NoVectors
        | CallErrorKind::Intermediary
        | CallErrorKind::Interrupted
        | CallErrorKind::ServerFault
        | CallErrorKind::Overloaded
        | CallErrorKind::RateLimited => ("answer", Grade::Unknown),
    }
}
