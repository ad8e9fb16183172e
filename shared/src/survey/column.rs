//! The answers to one question in the narrowest integers that hold them.

use crate::id::Code;

/// The number of rows by which a full column grows. Doubling would waste up to half of the memory.
const GROWTH: usize = 16 * 1024;

/// The codes of one question, by respondent. Widens when a code does not fit.
///
/// The width depends on the codes alone, not on their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Column {
    /// One byte each: enough for nearly all questions.
    Narrow(Vec<i8>),
    /// Two bytes each: years, countries and languages.
    Medium(Vec<i16>),
    /// Four bytes each: parties and ethnic groups.
    Wide(Vec<i32>),
}

impl Default for Column {
    fn default() -> Self {
        Self::Narrow(Vec::new())
    }
}

impl Column {
    pub(super) fn get(&self, index: usize) -> Code {
        Code(match self {
            Self::Narrow(codes) => codes[index].into(),
            Self::Medium(codes) => codes[index].into(),
            Self::Wide(codes) => codes[index],
        })
    }

    /// Adds the codes of the next respondents.
    pub(super) fn extend(&mut self, added: impl Iterator<Item = Code> + Clone) {
        let fits = match self {
            Self::Narrow(codes) => extend_if_all_fit(codes, added.clone()),
            Self::Medium(codes) => extend_if_all_fit(codes, added.clone()),
            Self::Wide(codes) => extend_if_all_fit(codes, added.clone()),
        };
        if !fits {
            self.widen();
            self.extend(added);
        }
    }

    fn widen(&mut self) {
        *self = match self {
            Self::Narrow(codes) => Self::Medium(widened(codes)),
            Self::Medium(codes) => Self::Wide(widened(codes)),
            Self::Wide(_) => unreachable!("an i32 holds every code"),
        };
    }

    pub(super) fn shrink_to_fit(&mut self) {
        match self {
            Self::Narrow(codes) => codes.shrink_to_fit(),
            Self::Medium(codes) => codes.shrink_to_fit(),
            Self::Wide(codes) => codes.shrink_to_fit(),
        }
    }

    /// Hashes the width before the codes, so that columns of different width never give the same bytes.
    pub(super) fn hash_into(&self, hasher: &mut blake3::Hasher) {
        match self {
            Self::Narrow(codes) => hash(codes, hasher, i8::to_le_bytes),
            Self::Medium(codes) => hash(codes, hasher, i16::to_le_bytes),
            Self::Wide(codes) => hash(codes, hasher, i32::to_le_bytes),
        }
    }
}

/// Returns false and leaves `codes` unchanged if one of the added codes does not fit.
fn extend_if_all_fit<T: TryFrom<i32>>(codes: &mut Vec<T>, added: impl Iterator<Item = Code>) -> bool {
    let length = codes.len();
    for code in added {
        let Ok(fitting) = T::try_from(code.0) else {
            codes.truncate(length);
            return false;
        };
        if codes.len() == codes.capacity() {
            codes.reserve_exact(GROWTH);
        }
        codes.push(fitting);
    }
    true
}

fn widened<T: Copy, W: From<T>>(codes: &[T]) -> Vec<W> {
    let mut wide = Vec::with_capacity(codes.len() + GROWTH);
    wide.extend(codes.iter().map(|&code| W::from(code)));
    wide
}

fn hash<T: Copy, const WIDTH: usize>(codes: &[T], hasher: &mut blake3::Hasher, bytes: fn(T) -> [u8; WIDTH]) {
    hasher.update(&WIDTH.to_le_bytes());
    let mut block = Vec::with_capacity(GROWTH * WIDTH);
    for rows in codes.chunks(GROWTH) {
        block.clear();
        block.extend(rows.iter().flat_map(|&code| bytes(code)));
        hasher.update(&block);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn column(codes: &[i32]) -> Column {
        let mut column = Column::default();
        for block in codes.chunks(3) {
            column.extend(block.iter().copied().map(Code));
        }
        column
    }

    fn hash_of(column: &Column) -> blake3::Hash {
        let mut hasher = blake3::Hasher::new();
        column.hash_into(&mut hasher);
        hasher.finalize()
    }

    #[test]
    fn a_column_is_as_wide_as_its_widest_code() {
        assert!(matches!(column(&[-5, 127, -128]), Column::Narrow(_)));
        assert!(matches!(column(&[1, 128]), Column::Medium(_)));
        assert!(matches!(column(&[-129]), Column::Medium(_)));
        assert!(matches!(column(&[1, 2007, 276_001]), Column::Wide(_)));
        assert!(matches!(column(&[1, 276_001, 2]), Column::Wide(_)));
    }

    #[test]
    fn columns_of_different_width_or_codes_have_different_hashes() {
        let columns = [column(&[1, 0]), column(&[0, 1]), column(&[1]), column(&[256]), column(&[65_536]), column(&[])];
        let hashes: std::collections::HashSet<_> = columns.iter().map(hash_of).collect();
        assert_eq!(hashes.len(), columns.len());
    }

    proptest! {
        #[test]
        fn a_column_gives_back_what_was_added(codes in prop::collection::vec(any_code(), 0..200)) {
            let column = column(&codes);
            for (index, &code) in codes.iter().enumerate() {
                prop_assert_eq!(column.get(index), Code(code));
            }
        }
    }

    fn any_code() -> impl Strategy<Value = i32> {
        prop_oneof![8 => -5..=100, 1 => -40_000..=40_000, 1 => any::<i32>()]
    }
}
