//! Sets each group of people beside all others.

use super::moments::Moments;
use super::ratio::Ratio;

/// Sums over people that add up.
pub trait Merge: Clone + Default {
    /// Adds the people of others.
    fn add_all(&mut self, others: &Self);
}

impl Merge for Moments {
    fn add_all(&mut self, others: &Self) {
        self.merge(others);
    }
}

impl Merge for Ratio {
    fn add_all(&mut self, others: &Self) {
        self.merge(others);
    }
}

/// For each group, all people who are not in it. Nothing is subtracted, so that no digits cancel.
///
/// [`Difference::of_groups`](super::Difference::of_groups) compares a group with its rest, and
/// [`judge`](super::judge) says of which groups the difference is real, however many were looked at.
pub fn rests<M: Merge>(groups: &[M]) -> Vec<M> {
    let before = groups.iter().scan(M::default(), running_total);
    let after: Vec<M> = groups.iter().rev().scan(M::default(), running_total).collect();
    let both = before.zip(after.into_iter().rev()).map(|(mut rest, after)| {
        rest.add_all(&after);
        rest
    });
    both.collect()
}

/// What was added before this group.
#[expect(clippy::unnecessary_wraps, reason = "scan ends where its function gives nothing")]
fn running_total<M: Merge>(total: &mut M, group: &M) -> Option<M> {
    let before = total.clone();
    total.add_all(group);
    Some(before)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_group_alone_has_an_empty_rest() {
        assert_eq!(rests(&[Moments::of(&[0.5])]), [Moments::default()]);
        assert!(rests::<Ratio>(&[]).is_empty());
    }

    proptest! {
        #[test]
        fn a_group_and_its_rest_are_everybody(
            groups in prop::collection::vec(prop::collection::vec(0.0..1.0_f64, 1..9), 1..9),
        ) {
            let everybody = Moments::of(&groups.concat());
            let groups: Vec<Moments> = groups.iter().map(|group| Moments::of(group)).collect();
            for (group, mut both) in groups.iter().zip(rests(&groups)) {
                both.merge(group);
                prop_assert_eq!(both.count(), everybody.count());
                let means = [both, everybody].map(|moments| moments.mean().expect("people"));
                prop_assert!((means[0] - means[1]).abs() < 1e-12);
            }
        }
    }
}
