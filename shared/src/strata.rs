//! Spreads a sample over groups of respondents: how many of each group, and who.

use std::cmp::Reverse;

use serde::{Deserialize, Serialize};

use crate::mersenne::Mersenne;

/// By what the respondents are grouped before a sample is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stratify {
    /// By country of interview.
    Country,
}

/// How many respondents are drawn from each group.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Allocation {
    /// In proportion to the group's size, by the largest remainder.
    #[default]
    Proportional,
    /// The same number from each group; all of a group that has fewer.
    Equal,
}

impl Allocation {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Proportional, Self::Equal];

    /// The name in flags and files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Proportional => "proportional",
            Self::Equal => "equal",
        }
    }

    /// How many to draw from each group of these sizes, `count` in all, which must not be above the sum of the sizes.
    ///
    /// Where the last few cannot be spread evenly, larger groups go first, and of groups of one size the earlier.
    pub fn spread(self, count: u32, sizes: &[u32]) -> Vec<u32> {
        match self {
            Self::Proportional => proportional(count, sizes),
            Self::Equal => equal(count, sizes),
        }
    }
}

fn proportional(count: u32, sizes: &[u32]) -> Vec<u32> {
    let total: u64 = sizes.iter().map(|&size| u64::from(size)).sum();
    if total == 0 {
        return vec![0; sizes.len()];
    }
    let exact = |size: u32| u64::from(count) * u64::from(size);
    let floor = |&size: &u32| u32::try_from(exact(size) / total).expect("a share of a group is at most the group");
    let mut shares: Vec<u32> = sizes.iter().map(floor).collect();
    let left = count - shares.iter().sum::<u32>();
    let mut by_remainder: Vec<usize> = (0..sizes.len()).collect();
    by_remainder.sort_by_key(|&at| (Reverse(exact(sizes[at]) % total), Reverse(sizes[at])));
    by_remainder.into_iter().take(left as usize).for_each(|at| shares[at] += 1);
    shares
}

fn equal(count: u32, sizes: &[u32]) -> Vec<u32> {
    let mut shares = vec![0; sizes.len()];
    let mut left = count;
    while left > 0 {
        let mut open: Vec<usize> = (0..sizes.len()).filter(|&at| shares[at] < sizes[at]).collect();
        let groups = u32::try_from(open.len()).expect("there are fewer groups than respondents");
        if groups == 0 {
            break;
        }
        open.sort_by_key(|&at| Reverse(sizes[at]));
        // Once fewer are left than groups, one of each goes to the largest.
        let each = (left / groups).max(1);
        for at in open {
            let more = each.min(sizes[at] - shares[at]).min(left);
            shares[at] += more;
            left -= more;
        }
    }
    shares
}

/// The positions, in a group of `of` respondents, of the `count` that are drawn, in the order drawn. Each group has its own
/// draw, so that the others do not change it.
///
/// # Panics
/// If `count` is above `of`.
pub fn draw_from_group(seed: u64, group: u64, count: u32, of: u32) -> Vec<u32> {
    let mut hasher = blake3::Hasher::new();
    hasher.update(b"stratum");
    hasher.update(&seed.to_le_bytes());
    hasher.update(&group.to_le_bytes());
    let mut seed = [0; 8];
    hasher.finalize_xof().fill(&mut seed);
    Mersenne::seeded(u64::from_le_bytes(seed)).sample(of, count)
}

/// Merges the groups' draws so that any beginning of the result is spread like the whole: the i-th of a group of n stands at
/// (i - 1/2) / n of the way.
pub fn interleave<T>(groups: Vec<Vec<T>>) -> Vec<T> {
    let mut placed: Vec<(f64, T)> = Vec::with_capacity(groups.iter().map(Vec::len).sum());
    for group in groups {
        let of = group.len() as f64;
        placed.extend(group.into_iter().enumerate().map(|(at, item)| ((at as f64 + 0.5) / of, item)));
    }
    placed.sort_by(|(one, _), (other, _)| one.total_cmp(other));
    placed.into_iter().map(|(_, item)| item).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn proportional_shares_are_those_of_the_largest_remainder() {
        assert_eq!(Allocation::Proportional.spread(10, &[500, 300, 200]), [5, 3, 2]);
        // 3.33 each: the first of three equals gets the last.
        assert_eq!(Allocation::Proportional.spread(10, &[7, 7, 7]), [4, 3, 3]);
        assert_eq!(Allocation::Proportional.spread(2, &[1, 50, 49]), [0, 1, 1]);
        assert!(Allocation::Proportional.spread(0, &[]).is_empty());
    }

    #[test]
    fn equal_shares_leave_what_small_groups_lack_to_the_others() {
        assert_eq!(Allocation::Equal.spread(9, &[100, 100, 100]), [3, 3, 3]);
        assert_eq!(Allocation::Equal.spread(10, &[100, 2, 100]), [4, 2, 4]);
        // One left over: to the largest group.
        assert_eq!(Allocation::Equal.spread(7, &[10, 30, 20]), [2, 3, 2]);
        assert_eq!(Allocation::Equal.spread(2, &[10, 30, 20]), [0, 1, 1]);
    }

    #[test]
    fn a_groups_draw_does_not_depend_on_the_others() {
        let drawn = draw_from_group(42, 276, 5, 1000);
        assert_eq!(drawn, draw_from_group(42, 276, 5, 1000));
        assert_ne!(drawn, draw_from_group(42, 250, 5, 1000));
        assert_ne!(drawn, draw_from_group(43, 276, 5, 1000));
    }

    #[test]
    fn a_beginning_is_spread_like_the_whole() {
        let merged = interleave(vec![vec!["a"; 4], vec!["b"; 2], vec!["c"; 2]]);
        assert_eq!(merged, ["a", "b", "c", "a", "a", "b", "c", "a"]);
    }

    proptest! {
        #[test]
        fn shares_sum_to_the_count_and_no_group_gives_more_than_it_has(
            sizes in prop::collection::vec(0_u32..2000, 1..70),
            share in 0.0..=1.0_f64,
        ) {
            let total: u32 = sizes.iter().sum();
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of a small count")]
            let count = (f64::from(total) * share) as u32;
            for allocation in Allocation::ALL {
                let shares = allocation.spread(count, &sizes);
                prop_assert_eq!(shares.iter().sum::<u32>(), count);
                prop_assert!(shares.iter().zip(&sizes).all(|(share, size)| share <= size));
            }
            let exact = |size: u32| f64::from(count) * f64::from(size) / f64::from(total.max(1));
            let proportional = Allocation::Proportional.spread(count, &sizes);
            prop_assert!(proportional.iter().zip(&sizes).all(|(&share, &size)| (f64::from(share) - exact(size)).abs() < 1.0));
        }
    }
}
