//! A buffer for the lines of a CSV file, which needs no allocation for each value.

/// Digits of numbers below this are copied from a table.
const TABLE_SIZE: usize = 1000;

/// A buffer of comma-separated lines.
#[derive(Debug)]
pub(super) struct CsvBuffer {
    bytes: Vec<u8>,
    /// The digits of each small number, and their count.
    small: Vec<([u8; 3], u8)>,
}

impl CsvBuffer {
    /// An empty buffer with this initial capacity.
    pub(super) fn with_capacity(bytes: usize) -> Self {
        Self { bytes: Vec::with_capacity(bytes), small: (0..TABLE_SIZE).map(small_digits).collect() }
    }

    /// The bytes written so far.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Empties the buffer.
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
    }

    /// Ends a value.
    pub(super) fn comma(&mut self) {
        self.bytes.push(b',');
    }

    /// Ends the line: replaces the comma after the last value.
    pub(super) fn end(&mut self) {
        self.bytes.pop();
        self.bytes.push(b'\n');
    }

    /// Writes text as it is.
    pub(super) fn text(&mut self, text: &str) {
        self.bytes.extend_from_slice(text.as_bytes());
    }

    /// Writes text in quotes; the text must not contain any.
    pub(super) fn quoted(&mut self, text: &str) {
        self.bytes.push(b'"');
        self.text(text);
        self.bytes.push(b'"');
    }

    /// Writes bytes as they are.
    pub(super) fn raw(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Writes a whole number.
    pub(super) fn int(&mut self, value: i32) {
        if value < 0 {
            self.bytes.push(b'-');
        }
        self.digits(value.unsigned_abs());
    }

    /// Writes `millionths` as a number with one to six decimals, as the official file does.
    pub(super) fn float(&mut self, millionths: i64) {
        if millionths < 0 {
            self.bytes.push(b'-');
        }
        let (whole, mut rest) = (millionths.unsigned_abs() / 1_000_000, millionths.unsigned_abs() % 1_000_000);
        self.digits(u32::try_from(whole).unwrap_or(u32::MAX));
        self.bytes.push(b'.');
        let mut unit = 100_000;
        loop {
            self.bytes.push(digit(rest / unit));
            rest %= unit;
            unit /= 10;
            if rest == 0 {
                return;
            }
        }
    }

    fn digits(&mut self, value: u32) {
        if let Some((digits, length)) = self.small.get(value as usize) {
            self.bytes.extend_from_slice(&digits[..usize::from(*length)]);
            return;
        }
        let mut digits = [0; 10];
        let mut from = digits.len();
        let mut rest = value;
        while rest > 0 {
            from -= 1;
            digits[from] = digit(u64::from(rest % 10));
            rest /= 10;
        }
        self.bytes.extend_from_slice(&digits[from..]);
    }
}

fn small_digits(value: usize) -> ([u8; 3], u8) {
    let mut digits = [0; 3];
    let text = value.to_string();
    digits[..text.len()].copy_from_slice(text.as_bytes());
    (digits, u8::try_from(text.len()).expect("three digits at most"))
}

/// The digit of a number below 10.
fn digit(value: u64) -> u8 {
    b"0123456789"[usize::try_from(value).unwrap_or_default() % 10]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(write: impl FnOnce(&mut CsvBuffer)) -> String {
        let mut line = CsvBuffer::with_capacity(0);
        write(&mut line);
        String::from_utf8(line.bytes().to_vec()).expect("ASCII")
    }

    #[test]
    fn floats_have_as_many_decimals_as_they_need() {
        for (millionths, expected) in
            [(0, "0.0"), (1_000_000, "1.0"), (812_345, "0.812345"), (-12_500_000, "-12.5"), (50, "0.00005")]
        {
            assert_eq!(written(|line| line.float(millionths)), expected);
        }
    }

    #[test]
    fn a_line_ends_without_a_comma() {
        let line = written(|line| {
            for value in [1, 2] {
                line.int(value);
                line.comma();
            }
            line.end();
        });
        assert_eq!(line, "1,2\n");
    }

    proptest! {
        #[test]
        fn whole_numbers_read_back(value: i32) {
            prop_assert_eq!(written(|line| line.int(value)), value.to_string());
        }
    }
}
