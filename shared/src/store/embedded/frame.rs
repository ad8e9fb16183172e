//! Frames of the log: a length, a checksum, and a payload. They show which frames were not written completely.

use xxhash_rust::xxh3::xxh3_64;

/// Bytes before the payload: its length in four and its checksum in eight, low byte first.
const HEAD: usize = 12;

/// Appends a frame around what `write` appends; returns the frame's length in bytes.
pub(super) fn push(into: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) -> usize {
    let start = into.len();
    into.extend_from_slice(&[0; HEAD]);
    write(into);
    let payload = start + HEAD;
    let length = u32::try_from(into.len() - payload).expect("no payload has four gigabytes");
    let checksum = xxh3_64(&into[payload..]);
    into[start..start + 4].copy_from_slice(&length.to_le_bytes());
    into[start + 4..payload].copy_from_slice(&checksum.to_le_bytes());
    into.len() - start
}

/// The payload of the frame at the start of `bytes`, and the frame's length; `None` if the frame is not complete.
pub(super) fn first(bytes: &[u8]) -> Option<(&[u8], usize)> {
    let (length, rest) = bytes.split_first_chunk()?;
    let (checksum, rest) = rest.split_first_chunk()?;
    let payload = rest.get(..u32::from_le_bytes(*length) as usize)?;
    // A file that was extended and never filled is full of zeros, which would also be the frame of an empty payload.
    let sound = !payload.is_empty() && xxh3_64(payload) == u64::from_le_bytes(*checksum);
    sound.then_some((payload, HEAD + payload.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames() -> Vec<u8> {
        let mut bytes = Vec::new();
        push(&mut bytes, |into| into.extend_from_slice(b"first"));
        push(&mut bytes, |into| into.extend_from_slice(b"second"));
        bytes
    }

    #[test]
    fn frames_are_read_in_order() {
        let bytes = frames();
        let (payload, length) = first(&bytes).expect("whole");
        assert_eq!(payload, b"first");
        assert_eq!(first(&bytes[length..]), Some((&b"second"[..], HEAD + 6)));
        assert_eq!(first(&[]), None);
    }

    #[test]
    fn a_frame_that_is_cut_or_changed_is_none() {
        let bytes = frames();
        for end in 0..HEAD + 5 {
            assert_eq!(first(&bytes[..end]), None, "{end} bytes");
        }
        for at in 0..HEAD + 5 {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            assert_eq!(first(&changed), None, "byte {at}");
        }
        assert_eq!(first(&[0; 64]), None, "a file that was never filled");
    }
}
