//! Whole numbers in as few bytes as they need.

/// Appends a number, seven bits a byte, the low ones first. The high bit of a byte says that more follow.
pub(super) fn write_number(into: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        into.push(u8::try_from(number & 0x7f).expect("seven bits fit a byte") | 0x80);
        number >>= 7;
    }
    into.push(u8::try_from(number).expect("seven bits fit a byte"));
}

/// Takes a number off the front of `rest`; `None` if there is none.
pub(super) fn read_number(rest: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..u64::BITS).step_by(7) {
        let (&byte, after) = rest.split_first()?;
        *rest = after;
        number |= u64::from(byte & 0x7f).checked_shl(shift)?;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}
