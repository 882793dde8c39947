//! The public test sets, each with its own table of outcomes. `reasons.tsv` beside a table lists what is known to
//! come out differently, and why; something listed that comes out as the table says fails too.

use std::collections::BTreeMap;
use std::path::PathBuf;

mod limbo;
mod ocsp;
mod pkits;
mod samples;
mod zlint;

/// A file of a set.
fn vectors(path: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../vectors")).join(path)
}

fn read(path: &str) -> Vec<u8> {
    std::fs::read(vectors(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn json(path: &str) -> serde_json::Value {
    serde_json::from_slice(&read(path)).unwrap()
}

/// Rows of a table after its heading, split at tabs.
fn rows(path: &str) -> Vec<Vec<String>> {
    let text = String::from_utf8(read(path)).unwrap();
    text.lines().skip(1).map(|line| line.split('\t').map(str::to_owned).collect()).collect()
}

/// Counts the outcomes of one set.
struct Tally {
    set: &'static str,
    listed: BTreeMap<String, String>,
    passed: usize,
    seen_listed: usize,
    failed: Vec<String>,
}

impl Tally {
    /// With the set's `reasons.tsv`, where it has one.
    fn new(set: &'static str) -> Self {
        let reasons = format!("{set}/reasons.tsv");
        let listed = if vectors(&reasons).exists() {
            rows(&reasons).into_iter().map(|row| (row[0].clone(), row[1].clone())).collect()
        } else {
            BTreeMap::new()
        };
        Self { set, listed, passed: 0, seen_listed: 0, failed: Vec::new() }
    }

    fn judge(&mut self, id: &str, as_expected: bool, detail: impl FnOnce() -> String) {
        match (self.listed.contains_key(id), as_expected) {
            (false, true) => self.passed += 1,
            (true, false) => self.seen_listed += 1,
            (false, false) => self.failed.push(format!("{id}: {}", detail())),
            (true, true) => self.failed.push(format!("{id}: listed as different, but as expected")),
        }
    }

    #[allow(clippy::print_stdout, reason = "`cargo xtask vectors` reads the line")]
    fn finish(self) {
        assert_eq!(
            self.seen_listed + self.failed.len().min(self.listed.len()),
            self.listed.len(),
            "{}: reasons without a test",
            self.set
        );
        println!(
            "vectors: {}: {} passed, {} failed, {} listed",
            self.set,
            self.passed,
            self.failed.len(),
            self.seen_listed
        );
        assert!(self.failed.is_empty(), "{}:\n{}", self.set, self.failed.join("\n"));
    }
}
