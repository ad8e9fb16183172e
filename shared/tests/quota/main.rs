//! A fleet in virtual time: how much of a provider's limit it uses, and how many of its calls are refused.

mod fleet;
mod laws;
mod provider;
mod unrelated;

use valuesim_shared::permit::ByTokenKind;
use valuesim_shared::permit::quota::Configured;

use crate::fleet::{Fleet, Setting};
use crate::provider::{Provider, Rule};

/// What a scenario came to, in shares.
#[derive(Debug)]
struct Figures {
    used: f64,
    used_from_120: f64,
    refused: f64,
    refused_in_first_minute: f64,
    most_calls: u64,
    most_tokens: u64,
}

#[expect(clippy::cast_precision_loss, reason = "counts of calls")]
fn figures(fleet: &Fleet, calls: u64) -> Figures {
    let share = |(used, _, refused): (u64, u64, u64)| refused as f64 / ((used + refused) as f64).max(1.0);
    let provider = &fleet.provider;
    Figures {
        used: provider.between(0.0, 300_000.0).0 as f64 / (calls * 5) as f64,
        used_from_120: provider.between(120_000.0, 300_000.0).0 as f64 / (calls * 3) as f64,
        refused: share(provider.between(0.0, 300_000.0)),
        refused_in_first_minute: share(provider.between(0.0, 60_000.0)),
        most_calls: provider.most_calls,
        most_tokens: provider.most_tokens,
    }
}

/// The share of the limit that was used, and the refused calls, in each 20 s.
fn timeline(fleet: &Fleet, calls: u64) -> String {
    let part = |second: u32| {
        let (from, to) = (f64::from(second) * 1e3, f64::from(second + 20) * 1e3);
        let (used, _, refused) = fleet.provider.between(from, to);
        format!("{second}:{:.2}/{refused}", used as f64 * 3.0 / calls as f64)
    };
    (0..300).step_by(20).map(part).collect::<Vec<_>>().join(" ")
}

fn known(calls: u64) -> Fleet {
    let configured = Configured { calls: Some(calls), ..Configured::default() };
    Fleet::new(Setting { configured, ..Setting::default() }, Provider::new(Rule::Window, Some(calls), None))
}

#[test]
fn known_limits_of_calls_are_used_and_never_exceeded() {
    for (calls, least) in [(600, 0.95), (12_000, 0.93)] {
        for fleet in [known(calls).run(), known(calls).at_second(90, Fleet::kill_half).run()] {
            let found = figures(&fleet, calls);
            assert!(found.used >= least && found.refused <= 0.001 && found.most_calls <= calls, "{calls}: {found:?}");
        }
    }
}

#[test]
fn a_single_process_uses_a_known_limit() {
    let configured = Configured { calls: Some(600), ..Configured::default() };
    let setting = Setting { configured, workers: 1, ..Setting::default() };
    let found = figures(&Fleet::new(setting, Provider::new(Rule::Window, Some(600), None)).run(), 600);
    assert!(found.used >= 0.95 && found.refused <= 0.001 && found.most_calls <= 600, "{found:?}");
}

#[test]
fn known_limits_of_tokens_are_used_and_never_exceeded() {
    const TOKENS: u64 = 900_000;
    let tokens = ByTokenKind { all: Some(TOKENS), ..ByTokenKind::default() };
    let configured = Configured { calls: Some(600), tokens, in_flight: None };
    // 1,800 tokens a call: tokens are the limit that binds, as 500 calls use it up.
    for kills in [false, true] {
        let setting = Setting { configured, tokens: 1_800, ..Setting::default() };
        let fleet = Fleet::new(setting, Provider::new(Rule::Window, Some(600), Some(TOKENS)));
        let fleet = if kills { fleet.at_second(90, Fleet::kill_half).run() } else { fleet.run() };
        let found = figures(&fleet, 600);
        let used = fleet.provider.between(0.0, 300_000.0).1 as f64 / (TOKENS * 5) as f64;
        assert!(used >= 0.95 && found.refused <= 0.001 && found.most_tokens <= TOKENS, "{used}, {found:?}");
    }
}

