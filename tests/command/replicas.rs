//! A model at several addresses: a cell's calls go to one of them, and to another if that is down.

use std::fmt::Write as _;
use std::net::TcpListener;

use valuesim_simulator::provider::{CacheRule, ProviderOptions};

use crate::support::ledger;
use crate::support::sandbox::Sandbox;
use crate::support::simulated::Simulated;

/// The address of one replica, with a cache of its own.
fn replica_url(provider: &Simulated, replica: u32) -> String {
    provider.base_url().replace("/v1", &format!("/replicas/{replica}/v1"))
}

fn experiment(addresses: &[String]) -> String {
    let mut text = "methods = ['valuesim']\nsurvey.synthetic = 60\nsample.users = 6\nsplit.only = [1, 2]\n".to_owned();
    let [first, others @ ..] = addresses else { unreachable!("there is an address") };
    write!(text, "[[model]]\nname = 'm'\nbase_url = '{first}'\nreplicas = {others:?}\n").unwrap();
    text + "limits = { calls_in_flight = 64, requests_per_minute = 10000000 }\n"
}

#[test]
fn a_cell_stays_at_one_address_whose_cache_then_has_its_prompts() {
    let blocks =
        ProviderOptions { cache: CacheRule::Vllm { block_tokens: 64 }, replicas: 4, ..ProviderOptions::default() };
    let cached_share = |addresses: &dyn Fn(&Simulated) -> Vec<String>| {
        let (sandbox, provider) = (Sandbox::new(), Simulated::start(blocks.clone()));
        sandbox.write("experiment.toml", experiment(&addresses(&provider)));
        sandbox.run(&["run", "experiment.toml"]).expect_success();
        let seen = provider.stats();
        seen.tokens.cached_share
    };
    let spread = cached_share(&|provider| (0..4).map(|replica| replica_url(provider, replica)).collect());
    let alone = cached_share(&|provider| vec![replica_url(provider, 0)]);
    assert!(spread > 0.5 && spread > alone * 0.97, "{spread} of four replicas, {alone} of one");
}

#[test]
fn what_an_address_that_is_down_would_do_another_does() {
    let (sandbox, provider) = (Sandbox::new(), Simulated::start(ProviderOptions::default()));
    // Nobody listens at this one.
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let down = format!("http://{closed}/v1");
    sandbox.write("experiment.toml", experiment(&[down, provider.base_url()]));
    sandbox.run(&["run", "experiment.toml"]).expect_success();
    let whole = Sandbox::new();
    whole.write("experiment.toml", experiment(&[provider.base_url()]));
    whole.run(&["run", "experiment.toml"]).expect_success();
    let cells = |sandbox: &Sandbox| ledger::cells(&sandbox.run_folder("runs"));
    assert_eq!(cells(&sandbox), cells(&whole));
}

#[test]
fn an_address_that_is_none_is_named() {
    let check = |replicas: &str, expected: &[&str]| {
        let sandbox = Sandbox::new();
        let text = format!("[[model]]\nname = 'm'\nbase_url = 'http://127.0.0.1:9/v1'\nreplicas = [{replicas}]\n");
        sandbox.write("experiment.toml", text);
        let said = sandbox.run(&["run", "experiment.toml"]).expect_code(2).stderr;
        assert!(expected.iter().all(|part| said.contains(part)), "{said}");
    };
    check("'ftp://other'", &["replicas", "ftp://other", "expected http://... or https://..."]);
    check("'http://127.0.0.1:9/v1'", &["replicas", "listed twice"]);
    check("'http://me:secret@other/v1'", &["replicas", "is not shown for that"]);
}
