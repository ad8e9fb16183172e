//! Checksums of the ledger's rows: a row that is not as it was written is noticed when it is read.

use super::Key;

/// Bytes of the checksum that stands before a row's JSON: 2^64 rows until two wrong ones pass.
const SEAL_BYTES: usize = 8;

/// `json` behind its checksum, as a row of `table` at `key`.
pub(super) fn seal(table: &str, key: Key, json: &[u8]) -> Vec<u8> {
    let mut row = Vec::with_capacity(SEAL_BYTES + json.len());
    row.extend_from_slice(&checksum(table, key, json));
    row.extend_from_slice(json);
    row
}

/// The JSON of a row; none where the checksum does not fit, be it that the row, its key or its table changed.
pub(super) fn unseal<'a>(table: &str, key: Key, row: &'a [u8]) -> Option<&'a [u8]> {
    let (found, json) = row.split_at_checked(SEAL_BYTES)?;
    (found == checksum(table, key, json)).then_some(json)
}

fn checksum(table: &str, (model, row, fold): Key, json: &[u8]) -> [u8; SEAL_BYTES] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(table.as_bytes());
    hasher.update(&model.to_le_bytes());
    hasher.update(&row.to_le_bytes());
    hasher.update(&[fold]);
    hasher.update(json);
    let mut seal = [0; SEAL_BYTES];
    hasher.finalize_xof().fill(&mut seal);
    seal
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: Key = (0, 83_811, 2);

    #[test]
    fn a_row_reads_back() {
        assert_eq!(unseal("cells", KEY, &seal("cells", KEY, b"{}")), Some(b"{}".as_slice()));
        assert_eq!(unseal("cells", KEY, &seal("cells", KEY, b"")), Some(b"".as_slice()));
    }

    #[test]
    fn every_changed_bit_is_noticed() {
        let row = seal("cells", KEY, br#"{"arms":[]}"#);
        for bit in 0..row.len() * 8 {
            let mut changed = row.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(unseal("cells", KEY, &changed), None, "bit {bit}");
        }
    }

    #[test]
    fn a_row_in_another_place_and_a_cut_row_are_noticed() {
        let row = seal("cells", KEY, b"{}");
        assert_eq!(unseal("spend", KEY, &row), None);
        for key in [(1, 83_811, 2), (0, 83_812, 2), (0, 83_811, 3)] {
            assert_eq!(unseal("cells", key, &row), None, "{key:?}");
        }
        for length in 0..row.len() {
            assert_eq!(unseal("cells", KEY, &row[..length]), None, "{length} bytes");
        }
    }
}
