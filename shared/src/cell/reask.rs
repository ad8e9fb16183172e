//! Decides whether a model is asked a second time, and how: with a reminder of the format, or with more room.

use crate::method::Behaviour;
use crate::outcome::Ended;

/// How a model is asked a second time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reask {
    /// With a reminder of the format.
    Remind,
    /// With room for a reply of this many tokens.
    MoreRoom(u32),
}

/// How many times longer a reply may be once it was cut off.
const MORE_ROOM: u32 = 4;

/// How a model is asked again when the first asking ended so. `most_output_tokens` is the limit that the first reply
/// had; where it was the provider's own, a larger one cannot be asked for.
pub fn reask(behaviour: Behaviour, ended: Ended, most_output_tokens: Option<u32>) -> Option<Reask> {
    match (behaviour, ended) {
        (Behaviour::Corrected, Ended::Invalid) => Some(Reask::Remind),
        (Behaviour::Corrected, Ended::CutOff) => {
            most_output_tokens.map(|most| Reask::MoreRoom(most.saturating_mul(MORE_ROOM)))
        }
        (
            Behaviour::Corrected,
            Ended::Answered | Ended::Reminded | Ended::Refused | Ended::TooLong | Ended::Rejected | Ended::NoBackstory,
        )
        | (Behaviour::Paper, _) => None,
    }
}

impl Reask {
    /// The second asking's place among the calls about one question, [`asked_before`] in its key.
    ///
    /// [`asked_before`]: crate::call::CallKey::asked_before
    pub const fn asked_before(self) -> u8 {
        match self {
            Self::Remind => 1,
            Self::MoreRoom(_) => 2,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_corrected_behaviour_asks_again_and_only_where_it_helps() {
        let check = |ended, limit, expected| {
            assert_eq!(reask(Behaviour::Corrected, ended, limit), expected, "{ended} {limit:?}");
            assert_eq!(reask(Behaviour::Paper, ended, limit), None, "{ended} {limit:?}");
        };
        check(Ended::Answered, Some(300), None);
        check(Ended::Reminded, Some(300), None);
        check(Ended::Invalid, Some(300), Some(Reask::Remind));
        check(Ended::Invalid, None, Some(Reask::Remind));
        check(Ended::CutOff, Some(300), Some(Reask::MoreRoom(1200)));
        check(Ended::CutOff, Some(u32::MAX), Some(Reask::MoreRoom(u32::MAX)));
        check(Ended::CutOff, None, None);
        check(Ended::Refused, Some(300), None);
        check(Ended::TooLong, Some(300), None);
        check(Ended::Rejected, Some(300), None);
    }

    #[test]
    fn every_way_of_asking_has_its_own_place_among_the_calls() {
        assert_eq!((Reask::Remind.asked_before(), Reask::MoreRoom(1200).asked_before()), (1, 2));
    }
}
