//! `valuesim health`: probes a process, for health checks in images without a shell or an HTTP client.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use clap::Args;

use crate::exit::{Exit, Failure, OrUsage as _};
use crate::output::print;

/// How long the process may take to accept the connection, and to answer.
const TIMEOUT: Duration = Duration::from_secs(3);

/// The maximum length of an answer in bytes; a reason is shorter.
const MAX_ANSWER: u64 = 64 * 1024;

/// What `valuesim health` takes.
#[derive(Debug, Args)]
pub(crate) struct Flags {
    /// The address that the process serves /healthz and /readyz on, as in its own --http
    #[arg(long = "http", value_name = "ADDRESS", env = "VALUESIM_HTTP")]
    address: Option<SocketAddr>,

    /// Ask whether the process is alive rather than ready
    #[arg(long)]
    live: bool,
}

/// An answer to a probe.
#[derive(Debug, PartialEq, Eq)]
struct Answer {
    status: u16,
    body: String,
}

/// Probes the process once.
pub(crate) fn run(flags: &Flags) -> Result<Exit, Failure> {
    let address = flags.address().or_usage()?;
    let (path, state) = if flags.live { ("/healthz", "alive") } else { ("/readyz", "ready") };
    let asked = ask(address, path).with_context(|| format!("probe http://{address}{path}"));
    let answer = asked.or_not_looked()?;
    if answer.status != 200 {
        return Err(anyhow!("not {state}: http://{address}{path} answered {}: {}", answer.status, answer.body).into());
    }
    print(&format!("{state}\n"))?;
    Ok(Exit::Done)
}

impl Flags {
    /// Where to connect: a process that listens on all addresses is asked on this machine's own.
    fn address(&self) -> anyhow::Result<SocketAddr> {
        let Some(address) = self.address else {
            bail!("where does the process answer? Say --http ADDRESS, as it was started with")
        };
        if address.port() == 0 {
            bail!("--http {address}: expected the port that the process prints when it starts, not 0")
        }
        let ip = match address.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
            IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
            ip => ip,
        };
        Ok(SocketAddr::new(ip, address.port()))
    }
}

fn ask(address: SocketAddr, path: &str) -> anyhow::Result<Answer> {
    let mut connection = TcpStream::connect_timeout(&address, TIMEOUT)
        .context("connect; check that the process runs, and the address in its --http")?;
    connection.set_read_timeout(Some(TIMEOUT))?;
    connection.set_write_timeout(Some(TIMEOUT))?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    connection.write_all(request.as_bytes()).context("send the request")?;
    let mut answer = Vec::new();
    match connection.take(MAX_ANSWER).read_to_end(&mut answer) {
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
            bail!("no answer within {} s", TIMEOUT.as_secs())
        }
        read => read.context("read the answer")?,
    };
    parse(&String::from_utf8_lossy(&answer)).context("expected an answer in HTTP; check the port")
}

fn parse(answer: &str) -> Option<Answer> {
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.strip_prefix("HTTP/1.")?.split(' ').nth(1)?.parse().ok()?;
    Some(Answer { status, body: body.trim().to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read() {
        let answer = "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 4\r\n\r\nbusy\n";
        assert_eq!(parse(answer), Some(Answer { status: 503, body: "busy".to_owned() }));
        for no_answer in ["", "HTTP/1.1 200 OK", "AMQP\0\0\u{9}\u{1}\r\n\r\n", "HTTP/1.1 abc\r\n\r\n"] {
            assert_eq!(parse(no_answer), None, "{no_answer:?}");
        }
    }

    #[test]
    fn a_process_that_listens_everywhere_is_asked_here() {
        let asked = |address: &str| {
            let flags = Flags { address: Some(address.parse().expect("an address")), live: false };
            flags.address().map(|address| address.to_string())
        };
        assert_eq!(asked("0.0.0.0:9400").expect("has a port"), "127.0.0.1:9400");
        assert_eq!(asked("[::]:9400").expect("has a port"), "[::1]:9400");
        assert_eq!(asked("10.0.0.7:9400").expect("has a port"), "10.0.0.7:9400");
        assert!(asked("127.0.0.1:0").is_err());
    }
}
