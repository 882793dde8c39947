//! Style sheet, script and pictures, compiled in; their names carry a digest, so that a browser may keep them for ever.

use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse as _, Response};
use crypto::DigestAlgorithm;

use crate::problem::Problem;

/// One file under `/assets/`.
struct Asset {
    path: String,
    content_type: &'static str,
    content: &'static str,
}

pub(crate) struct Assets {
    style: Asset,
    icon: Asset,
    script: Asset,
}

impl Assets {
    pub(crate) fn new() -> Self {
        Self {
            style: Asset::new("portal", "css", "text/css; charset=utf-8", include_str!("../assets/portal.css")),
            icon: Asset::new("seal", "svg", "image/svg+xml", include_str!("../assets/seal.svg")),
            script: Asset::new("passkey", "js", "text/javascript; charset=utf-8", include_str!("../assets/passkey.js")),
        }
    }

    /// Where the style sheet is.
    pub(crate) fn style(&self) -> &str {
        &self.style.path
    }

    /// Where the picture for the browser's tab is.
    pub(crate) fn icon(&self) -> &str {
        &self.icon.path
    }

    /// Where the script for passkeys is.
    pub(crate) fn script(&self) -> &str {
        &self.script.path
    }

    pub(crate) fn get(&self, name: &str) -> Result<Response, Problem> {
        let all = [&self.style, &self.icon, &self.script];
        let found = all.into_iter().find(|asset| asset.path.strip_prefix(FOLDER) == Some(name));
        let asset = found.ok_or(Problem::NotFound)?;
        let header = [(CONTENT_TYPE, asset.content_type), (CACHE_CONTROL, "public, max-age=31536000, immutable")];
        Ok((header, asset.content).into_response())
    }
}

impl Asset {
    fn new(name: &str, extension: &str, content_type: &'static str, content: &'static str) -> Self {
        let digest = DigestAlgorithm::Sha256.digest(content.as_bytes());
        let digest: String = digest.octets().iter().take(8).map(|octet| format!("{octet:02x}")).collect();
        Self { path: format!("{FOLDER}{name}-{digest}.{extension}"), content_type, content }
    }
}

const FOLDER: &str = "/assets/";
