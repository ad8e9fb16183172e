//! A provider behind a proxy that the environment names, as in a company's network.

use std::net::SocketAddr;

use valuesim_simulator::provider::ProviderOptions;
use valuesim_test_servers::Authority;

use crate::support::process::Running;
use crate::support::relay::{Kind, Relay};
use crate::support::sandbox::{CommandOutput, Sandbox};
use crate::support::simulated::Simulated;

/// A privileged port on which nothing listens.
const NOBODY: &str = "127.0.0.1:1";

/// Runs one respondent's questions against a provider, with these environment variables.
fn ask(base_url: &str, environment: &[(&str, &str)]) -> CommandOutput {
    start(&Sandbox::new(), base_url, environment).wait()
}

/// Starts that run.
fn start(sandbox: &Sandbox, base_url: &str, environment: &[(&str, &str)]) -> Running {
    let who = ["run", "--synthetic", "60", "--users", "1", "--folds", "1", "--methods", "full-info", "--model", "m"];
    let mut command = sandbox.command(&[&who[..], &["--base-url", base_url]].concat());
    Running::new(command.envs(environment.iter().copied()))
}

fn provider() -> (Simulated, SocketAddr) {
    let provider = Simulated::start(ProviderOptions::default());
    let address = provider.base_url().trim_start_matches("http://").trim_end_matches("/v1").parse().unwrap();
    (provider, address)
}

/// Checks that the calls went through the proxy, and how each connection was requested.
#[track_caller]
fn check_requests(proxy: &Relay, expected: &str) {
    let requests = proxy.requests();
    assert!(!requests.is_empty(), "the proxy was bypassed");
    assert!(requests.iter().all(|request| request.starts_with(expected)), "expected {expected:?}: {requests:?}");
}

#[test]
fn a_request_without_tls_sends_the_whole_url_to_the_proxy() {
    let (provider, address) = provider();
    let proxy = Relay::start(Kind::HttpProxy, address);
    let variable = format!("http://name:word@{}", proxy.address);
    ask("http://provider.test/v1", &[("http_proxy", &variable)]).expect_success();
    check_requests(&proxy, "POST http://provider.test/v1/chat/completions HTTP/1.1\r\n");
    for head in proxy.requests() {
        // The base64 of name:word.
        assert!(head.to_ascii_lowercase().contains("\r\nproxy-authorization: basic bmftztp3b3jk\r\n"), "{head}");
        assert!(head.to_ascii_lowercase().contains("\r\nhost: provider.test\r\n"), "{head}");
        assert!(head.to_ascii_lowercase().contains("\r\ncontent-length: "), "{head}");
    }
    assert_eq!(provider.stats().answered, 54);
}

#[test]
fn a_request_with_tls_goes_through_a_tunnel() {
    let (authority, (provider, address)) = (Authority::new().unwrap(), provider());
    let front = Relay::encrypted(Kind::Front, &authority, address);
    let proxy = Relay::start(Kind::HttpProxy, front.address);
    let file = authority.file().display().to_string();
    let variable = format!("http://name:word@{}", proxy.address);
    ask("https://provider.test/v1", &[("HTTPS_PROXY", &variable), ("SSL_CERT_FILE", &file)]).expect_success();
    check_requests(&proxy, "CONNECT provider.test:443 HTTP/1.1\r\n");
    for head in proxy.requests() {
        assert!(head.to_ascii_lowercase().contains("\r\nproxy-authorization: basic bmftztp3b3jk\r\n"), "{head}");
        assert!(!head.to_ascii_lowercase().contains("\r\nauthorization:"), "{head}");
    }
    assert_eq!(provider.stats().answered, 54);
}

#[test]
fn the_connection_to_the_proxy_may_use_tls() {
    let (authority, (provider, address)) = (Authority::new().unwrap(), provider());
    let front = Relay::encrypted(Kind::Front, &authority, address);
    let file = authority.file().display().to_string();
    let trusting = ("SSL_CERT_FILE", file.as_str());

    let proxy = Relay::encrypted(Kind::HttpProxy, &authority, front.address);
    let variable = format!("https://localhost:{}", proxy.address.port());
    ask("https://provider.test/v1", &[("HTTPS_PROXY", &variable), trusting]).expect_success();
    check_requests(&proxy, "CONNECT provider.test:443 HTTP/1.1\r\n");

    let proxy = Relay::encrypted(Kind::HttpProxy, &authority, address);
    let variable = format!("https://localhost:{}", proxy.address.port());
    ask("http://provider.test/v1", &[("ALL_PROXY", &variable), trusting]).expect_success();
    check_requests(&proxy, "POST http://provider.test/v1/chat/completions HTTP/1.1\r\n");
    assert_eq!(provider.stats().answered, 2 * 54);
}

