//! The route to a provider: direct, or through the proxy that the environment names. A proxy of an unsupported kind is an
//! error; it is never bypassed.

use reqwest::{NoProxy, Proxy, Url};
use url::Host;

/// The supported schemes of proxies. With `socks5h` the proxy resolves the provider's name, with `socks5` this machine does.
const SCHEMES: [&str; 4] = ["http", "https", "socks5", "socks5h"];

/// Why a proxy cannot be used: the variable that names it, and what is wrong with its address. The address is not shown,
/// because it may contain a password.
#[derive(Debug, thiserror::Error)]
#[error(
    "cannot use the proxy in {0}: {1}; expected an address such as http://proxy.example:3128 (or https, socks5, socks5h)"
)]
pub(super) struct ProxyError(&'static str, String);

/// The route to an address.
#[derive(Debug)]
pub(super) struct Route {
    /// `None` if the route is direct.
    pub(super) proxy: Option<Proxy>,
    /// The environment variable that names the proxy.
    pub(super) variable: Option<&'static str>,
    /// Whether the provider or the proxy uses TLS.
    pub(super) is_encrypted: bool,
}

impl Route {
    /// The route to an address. `variable` reads a variable of the environment.
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
        return Err(format!("its scheme {:?} is not supported", url.scheme()));
    }
    if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
        return Err("it has a path, and automatic configuration (PAC) is not supported".to_owned());
    }
    if has_plain_host(&url) { Ok(url) } else { Err("its host is empty or has invalid characters".to_owned()) }
}

/// Whether the host has only characters that the HTTP library accepts. The library is stricter than the URL standard, and
/// bypasses a proxy whose address it cannot parse.
pub(super) fn has_plain_host(url: &Url) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte);
    url.host_str().is_some_and(|host| !host.is_empty() && host.bytes().all(is_plain))
}

/// Whether an address is one of this machine.
pub(super) fn is_this_machine(address: &Url) -> bool {
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

    /// The route to an address in an environment.
    fn route(address: &str, environment: &[(&str, &str)]) -> Result<Route, ProxyError> {
        let variable = |name: &str| Some(environment.iter().find(|(set, _)| *set == name)?.1.to_owned());
        Route::to(&address.parse().expect("is an address"), variable)
    }

    #[test]
    fn the_variable_for_the_scheme_overrides_the_one_for_all() {
        let all = [("ALL_PROXY", "socks5h://a"), ("https_proxy", "b:1"), ("HTTP_PROXY", ""), ("http_proxy", " c ")];
        let check = |address: &str, environment: &[(&str, &str)], expected: Option<&str>| {
            assert_eq!(
                route(address, environment).expect("is a route").variable,
                expected,
                "{address} {environment:?}"
            );
        };
        check("https://p.example/v1", &all, Some("https_proxy"));
        check("http://p.example/v1", &all, Some("http_proxy"));
        check("http://p.example/v1", &all[..2], Some("ALL_PROXY"));
        check("http://p.example/v1", &all[1..3], None);
        for this_machine in ["http://localhost:1/v1", "https://127.0.0.9/v1", "http://[::1]:1/v1"] {
            check(this_machine, &all, None);
        }
        // A name that only looks like an address of this machine.
        check("http://127.example/v1", &all, Some("http_proxy"));
    }

    #[test]
    fn a_route_is_encrypted_if_any_part_of_it_is() {
        let check = |address: &str, proxy: &str, expected: bool| {
            assert_eq!(route(address, &[("ALL_PROXY", proxy)]).expect("is a route").is_encrypted, expected);
        };
        check("http://p.example/v1", "", false);
        check("http://p.example/v1", "http://proxy", false);
        check("http://p.example/v1", "https://proxy", true);
        check("https://p.example/v1", "http://proxy", true);
    }

    #[test]
    fn an_unsupported_proxy_is_refused_and_not_bypassed() {
        for (value, expected) in [
            ("socks4://me:s3cret@proxy:1080", "its scheme \"socks4\" is not supported"),
            ("socks4a://proxy", "its scheme \"socks4a\" is not supported"),
            ("file:///etc/proxy.pac", "its scheme \"file\" is not supported"),
            ("http://wpad/proxy.pac", "automatic configuration (PAC) is not supported"),
            ("http://me:s3cret@proxy:99999", "invalid port number"),
            ("http://me:s3cret@", "empty host"),
            ("socks5h://", "its host is empty or has invalid characters"),
            ("socks5://me:s3cret@pro%78y:1", "its host is empty or has invalid characters"),
            ("http://pro{x}y", "its host is empty or has invalid characters"),
            ("\u{fffd}", "international domain name"),
        ] {
            let message = route("http://p.example/v1", &[("ALL_PROXY", value)]).expect_err(value).to_string();
            assert!(message.contains("ALL_PROXY") && message.contains(expected), "{value}: {message}");
            assert!(!message.contains("s3cret"), "{message}");
            // It does not matter if it is not needed.
            assert!(route("http://127.0.0.1:1/v1", &[("ALL_PROXY", value)]).is_ok(), "{value}");
            assert!(route("http://p.example/v1", &[("HTTPS_PROXY", value)]).is_ok(), "{value}");
        }
    }
}
