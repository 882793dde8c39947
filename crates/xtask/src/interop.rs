//! `cargo xtask interop`: the matrix with other programs, written to its page.

use crate::process::{cargo, root};

/// Runs every cell, writes `docs/reference/interop.md`, and fails on what is not as listed.
pub(crate) fn run() -> Result<(), String> {
    let folder = root().join("docs/reference");
    std::fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    cargo(
        &["test", "--quiet", "--package", "sealpost", "--test", "interop", "--", "--nocapture", "--include-ignored"],
        &[("SEALPOST_WRITE_INTEROP", "1")],
    )
}
