//! A set of cells in a bit for each: a run has half a million cells for each model.

use std::collections::HashMap;

use valuesim_shared::id::{Cell, Fold, ModelId, Respondent};

/// Bits in a word.
const WORD_BITS: usize = 64;

/// A set of cells.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct CellBitmap {
    /// By respondent.
    bits: HashMap<(ModelId, Fold), Vec<u64>>,
    len: u64,
}

impl CellBitmap {
    /// Puts a cell in; whether it was not there.
    pub(crate) fn insert(&mut self, cell: Cell) -> bool {
        let words = self.bits.entry((cell.model, cell.fold)).or_default();
        let (word, bit) = place(cell);
        if words.len() <= word {
            words.resize(word + 1, 0);
        }
        let is_new = words[word] & bit == 0;
        words[word] |= bit;
        self.len += u64::from(is_new);
        is_new
    }

    /// Takes a cell out; whether it was there.
    pub(crate) fn remove(&mut self, cell: Cell) -> bool {
        let (word, bit) = place(cell);
        let words = self.bits.get_mut(&(cell.model, cell.fold));
        let Some(word) = words.and_then(|words| words.get_mut(word)) else { return false };
        let was_there = *word & bit != 0;
        *word &= !bit;
        self.len -= u64::from(was_there);
        was_there
    }

    /// All cells, in any order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Cell> + '_ {
        self.bits.iter().flat_map(|(&(model, fold), words)| {
            let set = words.iter().enumerate().flat_map(|(at, &word)| bits(word).map(move |bit| at * WORD_BITS + bit));
            set.map(move |index| Cell { model, respondent: Respondent::from_index(index), fold })
        })
    }

    pub(crate) fn contains(&self, cell: Cell) -> bool {
        let (word, bit) = place(cell);
        let words = self.bits.get(&(cell.model, cell.fold));
        words.and_then(|words| words.get(word)).is_some_and(|word| word & bit != 0)
    }

    pub(crate) fn len(&self) -> u64 {
        self.len
    }
}

impl Extend<Cell> for CellBitmap {
    fn extend<T: IntoIterator<Item = Cell>>(&mut self, cells: T) {
        cells.into_iter().for_each(|cell| _ = self.insert(cell));
    }
}

impl FromIterator<Cell> for CellBitmap {
    fn from_iter<T: IntoIterator<Item = Cell>>(cells: T) -> Self {
        let mut set = Self::default();
        set.extend(cells);
        set
    }
}

fn place(cell: Cell) -> (usize, u64) {
    let index = cell.respondent.index();
    (index / WORD_BITS, 1 << (index % WORD_BITS))
}

/// The numbers of the bits that are set.
fn bits(mut word: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let bit = (word != 0).then(|| word.trailing_zeros() as usize)?;
        word &= word - 1;
        Some(bit)
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_holds_what_a_hash_set_holds(
            steps in prop::collection::vec((any::<bool>(), 0_u16..2, 1_u32..200, 1_u8..3), 0..300),
        ) {
            let cell = |(model, row, fold)| Cell {
                model: ModelId(model),
                respondent: Respondent::new(row).expect("not 0"),
                fold: Fold::new(fold).expect("not 0"),
            };
            let (mut set, mut plain) = (CellBitmap::default(), HashSet::new());
            for (into, model, row, fold) in steps {
                let cell = cell((model, row, fold));
                if into {
                    prop_assert_eq!(set.insert(cell), plain.insert(cell));
                } else {
                    prop_assert_eq!(set.remove(cell), plain.remove(&cell));
                }
            }
            prop_assert_eq!(set.len(), plain.len() as u64);
            prop_assert_eq!(set.iter().count(), plain.len());
            prop_assert_eq!(set.iter().collect::<HashSet<_>>(), plain.clone());
            let all = (0..3).flat_map(|model| (1..250).flat_map(move |row| (1..4).map(move |fold| (model, row, fold))));
            for cell in all.map(cell) {
                prop_assert_eq!(set.contains(cell), plain.contains(&cell));
            }
        }
    }
}
