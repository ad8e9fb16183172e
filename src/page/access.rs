//! Who may see the page and change things with it: a token from a file, exchanged for a cookie, and the checks of every request.

use std::net::IpAddr;
use std::path::Path;

use anyhow::{Context as _, bail};
use axum::http::header::{self, HeaderMap};
use secrecy::{ExposeSecret as _, SecretString};
use valuesim_shared::small_file::read_secret;

/// The shortest token: shorter ones could be guessed.
const MIN_TOKEN_CHARS: usize = 16;

/// The name of the cookie.
const COOKIE: &str = "valuesim";

/// How long a cookie is valid in the browser, in seconds: a working day.
const COOKIE_SECONDS: u32 = 12 * 60 * 60;

/// What the cookie's value is derived for, so that the token itself is in no browser.
const COOKIE_CONTEXT: &str = "valuesim 2026-11-27 cookie of the live page";

/// The rules for one listener.
#[derive(Clone)]
pub(crate) struct Access {
    /// The cookie's value, if there is a token.
    session: Option<blake3::Hash>,
    /// The digest of the token, if there is one.
    token: Option<blake3::Hash>,
    /// Whether only this machine can connect.
    is_local: bool,
}

/// Why a request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    /// No token was configured, and the request needs one.
    NoToken,
    /// The request has no valid cookie.
    NotSignedIn,
    /// The request comes from another site's page.
    OtherSite,
}

impl Access {
    /// The rules for a listener at `address`. `file` holds the token, if there is one.
    pub(crate) fn new(address: IpAddr, file: Option<&Path>) -> anyhow::Result<Self> {
        let token = file.map(read_token).transpose()?;
        let digest = |token: &SecretString| blake3::hash(token.expose_secret().as_bytes());
        let session = |token: &SecretString| {
            blake3::Hash::from(blake3::derive_key(COOKIE_CONTEXT, token.expose_secret().as_bytes()))
        };
        let (session, token) = (token.as_ref().map(session), token.as_ref().map(digest));
        Ok(Self { session, token, is_local: address.is_loopback() })
    }

    /// Whether the page is served at all.
    pub(super) const fn is_served(&self) -> bool {
        self.is_local || self.token.is_some()
    }

    /// Whether changes are possible with a token.
    pub(super) const fn allows_changes(&self) -> bool {
        self.token.is_some()
    }

    /// Whether the request has a valid cookie.
    pub(super) fn is_signed_in(&self, headers: &HeaderMap) -> bool {
        let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
        let mut values =
            cookies.flat_map(|cookies| cookies.split(';')).filter_map(|cookie| cookie.trim().split_once('='));
        let given = values.find(|(name, _)| *name == COOKIE).and_then(|(_, value)| blake3::Hash::from_hex(value).ok());
        // The comparison of hashes takes the same time wherever they differ.
        given.is_some_and(|given| self.session.is_some_and(|session| session == given))
    }

    /// The `Set-Cookie` header for whoever knows the token; `None` for a wrong one.
    pub(super) fn sign_in(&self, token: &str) -> Option<String> {
        let is_right = self.token.is_some_and(|right| right == blake3::hash(token.trim().as_bytes()));
        let session = self.session.filter(|_| is_right)?;
        Some(format!("{COOKIE}={}; Path=/; Max-Age={COOKIE_SECONDS}; HttpOnly; SameSite=Strict", session.to_hex()))
    }

    /// Checks a request that only reads.
    pub(super) fn check_reading(&self, headers: &HeaderMap) -> Result<(), Refused> {
        if !self.is_served() {
            return Err(Refused::NoToken);
        }
        if !self.is_local {
            return if self.is_signed_in(headers) { Ok(()) } else { Err(Refused::NotSignedIn) };
        }
        // A page of another site that has pointed its own name at this machine names that site here.
        if host(headers).is_some_and(is_this_machine) { Ok(()) } else { Err(Refused::OtherSite) }
    }

    /// Checks a request that changes something.
    pub(super) fn check_changing(&self, headers: &HeaderMap) -> Result<(), Refused> {
        self.check_signing_in(headers)?;
        if self.is_signed_in(headers) { Ok(()) } else { Err(Refused::NotSignedIn) }
    }

    /// Checks a request that brings the token.
    pub(super) fn check_signing_in(&self, headers: &HeaderMap) -> Result<(), Refused> {
        if self.token.is_none() {
            return Err(Refused::NoToken);
        }
        let is_ours = host(headers).is_some_and(|host| origin(headers) == Some(host));
        let is_here = !self.is_local || host(headers).is_some_and(is_this_machine);
        if is_ours && is_here { Ok(()) } else { Err(Refused::OtherSite) }
    }
}

fn read_token(file: &Path) -> anyhow::Result<SecretString> {
    let token =
        read_secret(file).with_context(|| format!("--page-token-file: read the token in {}", file.display()))?;
    if token.chars().count() < MIN_TOKEN_CHARS {
        bail!(
            "--page-token-file: the token in {} is shorter than {MIN_TOKEN_CHARS} characters and could be guessed; \
             `openssl rand -hex 32 > FILE` makes a good one",
            file.display()
        );
    }
    Ok(SecretString::from(token))
}

/// The host and port that the client asked for.
fn host(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::HOST)?.to_str().ok()
}

/// The host and port of the page that made the request. Behind a proxy the scheme may differ.
fn origin(headers: &HeaderMap) -> Option<&str> {
    let origin = headers.get(header::ORIGIN)?.to_str().ok()?;
    origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"))
}

