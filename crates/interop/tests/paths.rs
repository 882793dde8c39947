//! OpenSSL and Bouncy Castle judge certification paths as we do, but for what `tests/interop/paths.tsv` explains.
//! `cargo xtask interop` writes `docs/reference/path-verdicts.md`.

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/path-verdicts.md");

#[test]
fn every_difference_is_explained() {
    let verdicts = interop::path_verdicts();
    let page = verdicts.to_markdown();
    if std::env::var_os("SEALPOST_WRITE_INTEROP").is_some() {
        std::fs::write(PAGE, &page).unwrap();
    }
    let unexplained = verdicts.unexplained();
    assert!(unexplained.is_empty(), "{} unexplained:\n{}", unexplained.len(), unexplained.join("\n"));
    // Case by case: a peer that judges like us by now is a difference, too.
    let written = std::fs::read_to_string(PAGE).unwrap_or_default();
    let changed: Vec<&str> = page.lines().filter(|line| !written.contains(line)).collect();
    assert!(
        page == written,
        "the page is out of date; see what has changed, then run cargo xtask interop:\n{changed:#?}"
    );
}
