//! Checks the text of a server's address before a library parses it.
//!
//! A special character in a password would otherwise move a part of it into the host, the path or the virtual host, from where
//! it would be shown. What is said about an address therefore never repeats a part of it.

/// How special characters are written in an address.
pub(crate) const ESCAPES: &str =
    "in a user or password, / is written %2F, # %23, @ %40, ? %3F, % %25, : %3A, and a space %20";

/// Why a text is no address of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AddressFault {
    /// It has no scheme.
    #[error("it has no `://`")]
    NoScheme,
    /// A character must be escaped.
    #[error("it has a `{0}` that must be written %{code:02X}: {ESCAPES}", code = *.0 as u32)]
    Unescaped(char),
    /// A space or a control character is in it.
    #[error("it has a space, a line end or a control character, which must be escaped: {ESCAPES}")]
    Blank,
    /// The part that should be a host is none.
    #[error("its host is missing or has characters that no host has: {ESCAPES}")]
    Host,
    /// The part that should be a port is none.
    #[error("its port is no number from 1 to 65535: {ESCAPES}")]
    Port,
}

/// Checks `scheme://[user:password@]host[:port][/path][?query]`: that nothing of a user or password can be taken for another
/// part.
///
/// # Errors
/// The first thing that is wrong with it.
pub(crate) fn check(address: &str) -> Result<(), AddressFault> {
    if address.chars().any(|sign| sign.is_whitespace() || sign.is_control()) {
        return Err(AddressFault::Blank);
    }
    let (_, rest) = address.split_once("://").ok_or(AddressFault::NoScheme)?;
    if rest.contains('#') {
        return Err(AddressFault::Unescaped('#'));
    }
    let (authority, behind) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    if behind.contains('@') {
        // Either it belongs to the `@` that ends a password, or that `@` is one of a virtual host.
        let separator = if behind.starts_with('/') { '/' } else { '?' };
        return Err(AddressFault::Unescaped(if authority.contains('@') { '@' } else { separator }));
    }
    check_host(authority.rsplit_once('@').map_or(authority, |(_, host)| host))
}

fn check_host(host_and_port: &str) -> Result<(), AddressFault> {
    let is_numeric = |sign: char| sign.is_ascii_hexdigit() || matches!(sign, ':' | '.');
    let (host, port) = match host_and_port.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, port)) if !host.is_empty() && host.chars().all(is_numeric) => (host, port),
        Some(_) => return Err(AddressFault::Host),
        None => host_and_port.split_at(host_and_port.find(':').unwrap_or(host_and_port.len())),
    };
    let is_of_a_host = |sign: char| sign.is_alphanumeric() || matches!(sign, '-' | '_' | '.' | ':');
    if host.is_empty() || !host.chars().all(is_of_a_host) {
        return Err(AddressFault::Host);
    }
    let is_port =
        |port: &str| port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|port| port > 0);
    match port.strip_prefix(':') {
        None if port.is_empty() => Ok(()),
        Some(port) if is_port(port) => Ok(()),
        _ => Err(AddressFault::Port),
    }
}

#[cfg(test)]
mod tests {
    use secrecy::SecretString;

    use super::*;
    use crate::queue::RabbitSettings;
    use crate::redis_connection::Address;
    use proptest::prelude::*;

    #[test]
    fn an_address_in_order_is_taken() {
        for address in [
            "amqp://127.0.0.1",
            "amqps://me:s3c%2Fret@rabbit-1.example_net:5671/v%2Fh?heartbeat=5",
            "redis://:s3cret@[::1]:6379/3",
            "redis://me@corp.example:a@b@store:6379",
        ] {
            assert_eq!(check(address), Ok(()), "{address}");
        }
    }

    #[test]
    fn a_character_that_must_be_escaped_is_named() {
        let slash = "it has a `/` that must be written %2F: in a user or password, / is written %2F, # %23, @ %40";
        for (address, says) in [
            ("amqp://me:/s3cret@127.0.0.1/vh", slash),
            ("redis://me:12/34@127.0.0.1/1", slash),
            ("amqp://me:a#b@127.0.0.1/vh", "`#` that must be written %23"),
            ("redis://:a?b@127.0.0.1", "`?` that must be written %3F"),
            ("amqp://me:a@h/v@h", "`@` that must be written %40"),
            ("amqp://me:a b@h", "a space %20"),
            ("me:s3cret@h", "no `://`"),
            ("amqp://me:s3cret@", "its host is missing"),
            ("amqp://me:s3cret@h:port", "its port is no number"),
            ("amqp://me:s3cret@h:0", "its port is no number"),
            ("amqp://me:s3cret@[::1", "its host is missing or has characters"),
        ] {
            let said = check(address).expect_err(address).to_string();
            assert!(said.contains(says) && !said.contains("s3cret"), "{address}: {said}");
        }
    }

    /// An address with something wrong or unusual about it.
    fn address(password: &str, form: usize) -> String {
        match form {
            0 => format!("amqp://me:{password}@h.example/vh"),
            1 => format!("redis://me:{password}@h.example:6379/1"),
            2 => format!("amqp://{password}@h.example/vh"),
            3 => format!("redis://:{password}@h.example"),
            4 => format!("rediss://{password}:@h.example:x"),
            5 => format!("amqps://me:{password}@h.example:99999/vh"),
            6 => format!("amqp:/me:{password}@h.example"),
            7 => format!("me:{password}@h.example"),
            8 => format!("http://me:{password}@h.example/x"),
            9 => format!("amqp://me:{password}@@h.example//a/b?heartbeat=x"),
            10 => format!("redis://me:{password}@[h.example]:1/0"),
            11 => format!("redis://me:{password}@h.example/nine"),
            12 => format!("amqp://h.example:5672/vh?password={password}@"),
            13 => format!("redis+sentinel://me:{password}@h.example:26379/mymaster"),
            14 => format!("redis://h.example:6379,me:{password}@i.example:6379"),
            _ => password.to_owned(),
        }
    }

    /// All that the program says about an address of a broker or a store.
    fn said(address: &str) -> [String; 3] {
        let broker = RabbitSettings::new(SecretString::from(address.to_owned()), "test");
        let shown = broker.shown().unwrap_or_else(|error| format!("{error} {error:?}"));
        let parsed = match address.parse::<Address>() {
            Ok(address) => format!("{address} {address:?}"),
            Err(error) => format!("{error} {error:?}"),
        };
        [format!("{broker:?}"), shown, parsed]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn no_part_of_a_password_is_ever_shown(
            (a, sign, b) in ("[a-z]{9,12}", "[/#@?% ,;&=+!$\\[\\]]{1,2}", "[a-z]{9,12}"),
            form in 0..16_usize,
        ) {
            let address = address(&format!("{a}{sign}{b}"), form);
            for said in said(&address) {
                prop_assert!(!said.contains(&a) && !said.contains(&b), "{address:?}: {said}");
            }
        }

        #[test]
        fn no_password_is_ever_shown(password in "[ -~äß\n\t]{6,24}", form in 0..16_usize) {
            let address = address(&password, form);
            let trimmed = password.trim();
            for said in said(&address) {
                let is_shown = trimmed.len() > 3 && said.contains(trimmed) && !ESCAPES.contains(trimmed);
                prop_assert!(!is_shown, "{address:?}: {said}");
            }
        }
    }
}
