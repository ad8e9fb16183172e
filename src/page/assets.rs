//! The files that the page is made of, as they are in the folder `assets`, with the headers that keep others out of it.

use axum::http::header::{self, HeaderName};
use axum::response::{IntoResponse, Response};

/// Nothing but this process's own files: no inline script or style, no other host, no frame around the page.
const POLICY: &str =
    "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'";

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const JS: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";

/// A file of the page.
pub(super) struct Asset {
    /// The path under which it is served.
    pub(super) path: &'static str,
    kind: &'static str,
    content: &'static str,
}

macro_rules! assets {
    ($($path:literal $kind:ident $file:literal)*) => {
        [$(Asset { path: $path, kind: $kind, content: include_str!(concat!("assets/", $file)) }),*]
    };
}

/// All files. A new section is one more line.
pub(super) static ASSETS: [Asset; 23] = assets! {
    "/" HTML "index.html"
    "/page/favicon.svg" SVG "favicon.svg"
    "/page/style.css" CSS "style.css"
    "/page/main.js" JS "main.js"
    "/page/dom.js" JS "dom.js"
    "/page/format.js" JS "format.js"
    "/page/requests.js" JS "requests.js"
    "/page/sections.js" JS "sections.js"
    "/page/actions.js" JS "actions.js"
    "/page/sections/pace.js" JS "sections/pace.js"
    "/page/sections/progress.js" JS "sections/progress.js"
    "/page/sections/failures.js" JS "sections/failures.js"
    "/page/sections/waiting.js" JS "sections/waiting.js"
    "/page/sections/workers.js" JS "sections/workers.js"
    "/page/sections/bottleneck.js" JS "sections/bottleneck.js"
    "/page/sections/money.js" JS "sections/money.js"
    "/page/sections/results.js" JS "sections/results.js"
    "/page/sections/history.js" JS "sections/history.js"
    "/page/sections/changes.js" JS "sections/changes.js"
    "/page/sections/dead.js" JS "sections/dead.js"
    "/page/vendor/uPlot.esm.js" JS "vendor/uPlot.esm.js"
    "/page/vendor/uPlot.min.css" CSS "vendor/uPlot.min.css"
    "/page/vendor/LICENSE" HTML "vendor/LICENSE"
};

/// The headers of every response of the page.
pub(super) const HEADERS: [(HeaderName, &str); 5] = [
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::X_FRAME_OPTIONS, "DENY"),
    // The page belongs to the release that serves it, and what it shows to the moment.
    (header::CACHE_CONTROL, "no-store"),
];

impl IntoResponse for &Asset {
    fn into_response(self) -> Response {
        ([(header::CONTENT_TYPE, self.kind)], self.content).into_response()
    }
}

#[cfg(test)]
mod tests {
    use sha2::{Digest as _, Sha256};

    use super::*;

    fn asset(path: &str) -> &'static str {
        ASSETS.iter().find(|asset| asset.path == path).unwrap_or_else(|| panic!("{path} is not served")).content
    }

    /// What a module imports, as paths.
    fn imports(asset: &Asset) -> Vec<String> {
        let folder = asset.path.rsplit_once('/').expect("a path").0;
        let parts = asset.content.split('"').skip(1).step_by(2);
        let relative = parts.filter(|part| part.starts_with('.') && part.strip_suffix(".js").is_some());
        relative
            .map(|part| match part.strip_prefix("../") {
                Some(part) => format!("{}/{part}", folder.rsplit_once('/').expect("a folder").0),
                None => format!("{folder}/{}", part.trim_start_matches("./")),
            })
            .collect()
    }

    #[test]
    fn every_module_that_is_imported_is_served() {
        for module in ASSETS.iter().filter(|asset| asset.kind == JS && !asset.path.contains("/vendor/")) {
            for path in imports(module) {
                assert!(!asset(&path).is_empty(), "{path}");
            }
        }
        assert!(imports(&ASSETS[7]).len() >= 10, "the sections are found");
    }

    #[test]
    fn nothing_is_inline_and_nothing_comes_from_another_host() {
        let html = asset("/");
        for forbidden in ["<style", " style=", " onclick", "javascript:", "https://", "http://", "<script>"] {
            assert!(!html.contains(forbidden), "{forbidden}");
        }
        let own = ASSETS.iter().filter(|asset| asset.kind == JS && !asset.path.contains("/vendor/"));
        for asset in own {
            for forbidden in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "https://"] {
                assert!(!asset.content.contains(forbidden), "{} has {forbidden}", asset.path);
            }
        }
    }

    #[test]
    fn the_vendored_library_is_the_published_one() {
        let digests = include_str!("assets/vendor/DIGESTS");
        for file in ["uPlot.esm.js", "uPlot.min.css", "LICENSE"] {
            let digest = Sha256::digest(asset(&format!("/page/vendor/{file}")).as_bytes());
            let digest = digest.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
            assert!(digests.contains(&format!("{digest}  {file}")), "{file} is {digest}");
        }
    }
}
