//! The way to a provider: directly, or through the proxy that the environment names. A proxy of a kind that is not
//! supported is an error, and never bypassed.

use reqwest::{NoProxy, Proxy, Url};
use url::Host;

/// The kinds of proxies. With `socks5h` the proxy looks up the provider's name, with `socks5` this machine does.
const SCHEMES: [&str; 4] = ["http", "https", "socks5", "socks5h"];

/// Why a proxy cannot be used: the variable that names it, and what is wrong with its address, which is not shown as there
/// may be a password in it.
#[derive(Debug, thiserror::Error)]
#[error(
    "cannot use the proxy in {0}: {1}; expected an address such as http://proxy.example:3128 (or https, socks5, socks5h)"
)]
pub(super) struct ProxyError(&'static str, String);

/// The way to an address.
#[derive(Debug)]
pub(super) struct Route {
    /// None where the way is direct.
    pub(super) proxy: Option<Proxy>,
    /// The variable that names the proxy.
    pub(super) variable: Option<&'static str>,
    /// Whether TLS is spoken with the provider or the proxy.
    pub(super) is_encrypted: bool,
}

impl Route {
    /// The way to an address by the variables of the environment, of which `variable` reads one.
    pub(super) fn to(address: &Url, variable: impl Fn(&str) -> Option<String>) -> Result<Self, ProxyError> {
        let first = |names: [&'static str; 2]| {
            let values = names.into_iter().filter_map(|name| Some((name, variable(name)?.trim().to_owned())));
            values.into_iter().find(|(_, value)| !value.is_empty())
        };
        let is_encrypted = address.scheme() == "https";
        let of_scheme = if is_encrypted { ["HTTPS_PROXY", "https_proxy"] } else { ["HTTP_PROXY", "http_proxy"] };
        let named = first(of_scheme).or_else(|| first(["ALL_PROXY", "all_proxy"]));
        let Some((variable, value)) = named.filter(|_| !is_this_machine(address)) else {
            return Ok(Self { proxy: None, variable: None, is_encrypted });
        };
        let wrong = |reason| ProxyError(variable, reason);
        let url = parse(&value).map_err(wrong)?;
        let is_encrypted = is_encrypted || url.scheme() == "https";
        let exceptions = first(["NO_PROXY", "no_proxy"]).and_then(|(_, hosts)| NoProxy::from_string(&hosts));
        let proxy = Proxy::all(url).map_err(|error| wrong(error.without_url().to_string()))?.no_proxy(exceptions);
        Ok(Self { proxy: Some(proxy), variable: Some(variable), is_encrypted })
    }
}

fn parse(value: &str) -> Result<Url, String> {
    let with_scheme = if value.contains("://") { value.to_owned() } else { format!("http://{value}") };
    let url = Url::parse(&with_scheme).map_err(|error| error.to_string())?;
    if !SCHEMES.contains(&url.scheme()) {
        return Err(format!("its kind {:?} is not supported", url.scheme()));
    }
    if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
        return Err("it has a path, and automatic configuration (PAC) is not supported".to_owned());
    }
    if has_plain_host(&url) { Ok(url) } else { Err("its host has characters that no host has".to_owned()) }
}

/// Whether the host has only characters that the HTTP library takes too, which is stricter than the standard of addresses:
/// it bypasses a proxy that it cannot read.
pub(super) fn has_plain_host(url: &Url) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte);
    url.host_str().is_some_and(|host| !host.is_empty() && host.bytes().all(is_plain))
}

fn is_this_machine(address: &Url) -> bool {
    match address.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The way to an address in such an environment.
    fn way(address: &str, environment: &[(&str, &str)]) -> Result<Route, ProxyError> {
        let variable = |name: &str| Some(environment.iter().find(|(set, _)| *set == name)?.1.to_owned());
        Route::to(&address.parse().expect("is an address"), variable)
    }

    #[test]
    fn the_variable_of_the_scheme_goes_before_the_one_for_all() {
        let all = [("ALL_PROXY", "socks5h://a"), ("https_proxy", "b:1"), ("HTTP_PROXY", ""), ("http_proxy", " c ")];
        let check = |address: &str, environment: &[(&str, &str)], expected: Option<&str>| {
            assert_eq!(way(address, environment).expect("is a way").variable, expected, "{address} {environment:?}");
        };
        check("https://p.example/v1", &all, Some("https_proxy"));
        check("http://p.example/v1", &all, Some("http_proxy"));
        check("http://p.example/v1", &all[..2], Some("ALL_PROXY"));
        check("http://p.example/v1", &all[1..3], None);
        for this_machine in ["http://localhost:1/v1", "https://127.0.0.9/v1", "http://[::1]:1/v1"] {
            check(this_machine, &all, None);
        }
        // A name that only looks like this machine's.
        check("http://127.example/v1", &all, Some("http_proxy"));
    }

    #[test]
    fn a_way_is_encrypted_where_any_part_of_it_is() {
        let check = |address: &str, proxy: &str, expected: bool| {
            assert_eq!(way(address, &[("ALL_PROXY", proxy)]).expect("is a way").is_encrypted, expected);
        };
        check("http://p.example/v1", "", false);
        check("http://p.example/v1", "http://proxy", false);
        check("http://p.example/v1", "https://proxy", true);
        check("https://p.example/v1", "http://proxy", true);
    }

    #[test]
    fn what_is_not_supported_is_said_and_not_bypassed() {
        for (value, expected) in [
            ("socks4://me:s3cret@proxy:1080", "its kind \"socks4\" is not supported"),
            ("socks4a://proxy", "its kind \"socks4a\" is not supported"),
            ("file:///etc/proxy.pac", "its kind \"file\" is not supported"),
            ("http://wpad/proxy.pac", "automatic configuration (PAC) is not supported"),
            ("http://me:s3cret@proxy:99999", "invalid port number"),
            ("http://me:s3cret@", "empty host"),
            ("socks5h://", "its host has characters"),
            ("socks5://me:s3cret@pro%78y:1", "its host has characters"),
            ("http://pro{x}y", "its host has characters"),
            ("\u{fffd}", "international domain name"),
        ] {
            let said = way("http://p.example/v1", &[("ALL_PROXY", value)]).expect_err(value).to_string();
            assert!(said.contains("ALL_PROXY") && said.contains(expected), "{value}: {said}");
            assert!(!said.contains("s3cret"), "{said}");
            // It does not matter to those who do not need it.
            assert!(way("http://127.0.0.1:1/v1", &[("ALL_PROXY", value)]).is_ok(), "{value}");
            assert!(way("http://p.example/v1", &[("HTTPS_PROXY", value)]).is_ok(), "{value}");
        }
    }
}
