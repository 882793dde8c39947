//! The long run of the fault rig, and its figures in `docs/reference/reliability.md`.

use crate::process::{cargo, root};

/// Kills gateways so many times, with at least so many messages, and writes down what came of it.
pub(crate) fn run(kills: &str, messages: &str) -> Result<(), String> {
    for number in [kills, messages] {
        number.parse::<usize>().map_err(|error| format!("{number}: {error}"))?;
    }
    let report = root().join("target").join("faults.txt");
    let _ = std::fs::remove_file(&report);
    let file = report.display().to_string();
    let environment =
        [("SEALPOST_FAULT_KILLS", kills), ("SEALPOST_FAULT_MESSAGES", messages), ("SEALPOST_FAULT_REPORT", &file)];
    cargo(&["test", "--release", "--package", "gateway", "--test", "faults"], &environment)?;
    let lines = std::fs::read_to_string(&report).map_err(|error| format!("{file}: {error}"))?;
    let page = root().join("docs/reference/reliability.md");
    let text = std::fs::read_to_string(&page).map_err(|error| format!("{}: {error}", page.display()))?;
    let (before, _) = text.split_once(MARK).ok_or_else(|| format!("{} has no line {MARK}", page.display()))?;
    std::fs::write(&page, format!("{before}{MARK}\n\n{}", sorted(&lines)))
        .map_err(|error| format!("{}: {error}", page.display()))
}

/// The runs end in any order.
fn sorted(lines: &str) -> String {
    let mut lines: Vec<&str> = lines.lines().collect();
    lines.sort_unstable();
    lines.iter().map(|line| format!("{line}\n")).collect()
}

const MARK: &str = "<!-- `cargo xtask faults` writes what follows -->";
