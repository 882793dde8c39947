//! The long runs of the fault rig, and their figures in `docs/reference/reliability.md`.

use std::path::{Path, PathBuf};

use crate::process::{cargo, root};

/// Kills gateways so many times under at least so many messages, lets next hops misbehave, and writes down what came of
/// it.
pub(crate) fn run(kills: &str, messages: &str) -> Result<(), String> {
    for number in [kills, messages] {
        number.parse::<usize>().map_err(|error| format!("{number}: {error}"))?;
    }
    let report = new_report("faults")?;
    let file = report.display().to_string();
    let environment = [
        ("SEALPOST_FAULT_KILLS", kills),
        ("SEALPOST_FAULT_MESSAGES", messages),
        ("SEALPOST_FAULT_HOUSES", "4"),
        ("SEALPOST_FAULT_DOWNSTREAM", "1000"),
        ("SEALPOST_FAULT_PATIENCE", "1000"),
        ("SEALPOST_FAULT_REPORT", &file),
    ];
    let tests = ["r_01_", "r_06_r_13_", "r_08_"];
    cargo(&[&TESTS[..], &tests[..], &["--test-threads=1"]].concat(), &environment)?;
    // The runs end in any order.
    let lines = read(&report)?;
    let mut lines: Vec<&str> = lines.lines().collect();
    lines.sort_unstable();
    write_into_page("faults", &lines.join("\n"))
}

/// Runs a gateway for so many minutes with one fault in a hundred, and writes down what it had in its hands meanwhile.
pub(crate) fn soak(minutes: &str) -> Result<(), String> {
    minutes.parse::<usize>().map_err(|error| format!("{minutes}: {error}"))?;
    let report = new_report("soak")?;
    let file = report.display().to_string();
    let environment = [("SEALPOST_SOAK_MINUTES", minutes), ("SEALPOST_FAULT_REPORT", &file)];
    cargo(&[&TESTS[..], &["r_17_"][..]].concat(), &environment)?;
    write_into_page("soak", read(&report)?.trim_end())
}

const TESTS: [&str; 6] = ["test", "--package", "gateway", "--test", "faults", "--"];

fn new_report(name: &str) -> Result<PathBuf, String> {
    let report = root().join("target").join(format!("{name}.txt"));
    match std::fs::remove_file(&report) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(format!("{}: {error}", report.display())),
        _ => Ok(report),
    }
}

fn read(file: &Path) -> Result<String, String> {
    std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))
}

/// Puts lines between the two marks of this name.
fn write_into_page(name: &str, lines: &str) -> Result<(), String> {
    let page = root().join("docs/reference/reliability.md");
    let text = read(&page)?;
    let (begin, end) = (format!("<!-- written by `cargo xtask {name}` -->"), format!("<!-- end of {name} -->"));
    let (before, rest) = text.split_once(&begin).ok_or_else(|| format!("{} has no {begin}", page.display()))?;
    let (_, after) = rest.split_once(&end).ok_or_else(|| format!("{} has no {end}", page.display()))?;
    std::fs::write(&page, format!("{before}{begin}\n\n{lines}\n\n{end}{after}"))
        .map_err(|error| format!("{}: {error}", page.display()))
}
