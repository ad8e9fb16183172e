//! Reads files that a person wrote, up to a bound: a wrong path must not fill the memory.

use std::fs::File;
use std::io::{self, ErrorKind, Read as _};
use std::path::Path;

/// The longest file with a key, a token or the address of a server, in bytes.
pub const MAX_KEY_FILE: u64 = 64 << 10;

/// The longest experiment file, in bytes.
pub const MAX_EXPERIMENT_FILE: u64 = 1 << 20;

/// The longest table of prices or of usage that others made, in bytes. LiteLLM's table has two million.
pub const MAX_TABLE_FILE: u64 = 64 << 20;

/// What some programs write at the beginning of a text.
const BYTE_ORDER_MARK: char = '\u{feff}';

/// The signs that people and programs put around a text. No key begins or ends with one.
const QUOTES: [char; 6] = ['"', '\'', '`', '\u{201c}', '\u{201d}', '\u{2019}'];

/// The text of the file at `path`, without a byte order mark.
///
/// # Errors
/// If it cannot be read, is not UTF-8, or has more than `most` bytes; then no more than these were read.
pub fn read_text(path: &Path, most: u64) -> io::Result<String> {
    let mut bytes = Vec::new();
    File::open(path)?.take(most + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        let reason = format!("it has more than {most} bytes, so it is another kind of file");
        return Err(io::Error::new(ErrorKind::FileTooLarge, reason));
    }
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") || bytes.contains(&0) {
        return Err(unusable("it is UTF-16 or no text: save it as UTF-8"));
    }
    let text = String::from_utf8(bytes).map_err(|_| unusable("it is not UTF-8: save it as UTF-8"))?;
    Ok(text.strip_prefix(BYTE_ORDER_MARK).map(str::to_owned).unwrap_or(text))
}

/// The beginning of a text of which an error shows no more than `most` characters.
pub fn excerpt(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

/// The key, token or address in the first line of the file at `path`, without spaces around it; empty if there is none.
///
/// # Errors
/// As [`read_text`] fails, and if it is in quotes.
pub fn read_secret(path: &Path) -> io::Result<String> {
    let text = read_text(path, MAX_KEY_FILE)?;
    let secret = text.trim_start().lines().next().unwrap_or_default().trim();
    if secret.starts_with(QUOTES) || secret.ends_with(QUOTES) {
        return Err(unusable("its text is in quotes: remove them"));
    }
    Ok(secret.to_owned())
}

fn unusable(reason: &'static str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_file_of_another_system_is_read_or_named() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let read = |bytes: &[u8]| {
            std::fs::write(file.path(), bytes).expect("writes");
            read_secret(file.path()).map_err(|error| error.to_string())
        };
        for bytes in ["sk-1\n", "\u{feff}sk-1\r\n", "\r\n  sk-1 \t\r\nnotes", "sk-1"] {
            assert_eq!(read(bytes.as_bytes()).as_deref(), Ok("sk-1"), "{bytes:?}");
        }
        assert_eq!(read(b"\r\n").as_deref(), Ok(""));
        for (bytes, says) in [
            (&b"\xff\xfes\0k\0-\x001\0"[..], "UTF-16"),
            (b"\0s\0k", "UTF-16"),
            (b"sk-\xff1", "not UTF-8"),
            (b"\"sk-1\"\n", "in quotes"),
            (b"'sk-1'", "in quotes"),
            ("\u{201c}sk-1\u{201d}".as_bytes(), "in quotes"),
        ] {
            let said = read(bytes).expect_err("it is unusable");
            assert!(said.contains(says) && !said.contains("sk-1"), "{said}");
        }
    }

    #[test]
    fn a_file_is_read_up_to_its_bound_and_no_further() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), "12345678").expect("writes");
        assert_eq!(read_text(file.path(), 8).expect("reads"), "12345678");
        let error = read_text(file.path(), 7).expect_err("too long");
        assert!(error.to_string().contains("more than 7 bytes"), "{error}");
        #[cfg(unix)]
        assert!(read_text(Path::new("/dev/zero"), MAX_KEY_FILE).is_err(), "it has no end");
    }
}
