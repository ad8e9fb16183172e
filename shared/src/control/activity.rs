//! What a worker's calls came to, and what they wait for now: the part of its report that says what fails and what is slow.

use serde::{Deserialize, Serialize};

use super::UnixMillis;
use crate::id::RunId;
use crate::money::NanoUsd;
use crate::permit::{OwnLimit, Reason, TokenKind, Wait};

/// What a worker's calls came to since it started.
#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
pub struct Activity {
    /// By run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub runs: Vec<RunActivity>,
    /// What its calls wait for at the moment, by model.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waits: Vec<WaitReport>,
}

/// What a worker's calls for one run came to since it joined the run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunActivity {
    /// The run.
    pub run: RunId,
    /// Requests that were sent.
    pub sent: u64,
    /// Requests that were answered.
    pub answered: u64,
    /// Requests that failed.
    pub failed: u64,
    /// Calls that wait before they are tried again.
    #[serde(default)]
    pub to_be_retried: u32,
    /// The cost of the tokens that providers reported.
    pub cost: NanoUsd,
    /// What failed requests may have cost in addition, at most.
    #[serde(default)]
    pub wasted_at_most: NanoUsd,
    /// Failed requests by model and class.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failures: Vec<FailureClass>,
}

/// Failed requests of one class to one model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailureClass {
    /// The model's name.
    pub model: String,
    /// The class: the `outcome` label of `valuesim_llm_requests_total`.
    pub class: String,
    /// How many there were.
    pub count: u64,
    /// When the first one failed.
    pub first_at: UnixMillis,
    /// When the last one failed.
    pub last_at: UnixMillis,
    /// The error of the last one, as the provider or the network gave it, shortened.
    pub example: String,
}

/// What the calls to a model wait for at a worker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaitReport {
    /// The model's name.
    pub model: String,
    /// Why they wait.
    pub reason: WaitReason,
    /// How much longer, if that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left_ms: Option<u64>,
}

/// Why calls wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WaitReason {
    /// The user's limit of calls in flight is reached.
    CallsInFlight(u32),
    /// The user's limit of requests a minute is reached.
    RequestsPerMinute(u32),
    /// The user's limit of tokens a minute is reached.
    TokensPerMinute(TokenKind, u32),
    /// The provider's limit of calls in flight is reached, as its refusals have taught it.
    ProviderCallsInFlight(u32),
    /// The provider's limit of requests a minute is reached, as it states it or its refusals have taught it.
    ProviderRequestsPerMinute(u32),
    /// The provider's limit of tokens a minute is reached, as it states it or its refusals have taught it.
    ProviderTokensPerMinute(TokenKind, u32),
    /// No limit is known: the pace, in requests a minute, grows until one is found.
    SlowStart(u32),
    /// The store lost what it knew of the calls, and workers say what they have sent.
    Recovering,
    /// The provider asked for a pause.
    Cooldown,
    /// The provider has stopped answering calls.
    CircuitOpen,
    /// The process was frozen.
    Stalled,
}

impl Activity {
    /// Whether there is nothing to report.
    pub fn is_nothing(&self) -> bool {
        self.runs.is_empty() && self.waits.is_empty()
    }
}

impl FailureClass {
    /// Adds the failures of the same class at another worker.
    pub fn add(&mut self, other: &Self) {
        self.count += other.count;
        self.first_at = self.first_at.min(other.first_at);
        if other.last_at >= self.last_at {
            self.last_at = other.last_at;
            self.example.clone_from(&other.example);
        }
    }
}

impl From<Wait> for WaitReport {
    fn from(Wait { model, reason, left, .. }: Wait) -> Self {
        let reason = match reason {
            Reason::OwnLimit(OwnLimit::CallsInFlight(limit)) => WaitReason::CallsInFlight(limit),
            Reason::OwnLimit(OwnLimit::RequestsPerMinute(limit)) => WaitReason::RequestsPerMinute(limit),
            Reason::OwnLimit(OwnLimit::TokensPerMinute(kind, limit)) => WaitReason::TokensPerMinute(kind, limit),
            Reason::ProviderLimit(OwnLimit::CallsInFlight(limit)) => WaitReason::ProviderCallsInFlight(limit),
            Reason::ProviderLimit(OwnLimit::RequestsPerMinute(limit)) => WaitReason::ProviderRequestsPerMinute(limit),
            Reason::ProviderLimit(OwnLimit::TokensPerMinute(kind, limit)) => {
                WaitReason::ProviderTokensPerMinute(kind, limit)
            }
            Reason::SlowStart(pace) => WaitReason::SlowStart(pace),
            Reason::Recovering => WaitReason::Recovering,
            Reason::Cooldown => WaitReason::Cooldown,
            Reason::CircuitOpen => WaitReason::CircuitOpen,
            Reason::Stalled => WaitReason::Stalled,
        };
        let left_ms = left.map(|left| u64::try_from(left.as_millis()).unwrap_or(u64::MAX));
        Self { model, reason, left_ms }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failures(count: u64, first: u64, last: u64, example: &str) -> FailureClass {
        FailureClass {
            model: "m".to_owned(),
            class: "timeout".to_owned(),
            count,
            first_at: UnixMillis(first),
            last_at: UnixMillis(last),
            example: example.to_owned(),
        }
    }

    #[test]
    fn failures_add_up_and_the_last_one_is_the_example_whatever_the_order() {
        let (early, late) = (failures(2, 10, 20, "early"), failures(3, 15, 30, "late"));
        let sum = |one: &FailureClass, other| {
            let mut sum = one.clone();
            sum.add(other);
            sum
        };
        assert_eq!(sum(&early, &late), failures(5, 10, 30, "late"));
        assert_eq!(sum(&late, &early), failures(5, 10, 30, "late"));
    }

    #[test]
    fn an_activity_is_written_to_the_letter_and_read_again() {
        let run = RunActivity {
            run: RunId("r".to_owned()),
            sent: 9,
            answered: 5,
            failed: 2,
            to_be_retried: 1,
            cost: NanoUsd(7),
            wasted_at_most: NanoUsd(3),
            failures: vec![failures(2, 1, 2, "down")],
        };
        let wait = |reason, left_ms| WaitReport { model: "m".to_owned(), reason, left_ms };
        let waits = vec![wait(WaitReason::RequestsPerMinute(60), None), wait(WaitReason::Cooldown, Some(1_500))];
        let activity = Activity { runs: vec![run], waits };
        let json = r#"{"runs":[{"run":"r","sent":9,"answered":5,"failed":2,"to_be_retried":1,"cost":7,"wasted_at_most":3,"failures":[{"model":"m","class":"timeout","count":2,"first_at":1,"last_at":2,"example":"down"}]}],"waits":[{"model":"m","reason":{"requests_per_minute":60}},{"model":"m","reason":"cooldown","left_ms":1500}]}"#;
        assert_eq!(serde_json::to_string(&activity).expect("writes"), json);
        assert_eq!(serde_json::from_str::<Activity>(json).expect("reads"), activity);
    }
}
