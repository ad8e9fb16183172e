//! What a cell needs next, on questions and replies small enough to check by hand.

use proptest::prelude::*;

use super::*;
use crate::id::QuestionId;
use crate::method::{Behaviour, Method};
use crate::outcome::{Decided, Ended};
use crate::stage::Stage;

const CAB: [Stage; 3] = [Stage::COGNITIVE, Stage::AFFECTIVE, Stage::BEHAVIORAL];

fn question(index: usize) -> Question {
    let options = [(1, "one"), (2, "two"), (3, "three"), (4, "four"), (5, "five")];
    Question::example(QuestionId::from_index(index), "How do you do?", &options)
}

fn rules(methods: &[Method]) -> Rules {
    Rules::new(Behaviour::Corrected, methods, Some(300))
}

fn said(content: &str) -> ReplyText {
    ReplyText::Text { content: content.to_owned(), cut_off: false }
}

fn answer(code: u8) -> ReplyText {
    said(&format!("Answer: {code}\nAnalysis: because"))
}

fn key(stage: Stage, asked_before: u8) -> CallKey {
    CallKey { stage, question: Some(question(0).id), asked_before }
}

/// Replies to the three modules, first askings.
fn modules(codes: [u8; 3]) -> HashMap<CallKey, ReplyText> {
    CAB.into_iter().zip(codes).map(|(stage, code)| (key(stage, 0), answer(code))).collect()
}

fn next_of(methods: &[Method], replies: &HashMap<CallKey, ReplyText>) -> Next {
    next(&rules(methods), [&question(0)], &MissingStories::default(), replies)
}

fn calls(next: Next) -> Vec<NextCall> {
    match next {
        Next::Calls(calls) => calls,
        Next::Done(result) => panic!("expected calls, and it is done: {result:?}"),
    }
}

fn keys(next: Next) -> Vec<CallKey> {
    let mut keys: Vec<CallKey> = calls(next).into_iter().map(|call| call.key).collect();
    keys.sort_unstable();
    keys
}

fn done(next: Next) -> CellResult {
    match next {
        Next::Done(result) => result,
        Next::Calls(calls) => panic!("expected a result, and these calls are open: {calls:?}"),
    }
}

/// Answer, ending, decision and number of askings of a method's only prediction.
fn prediction(result: &CellResult, method: Method) -> (Option<i32>, Ended, Decided, u8) {
    let arm = result.arms.iter().find(|arm| arm.method == method).expect("the method has an arm");
    (arm.answers[0].map(|code| code.0), arm.ended.0[0], arm.decided.0[0], arm.asked[0])
}

#[test]
fn modules_are_asked_side_by_side_and_the_coordinator_where_they_differ() {
    let methods = [Method::ValueSim];
    assert_eq!(keys(next_of(&methods, &HashMap::new())), CAB.map(|stage| key(stage, 0)));
    let agreed = done(next_of(&methods, &modules([2, 2, 2])));
    assert_eq!(prediction(&agreed, Method::ValueSim), (Some(2), Ended::Answered, Decided::Unanimous, 3));
    let mut replies = modules([2, 2, 4]);
    let open = calls(next_of(&methods, &replies));
    let [NextCall { key: asked, prompt: Prompt::Whole(prompt), follows: Follows::Nothing }] = &open[..] else {
        panic!("expected the coordinator alone: {open:?}")
    };
    assert_eq!(*asked, key(Stage::COORDINATOR, 0));
    assert!(prompt.contains("How do you do?") && prompt.contains("because"), "{prompt}");
    replies.insert(*asked, answer(4));
    let settled = done(next_of(&methods, &replies));
    assert_eq!(prediction(&settled, Method::ValueSim), (Some(4), Ended::Answered, Decided::Coordinator, 4));
}

