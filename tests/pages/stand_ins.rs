//! What stands in, in a test, for things that a reader has and a test has not.

use std::net::TcpListener;

use valuesim_test_servers::{Database, Vhost, shared_broker, shared_redis};

use crate::page::Step;

/// Commands that no test runs, and why. Lines of a page that begin so are left out.
const NOT_RUN: [(&str, &str); 10] = [
    ("docker ", "needs Docker; `make deploy-check` checks the composition"),
    ("VALUESIM_SURVEY_FOLDER=", "needs Docker; `make deploy-check` checks the composition"),
    ("kubectl ", "needs a cluster; `make deploy-check` checks the manifests"),
    ("cargo build", "the tests build the program"),
    ("cargo install", "writes into the reader's home"),
    ("cargo bench", "takes minutes, on a machine with nothing else to do"),
    ("cargo test", "runs these tests"),
    ("cargo run -q -p valuesim-test-servers", "runs these tests"),
    ("make ", "runs these tests, or takes minutes"),
    ("pip install", "needs the network"),
];

/// Texts of commands and files that others stand for, whatever the page: the built command, a simulated model for one that
/// costs money, a few respondents for a thousand, and limits that such a run does not feel.
const REPLACED: [(&str, &str); 5] = [
    ("cargo run --release --", "valuesim"),
    ("--users 100 --model gpt-4o-mini", "--users 2 --model gpt-4o-mini --simulate"),
    ("sample.users = 1000", "sample.users = 1\nsplit.only = [5]\nsimulate = {}"),
    ("requests_per_minute = 5000", "requests_per_minute = 500000"),
    ("tokens_per_minute = 2000000", "tokens_per_minute = 2000000000"),
];

/// The name that the pages use for the survey's file.
const SURVEY: &str = "F00011356-WVS_Cross-National_Wave_7_csv_v6_0.zip";

const BROKER: &str = "amqp://guest:guest@127.0.0.1:5672";
const STORE: &str = "redis://127.0.0.1:6379";

/// Addresses on which a page's processes listen.
const LISTENERS: [&str; 2] = ["127.0.0.1:8400", "127.0.0.1:9400"];

/// The stand-ins of one page.
pub(crate) struct StandIns {
    replaced: Vec<(String, String)>,
    _servers: Option<(Vhost, Database)>,
}

impl StandIns {
    /// Starts, or borrows, what the page's commands need.
    pub(crate) async fn for_page(page: &str) -> Self {
        let owned = |(from, to): &(&str, &str)| ((*from).to_owned(), (*to).to_owned());
        let mut replaced: Vec<_> = REPLACED.iter().map(owned).collect();
        replaced.extend(LISTENERS.map(|address| (address.to_owned(), free_address())));
        let mut servers = None;
        if page.contains(BROKER) {
            let (broker, store) = tokio::join!(shared_broker(), shared_redis());
            replaced.push((BROKER.to_owned(), broker.url.clone()));
            replaced.push((STORE.to_owned(), store.url.clone()));
            servers = Some((broker, store));
        }
        Self { replaced, _servers: servers }
    }

    /// The step as the test takes it.
    pub(crate) fn instead_of(&self, step: Step) -> Step {
        let replace = |text: String| self.replaced.iter().fold(text, |text, (from, to)| text.replace(from, to));
        let is_run = |line: &&str| !NOT_RUN.iter().any(|(begin, _)| line.starts_with(begin));
        let command: Vec<&str> = step.command.lines().filter(is_run).collect();
        Step { command: replace(command.join("\n")), file: step.file.map(replace), ..step }
    }
}

/// The command that writes a small table of prices in the form, and under the name, of LiteLLM's.
pub(crate) const PRICES: &str = r#"echo '{"gpt-4o-mini": {"mode": "chat", "litellm_provider": "openai", "input_cost_per_token": 1.5e-07, "output_cost_per_token": 6e-07}}' > model_prices_and_context_window.json"#;

/// The command that writes a synthetic survey under the name of the real one.
pub(crate) fn survey() -> String {
    format!("valuesim synth {SURVEY} --respondents 300")
}

/// An address on which nobody listens at the moment.
fn free_address() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}
