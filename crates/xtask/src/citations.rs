//! Citations in comments are in one form, so that the status table can be built from them.

use std::collections::BTreeMap;

use crate::process::{root, tracked};

/// One `RFC n §x` in a comment.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Citation {
    pub(crate) rfc: u32,
    pub(crate) section: String,
    pub(crate) file: String,
    pub(crate) line: usize,
    pub(crate) deviation: bool,
}

pub(crate) fn check() -> Result<String, String> {
    let (citations, wrong) = collect()?;
    if !wrong.is_empty() {
        return Err(wrong.join("\n"));
    }
    let mut per_rfc: BTreeMap<u32, usize> = BTreeMap::new();
    for citation in &citations {
        *per_rfc.entry(citation.rfc).or_default() += 1;
    }
    Ok(format!("{} of {} RFCs", citations.len(), per_rfc.len()))
}

/// All citations in the sources, and what is not written as it should be.
pub(crate) fn collect() -> Result<(Vec<Citation>, Vec<String>), String> {
    let (mut citations, mut wrong) = (Vec::new(), Vec::new());
    for path in tracked(&["crates/*.rs"])? {
        let name = path.strip_prefix(root()).unwrap_or(&path).display().to_string();
        if name.starts_with("crates/xtask/") {
            continue;
        }
        let text = std::fs::read_to_string(&path).map_err(|error| format!("{name}: {error}"))?;
        for (number, line) in text.lines().enumerate() {
            let Some((_, comment)) = line.split_once("//") else { continue };
            let deviation = comment.contains("Deviation (");
            for rest in comment.split("RFC ").skip(1) {
                let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
                let Ok(rfc) = digits.parse() else { continue };
                let after = rest.get(digits.len()..).unwrap_or_default();
                // `RFC 5652 §5.3, §5.5` cites two.
                let mut sections = after.strip_prefix(" §");
                while let Some(text) = sections {
                    let cited: String = text.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '.').collect();
                    let section = cited.trim_end_matches('.').to_owned();
                    citations.push(Citation { rfc, section, file: name.clone(), line: number + 1, deviation });
                    let behind = text.get(cited.len()..).unwrap_or_default();
                    sections = behind.strip_prefix(", §").or_else(|| behind.strip_prefix(" and §"));
                }
                let lower = after.trim_start_matches([',', ' ']).to_ascii_lowercase();
                if lower.starts_with("section") || lower.starts_with("sec.") || after.starts_with('§') {
                    wrong.push(format!("  {name}:{}: write `RFC {rfc} §…`", number + 1));
                }
            }
        }
    }
    citations.sort();
    Ok((citations, wrong))
}
