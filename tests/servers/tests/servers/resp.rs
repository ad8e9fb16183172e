//! A minimal Redis client: sends one command and reads a one-line answer.

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

/// The answer to a command in the URL's database; of a bulk string, its content.
pub(crate) async fn ask(url: &str, command: &str) -> std::io::Result<String> {
    let path = url.strip_prefix("redis://").unwrap();
    let (address, database) = path.split_once('/').unwrap_or((path, "0"));
    let mut connection = BufReader::new(TcpStream::connect(address).await?);
    connection.write_all(format!("SELECT {database}\r\n{command}\r\nQUIT\r\n").as_bytes()).await?;
    let mut lines = Vec::new();
    let mut line = String::new();
    while connection.read_line(&mut line).await? > 0 {
        lines.push(std::mem::take(&mut line).trim_end().to_owned());
    }
    assert_eq!(lines.remove(0), "+OK", "SELECT {database}");
    let is_bulk_string = lines[0].starts_with('$') && lines[0] != "$-1";
    Ok(lines.remove(usize::from(is_bulk_string)))
}
