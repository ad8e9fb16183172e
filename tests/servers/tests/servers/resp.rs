//! A client of Redis that sends one command and reads one word.

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

/// The answer to a command in the database that the URL names; of a text, its second line.
pub(crate) async fn ask(url: &str, command: &str) -> std::io::Result<String> {
    let place = url.strip_prefix("redis://").unwrap();
    let (address, database) = place.split_once('/').unwrap_or((place, "0"));
    let mut connection = BufReader::new(TcpStream::connect(address).await?);
    connection.write_all(format!("SELECT {database}\r\n{command}\r\nQUIT\r\n").as_bytes()).await?;
    let mut lines = Vec::new();
    let mut line = String::new();
    while connection.read_line(&mut line).await? > 0 {
        lines.push(std::mem::take(&mut line).trim_end().to_owned());
    }
    assert_eq!(lines.remove(0), "+OK", "SELECT {database}");
    let text_follows = lines[0].starts_with('$') && lines[0] != "$-1";
    Ok(lines.remove(usize::from(text_follows)))
}
