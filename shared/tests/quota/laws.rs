//! What holds for a quota whatever happens.

use std::collections::VecDeque;

use proptest::prelude::*;
use valuesim_shared::permit::quota::{
    Answer, Ask, Charge, Configured, End, LimitKind, PauseCause, Quota, Settled, Stated, Want,
};
use valuesim_shared::permit::{ByTokenKind, TokenCounts, TokenKind};

const MINUTE_MS: u64 = 60_000;

fn want(tokens: &[TokenCounts]) -> Want<'_> {
    Want { run: 1, weight: 1, tokens }
}

/// Tokens of prompts alone.
fn counts(tokens: u64) -> TokenCounts {
    TokenCounts::of_prompt(tokens)
}

fn settled(answer: &Answer, expected: u64, end: End) -> Settled {
    of(answer, counts(expected), end)
}

fn of(answer: &Answer, expected: TokenCounts, end: End) -> Settled {
    Settled { slot: answer.slot, epoch: answer.epoch, expected, end, took_ms: 10, stated: Stated::default() }
}

/// Asks for so many calls of ten tokens.
fn ask_for(quota: &mut Quota, now: u64, worker: u64, calls: usize) -> Answer {
    let tokens = vec![counts(10); calls];
    quota.take(now, &Ask { worker, capacity: 1_000, wants: &[want(&tokens)], ..Ask::default() })
}

/// Tells what came of calls.
fn tell(quota: &mut Quota, now: u64, settlements: &[Settled]) -> Answer {
    quota.take(now, &Ask { worker: 1, capacity: 1_000, settlements, ..Ask::default() })
}

const REFUSED: End = End::Limited { limit: Some(LimitKind::Calls), retry_after_ms: Some(2_000) };

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Whatever the workers want, in whatever order calls end, and whoever dies: no sliding minute holds more than a limit.
    #[test]
    fn no_minute_holds_more_than_the_limits(
        limit in 1_u64..60,
        (token_limit, uncached_limit, output_limit) in (500_u64..4_000, 300_u64..1_500, 120_u64..800),
        steps in prop::collection::vec((0_u64..4_000, 1_u64..4, prop::collection::vec(1_u64..400, 0..12), 0_usize..6, 0_u8..4), 1..120),
    ) {
        // Prompts of which half are cached, and replies as long as a quarter of them.
        let counts = |input: u64| TokenCounts { input, uncached: input / 2, output: input / 4 };
        let limits = ByTokenKind { all: Some(token_limit), input: Some(token_limit * 4 / 5), uncached: Some(uncached_limit), output: Some(output_limit) };
        let configured = Configured { calls: Some(limit), tokens: limits, in_flight: None };
        let (mut quota, mut now) = (Quota::new(1, 0), 0);
        let mut pending: VecDeque<(Settled, usize)> = VecDeque::new();
        let mut granted: Vec<(u64, TokenCounts)> = Vec::new();
        for (gap, worker, tokens, ends, how) in steps {
            now += gap;
            let tokens: Vec<TokenCounts> = tokens.into_iter().map(counts).collect();
            let mut settlements = Vec::new();
            for (mut settled, at) in pending.drain(..ends.min(pending.len())) {
                let used = counts(settled.expected.input / 2);
                match how {
                    // Its worker died, and nobody hears of it.
                    0 => continue,
                    1 => granted[at].1 = TokenCounts::NONE,
                    _ => granted[at].1 = used,
                }
                settled.end = if how == 1 { End::Unsent } else { End::Answered { used: Some(used) } };
                settlements.push(settled);
            }
            let ask = Ask { worker, configured, capacity: 100, wants: &[want(&tokens)], settlements: &settlements, ..Ask::default() };
            let answer = quota.take(now, &ask);
            // The state survives the store.
            quota = serde_json::from_str(&serde_json::to_string(&quota).unwrap()).unwrap();
            for &tokens in &tokens[..answer.granted[0]] {
                granted.push((now, tokens));
                pending.push_back((of(&answer, tokens, End::Unsent), granted.len() - 1));
            }
        }
        for start in 0..granted.len() {
            let minute = granted[start..].iter().take_while(|(at, _)| *at < granted[start].0 + MINUTE_MS);
            let sent = minute.filter(|it| it.1 != TokenCounts::NONE);
            let (calls, tokens) = sent.fold((0, TokenCounts::NONE), |sum, it| (sum.0 + 1, sum.1 + it.1));
            let is_exceeded = |kind: &TokenKind| limits.get(*kind).is_some_and(|limit| tokens.of(*kind) > limit);
            let exceeded = TokenKind::KINDS.into_iter().find(is_exceeded);
            prop_assert!(calls <= limit && exceeded.is_none(), "{calls} of {limit}, {tokens:?} of {limits:?}: {exceeded:?}");
        }
    }

    /// A burst of refused calls is one cut, to what was accepted, whoever saw it and in whatever order.
    #[test]
    fn one_burst_is_one_cut(calls in 100_usize..400, refused in 1_usize..60, order in any::<prop::sample::Index>()) {
        let mut quota = Quota::new(1, 0);
        let configured = Configured { calls: Some(1_000_000), ..Configured::default() };
        let tokens = vec![counts(10); calls + refused];
        let ask = Ask { worker: 1, configured, capacity: 1_000, wants: &[want(&tokens)], ..Ask::default() };
        let answer = quota.take(0, &ask);
        prop_assert_eq!(answer.granted[0], calls + refused);
        let mut last = answer.epoch;
        for at in 0..refused {
            let worker = 1 + (order.index(refused) + at) as u64 % 3;
            let refusal = [settled(&answer, 10, REFUSED)];
            let ask = Ask { worker, configured, capacity: 1_000, settlements: &refusal, ..Ask::default() };
            last = quota.take(100 + at as u64, &ask).epoch;
        }
        prop_assert_eq!(last, answer.epoch + 1);
        prop_assert_eq!(quota.learned(LimitKind::Calls), Some(calls as u64 * 985 / 1_000));
    }

    /// Two workers that want as much get as much, however often each asks.
    #[test]
    fn workers_get_equal_parts(often in 1_u64..8) {
        let configured = Configured { calls: Some(600), ..Configured::default() };
        let (mut quota, tokens, mut got) = (Quota::new(1, 0), vec![counts(10); 200], [0, 0]);
        for step in 0..1_200_u64 {
            for worker in [0, 1] {
                if worker == 0 && step % often > 0 {
                    continue;
                }
                let wants = [want(&tokens)];
                let ask = Ask { worker, configured, capacity: 1_000, wants: &wants, ..Ask::default() };
                got[usize::from(worker == 1)] += quota.take(step * 50, &ask).granted[0];
            }
        }
        let (least, most) = (got[0].min(got[1]) as f64, got[0].max(got[1]) as f64);
        prop_assert!(got[0] + got[1] >= 580 && most / least < 1.6, "{got:?}");
    }
}

