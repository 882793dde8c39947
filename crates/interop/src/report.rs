use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::matrix::{Cell, Direction, Matrix, Outcome};

/// The reference page. Lines with versions begin with `| version `.
pub fn to_markdown(matrix: &Matrix) -> String {
    let (passed, cannot, failed) = matrix.counts();
    let mut text = format!(
        "# Interoperability\n\nWritten by `cargo xtask interop`, which runs every cell below with the programs as Debian 12 has them;\n\
         It fails on any difference to what is written here and in `tests/interop/cannot.tsv`.\n\n\
         In each cell, left: the peer reads what we write; right: we read what the peer writes. ✓ the content came through\n\
         (in rows that say so: was refused) · a number: the peer cannot, for the reason below · ✗ it fails, and should not ·\n\
         – not tried: we do not write what is weak or has no sender, and nobody reads it back.\n\n\
         {} pairs: {passed} passed, {cannot} that a peer cannot, {failed} failed.\n\n| peer | version | passed | cannot | failed |\n|---|---|---|---|---|\n",
        matrix.cells.len()
    );
    for (peer, version) in &matrix.versions {
        let count = |is: fn(&Outcome) -> bool| {
            matrix.cells.iter().filter(|cell| cell.peer == *peer && is(&cell.outcome)).count()
        };
        let _ = writeln!(
            text,
            "| {peer} | {version} | {} | {} | {} |",
            count(|outcome| *outcome == Outcome::Pass),
            count(|outcome| matches!(outcome, Outcome::PeerCannot(_))),
            count(|outcome| matches!(outcome, Outcome::Fails(_))),
        );
    }
    for (peer, _) in &matrix.versions {
        let _ = write!(text, "\n## {peer}\n");
        for table in in_order(matrix.cells.iter().filter(|cell| cell.peer == *peer).map(|cell| cell.table.as_str())) {
            let cells: Vec<&Cell> =
                matrix.cells.iter().filter(|cell| cell.peer == *peer && cell.table == table).collect();
            write_table(&mut text, table, &cells);
        }
    }
    text.push_str("\n## What peers cannot do\n\nThe words are the peer's own; where it has no command or option, that is said.\n\n| | peer | words | reason |\n|---|---|---|---|\n");
    for (index, reason) in matrix.reasons.iter().enumerate() {
        let peer = reason.describe().split(',').next().unwrap_or_default().to_owned();
        let _ =
            writeln!(text, "| {} | {peer} | `{}` | {} |", index + 1, reason.says.replace('|', "\\|"), reason.because);
    }
    text
}

fn write_table(text: &mut String, table: &str, cells: &[&Cell]) {
    let columns = in_order(cells.iter().map(|cell| cell.column.as_str()));
    let rows = in_order(cells.iter().map(|cell| cell.row.as_str()));
    let mut found: BTreeMap<(&str, &str, bool), &Outcome> = BTreeMap::new();
    for cell in cells {
        found.insert((&cell.row, &cell.column, cell.direction == Direction::TheyRead), &cell.outcome);
    }
    let _ = write!(text, "\n### {table}\n\n| | {} |\n|---|{}\n", columns.join(" | "), "---|".repeat(columns.len()));
    for row in rows {
        let line: Vec<String> = columns
            .iter()
            .map(|column| {
                let side = |they_read| match found.get(&(row, column, they_read)) {
                    None => "–".to_owned(),
                    Some(Outcome::Pass) => "✓".to_owned(),
                    Some(Outcome::PeerCannot(index)) => (index + 1).to_string(),
                    Some(Outcome::Fails(_)) => "✗".to_owned(),
                };
                let (left, right) = (side(true), side(false));
                if left == "–" && right == "–" { String::new() } else { format!("{left} {right}") }
            })
            .collect();
        let _ = writeln!(text, "| {row} | {} |", line.join(" | "));
    }
}

/// Each once, in the order in which they come.
fn in_order<'a>(names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut all: Vec<&str> = Vec::new();
    for name in names {
        if !all.contains(&name) {
            all.push(name);
        }
    }
    all
}
