//! What it costs a run to be observed: CPU with metrics, scrapes and the live page, and without any of them, in turns.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::ensure;

use crate::command::valuesim_run;
use crate::process::{Provider, Usage, finish};
use crate::table::{Bound, Table, median};
use crate::viewers::{IN_FLIGHT, USERS, view};

/// Pairs of runs, one observed and one not.
const ROUNDS: usize = 7;

/// How often Prometheus scrapes: three times as often as the composition's.
const SCRAPE_EVERY: Duration = Duration::from_secs(5);

/// The most CPU of an observed run relative to that of another.
const MAX_RATIO: f64 = 1.02;

pub(crate) fn measure(table: &mut Table) -> anyhow::Result<()> {
    let provider = Provider::start(Duration::ZERO)?;
    let (mut without, mut with, mut scraped) = (Vec::new(), Vec::new(), 0);
    for _ in 0..ROUNDS {
        without.push(alone(&provider)?.cpu_seconds);
        let (used, scrapes) = observed(&provider)?;
        with.push(used.cpu_seconds);
        scraped += scrapes;
    }
    ensure!(scraped >= ROUNDS, "only {scraped} scrapes in {ROUNDS} runs");
    let ratio = median(with.iter().zip(&without).map(|(with, without)| with / without).collect());
    table.add("observed: CPU of a run that serves nothing, s".to_owned(), median(without), Bound::None);
    table.add("observed: CPU with metrics, scrapes, page and a viewer, s".to_owned(), median(with), Bound::None);
    table.add("observed: CPU with them / without".to_owned(), ratio, Bound::AtMost(MAX_RATIO));
    Ok(())
}

/// A whole run without metrics and page.
fn alone(provider: &Provider) -> anyhow::Result<Usage> {
    let runs = tempfile::tempdir()?;
    let mut command = valuesim_run(provider, IN_FLIGHT, runs.path());
    command.args(["--users", USERS, "--json"]);
    Ok(finish(command)?.0)
}

/// A whole run that is scraped, and whose page somebody looks at, and the number of scrapes.
fn observed(provider: &Provider) -> anyhow::Result<(Usage, usize)> {
    let runs = tempfile::tempdir()?;
    let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string();
    let mut command = valuesim_run(provider, IN_FLIGHT, runs.path());
    command.args(["--users", USERS, "--json", "--listen", &address]);
    let has_ended = AtomicBool::new(false);
    thread::scope(|scope| {
        let viewer = scope.spawn(|| view(&address));
        let scraper = scope.spawn(|| scrape(&address, &has_ended));
        let finished = finish(command);
        has_ended.store(true, Ordering::Relaxed);
        let scrapes = scraper.join().expect("a scraper does not panic");
        viewer.join().expect("a viewer does not panic")?;
        Ok((finished?.0, scrapes))
    })
}

/// Scrapes until the run ends, and returns how often that worked.
#[expect(clippy::disallowed_methods, reason = "a thread of its own that waits for another process")]
fn scrape(address: &str, has_ended: &AtomicBool) -> usize {
    let (mut scrapes, step) = (0, Duration::from_millis(100));
    while !has_ended.load(Ordering::Relaxed) {
        let has_metrics = scrape_once(address).is_ok_and(|text| text.contains("valuesim_llm_requests_total"));
        scrapes += usize::from(has_metrics);
        // Before the run listens, it is tried again soon.
        let mut left = if has_metrics { SCRAPE_EVERY } else { step };
        while !left.is_zero() && !has_ended.load(Ordering::Relaxed) {
            thread::sleep(step);
            left = left.saturating_sub(step);
        }
    }
    scrapes
}

fn scrape_once(address: &str) -> std::io::Result<String> {
    let mut connection = TcpStream::connect(address)?;
    write!(connection, "GET /metrics HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut text = String::new();
    connection.read_to_string(&mut text)?;
    Ok(text)
}
