//! `cargo xtask vectors`: every set of test vectors, one line each.
//!
//! The sets are ordinary tests, each of which prints one line that begins with `vectors: `; this command runs those
//! tests and shows the lines.

use std::process::Command;

use crate::process::root;

/// Runs the sets whose line contains `filter`.
pub(crate) fn run(filter: Option<&str>) -> Result<(), String> {
    let output = Command::new(env!("CARGO"))
        .args(["test", "--workspace", "--quiet", "--tests", "--", "--nocapture", "vectors"])
        .current_dir(root())
        .output()
        .map_err(|error| format!("cannot start cargo: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    let mut lines: Vec<&str> = text
        .lines()
        .filter_map(|line| line.find("vectors: ").and_then(|at| line.get(at + 9..)))
        .filter(|line| filter.is_none_or(|filter| line.contains(filter)))
        .collect();
    lines.sort_unstable();
    lines.dedup();
    println!("{}", lines.join("\n"));
    if !output.status.success() {
        return Err(format!("a set failed:\n{text}"));
    }
    if lines.is_empty() { Err("no set of vectors matches".into()) } else { Ok(()) }
}