/// Two runs get parts by their weights, at whichever workers they have their calls.
#[test]
fn runs_get_parts_by_their_weights() {
    let configured = Configured { calls: Some(600), ..Configured::default() };
    let (mut quota, tokens, mut got) = (Quota::new(1, 0), vec![counts(10); 200], [0, 0]);
    for step in 0..1_200_u64 {
        let wants = [(1, 1), (2, 3)].map(|(run, weight)| Want { run, weight, tokens: &tokens });
        // The first worker has calls of both runs, the others of one each.
        let of_worker = [&wants[..], &wants[..1], &wants[1..]][usize::try_from(step % 3).expect("small")];
        let ask = Ask { worker: step % 3, configured, capacity: 1_000, wants: of_worker, ..Ask::default() };
        let granted = quota.take(step * 50, &ask).granted;
        for (want, granted) in of_worker.iter().zip(granted) {
            got[usize::from(want.run == 2)] += granted;
        }
    }
    let share = got[1] as f64 / (got[0] + got[1]) as f64;
    assert!(got[0] + got[1] >= 580 && (0.65..=0.85).contains(&share), "{got:?}");
}

/// A limit on one kind of tokens is used as well as one on all of them.
#[test]
fn limits_on_prompts_and_replies_apart_are_used() {
    let call = TokenCounts { input: 1_000, uncached: 100, output: 20 };
    for kind in TokenKind::KINDS {
        let limit = call.of(kind) * 600;
        let tokens = ByTokenKind::from_fn(|of| (of == kind).then_some(limit));
        let configured = Configured { tokens, ..Configured::default() };
        let (mut quota, wanted, mut granted) = (Quota::new(1, 0), vec![call; 200], 0);
        for now in (0..5 * MINUTE_MS).step_by(100) {
            let wants = [want(&wanted)];
            let ask = Ask { worker: 1, configured, capacity: 1_000, wants: &wants, ..Ask::default() };
            let answer = quota.take(now, &ask);
            granted += answer.granted[0];
            let settlements = vec![of(&answer, call, End::Answered { used: Some(call) }); answer.granted[0]];
            let waited = answer.waits_for.map(|waited| (waited.limit, waited.value));
            assert!(waited.is_none_or(|waited| waited == (LimitKind::Tokens(kind), limit)), "{waited:?}");
            tell(&mut quota, now, &settlements);
        }
        assert!((2_850..=3_000 + 600).contains(&granted), "{kind:?}: {granted} of 3,000 in five minutes");
    }
}

