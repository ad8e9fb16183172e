//! Checksums of the ledger's rows, which reveal a changed row when it is read.

use super::Key;

/// Bytes of the checksum before a row's content: a damaged row passes with a chance of 2^-64.
const CHECKSUM_BYTES: usize = 8;

/// A row of `table` at `key`: the checksum, then `content`.
pub(super) fn with_checksum(table: &str, key: Key, content: &[u8]) -> Vec<u8> {
    let mut row = Vec::with_capacity(CHECKSUM_BYTES + content.len());
    row.extend_from_slice(&checksum(table, key, content));
    row.extend_from_slice(content);
    row
}

/// The content of a row; `None` if its checksum is wrong because the row, its key or its table has changed.
pub(super) fn checked<'a>(table: &str, key: Key, row: &'a [u8]) -> Option<&'a [u8]> {
    let (found, content) = row.split_at_checked(CHECKSUM_BYTES)?;
    (found == checksum(table, key, content)).then_some(content)
}

fn checksum(table: &str, (model, row, fold): Key, content: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(table.as_bytes());
    hasher.update(&model.to_le_bytes());
    hasher.update(&row.to_le_bytes());
    hasher.update(&[fold]);
    hasher.update(content);
    let mut checksum = [0; CHECKSUM_BYTES];
    hasher.finalize_xof().fill(&mut checksum);
    checksum
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: Key = (0, 83_811, 2);

    #[test]
    fn a_row_reads_back() {
        assert_eq!(checked("cells", KEY, &with_checksum("cells", KEY, b"{}")), Some(b"{}".as_slice()));
        assert_eq!(checked("cells", KEY, &with_checksum("cells", KEY, b"")), Some(b"".as_slice()));
    }

    #[test]
    fn every_changed_bit_is_noticed() {
        let row = with_checksum("cells", KEY, br#"{"arms":[]}"#);
        for bit in 0..row.len() * 8 {
            let mut changed = row.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(checked("cells", KEY, &changed), None, "bit {bit}");
        }
    }

    #[test]
    fn a_row_in_another_place_and_a_cut_row_are_noticed() {
        let row = with_checksum("cells", KEY, b"{}");
        assert_eq!(checked("spend", KEY, &row), None);
        for key in [(1, 83_811, 2), (0, 83_812, 2), (0, 83_811, 3)] {
            assert_eq!(checked("cells", key, &row), None, "{key:?}");
        }
        for length in 0..row.len() {
            assert_eq!(checked("cells", KEY, &row[..length]), None, "{length} bytes");
        }
    }
}
