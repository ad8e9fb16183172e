//! A Prometheus with the shipped configuration and rules, sixty times as fast.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use valuesim_test_servers::eventually;

use crate::fleet::free_port;
use crate::http::get;
use crate::process::Running;
use crate::rules::minutes_as_seconds;

/// A limit for hangs: an alert needs half a minute.
pub(crate) const TIMEOUT: Duration = Duration::from_mins(4);

/// How often it scrapes and evaluates rules.
const INTERVAL: &str = "1s";

/// The ports of what it scrapes.
pub(crate) struct Targets {
    pub(crate) workers: Vec<u16>,
    pub(crate) coordinators: Vec<u16>,
    pub(crate) broker: u16,
}

pub(crate) struct Prometheus {
    address: String,
    _process: Running,
    _folder: TempDir,
}

impl Prometheus {
    /// Starts it with an empty database.
    pub(crate) async fn start(targets: &Targets) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for file in rule_files() {
            let rules = minutes_as_seconds(&fs::read_to_string(&file).unwrap());
            fs::write(folder.path().join(file.file_name().unwrap()), rules).unwrap();
        }
        fs::write(folder.path().join("prometheus.yml"), configuration(targets, folder.path())).unwrap();
        let address = format!("127.0.0.1:{}", free_port());
        let mut command = Command::new("prometheus");
        command.args(["--log.level=warn", "--config.file=prometheus.yml", "--storage.tsdb.path=data"]);
        command.arg(format!("--web.listen-address={address}")).current_dir(folder.path());
        let prometheus = Self { _process: Running::new(&mut command), address, _folder: folder };
        let is_ready = async || get(&prometheus.address, "/-/ready");
        eventually("Prometheus", TIMEOUT, is_ready).await.expect("it starts");
        prometheus
    }

    /// Waits until all these alerts fire.
    pub(crate) async fn wait_until_firing(&self, alerts: &[&str]) {
        let fire = async || {
            let firing = self.firing();
            alerts.iter().all(|alert| firing.iter().any(|found| found == alert)).then_some(())
        };
        let fired = eventually(&format!("{alerts:?}"), TIMEOUT, fire).await;
        fired.unwrap_or_else(|error| panic!("{error}; these fire: {:?}", self.firing()));
        println!("fired: {alerts:?}");
    }

    /// Waits until no alert fires.
    pub(crate) async fn wait_until_quiet(&self) {
        let is_quiet = async || self.firing().is_empty().then_some(());
        let quiet = eventually("silence", TIMEOUT, is_quiet).await;
        quiet.unwrap_or_else(|error| panic!("{error}; these fire: {:?}", self.firing()));
    }

    /// Every alert that fires says what is the matter, and every rule could be evaluated.
    pub(crate) fn check_summaries(&self) {
        for alert in self.alerts() {
            let summary = alert["annotations"]["summary"].as_str().unwrap().to_owned();
            assert!(summary.len() > 20 && !summary.contains("<no value>") && !summary.contains("error"), "{summary}");
        }
        let groups = self.ask("/api/v1/rules")["groups"].take();
        let rules: Vec<&Value> =
            groups.as_array().unwrap().iter().flat_map(|group| group["rules"].as_array().unwrap()).collect();
        assert!(rules.len() > 15, "{rules:?}");
        assert!(rules.iter().all(|rule| rule["health"] == "ok"), "{rules:?}");
    }

    /// The values of a query now.
    pub(crate) fn query(&self, query: &str) -> Vec<f64> {
        let encoded = query.bytes().fold(String::new(), |text, byte| text + &format!("%{byte:02X}"));
        let result = self.ask(&format!("/api/v1/query?query={encoded}"))["result"].take();
        let value = |sample: &Value| sample["value"][1].as_str().unwrap().parse().unwrap();
        result.as_array().unwrap().iter().map(value).collect()
    }

    fn firing(&self) -> Vec<String> {
        let alerts = self.alerts().into_iter().filter(|alert| alert["state"] == "firing");
        alerts.map(|alert| alert["labels"]["alertname"].as_str().unwrap().to_owned()).collect()
    }

    fn alerts(&self) -> Vec<Value> {
        self.ask("/api/v1/alerts")["alerts"].as_array().unwrap().clone()
    }

    fn ask(&self, path: &str) -> Value {
        let body = get(&self.address, path).unwrap_or_else(|| panic!("Prometheus refuses {path}"));
        serde_json::from_str::<Value>(&body).unwrap()["data"].take()
    }
}

fn rule_files() -> Vec<PathBuf> {
    let folder = repository().join("deploy/prometheus/rules");
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
}

/// The shipped configuration with the test's targets, each in place of a name that the composition resolves.
fn configuration(targets: &Targets, rules: &Path) -> String {
    let shipped = fs::read_to_string(repository().join("deploy/prometheus/prometheus.yaml")).unwrap();
    let list = |ports: &[u16]| ports.iter().map(|port| format!("127.0.0.1:{port}")).collect::<Vec<_>>().join(", ");
    let replacements = [
        ("15s", INTERVAL.to_owned()),
        ("/etc/prometheus/rules/*.yaml", rules.join("*.yaml").display().to_string()),
        ("dns_sd_configs", "static_configs".to_owned()),
        (
            "{ names: [worker], type: A, port: 9400, refresh_interval: 1s }",
            format!("targets: [{}]", list(&targets.workers)),
        ),
        (
            "{ names: [coordinator, demo-coordinator], type: A, port: 9400, refresh_interval: 1s }",
            format!("targets: [{}]", list(&targets.coordinators)),
        ),
        ("rabbitmq:15692", list(&[targets.broker])),
    ];
    replacements.iter().fold(shipped, |text, (shipped, here)| {
        assert!(text.contains(shipped), "prometheus.yaml has no {shipped}");
        text.replace(shipped, here)
    })
}

pub(crate) fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
