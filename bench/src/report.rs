//! What is printed, and what is written into the reference.

use std::time::Duration;

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
            Self::Time(time) => format!("≤ {}", duration(time)),
            Self::Both(ratio, time) => format!("≥ {ratio:.2}×, ≤ {}", duration(time)),
            Self::None => "–".into(),
        }
    }
}

impl Row {
    /// Whether what was set out is reached; `None` when nothing was.
    pub fn reached(&self) -> Option<bool> {
        let fast = |least: f64| self.comparison.ratio.is_some_and(|(_, ratio, _)| ratio >= least);
        let short = |most: Duration| self.comparison.ours <= most;
        match self.target {
            Target::Ratio(ratio) => Some(fast(ratio)),
            Target::Time(time) => Some(short(time)),
            Target::Both(ratio, time) => Some(fast(ratio) && short(time)),
            Target::None => None,
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
            match self.reached() {
                Some(true) => "reached".into(),
                Some(false) => "not reached".into(),
                None => "–".into(),
            },
        ]
    }
}

/// One row for the eye.
pub fn line(row: &Row) -> String {
    let [work, rival, ours, theirs, floor, ratio, target, reached] = row.cells();
    format!("{work:<44} {rival:<10} {ours:>9} {theirs:>9} {floor:>9}  {ratio:<22} {target:<18} {reached}")
}

/// The table in Markdown.
pub fn table(rows: &[&Row]) -> String {
    let mut text = String::from(
        "| work | against | ours | theirs | floor | ratio (middle half) | wanted | |\n|---|---|---|---|---|---|---|---|\n",
    );
    for row in rows {
        text += &format!("| {} |\n", row.cells().join(" | "));
    }
    text
}
