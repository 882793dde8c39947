//! `cargo xtask bench`: our crates and the program against their peers, and the page that says how it went.

use std::process::Command;

use crate::process::{cargo, root};

/// Builds the program and the benchmarks (with OpenSSL, from source), runs them, and writes the reference page.
///
/// `--quick` takes a fast look and writes nothing; `--large` also measures memory at 4 GiB; `--only TEXT` runs the rows
/// whose name contains it.
pub(crate) fn run(arguments: &[String]) -> Result<(), String> {
    cargo(&["build", "--release", "--package", "sealpost"], &[])?;
    let target = root().join("target");
    let manifest = root().join("bench").join("Cargo.toml");
    let (manifest, folder) = (manifest.display().to_string(), target.display().to_string());
    cargo(&["build", "--release", "--manifest-path", &manifest, "--target-dir", &folder], &[])?;
    let mut command = Command::new(target.join("release").join("bench"));
    command.arg("--sealpost").arg(target.join("release").join("sealpost")).args(arguments);
    let partial = arguments.iter().any(|argument| argument == "--quick" || argument == "--only");
    let page = root().join("docs").join("reference").join("benchmarks.md");
    if !partial {
        command.arg("--output").arg(&page);
    }
    let status = command.status().map_err(|error| format!("cannot start the benchmarks: {error}"))?;
    if !status.success() {
        return Err("the benchmarks failed".into());
    }
    if !partial {
        println!("written: {}", page.display());
    }
    Ok(())
}

/// The gateway beside Postfix alone and what people build by hand; without `--quick` into the reference page.
pub(crate) fn gateway(quick: bool) -> Result<(), String> {
    let page = root().join("docs").join("reference").join("gateway-figures.md").display().to_string();
    let environment =
        [if quick { ("SEALPOST_FIGURES_SCALE", "0.05") } else { ("SEALPOST_FIGURES_PAGE", page.as_str()) }];
    let arguments =
        ["test", "--release", "--package", "sealpost", "--test", "figures", "--", "--ignored", "--nocapture"];
    cargo(&arguments, &environment)?;
    if !quick {
        println!("written: {page}");
    }
    Ok(())
}
