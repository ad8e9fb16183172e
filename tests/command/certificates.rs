//! A provider whose certificate comes from a private authority, trusted for one model or for the whole process.

use std::fs;

use valuesim_simulator::provider::ProviderOptions;
use valuesim_test_servers::Authority;

use crate::support::process::Running;
use crate::support::relay::{Kind, Relay};
use crate::support::sandbox::{CommandOutput, Sandbox};
use crate::support::simulated::Simulated;

/// A provider behind TLS, and the authority that signed its certificate.
struct Encrypted {
    provider: Simulated,
    front: Relay,
    authority: Authority,
}

impl Encrypted {
    fn start() -> Self {
        let provider = Simulated::start(ProviderOptions::default());
        let address = provider.base_url().trim_start_matches("http://").trim_end_matches("/v1").parse().unwrap();
        let authority = Authority::new().unwrap();
        let front = Relay::encrypted(Kind::Front, &authority, address);
        Self { provider, front, authority }
    }

    fn base_url(&self) -> String {
        format!("https://localhost:{}/v1", self.front.address.port())
    }
}

/// A sandbox with an experiment: one respondent, and a model with these settings.
fn experiment(base_url: &str, settings: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    let about = "survey.synthetic = 60\nsample.users = 1\nsplit.only = [1]\nmethods = ['full-info']\n";
    sandbox.write("ours.toml", format!("{about}[[model]]\nname = 'm'\nbase_url = '{base_url}'\n{settings}\n"));
    sandbox
}

fn run(sandbox: &Sandbox, environment: &[(&str, &str)]) -> CommandOutput {
    Running::new(sandbox.command(&["run", "ours.toml"]).envs(environment.iter().copied())).wait()
}

#[test]
fn a_model_trusts_its_ca_file() {
    let server = Encrypted::start();
    let sandbox = experiment(&server.base_url(), "ca_file = 'ours.pem'");
    fs::copy(server.authority.file(), sandbox.path("ours.pem")).unwrap();
    run(&sandbox, &[]).expect_success();
    assert_eq!(server.provider.stats().answered, 54);
    // The file is not part of the run's identity.
    let manifest = sandbox.run_folder("runs");
    let elsewhere = experiment(&server.base_url(), "");
    let file = server.authority.file().display().to_string();
    run(&elsewhere, &[("SSL_CERT_FILE", &file)]).expect_success();
    assert_eq!(elsewhere.run_folder("runs").file_name(), manifest.file_name());
    assert_eq!(server.provider.stats().answered, 2 * 54);
}

#[test]
fn a_ca_file_is_trusted_in_addition_to_other_certificates() {
    let (server, other) = (Encrypted::start(), Encrypted::start());
    let sandbox = experiment(&server.base_url(), &format!("ca_file = '{}'", other.authority.file().display()));
    let file = server.authority.file().display().to_string();
    run(&sandbox, &[("SSL_CERT_FILE", &file)]).expect_success();
    assert_eq!(server.provider.stats().answered, 54);
}

#[test]
fn a_certificate_from_an_unknown_authority_is_not_trusted() {
    let (server, other) = (Encrypted::start(), Encrypted::start());
    let sandbox = experiment(&server.base_url(), &format!("ca_file = '{}'", other.authority.file().display()));
    let mut running = sandbox.start(&["run", "ours.toml"]);
    running.wait_for("invalid peer certificate");
    running.interrupt();
    assert_eq!(running.wait().expect_code(130).stdout, "", "an unfinished run prints no results");
    assert_eq!(server.provider.stats().answered, 0);
}

#[test]
fn an_unusable_certificate_file_is_reported_at_the_start() {
    let damaged = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    for (text, reason) in [
        (None, "it cannot be read"),
        (Some("no certificate\n"), "it contains no certificate"),
        (Some("-----BEGIN CERTIFICATE-----\n?\n"), "its certificates are damaged"),
        (Some(damaged), "BadEncoding"),
    ] {
        // The second provider does not use TLS, but an unusable file is an error anyway.
        for url in ["https://provider.test/v1", "http://provider.test/v1"] {
            let sandbox = experiment(url, "ca_file = 'ours.pem'");
            if let Some(text) = text {
                sandbox.write("ours.pem", text);
            }
            let output = run(&sandbox, &[]).expect_code(2);
            let file = "model \"m\" cannot trust the ca_file ours.pem: ";
            assert!(output.stderr.contains(file) && output.stderr.contains(reason), "{reason}: {}", output.stderr);
            assert_eq!(output.stdout, "");
            assert!(!sandbox.path("runs").exists(), "no run was started");
        }
    }
    let sandbox = experiment("https://provider.test/v1", "");
    let output = run(&sandbox, &[("SSL_CERT_FILE", "nowhere.pem")]).expect_code(2);
    assert!(output.stderr.contains("cannot trust SSL_CERT_FILE nowhere.pem: it cannot be read"), "{}", output.stderr);
}

#[test]
fn certificates_are_ignored_for_a_simulated_provider_and_without_tls() {
    let sandbox = experiment("https://provider.test/v1", "ca_file = 'nowhere.pem'");
    sandbox.run(&["run", "ours.toml", "--simulate"]).expect_success();
    let provider = Simulated::start(ProviderOptions::default());
    run(&experiment(&provider.base_url(), ""), &[("SSL_CERT_FILE", "nowhere.pem")]).expect_success();
    assert_eq!(provider.stats().answered, 54);
}