#[test]
fn a_socks5h_proxy_resolves_the_host_name() {
    let (provider, address) = provider();
    let proxy = Relay::start(Kind::Socks5, address);
    ask("http://provider.test/v1", &[("ALL_PROXY", &format!("socks5h://{}", proxy.address))]).expect_success();
    check_requests(&proxy, "provider.test:80");

    let authority = Authority::new().unwrap();
    let front = Relay::encrypted(Kind::Front, &authority, address);
    let proxy = Relay::start(Kind::Socks5, front.address);
    let file = authority.file().display().to_string();
    let variable = format!("socks5h://name:word@{}", proxy.address);
    ask("https://provider.test:8443/v1", &[("all_proxy", &variable), ("SSL_CERT_FILE", &file)]).expect_success();
    check_requests(&proxy, "name:word@provider.test:8443");
    assert_eq!(provider.stats().answered, 2 * 54);
}

#[test]
fn a_socks5_proxy_receives_an_ip_address() {
    let (provider, address) = provider();
    let proxy = Relay::start(Kind::Socks5, address);
    // An address reserved for documentation: nothing listens there.
    ask("http://192.0.2.1:81/v1", &[("HTTP_PROXY", &format!("socks5://{}", proxy.address))]).expect_success();
    check_requests(&proxy, "192.0.2.1:81");
    assert_eq!(provider.stats().answered, 54);
}

#[test]
fn hosts_in_no_proxy_are_called_directly() {
    let (provider, address) = provider();
    let proxy = Relay::start(Kind::HttpProxy, address);
    let variable = format!("http://{}", proxy.address);
    // Another address of this machine, for which the proxy is used unless NO_PROXY exempts it.
    let url = format!("http://0.0.0.0:{}/v1", address.port());
    ask(&url, &[("ALL_PROXY", &variable), ("NO_PROXY", "provider.test, 0.0.0.0/8")]).expect_success();
    assert_eq!(proxy.requests(), Vec::<String>::new());
    ask(&url, &[("ALL_PROXY", &variable), ("no_proxy", "provider.test")]).expect_success();
    check_requests(&proxy, &format!("POST {url}/chat/completions HTTP/1.1\r\n"));
    // Loopback addresses bypass the proxy even without NO_PROXY.
    let before = proxy.requests().len();
    ask(&provider.base_url(), &[("ALL_PROXY", &variable)]).expect_success();
    assert_eq!((proxy.requests().len(), provider.stats().answered), (before, 3 * 54));
}

#[test]
fn an_unreachable_proxy_is_reported_and_retried() {
    let sandbox = Sandbox::new();
    for proxy in ["http", "https", "socks5h"] {
        let variable = format!("{proxy}://me:s3cret@{NOBODY}");
        let mut running = start(&sandbox, "http://provider.test/v1", &[("ALL_PROXY", &variable)]);
        running.wait_for("(through the proxy in ALL_PROXY)");
        running.interrupt();
        let output = running.wait().expect_code(130);
        assert!(output.stderr.contains("the provider cannot be reached"), "{}", output.stderr);
        assert_eq!(output.stdout, "");
        assert!(!output.stderr.contains("s3cret"), "{}", output.stderr);
    }
}

#[test]
fn an_unsupported_proxy_is_refused_at_the_start() {
    for (variable, value, expected) in [
        ("ALL_PROXY", "socks4://me:s3cret@127.0.0.1:1080", "cannot use the proxy in ALL_PROXY: its scheme \"socks4\""),
        ("http_proxy", "http://wpad.test/proxy.pac", "cannot use the proxy in http_proxy: it has a path"),
        ("HTTP_PROXY", "direct://", "cannot use the proxy in HTTP_PROXY: its scheme \"direct\""),
        ("HTTP_PROXY", "me:s3cret@proxy:port", "cannot use the proxy in HTTP_PROXY: invalid port number"),
    ] {
        let output = ask("http://provider.test/v1", &[(variable, value)]).expect_code(2);
        assert!(output.stderr.contains("model \"m\"") && output.stderr.contains(expected), "{}", output.stderr);
        assert_eq!(output.stdout, "");
        assert!(!output.stderr.contains("s3cret"), "{}", output.stderr);
    }
}
