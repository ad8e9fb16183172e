//! The frame of a page of HTML: its style, its script, and a policy that allows these and nothing else.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use sha2::{Digest as _, Sha256};

use crate::chart::{escaped, style_sheet};

/// The page's own style. Charts bring theirs.
const STYLE: &str = include_str!("page.css");

/// Sorts a table by the column whose heading is pressed.
const SCRIPT: &str = include_str!("sort.js");

/// A page with a title and a body of HTML. It loads nothing from anywhere.
pub(super) fn page(title: &str, body: &str) -> String {
    let style = format!("{STYLE}{}", style_sheet());
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; base-uri 'none'; form-action 'none'",
        digest(&style),
        digest(SCRIPT)
    );
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{policy}\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<meta name=\"referrer\" content=\"no-referrer\">\n\
         <title>{}</title>\n<style>{style}</style>\n</head>\n<body>\n{body}<script>{SCRIPT}</script>\n</body>\n</html>\n",
        escaped(title)
    )
}

/// A digest as a content security policy writes it.
fn digest(text: &str) -> String {
    BASE64_STANDARD.encode(Sha256::digest(text.as_bytes()))
}
