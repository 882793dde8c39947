//! `cargo xtask fuzz`: the targets in `fuzz/`, one after the other, with published vectors to begin with.

use std::process::Command;

use crate::process::{cargo, root};

/// Seconds for each target in the short run.
const SMOKE: u64 = 60;

/// Runs the targets whose name contains `filter`, so many seconds each.
pub(crate) fn run(arguments: &[String]) -> Result<(), String> {
    let (mut filter, mut seconds) = (None, SMOKE);
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--smoke" => seconds = SMOKE,
            "--seconds" => {
                let value = arguments.next().and_then(|value| value.parse().ok());
                seconds = value.ok_or("--seconds takes a number")?;
            }
            name if !name.starts_with('-') => filter = Some(name),
            other => return Err(format!("unknown option: {other}")),
        }
    }
    let installed = Command::new(env!("CARGO")).args(["fuzz", "--version"]).output();
    if !installed.is_ok_and(|output| output.status.success()) {
        return Err("cargo-fuzz is missing\nhint: cargo install cargo-fuzz; it needs a C++ compiler. \
             Without it, cargo test --package entries runs every target with changed seeds"
            .into());
    }
    let targets: Vec<String> =
        targets()?.into_iter().filter(|name| filter.is_none_or(|filter| name.contains(filter))).collect();
    if targets.is_empty() {
        return Err(format!("no fuzz target is named {}", filter.unwrap_or_default()));
    }
    cargo(&["run", "--quiet", "--package", "entries", "--example", "seeds", "--", "fuzz/corpus"], &[])?;
    // The fuzzer's instrumentation is a nightly flag; the toolchain is the one that everything else is built with.
    let environment = [("RUSTC_BOOTSTRAP", "1")];
    // Built first, so that what is said below is about findings alone.
    for name in &targets {
        cargo(&["fuzz", "build", name], &environment).map_err(|error| {
            format!("{error}: the target {name} could not be built; nothing was run\nhint: it needs a C++ compiler")
        })?;
    }
    let mut failed = Vec::new();
    for name in &targets {
        println!("fuzz        {name}, {seconds} s");
        let time = format!("-max_total_time={seconds}");
        let limits = ["-timeout=10", "-rss_limit_mb=2048", "-max_len=131072", "-print_final_stats=1"];
        let mut line = vec!["fuzz", "run", name.as_str(), "--", &time];
        line.extend(limits);
        if cargo(&line, &environment).is_err() {
            failed.push(name.as_str());
        }
    }
    if failed.is_empty() {
        Ok(())
    } else {
        Err(format!("these found something, see fuzz/artifacts: {}", failed.join(", ")))
    }
}

fn targets() -> Result<Vec<String>, String> {
    let folder = root().join("fuzz/fuzz_targets");
    let entries = std::fs::read_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut names: Vec<String> = entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.strip_suffix(".rs").map(str::to_owned))
        .collect();
    names.sort();
    Ok(names)
}
