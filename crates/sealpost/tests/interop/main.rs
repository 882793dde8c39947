//! The matrix with other programs, as `tests/interop/cannot.tsv` expects it and `docs/reference/interop.md` shows it.
//! `cargo xtask interop` writes that page.

use std::path::Path;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/interop.md");

#[test]
fn everybody_reads_what_the_others_write() {
    let matrix = interop::run(Path::new(env!("CARGO_BIN_EXE_sealpost")));
    let page = interop::to_markdown(&matrix);
    if std::env::var_os("SEALPOST_WRITE_INTEROP").is_some() {
        std::fs::write(PAGE, &page).unwrap();
    }
    let differences = matrix.differences();
    assert!(differences.is_empty(), "{} differences:\n{}", differences.len(), differences.join("\n"));
    // Cell by cell: a peer that can more than is written is a difference, too.
    let written = std::fs::read_to_string(PAGE).unwrap_or_default();
    let (now, then) = (without_versions(&page), without_versions(&written));
    let changed: Vec<&String> = now.iter().filter(|line| !then.contains(*line)).collect();
    assert!(now == then, "the page is out of date; see what has changed, then run cargo xtask interop:\n{changed:#?}");
}

/// The page without the peers' versions: a new one alone does not make it old.
fn without_versions(page: &str) -> Vec<String> {
    let version = |line: &str| line.split(" | ").nth(1).filter(|_| line.starts_with("| ")).map(str::to_owned);
    let (head, rest) = page.split_once("\n## ").unwrap_or((page, ""));
    let head = head.lines().map(|line| match version(line) {
        Some(version) => line.replacen(&version, "", 1),
        None => line.to_owned(),
    });
    head.chain(rest.lines().map(str::to_owned)).collect()
}
