//! A provider with certificates of its own authority: named for the model, or for the whole process.

use std::fs;

use valuesim_simulator::provider::ProviderOptions;
use valuesim_test_servers::Authority;

use crate::support::place::{Ended, Place};
use crate::support::process::Running;
use crate::support::relay::{Kind, Relay};
use crate::support::simulated::Simulated;

/// A provider behind TLS, and the authority that it has its certificate from.
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

/// A folder with an experiment: one person's questions, of a model with such settings.
fn experiment(base_url: &str, settings: &str) -> Place {
    let place = Place::new();
    let about = "survey.synthetic = 60\nsample.users = 1\nsplit.only = [1]\nmethods = ['full-info']\n";
    place.write("ours.toml", format!("{about}[[model]]\nname = 'm'\nbase_url = '{base_url}'\n{settings}\n"));
    place
}

fn run(place: &Place, environment: &[(&str, &str)]) -> Ended {
    Running::new(place.command(&["run", "ours.toml"]).envs(environment.iter().copied())).end()
}

#[test]
fn a_model_names_a_file_of_certificates() {
    let server = Encrypted::start();
    let place = experiment(&server.base_url(), "ca_file = 'ours.pem'");
    fs::copy(server.authority.file(), place.path("ours.pem")).unwrap();
    run(&place, &[]).well();
    assert_eq!(server.provider.stats().answered, 58);
    // It is no part of what the run is.
    let manifest = place.run_folder("runs");
    let elsewhere = experiment(&server.base_url(), "");
    let file = server.authority.file().display().to_string();
    run(&elsewhere, &[("SSL_CERT_FILE", &file)]).well();
    assert_eq!(elsewhere.run_folder("runs").file_name(), manifest.file_name());
    assert_eq!(server.provider.stats().answered, 2 * 58);
}

#[test]
fn a_models_certificates_are_trusted_in_addition_to_others() {
    let (server, other) = (Encrypted::start(), Encrypted::start());
    let place = experiment(&server.base_url(), &format!("ca_file = '{}'", other.authority.file().display()));
    let file = server.authority.file().display().to_string();
    run(&place, &[("SSL_CERT_FILE", &file)]).well();
    assert_eq!(server.provider.stats().answered, 58);
}

#[test]
fn a_certificate_of_an_authority_that_is_not_named_is_not_trusted() {
    let (server, other) = (Encrypted::start(), Encrypted::start());
    let place = experiment(&server.base_url(), &format!("ca_file = '{}'", other.authority.file().display()));
    let mut running = place.start(&["run", "ours.toml"]);
    running.wait_for("invalid peer certificate");
    running.interrupt();
    running.end().with_code(130);
    assert_eq!(server.provider.stats().answered, 0);
}

#[test]
fn a_file_that_cannot_be_trusted_is_named_at_the_start() {
    let damaged = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    for (text, reason) in [
        (None, "it cannot be read"),
        (Some("no certificate\n"), "it contains no certificate"),
        (Some("-----BEGIN CERTIFICATE-----\n?\n"), "its certificates are damaged"),
        (Some(damaged), "BadEncoding"),
    ] {
        // Nothing is encrypted on the way to the second provider, and the file is wrong all the same.
        for url in ["https://provider.test/v1", "http://provider.test/v1"] {
            let place = experiment(url, "ca_file = 'ours.pem'");
            if let Some(text) = text {
                place.write("ours.pem", text);
            }
            let ended = run(&place, &[]).with_code(2);
            let file = "model \"m\" cannot trust the ca_file ours.pem: ";
            assert!(ended.stderr.contains(file) && ended.stderr.contains(reason), "{reason}: {}", ended.stderr);
            assert!(!place.path("runs").exists(), "no run was begun");
        }
    }
    let place = experiment("https://provider.test/v1", "");
    let ended = run(&place, &[("SSL_CERT_FILE", "nowhere.pem")]).with_code(2);
    assert!(ended.stderr.contains("cannot trust SSL_CERT_FILE nowhere.pem: it cannot be read"), "{}", ended.stderr);
}

#[test]
fn certificates_do_not_matter_where_the_provider_is_simulated_or_nothing_is_encrypted() {
    let place = experiment("https://provider.test/v1", "ca_file = 'nowhere.pem'");
    place.run(&["run", "ours.toml", "--simulate"]).well();
    let provider = Simulated::start(ProviderOptions::default());
    run(&experiment(&provider.base_url(), ""), &[("SSL_CERT_FILE", "nowhere.pem")]).well();
    assert_eq!(provider.stats().answered, 58);
}
