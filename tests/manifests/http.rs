//! A GET request.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

/// A limit for hangs.
const TIMEOUT: Duration = Duration::from_mins(1);

/// The body of a response that a probe takes for success; none for another response, or if nothing answers.
pub(crate) fn get(address: &str, path: &str) -> Option<String> {
    let mut connection = TcpStream::connect(address).ok()?;
    connection.set_read_timeout(Some(TIMEOUT)).ok()?;
    // In HTTP 1.0 the response ends with the connection.
    write!(connection, "GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n").ok()?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    head.split(' ').nth(1)?.starts_with(['2', '3']).then(|| body.to_owned())
}
