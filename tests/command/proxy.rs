//! A provider behind the proxy that the environment names, as in a company's network.

use std::net::{SocketAddr, TcpListener};

use valuesim_simulator::provider::ProviderOptions;
use valuesim_test_servers::Authority;

use crate::support::place::{Ended, Place};
use crate::support::process::Running;
use crate::support::relay::{Kind, Relay};
use crate::support::simulated::Simulated;

/// Asks one person's questions of a provider at such an address, in such an environment.
fn ask(base_url: &str, environment: &[(&str, &str)]) -> Ended {
    start(&Place::new(), base_url, environment).end()
}

/// Begins to ask.
fn start(place: &Place, base_url: &str, environment: &[(&str, &str)]) -> Running {
    let who = ["run", "--synthetic", "60", "--users", "1", "--folds", "1", "--methods", "full-info", "--model", "m"];
    let mut command = place.command(&[&who[..], &["--base-url", base_url]].concat());
    Running::new(command.envs(environment.iter().copied()))
}

fn provider() -> (Simulated, SocketAddr) {
    let provider = Simulated::start(ProviderOptions::default());
    let address = provider.base_url().trim_start_matches("http://").trim_end_matches("/v1").parse().unwrap();
    (provider, address)
}

/// The calls went through the proxy, and each connection was asked for so.
#[track_caller]
fn check_asked(proxy: &Relay, expected: &str) {
    let asked = proxy.asked();
    assert!(!asked.is_empty(), "the proxy was bypassed");
    assert!(asked.iter().all(|asked| asked.starts_with(expected)), "expected {expected:?}: {asked:?}");
}

#[test]
fn a_request_in_the_clear_names_the_whole_address_to_the_proxy() {
    let (provider, address) = provider();
    let proxy = Relay::start(Kind::HttpProxy, address);
    let variable = format!("http://name:word@{}", proxy.address);
    ask("http://provider.test/v1", &[("http_proxy", &variable)]).well();
    check_asked(&proxy, "POST http://provider.test/v1/chat/completions HTTP/1.1\r\n");
    for head in proxy.asked() {
        // The base64 of name:word.
        assert!(head.to_ascii_lowercase().contains("\r\nproxy-authorization: basic bmftztp3b3jk\r\n"), "{head}");
        assert!(head.to_ascii_lowercase().contains("\r\nhost: provider.test\r\n"), "{head}");
        assert!(head.to_ascii_lowercase().contains("\r\ncontent-length: "), "{head}");
    }
    assert_eq!(provider.stats().answered, 58);
}

#[test]
fn an_encrypted_request_goes_through_a_tunnel() {
    let (authority, (provider, address)) = (Authority::new().unwrap(), provider());
    let front = Relay::encrypted(Kind::Front, &authority, address);
    let proxy = Relay::start(Kind::HttpProxy, front.address);
    let file = authority.file().display().to_string();
    let variable = format!("http://name:word@{}", proxy.address);
    ask("https://provider.test/v1", &[("HTTPS_PROXY", &variable), ("SSL_CERT_FILE", &file)]).well();
    check_asked(&proxy, "CONNECT provider.test:443 HTTP/1.1\r\n");
    for head in proxy.asked() {
        assert!(head.to_ascii_lowercase().contains("\r\nproxy-authorization: basic bmftztp3b3jk\r\n"), "{head}");
        assert!(!head.to_ascii_lowercase().contains("\r\nauthorization:"), "{head}");
    }
    assert_eq!(provider.stats().answered, 58);
}

#[test]
fn the_way_to_the_proxy_may_be_encrypted() {
    let (authority, (provider, address)) = (Authority::new().unwrap(), provider());
    let front = Relay::encrypted(Kind::Front, &authority, address);
    let file = authority.file().display().to_string();
    let trusting = ("SSL_CERT_FILE", file.as_str());

    let proxy = Relay::encrypted(Kind::HttpProxy, &authority, front.address);
    let variable = format!("https://localhost:{}", proxy.address.port());
    ask("https://provider.test/v1", &[("HTTPS_PROXY", &variable), trusting]).well();
    check_asked(&proxy, "CONNECT provider.test:443 HTTP/1.1\r\n");

    let proxy = Relay::encrypted(Kind::HttpProxy, &authority, address);
    let variable = format!("https://localhost:{}", proxy.address.port());
    ask("http://provider.test/v1", &[("ALL_PROXY", &variable), trusting]).well();
    check_asked(&proxy, "POST http://provider.test/v1/chat/completions HTTP/1.1\r\n");
    assert_eq!(provider.stats().answered, 2 * 58);
}

