//! What is printed, and what is written into the reference.

use std::time::Duration;

use crate::processes::Peak;
use crate::rows::{Row, Target};

fn duration(time: Duration) -> String {
    let micros = time.as_secs_f64() * 1e6;
    match micros {
        _ if micros < 100.0 => format!("{micros:.1} µs"),
        _ if micros < 10_000.0 => format!("{micros:.0} µs"),
        _ if micros < 1_000_000.0 => format!("{:.0} ms", micros / 1e3),
        _ => format!("{:.2} s", micros / 1e6),
    }
}

impl Target {
    fn describe(self) -> String {
        match self {
            Self::Ratio(ratio) => format!("≥ {ratio:.2}×"),
            Self::Both(ratio, time) => format!("≥ {ratio:.2}×, ≤ {}", duration(time)),
        }
    }
}

impl Row {
    /// Whether what was set out is reached.
    pub fn reached(&self) -> bool {
        let fast = |least: f64| self.comparison.ratio.is_some_and(|(_, ratio, _)| ratio >= least);
        let short = |most: Duration| self.comparison.ours <= most;
        match self.target {
            Target::Ratio(ratio) => fast(ratio),
            Target::Both(ratio, time) => fast(ratio) && short(time),
        }
    }

    fn cells(&self) -> [String; 8] {
        let c = &self.comparison;
        let or_dash = |time: Option<Duration>| time.map_or_else(|| "–".into(), duration);
        [
            self.work.clone(),
            self.rival.into(),
            duration(c.ours),
            or_dash(c.theirs),
            or_dash(c.floor),
            c.ratio.map_or_else(|| "–".into(), |(low, ratio, high)| format!("{ratio:.2}× ({low:.2}–{high:.2})")),
            self.target.describe(),
            if self.reached() { "reached" } else { "not reached" }.into(),
        ]
    }
}

/// One row for the eye.
pub fn line(row: &Row) -> String {
    let [work, rival, ours, theirs, floor, ratio, target, reached] = row.cells();
    format!("{work:<44} {rival:<10} {ours:>9} {theirs:>9} {floor:>9}  {ratio:<22} {target:<18} {reached}")
}

/// The whole reference page.
pub fn page(rows: &[Row], peaks: &[Peak], sizes: &[usize], rounds: usize) -> String {
    let mut text = format!(
        "# Benchmarks\n\n\
         Written by `cargo xtask bench`; run it to get the figures of your own machine.\n\n\
         - Date: {}\n- Machine: {}\n- Ours: version {}, {}\n- OpenSSL in this process: {}\n- Programs: {}; {}\n\
         - Method: {rounds} rounds of pairs, ours and the rival's in turn and with changing order, on one core; the \
         ratio is the median of the pairs' ratios (rival's time by ours, more is better), with the quarters below and \
         above it in brackets. Keys, certificates and mails are the same for both. The floor is what the primitives \
         take alone, called bare.\n- Content that may not be shown before its tag or signature is checked is held back \
         by both: OpenSSL holds it in memory; we hold up to 1 MiB and read what is larger a second time, since these \
         messages are at hand in memory. From a pipe it goes through an encrypted file.\n\n\
         ## Time\n\nWithout another word: mails of 10 KiB. S/MIME is the whole text of a mail, in or out.\n\n\
         | work | against | ours | theirs | floor | ratio (middle half) | wanted | |\n|---|---|---|---|---|---|---|---|\n",
        said_by("date", &["-u", "+%Y-%m-%d"]),
        machine(),
        env!("CARGO_PKG_VERSION"),
        said_by("rustc", &["--version"]),
        openssl::version::version(),
        said_by("openssl", &["version"]),
        said_by("gpgsm", &["--version"]),
    );
    rows.iter().for_each(|row| text += &format!("| {} |\n", row.cells().join(" | ")));
    if peaks.is_empty() {
        return text;
    }
    text += "\n## Peak memory\n\nOf the whole process, in MiB. Wanted: at most 32, and growth below 1 from the first size to the second.\n\n| work |";
    sizes.iter().for_each(|size| text += &format!(" {size} MiB |"));
    text += &format!(" growth | | OpenSSL, {} MiB |\n|---|", sizes[0]);
    text += &"---|".repeat(sizes.len() + 3);
    for peak in peaks {
        text += &format!("\n| {} |", peak.work);
        peak.ours.iter().for_each(|kib| text += &format!(" {:.1} |", *kib as f64 / 1024.0));
        let theirs = peak.theirs.map_or_else(|| "–".into(), |kib| format!("{:.0}", kib as f64 / 1024.0));
        let reached = if peak.reached() { "reached" } else { "not reached" };
        text += &format!(" {:.1} | {reached} | {theirs} |", peak.growth() as f64 / 1024.0);
    }
    text + "\n"
}

impl Peak {
    fn growth(&self) -> i64 {
        let at = |index: usize| self.ours.get(index).or(self.ours.last()).map_or(0, |kib| *kib as i64);
        at(1) - at(0)
    }

    fn reached(&self) -> bool {
        self.ours.iter().all(|kib| *kib <= 32 * 1024) && self.growth() < 1024
    }

    /// One row for the eye.
    pub fn line(&self) -> String {
        format!("{:<24} {:?} KiB, growth {} KiB, OpenSSL {:?} KiB", self.work, self.ours, self.growth(), self.theirs)
    }
}

fn machine() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let cores = text.lines().filter(|line| line.starts_with("processor")).count();
    let model = text.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default();
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!("{}, {cores} cores, Linux {}", model.trim_start_matches([' ', '\t', ':']), kernel.trim())
}

fn said_by(program: &str, arguments: &[&str]) -> String {
    let output = std::process::Command::new(program).args(arguments).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    let line = text.lines().next().unwrap_or_default().to_owned();
    if line.is_empty() { format!("{program} not installed") } else { line }
}
