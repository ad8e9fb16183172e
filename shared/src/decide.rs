//! Decides between the modules' answers, or that the coordinator must be asked.

use crate::id::Code;
use crate::outcome::Decided;

/// The decision between the modules' answers to one question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// All valid answers are the same, or there is only one.
    Agreed {
        /// The answer.
        answer: Code,
        /// [`Decided::Unanimous`] or [`Decided::SingleAnswer`].
        decided: Decided,
    },
    /// At least two valid answers differ.
    AskCoordinator,
    /// No module gave a valid answer.
    NoValidAnswer,
}

/// Decides between the modules' answers to one question. As in the paper's code, agreement needs no coordinator.
pub fn decide(answers: &[Option<Code>]) -> Decision {
    let valid: Vec<Code> = answers.iter().flatten().copied().collect();
    match valid[..] {
        [] => Decision::NoValidAnswer,
        [answer] => Decision::Agreed { answer, decided: Decided::SingleAnswer },
        [answer, ref others @ ..] if others.iter().all(|&other| other == answer) => {
            Decision::Agreed { answer, decided: Decided::Unanimous }
        }
        [..] => Decision::AskCoordinator,
    }
}

/// The mean of the valid answers, rounded up, which replaces the coordinator in the method `average`.
///
/// `None` if no answer is valid.
///
/// # Panics
/// Never: the mean of codes lies between the lowest and the highest.
pub fn ceiling_of_mean(answers: &[Option<Code>]) -> Option<Code> {
    let (mut sum, mut count) = (0_i64, 0_i64);
    for code in answers.iter().flatten() {
        sum += i64::from(code.0);
        count += 1;
    }
    if count == 0 {
        return None;
    }
    // Rounding down the negated sum rounds up, whatever the sign.
    let mean = -(-sum).div_euclid(count);
    Some(Code(i32::try_from(mean).expect("the mean of codes lies between the lowest and the highest")))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_mean_is_rounded_up_whatever_its_sign() {
        let check = |codes: &[i32], expected: i32| {
            let answers: Vec<Option<Code>> = codes.iter().map(|&code| Some(Code(code))).collect();
            assert_eq!(ceiling_of_mean(&answers), Some(Code(expected)), "{codes:?}");
        };
        check(&[1, 1, 2], 2);
        check(&[1, 2, 3], 2);
        check(&[0, 0, 1], 1);
        check(&[0, 0, 0], 0);
        check(&[-1, -1, 0], 0);
        check(&[-3, -4], -3);
        check(&[i32::MAX, i32::MAX, i32::MAX], i32::MAX);
        check(&[i32::MIN, i32::MIN], i32::MIN);
    }

    #[test]
    fn two_modules_decide_in_the_same_way_as_three() {
        let agreed = Decision::Agreed { answer: Code(3), decided: Decided::Unanimous };
        assert_eq!(decide(&[Some(Code(3)), Some(Code(3))]), agreed);
        assert_eq!(decide(&[Some(Code(3)), Some(Code(4))]), Decision::AskCoordinator);
        assert_eq!(decide(&[]), Decision::NoValidAnswer);
    }

    proptest! {
        #[test]
        fn the_mean_of_agreeing_answers_is_that_answer(answers in prop::array::uniform3(prop::option::of(-2_i32..4))) {
            let answers = answers.map(|code| code.map(Code));
            match decide(&answers) {
                Decision::Agreed { answer, .. } => prop_assert_eq!(ceiling_of_mean(&answers), Some(answer)),
                Decision::AskCoordinator => prop_assert!(answers.iter().flatten().count() >= 2),
                Decision::NoValidAnswer => prop_assert_eq!(ceiling_of_mean(&answers), None),
            }
        }
    }
}