#[test]
fn an_unreadable_reply_is_asked_for_again_with_a_reminder_and_then_stands() {
    let methods = [Method::FullInfo];
    let first = key(Stage::FULL_INFO, 0);
    let mut replies = HashMap::from([(first, said("I wonder."))]);
    let open = calls(next_of(&methods, &replies));
    assert_eq!(open[0].key, key(Stage::FULL_INFO, 1));
    assert_eq!(open[0].follows, Follows::Reminder { reply: "I wonder.".to_owned() });
    replies.insert(open[0].key, said("3"));
    let reminded = done(next_of(&methods, &replies));
    assert_eq!(prediction(&reminded, Method::FullInfo), (Some(3), Ended::Reminded, Decided::Direct, 2));
    replies.insert(key(Stage::FULL_INFO, 1), said("I still wonder."));
    let invalid = done(next_of(&methods, &replies));
    assert_eq!(prediction(&invalid, Method::FullInfo), (None, Ended::Invalid, Decided::Direct, 2));
}

#[test]
fn a_reply_that_was_cut_off_gets_more_room() {
    let methods = [Method::NoCab];
    let cut_off = ReplyText::Text { content: String::new(), cut_off: true };
    let mut replies = HashMap::from([(key(Stage::NO_CAB, 0), cut_off)]);
    let open = calls(next_of(&methods, &replies));
    assert_eq!((open[0].key, &open[0].follows), (key(Stage::NO_CAB, 2), &Follows::MoreRoom(1200)));
    replies.insert(open[0].key, ReplyText::TooLong);
    let stands = done(next_of(&methods, &replies));
    assert_eq!(prediction(&stands, Method::NoCab), (None, Ended::CutOff, Decided::Direct, 2));
}

#[test]
fn methods_share_the_replies_to_the_same_calls() {
    let methods = [Method::ValueSim, Method::Average, Method::NoCognitive, Method::NoBehavioral];
    assert_eq!(keys(next_of(&methods, &HashMap::new())), CAB.map(|stage| key(stage, 0)));
    let mut replies = modules([1, 1, 4]);
    let without_cognitive = recipe(Method::NoCognitive).and_then(Recipe::coordinator).expect("has a coordinator");
    assert_eq!(keys(next_of(&methods, &replies)), [key(Stage::COORDINATOR, 0), key(without_cognitive, 0)]);
    replies.extend([(key(Stage::COORDINATOR, 0), answer(1)), (key(without_cognitive, 0), answer(4))]);
    let result = done(next_of(&methods, &replies));
    assert_eq!(prediction(&result, Method::ValueSim), (Some(1), Ended::Answered, Decided::Coordinator, 4));
    assert_eq!(prediction(&result, Method::Average), (Some(2), Ended::Answered, Decided::Average, 3));
    assert_eq!(prediction(&result, Method::NoCognitive), (Some(4), Ended::Answered, Decided::Coordinator, 3));
    assert_eq!(prediction(&result, Method::NoBehavioral), (Some(1), Ended::Answered, Decided::Unanimous, 2));
}

#[test]
fn a_coordinator_that_hears_the_same_for_two_methods_is_asked_once() {
    let methods = [Method::ValueSim, Method::NoCognitive];
    let rules = Rules::new(Behaviour::Paper, &methods, None);
    let next_of = |replies: &HashMap<_, _>| next(&rules, [&question(0)], &MissingStories::default(), replies);
    let without_cognitive = recipe(Method::NoCognitive).and_then(Recipe::coordinator).expect("has a coordinator");
    let mut replies = modules([1, 2, 3]);
    replies.insert(key(Stage::COGNITIVE, 0), said("I wonder."));
    assert_eq!(keys(next_of(&replies)), [key(without_cognitive, 0)]);
    replies.insert(key(without_cognitive, 0), answer(3));
    let result = done(next_of(&replies));
    assert_eq!(prediction(&result, Method::ValueSim), (Some(3), Ended::Answered, Decided::Coordinator, 4));
    assert_eq!(prediction(&result, Method::NoCognitive), (Some(3), Ended::Answered, Decided::Coordinator, 3));
}