/// Each refusal asks for half a minute: calls go on trying all the same, and the limit comes back with the provider.
#[test]
fn no_limit_freezes_however_often_calls_are_refused() {
    let (mut quota, mut now, mut tried_at) = (Quota::new(1, 0), 0, 0);
    let answer = ask_for(&mut quota, now, 1, 200);
    tell(&mut quota, now, &vec![settled(&answer, 10, End::Answered { used: Some(counts(10)) }); answer.granted[0]]);
    let always = End::Limited { limit: Some(LimitKind::Calls), retry_after_ms: Some(600_000) };
    while now < 3 * 60 * MINUTE_MS {
        now += 100;
        let answer = ask_for(&mut quota, now, 1, 50);
        if answer.granted[0] > 0 {
            assert!(now - tried_at <= 31_000, "nothing was tried for {} ms", now - tried_at);
            tried_at = now;
            tell(&mut quota, now + 10, &vec![settled(&answer, 10, always); answer.granted[0]]);
        }
    }
    let (mut granted, end) = (0, now + 5 * MINUTE_MS);
    while now < end {
        now += 100;
        let answer = ask_for(&mut quota, now, 1, 50);
        granted += answer.granted[0];
        tell(
            &mut quota,
            now + 10,
            &vec![settled(&answer, 10, End::Answered { used: Some(counts(10)) }); answer.granted[0]],
        );
    }
    assert!(granted >= 1_000, "{granted} calls in the five minutes after the provider was back");
}

/// A store that lost its data: nothing goes until workers have said what they have sent, and that counts.
#[test]
fn a_lost_state_is_told_by_the_workers() {
    let configured = Configured { calls: Some(100), ..Configured::default() };
    let tokens = vec![counts(10); 300];
    let wants = [want(&tokens)];
    let mut quota = Quota::reopened(7, 1_000_000);
    let fresh = Ask { worker: 2, configured, capacity: 500, wants: &wants, ..Ask::default() };
    assert_eq!(quota.take(1_000_000, &fresh).paused.map(|pause| pause.cause), Some(PauseCause::Recovery));
    // In the former life it is 5,000 ms; a call of ten seconds ago would be of a slot before the first.
    let sent = [Charge { slot: 8, calls: 60, refused: 0, tokens: counts(600) }];
    let old = Ask { worker: 1, generation: Some(3), sent: &sent, sent_at: 5_000, ..fresh.clone() };
    assert_eq!(quota.take(1_000_200, &old).paused.map(|pause| pause.left_ms), Some(1_800));
    assert!(quota.take(1_001_900, &fresh).paused.is_some(), "others wait, too");
    let mut granted = 0;
    for now in (1_002_000..1_050_000).step_by(100) {
        let answer = quota.take(now, &Ask { generation: Some(7), ..fresh.clone() });
        granted += answer.granted[0];
    }
    assert_eq!(granted, 40, "what was sent before the loss counts");
}

/// Where the keeper's clock is set, calls go on as if it had not been.
#[test]
fn a_clock_that_jumps_neither_stops_calls_nor_lets_more_go() {
    let configured = Configured { calls: Some(60), ..Configured::default() };
    let tokens = vec![counts(10); 300];
    let wants = [want(&tokens)];
    let mut quota = Quota::new(1, 10_000_000);
    let mut granted = 0;
    // Back by an hour after a minute, and forward by two after another.
    for second in 0..240_u64 {
        let keeper = match second {
            0..60 => 10_000_000 + second * 1_000,
            60..120 => 6_400_000 + second * 1_000,
            _ => 13_600_000 + second * 1_000,
        };
        let jumped_ms = if second == 120 { 7_200_000 } else { 0 };
        let ask = Ask { worker: 1, configured, capacity: 500, wants: &wants, jumped_ms, ..Ask::default() };
        granted += quota.take(keeper, &ask).granted[0];
    }
    assert!((230..=242).contains(&granted), "{granted} in four minutes");
}