#[test]
fn a_socks_proxy_looks_up_the_name_where_it_is_to() {
    let (provider, address) = provider();
    let proxy = Relay::start(Kind::Socks5, address);
    ask("http://provider.test/v1", &[("ALL_PROXY", &format!("socks5h://{}", proxy.address))]).well();
    check_asked(&proxy, "provider.test:80");

    let authority = Authority::new().unwrap();
    let front = Relay::encrypted(Kind::Front, &authority, address);
    let proxy = Relay::start(Kind::Socks5, front.address);
    let file = authority.file().display().to_string();
    let variable = format!("socks5h://name:word@{}", proxy.address);
    ask("https://provider.test:8443/v1", &[("all_proxy", &variable), ("SSL_CERT_FILE", &file)]).well();
    check_asked(&proxy, "name:word@provider.test:8443");
    assert_eq!(provider.stats().answered, 2 * 58);
}

#[test]
fn a_socks_proxy_is_given_an_address_otherwise() {
    let (provider, address) = provider();
    let proxy = Relay::start(Kind::Socks5, address);
    // An address for documentation: nobody is there.
    ask("http://192.0.2.1:81/v1", &[("HTTP_PROXY", &format!("socks5://{}", proxy.address))]).well();
    check_asked(&proxy, "192.0.2.1:81");
    assert_eq!(provider.stats().answered, 58);
}

#[test]
fn what_no_proxy_names_is_called_directly() {
    let (provider, address) = provider();
    let proxy = Relay::start(Kind::HttpProxy, address);
    let variable = format!("http://{}", proxy.address);
    // Another name of this machine, for which a proxy is asked otherwise.
    let url = format!("http://0.0.0.0:{}/v1", address.port());
    ask(&url, &[("ALL_PROXY", &variable), ("NO_PROXY", "provider.test, 0.0.0.0/8")]).well();
    assert_eq!(proxy.asked(), Vec::<String>::new());
    ask(&url, &[("ALL_PROXY", &variable), ("no_proxy", "provider.test")]).well();
    check_asked(&proxy, &format!("POST {url}/chat/completions HTTP/1.1\r\n"));
    // This machine needs no proxy, and no variable that says so.
    let before = proxy.asked().len();
    ask(&provider.base_url(), &[("ALL_PROXY", &variable)]).well();
    assert_eq!((proxy.asked().len(), provider.stats().answered), (before, 3 * 58));
}

#[test]
fn a_proxy_that_is_away_is_waited_for_and_said() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let place = Place::new();
    for proxy in ["http", "https", "socks5h"] {
        let variable = format!("{proxy}://me:s3cret@{nobody}");
        let mut running = start(&place, "http://provider.test/v1", &[("ALL_PROXY", &variable)]);
        running.wait_for("(through the proxy in ALL_PROXY)");
        running.interrupt();
        let ended = running.end().with_code(130);
        assert!(ended.stderr.contains("the provider cannot be reached"), "{}", ended.stderr);
        assert!(!ended.stderr.contains("s3cret"), "{}", ended.stderr);
    }
}

#[test]
fn a_proxy_that_is_not_supported_is_refused_at_the_start() {
    for (variable, value, expected) in [
        ("ALL_PROXY", "socks4://me:s3cret@127.0.0.1:1080", "cannot use the proxy in ALL_PROXY: its scheme \"socks4\""),
        ("http_proxy", "http://wpad.test/proxy.pac", "cannot use the proxy in http_proxy: it has a path"),
        ("HTTP_PROXY", "direct://", "cannot use the proxy in HTTP_PROXY: its scheme \"direct\""),
        ("HTTP_PROXY", "me:s3cret@proxy:port", "cannot use the proxy in HTTP_PROXY: invalid port number"),
    ] {
        let ended = ask("http://provider.test/v1", &[(variable, value)]).with_code(2);
        assert!(ended.stderr.contains("model \"m\"") && ended.stderr.contains(expected), "{}", ended.stderr);
        assert!(!ended.stderr.contains("s3cret"), "{}", ended.stderr);
    }
}