/// Whether a host and port name this machine in a way that no name server decides.
fn is_this_machine(host: &str) -> bool {
    let name = host.rsplit_once(':').filter(|(_, port)| port.bytes().all(|digit| digit.is_ascii_digit()));
    let name = name.map_or(host, |(name, _)| name).trim_start_matches('[').trim_end_matches(']');
    name == "localhost" || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};

    use super::*;

    const TOKEN: &str = "correct horse battery staple";

    fn access(address: &str, with_token: bool) -> Access {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("token");
        std::fs::write(&file, format!("{TOKEN}\n")).expect("writes");
        Access::new(address.parse().expect("an address"), with_token.then_some(&*file)).expect("reads")
    }

    fn headers(given: &[(HeaderName, &str)]) -> HeaderMap {
        given.iter().map(|(name, value)| (name.clone(), HeaderValue::from_str(value).expect("a value"))).collect()
    }

    fn cookie(access: &Access) -> String {
        let set = access.sign_in(TOKEN).expect("the token is right");
        set.split(';').next().expect("it has a first part").to_owned()
    }

    const HERE: (HeaderName, &str) = (header::HOST, "127.0.0.1:9400");
    const FROM_HERE: (HeaderName, &str) = (header::ORIGIN, "http://127.0.0.1:9400");

    #[test]
    fn on_this_machine_everybody_reads_and_only_who_knows_the_token_changes() {
        let access = access("127.0.0.1", true);
        assert_eq!(access.check_reading(&headers(&[HERE])), Ok(()));
        assert_eq!(access.check_changing(&headers(&[HERE, FROM_HERE])), Err(Refused::NotSignedIn));
        let cookie = cookie(&access);
        let signed =
            |more: &[(HeaderName, &str)]| headers(&[&[(header::COOKIE, &*format!("a=b; {cookie}"))], more].concat());
        assert_eq!(access.check_changing(&signed(&[HERE, FROM_HERE])), Ok(()));
        assert_eq!(access.check_changing(&signed(&[HERE])), Err(Refused::OtherSite), "without an origin");
        let elsewhere = (header::ORIGIN, "http://evil.example");
        assert_eq!(access.check_changing(&signed(&[HERE, elsewhere])), Err(Refused::OtherSite));
        let null = (header::ORIGIN, "null");
        assert_eq!(access.check_changing(&signed(&[HERE, null])), Err(Refused::OtherSite));
    }

    #[test]
    fn a_name_that_a_name_server_decides_is_not_this_machine() {
        let access = access("127.0.0.1", true);
        for (host, expected) in [
            ("localhost:9400", Ok(())),
            ("[::1]:9400", Ok(())),
            ("127.0.0.2", Ok(())),
            ("evil.example:9400", Err(Refused::OtherSite)),
            ("localhost.evil.example", Err(Refused::OtherSite)),
            ("10.0.0.1", Err(Refused::OtherSite)),
        ] {
            assert_eq!(access.check_reading(&headers(&[(header::HOST, host)])), expected, "{host}");
        }
        assert_eq!(access.check_reading(&HeaderMap::new()), Err(Refused::OtherSite));
        let rebound = [(header::HOST, "evil.example"), (header::ORIGIN, "http://evil.example")];
        assert_eq!(access.check_signing_in(&headers(&rebound)), Err(Refused::OtherSite));
    }

    #[test]
    fn elsewhere_everything_needs_the_cookie() {
        let access = access("0.0.0.0", true);
        let host = (header::HOST, "fleet.example");
        assert_eq!(access.check_reading(&headers(std::slice::from_ref(&host))), Err(Refused::NotSignedIn));
        let cookie = cookie(&access);
        assert_eq!(access.check_reading(&headers(&[host.clone(), (header::COOKIE, &*cookie)])), Ok(()));
        let forged = format!("valuesim={}", blake3::hash(b"other").to_hex());
        for wrong in [&*forged, "valuesim=", "valuesim=x", "other=1"] {
            let given = headers(&[host.clone(), (header::COOKIE, wrong)]);
            assert_eq!(access.check_reading(&given), Err(Refused::NotSignedIn), "{wrong}");
        }
        // A proxy in front may speak TLS.
        let signed = [host, (header::ORIGIN, "https://fleet.example"), (header::COOKIE, &*cookie)];
        assert_eq!(access.check_changing(&headers(&signed)), Ok(()));
    }

    #[test]
    fn without_a_token_nothing_is_changed_and_nothing_is_served_elsewhere() {
        assert!(!access("0.0.0.0", false).is_served());
        assert_eq!(access("0.0.0.0", false).check_reading(&headers(&[HERE])), Err(Refused::NoToken));
        let here = access("127.0.0.1", false);
        assert!(here.is_served() && !here.allows_changes());
        assert_eq!(here.check_changing(&headers(&[HERE, FROM_HERE])), Err(Refused::NoToken));
        assert_eq!(here.sign_in(""), None);
    }

    #[test]
    fn a_wrong_token_brings_no_cookie_and_a_cookie_holds_no_token() {
        let access = access("127.0.0.1", true);
        for wrong in ["", "x", &TOKEN[1..], &format!("{TOKEN}x")] {
            assert_eq!(access.sign_in(wrong), None, "{wrong}");
        }
        let set = access.sign_in(TOKEN).expect("it is right");
        assert!(set.ends_with("; HttpOnly; SameSite=Strict") && !set.contains("horse"), "{set}");
    }

    #[test]
    fn a_token_that_is_missing_or_short_is_a_mistake_that_is_explained() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("token");
        let error =
            || format!("{:#}", Access::new("::1".parse().expect("an address"), Some(&file)).err().expect("it fails"));
        assert!(error().contains("--page-token-file: read the token in "), "{}", error());
        std::fs::write(&file, "short\n").expect("writes");
        assert!(error().contains("shorter than 16 characters"), "{}", error());
    }
}