fn hidden(rule: Rule, calls: u64, says_when: bool, names_limit: bool) -> Fleet {
    let mut provider = Provider::new(rule, Some(calls), None);
    provider.says_when = says_when;
    Fleet::new(Setting { names_limit, ..Setting::default() }, provider)
}

#[test]
fn hidden_limits_are_found_and_used() {
    for (rule, says_when, names_limit) in
        [(Rule::Window, true, true), (Rule::Window, false, false), (Rule::Bucket, true, true)]
    {
        for (calls, least) in [(300, 0.9), (600, 0.9), (3_000, 0.9), (12_000, 0.85)] {
            let fleet = hidden(rule, calls, says_when, names_limit).run();
            let found = figures(&fleet, calls);
            let is_polite = found.refused <= 0.006 && found.refused_in_first_minute <= 0.02;
            let shown = timeline(&fleet, calls);
            assert!(found.used_from_120 >= least && is_polite, "{rule:?} {calls}: {found:?}\n{shown}");
        }
    }
}

#[test]
fn hidden_limits_of_tokens_are_found_and_used() {
    const TOKENS: u64 = 900_000;
    for names_limit in [true, false] {
        let setting = Setting { names_limit, ..Setting::default() };
        let fleet = Fleet::new(setting, Provider::new(Rule::Window, None, Some(TOKENS))).run();
        let (_, used, refused) = fleet.provider.between(120_000.0, 300_000.0);
        let (used, shown) = (used as f64 / (TOKENS * 3) as f64, timeline(&fleet, TOKENS / 1_000));
        assert!(used >= 0.9 && refused <= 20, "{names_limit}: {used} used, {refused} refused\n{shown}");
    }
}

#[test]
fn a_hidden_limit_of_calls_in_flight_is_found_and_used() {
    let mut provider = Provider::new(Rule::Window, None, None);
    provider.in_flight = Some(100);
    let fleet = Fleet::new(Setting::default(), provider).run();
    let found = figures(&fleet, 2_650);
    // A call takes 2.27 s on average: 100 in flight are 2,650 a minute.
    assert!(found.used_from_120 >= 0.85 && found.refused <= 0.02, "{found:?}\n{}", timeline(&fleet, 2_650));
}

#[test]
fn a_hidden_limit_of_few_calls_in_flight_is_found_and_used() {
    let mut provider = Provider::new(Rule::Window, None, None);
    provider.in_flight = Some(4);
    let fleet = Fleet::new(Setting::default(), provider).run();
    let found = figures(&fleet, 106);
    assert!(found.used_from_120 >= 0.7 && found.refused <= 0.1, "{found:?}\n{}", timeline(&fleet, 106));
}

#[test]
fn a_limit_that_is_halved_without_a_word_is_settled_within_half_a_minute() {
    for (rule, says_when) in [(Rule::Window, true), (Rule::Window, false), (Rule::Bucket, true), (Rule::Bucket, false)]
    {
        for calls in [300, 600, 3_000, 12_000] {
            let halve = |fleet: &mut Fleet| fleet.provider.calls = fleet.provider.calls.map(|calls| calls / 2);
            let fleet = hidden(rule, calls, says_when, true).at_second(150, halve).run();
            let (used, _, refused) = fleet.provider.between(180_000.0, 300_000.0);
            let refused_at_once = fleet.provider.between(150_000.0, 180_000.0).2;
            let used = used as f64 / calls as f64;
            // What a bucket still holds is accepted, too, and makes its limit seem higher for a minute.
            let few = if rule == Rule::Bucket { 4 } else { 0 };
            let least = if (rule, calls) == (Rule::Bucket, 12_000) { 0.85 } else { 0.9 };
            let shown = timeline(&fleet, calls);
            assert!(
                used >= least && refused <= calls / 100 + few && refused_at_once <= 10 + calls / 250,
                "{rule:?} {calls}: {used} {refused}\n{shown}"
            );
        }
    }
}
