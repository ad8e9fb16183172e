//! Process metrics from the kernel, with the names that all Prometheus clients use. Zeros on systems without /proc.

use std::fs;

use prometheus::{Counter, IntGauge, Registry};

use super::{Metric, metrics, register};

/// Ticks per second of processor time in /proc: 100 on all current Linux architectures.
const TICKS_PER_SECOND: f64 = 100.0;

#[derive(Debug)]
pub(super) struct ProcessMetrics {
    cpu: Counter,
    resident: IntGauge,
    open_files: IntGauge,
    most_files: IntGauge,
    threads: IntGauge,
}

impl ProcessMetrics {
    pub(super) fn new(registry: &Registry) -> Self {
        let gauge = |metric: &Metric| register(registry, metric.gauge()).with_label_values::<&str>(&[]);
        let start = register(registry, metrics::PROCESS_START.fractional_gauge());
        start.with_label_values::<&str>(&[]).set(started_at().unwrap_or_default());
        Self {
            cpu: register(registry, metrics::PROCESS_CPU.fractional_counter()).with_label_values::<&str>(&[]),
            resident: gauge(&metrics::PROCESS_MEMORY),
            open_files: gauge(&metrics::PROCESS_OPEN_FILES),
            most_files: gauge(&metrics::PROCESS_MAX_FILES),
            threads: gauge(&metrics::PROCESS_THREADS),
        }
    }

    /// Updates the metrics. Those that cannot be read keep their values.
    pub(super) fn refresh(&self) {
        if let Some(stat) = read("self/stat").as_deref().and_then(Stat::read) {
            self.cpu.inc_by((stat.cpu_seconds - self.cpu.get()).max(0.0));
            self.threads.set(stat.threads);
        }
        if let Some(kilobytes) = read("self/status").and_then(|status| number_after(&status, "VmRSS:")) {
            self.resident.set(kilobytes * 1024);
        }
        if let Some(most) = most_open_files() {
            self.most_files.set(i64::try_from(most).unwrap_or(i64::MAX));
        }
        if let Ok(open) = fs::read_dir("/proc/self/fd") {
            self.open_files.set(i64::try_from(open.count()).unwrap_or(i64::MAX));
        }
    }
}

/// The values used from /proc/self/stat.
#[derive(Debug, PartialEq)]
struct Stat {
    cpu_seconds: f64,
    threads: i64,
    /// In ticks since the machine was started.
    started_after_seconds: f64,
}

impl Stat {
    fn read(stat: &str) -> Option<Self> {
        // The program's name, in brackets, may itself contain brackets and spaces.
        let (_, behind_name) = stat.rsplit_once(')')?;
        let fields: Vec<&str> = behind_name.split_whitespace().collect();
        // proc(5) counts from 1, with the number and the name before these.
        let number = |field: usize| fields.get(field - 3)?.parse::<f64>().ok();
        Some(Self {
            cpu_seconds: (number(14)? + number(15)?) / TICKS_PER_SECOND,
            threads: fields.get(20 - 3)?.parse().ok()?,
            started_after_seconds: number(22)? / TICKS_PER_SECOND,
        })
    }
}

/// How many files and connections this process may have open; `None` where the system does not say, or sets no limit.
pub fn most_open_files() -> Option<u64> {
    let most = read("self/limits").and_then(|limits| number_after(&limits, "Max open files"))?;
    u64::try_from(most).ok()
}

fn started_at() -> Option<f64> {
    let stat = Stat::read(&read("self/stat")?)?;
    let machine = number_after(&read("stat")?, "btime")?;
    Some(machine as f64 + stat.started_after_seconds)
}

fn read(file: &str) -> Option<String> {
    fs::read_to_string(format!("/proc/{file}")).ok()
}

/// The first number in the line that begins with `name`.
fn number_after(text: &str, name: &str) -> Option<i64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn program_names_may_contain_brackets_and_spaces() {
        let stat = "7 (a) b (c)) S 1 7 7 0 -1 4194560 1 2 3 4 150 50 0 0 20 0 9 0 1234 5 6 7";
        let expected = Stat { cpu_seconds: 2.0, threads: 9, started_after_seconds: 12.34 };
        assert_eq!(Stat::read(stat), Some(expected));
        assert_eq!(Stat::read("7 (a) S 1"), None);
    }

    #[test]
    fn numbers_are_found_by_name() {
        let text = "Name:\tvaluesim\nVmRSS:\t  2048 kB\nMax open files            1024                 4096    files\n";
        assert_eq!(number_after(text, "VmRSS:"), Some(2048));
        assert_eq!(number_after(text, "Max open files"), Some(1024));
        assert_eq!(number_after(text, "Threads:"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn metrics_describe_this_process() {
        let metrics = ProcessMetrics::new(&Registry::new());
        metrics.refresh();
        let seen = [&metrics.resident, &metrics.open_files, &metrics.most_files, &metrics.threads].map(IntGauge::get);
        assert!(seen.iter().all(|&number| number > 0), "{seen:?}");
        let (now, started) = (std::time::SystemTime::now(), started_at().expect("reads"));
        let now = now.duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_secs_f64();
        assert!((now - 86_400.0..now + 2.0).contains(&started), "started at {started}, it is {now}");
    }
}
