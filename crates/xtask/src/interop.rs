//! `cargo xtask interop`: the matrix with other programs and the comparison of path verdicts, written to their pages.

use crate::process::{cargo, root};

/// Runs every cell and every path, writes `interop.md` and `path-verdicts.md` in `docs/reference`, and fails on what is
/// not as listed.
pub(crate) fn run() -> Result<(), String> {
    let folder = root().join("docs/reference");
    std::fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    for (package, test) in [("interop", "paths"), ("sealpost", "interop")] {
        cargo(
            &["test", "--quiet", "--package", package, "--test", test, "--", "--nocapture"],
            &[("SEALPOST_WRITE_INTEROP", "1")],
        )?;
    }
    Ok(())
}