#[test]
fn what_needs_a_missing_backstory_is_not_asked() {
    let methods = [Method::ValueSim, Method::NoCab, Method::NoStory];
    let missing = MissingStories(vec![Stage::STORY]);
    let of_profile = calls(next(&rules(&methods), [&question(0)], &missing, &HashMap::new()));
    assert!(of_profile.iter().all(|call| text_of(call.key.stage) == Text::Profile) && of_profile.len() == 3);
    let replies: HashMap<_, _> = of_profile.into_iter().map(|call| (call.key, answer(5))).collect();
    let result = done(next(&rules(&methods), [&question(0)], &missing, &replies));
    assert_eq!(prediction(&result, Method::ValueSim), (None, Ended::NoBackstory, Decided::NoValidAnswers, 0));
    assert_eq!(prediction(&result, Method::NoCab), (None, Ended::NoBackstory, Decided::Direct, 0));
    assert_eq!(prediction(&result, Method::NoStory), (Some(5), Ended::Answered, Decided::Unanimous, 3));
}

#[test]
fn a_backstory_that_was_cut_off_is_better_than_none() {
    let rules = rules(&[Method::ValueSim]);
    let mut story = StoryCalls::new(&rules, Stage::STORY);
    assert_eq!(story.first().key, CallKey::first(Stage::STORY, None));
    let StoryStep::Call(again) = story.reply(ReplyText::Text { content: "You were".to_owned(), cut_off: true }) else {
        panic!("expected a second call")
    };
    assert_eq!((again.key.asked_before, again.follows), (2, Follows::MoreRoom(1200)));
    let StoryStep::Done(written) = story.reply(ReplyText::TooLong) else { panic!("expected the backstory") };
    assert_eq!(written, WrittenStory { text: "You were".to_owned(), ended: Ended::CutOff, asked: 2 });
}

/// A reply of every kind, by number.
fn some_reply(kind: u8) -> ReplyText {
    match kind {
        0..=4 => answer(kind + 1),
        5 => said("no idea"),
        6 => ReplyText::Refused,
        7 => ReplyText::TooLong,
        _ => ReplyText::Text { content: "Answer".to_owned(), cut_off: true },
    }
}

proptest! {
    /// Whatever the model says, and in whatever order its replies come, a cell ends, no call is asked for twice, and the
    /// result is the one that follows from the replies alone.
    #[test]
    fn a_cell_ends_the_same_in_whatever_order_replies_come(
        picks in prop::collection::vec((any::<prop::sample::Index>(), 0_u8..9), 1..200),
    ) {
        let rules = rules(&Method::WITH_MODEL);
        let questions = [question(0), question(1)];
        let missing = MissingStories::default();
        let mut states: Vec<QuestionCalls> = questions.iter().map(|of| QuestionCalls::new(&rules, of, &missing)).collect();
        let mut open: Vec<CallKey> = states.iter_mut().flat_map(QuestionCalls::first).map(|call| call.key).collect();
        let mut replies = HashMap::new();
        let mut picks = picks.into_iter().cycle();
        while !open.is_empty() {
            let (pick, kind) = picks.next().expect("never ends");
            let key = open.swap_remove(pick.index(open.len()));
            let at = usize::from(key.question != Some(questions[0].id));
            prop_assert!(replies.insert(key, some_reply(kind)).is_none(), "asked twice: {:?}", key);
            open.extend(states[at].reply(key, &replies[&key]).into_iter().map(|call| call.key));
            prop_assert!(replies.len() < 100);
        }
        let results: Vec<_> = states.iter().map(|state| state.result().expect("nothing is open")).collect();
        let expected = next(&rules, &questions, &missing, &replies);
        prop_assert_eq!(Next::Done(cell_result(&rules, &results)), expected);
    }
}
