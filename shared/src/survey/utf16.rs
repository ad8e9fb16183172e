//! Reads UTF-16 as UTF-8: spreadsheets save tables so under the name "Unicode text".

use std::io::{self, Read};

/// Bytes read at a time.
const CHUNK_BYTES: usize = 64 * 1024;

/// The order of the two bytes of a unit, by the byte order mark at the beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ByteOrder {
    LittleEndian,
    BigEndian,
}

impl ByteOrder {
    /// The byte order of a text that begins with these bytes; `None` if it is not marked as UTF-16.
    pub(super) fn of(head: &[u8]) -> Option<Self> {
        match head {
            // That of UTF-32 begins in the same way.
            [0xff, 0xfe, 0, 0, ..] => None,
            [0xff, 0xfe, ..] => Some(Self::LittleEndian),
            [0xfe, 0xff, ..] => Some(Self::BigEndian),
            _ => None,
        }
    }

    fn unit(self, bytes: [u8; 2]) -> u16 {
        match self {
            Self::LittleEndian => u16::from_le_bytes(bytes),
            Self::BigEndian => u16::from_be_bytes(bytes),
        }
    }
}

/// A stream of UTF-16 as UTF-8. What is no text becomes the replacement character.
pub(super) struct Utf16<'a> {
    source: &'a mut dyn Read,
    order: ByteOrder,
    /// Bytes that are not decoded yet: half a character.
    rest: Vec<u8>,
    text: Vec<u8>,
    /// How much of the text was handed out.
    given: usize,
    is_at_end: bool,
}

impl<'a> Utf16<'a> {
    pub(super) fn new(source: &'a mut dyn Read, order: ByteOrder) -> Self {
        Self { source, order, rest: Vec::new(), text: Vec::new(), given: 0, is_at_end: false }
    }

    /// Decodes the next chunk.
    fn decode(&mut self) -> io::Result<()> {
        let mut bytes = std::mem::take(&mut self.rest);
        let begun = bytes.len();
        self.source.take((CHUNK_BYTES - begun) as u64).read_to_end(&mut bytes)?;
        self.is_at_end = bytes.len() < CHUNK_BYTES;
        let units: Vec<u16> = bytes.chunks_exact(2).map(|pair| self.order.unit([pair[0], pair[1]])).collect();
        let ends_in_a_pair = units.last().is_some_and(|unit| (0xd800..0xdc00).contains(unit));
        let whole = units.len() - usize::from(ends_in_a_pair && !self.is_at_end);
        self.rest = bytes.split_off(whole * 2);
        self.text = String::from_utf16_lossy(&units[..whole]).into_bytes();
        self.given = 0;
        Ok(())
    }
}

impl Read for Utf16<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.given == self.text.len() {
            if self.is_at_end {
                return Ok(0);
            }
            self.decode()?;
        }
        let count = buffer.len().min(self.text.len() - self.given);
        buffer[..count].copy_from_slice(&self.text[self.given..][..count]);
        self.given += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_byte_orders_are_read_whatever_the_length() {
        for text in ["", "a", "\u{feff}Q1;Wär\u{1f600}\n", &"x\u{1f600}".repeat(40_000)] {
            for (order, bytes) in [
                (ByteOrder::LittleEndian, text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>()),
                (ByteOrder::BigEndian, text.encode_utf16().flat_map(u16::to_be_bytes).collect()),
            ] {
                let (mut source, mut found) = (bytes.as_slice(), String::new());
                Utf16::new(&mut source, order).read_to_string(&mut found).unwrap();
                assert_eq!(found, text);
            }
        }
        assert_eq!(ByteOrder::of(b"\xff\xfea\0"), Some(ByteOrder::LittleEndian));
        assert_eq!(ByteOrder::of(b"\xfe\xff\0a"), Some(ByteOrder::BigEndian));
        assert_eq!((ByteOrder::of(b"\xff\xfe\0\0"), ByteOrder::of(b"ve")), (None, None));
    }
}
