//! The origin of an address: scheme, host and port. An operator lists origins, not paths.

use std::fmt;

use reqwest::Url;

/// A scheme, a host and a port, such as `https://api.openai.com`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::provider) struct Origin(String);

/// A text is no origin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected a host such as api.openai.com or llm.example:8443, with http:// before it if the connection is not encrypted, and without a \
     path: {0:?}"
)]
pub struct OriginError(String);

impl Origin {
    /// Reads an origin. Without a scheme it is `https`; a path is left out.
    pub(super) fn parse(text: &str) -> Result<Self, OriginError> {
        let wrong = || OriginError(text.to_owned());
        let text = text.trim();
        let url = if text.contains("://") { text.to_owned() } else { format!("https://{text}") };
        let url = Url::parse(&url).map_err(|_| wrong())?;
        let is_plain = matches!(url.scheme(), "http" | "https") && url.username().is_empty() && url.query().is_none();
        if is_plain && url.has_host() { Ok(Self::of(&url)) } else { Err(wrong()) }
    }

    /// The origin of an address.
    pub(super) fn of(address: &Url) -> Self {
        Self(address.origin().ascii_serialization())
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
