//! Fuzz tests: a key that a provider repeats, and a password in a malformed address, are never shown.

use std::io::Write as _;
use std::sync::LazyLock;

use proptest::sample::select;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use valuesim_shared::model::ModelSettings;
use valuesim_shared::permit::plain_address;

use super::connection::Connection;
use super::fuzz::bounds::fuzz;
use super::fuzz::mutate::hostile_text;
use super::key::Keys;
use super::setup::{Deadlines, address};
use super::wire::{completion, text};

/// Random keys, each with a connection that sends it.
static CONNECTIONS: LazyLock<Vec<(String, Connection)>> = LazyLock::new(|| {
    let key = |seed: u64| format!("sk-{:016x}{:08x}", seed.wrapping_mul(0x9e37_79b9_7f4a_7c15), seed ^ 0x5bd1_e995);
    (std::process::id().into()..).take(16).map(|seed| (key(seed), connection(&key(seed)))).collect()
});

fn connection(key: &str) -> Connection {
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    file.write_all(key.as_bytes()).expect("writes");
    let model = ModelSettings {
        base_url: Some("http://127.0.0.1:9/v1".to_owned()),
        api_key_file: Some(file.path().to_owned()),
        ..ModelSettings::named("m")
    };
    Connection::new(&model, &["chat"], (Deadlines::default(), 1 << 20), &Keys::OfUser).expect("connects to nothing")
}

/// Bodies with the place of a key.
const BODIES: [&str; 10] = [
    r#"{"error":{"message":"Incorrect API key provided: {KEY}.","type":"invalid_request_error","code":"{KEY}"}}"#,
    r#"{"error":"{KEY}"}"#,
    r#"{"detail":[{"loc":["header","authorization"],"msg":"{KEY}"}]}"#,
    r#"{"message":"no {KEY}","code":"rate_limit_exceeded"}"#,
    "<html><body>Authorization: Bearer {KEY}</body></html>",
    "Bearer {KEY}",
    r#"{"choices":[{"message":{"content":"{KEY}"},"finish_reason":"{KEY}"}],"model":"{KEY}"}"#,
    r#"{"choices":[{"message":{"content":[{"type":"text","text":"{KEY}"}],"refusal":"{KEY}"}}],"model":"m"}"#,
    r#"[{"error":{"code":429,"message":"{KEY}","status":"{KEY}"}}]"#,
    r#"data: {"error":{"message":"{KEY}"}}"#,
];

/// A key as proxies write it.
fn written(key: &str, how: usize) -> String {
    match how {
        0 => key.to_owned(),
        1 => each(key, |code| format!("\\u{code:04x}")),
        2 => key.replace('-', "%2D"),
        3 => each(key, |code| format!("&#{code};")),
        4 => format!("{key}{key}"),
        _ => format!("Bearer\\t{key}\\n"),
    }
}

/// Each character as `escape` writes its number.
fn each(key: &str, escape: impl Fn(u32) -> String) -> String {
    key.chars().map(|c| escape(u32::from(c))).collect::<Vec<_>>().concat()
}

#[test]
fn fuzz_a_key_that_a_provider_repeats_is_never_shown() {
    let headers = select(&["location", "x-request-id", "retry-after", "x-ratelimit-remaining-tokens", "server"][..]);
    let inputs = (0..16_usize, 100..600_u16, hostile_text(&BODIES), 0..6_usize, headers);
    fuzz(1, &inputs, |(connection, status, body, how, header)| {
        let (key, connection) = &CONNECTIONS[connection];
        let body = connection.without_key(text(body.replace("{KEY}", &written(key, how)).into_bytes()));
        let value = HeaderValue::from_str(&format!("https://h.example/?k={key}")).expect("a key fits a header");
        let headers = HeaderMap::from_iter([(HeaderName::from_static(header), value)]);
        let error = connection.error_response(status, &headers, &body);
        let seen = [format!("{error:?}"), error.to_string(), format!("{:?}", completion(&body))];
        assert!(seen.iter().all(|text| !text.contains(key)), "{key} in {seen:?}");
        assert!(!format!("{connection:?}").contains(key));
    });
}

/// Addresses as people paste them, with the place of a password.
const ADDRESSES: [&str; 14] = [
    "https://me:{SECRET}@h.example/v1",
    "https://{SECRET}@h.example/v1",
    "http://me:{SECRET}@[::1]:8000/v1",
    "https://h.example/v1?api_key={SECRET}",
    "https://h.example/v1?api-version=1&subscription-key={SECRET}",
    "https://h.example/v1#access_token={SECRET}",
    "https://h.example/v1;token={SECRET}",
    "HTTPS://ME:{SECRET}@H.EXAMPLE:443/v1/chat/completions/",
    "ftp://me:{SECRET}@h.example",
    "me:{SECRET}@h.example/v1",
    "https:me:{SECRET}@h.example",
    "https://h.example:{SECRET}@/v1",
    "https:\\\\me:{SECRET}@h.example",
    "{SECRET}",
];

#[test]
fn fuzz_a_password_in_any_address_is_never_shown() {
    // Words of its own, as a password has that somebody remembers, and digits, as keys have.
    let secrets = "[a-z]{6}[0-9]{6}[a-zA-Z0-9]{4,12}";
    fuzz(1, &(hostile_text(&ADDRESSES), secrets), |(template, secret)| {
        // A template that was cut open inside the mark has no secret in it.
        let pasted = template.replace("{SECRET}", &secret);
        let plain = plain_address(&pasted);
        assert_eq!(plain_address(&plain), plain, "{pasted:?}");
        let model = ModelSettings { base_url: Some(plain), ..ModelSettings::named("m") };
        let mut seen = model.problems(false);
        seen.extend(address(&model, &["chat", "completions"]).err().map(|problem| problem.to_string()));
        let is_told = seen.iter().any(|text| text.to_ascii_lowercase().contains(&secret.to_ascii_lowercase()));
        assert!(!is_told, "{secret} of {pasted:?} in {seen:?}");
    });
}
