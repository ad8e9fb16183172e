//! Reads files that a person wrote, up to a bound: a wrong path must not fill the memory.

use std::fs::File;
use std::io::{self, ErrorKind, Read as _};
use std::path::Path;

/// The longest file with a key, a token or the address of a server, in bytes.
pub const MAX_KEY_FILE: u64 = 64 << 10;

/// The longest experiment file, in bytes.
pub const MAX_EXPERIMENT_FILE: u64 = 1 << 20;

/// The text of the file at `path`.
///
/// # Errors
/// If it cannot be read, is not UTF-8, or has more than `most` bytes; then no more than these were read.
pub fn read_text(path: &Path, most: u64) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(most + 1).read_to_string(&mut text)?;
    if text.len() as u64 > most {
        let reason = format!("it has more than {most} bytes, so it is another kind of file");
        return Err(io::Error::new(ErrorKind::FileTooLarge, reason));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

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
