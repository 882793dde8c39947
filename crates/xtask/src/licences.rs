//! Every dependency's licence must let this project be `MIT OR Apache-2.0`.

use serde::Deserialize;

use crate::process::cargo_output;

const ALLOWED: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "MPL-2.0",
    "OpenSSL",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
    "bzip2-1.0.6",
];

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    version: String,
    license: Option<String>,
    license_file: Option<String>,
}

pub(crate) fn check() -> Result<String, String> {
    let json = cargo_output(&["metadata", "--format-version=1"])?;
    let metadata: Metadata = serde_json::from_str(&json).map_err(|error| error.to_string())?;
    let mut wrong = Vec::new();
    for Package { name, version, license, license_file } in &metadata.packages {
        match license {
            Some(expression) if is_allowed(expression) => {}
            Some(expression) => wrong.push(format!("  {name} {version}: {expression}")),
            None => wrong.push(format!("  {name} {version}: no licence named ({license_file:?})")),
        }
    }
    if wrong.is_empty() { Ok(format!("{} packages", metadata.packages.len())) } else { Err(wrong.join("\n")) }
}

/// SPDX: an OR of ANDs, as Cargo packages write it; `/` is the old spelling of OR.
fn is_allowed(expression: &str) -> bool {
    let mut depth = 0i32;
    let spaced = expression.replace('/', " OR ");
    let text = spaced.trim();
    let mut split_at = |word: &str| -> Option<(String, String)> {
        depth = 0;
        for (position, character) in text.char_indices() {
            match character {
                '(' => depth += 1,
                ')' => depth -= 1,
                _ if depth == 0 && text.get(position..)?.starts_with(word) => {
                    return Some((text.get(..position)?.into(), text.get(position + word.len()..)?.into()));
                }
                _ => {}
            }
        }
        None
    };
    if let Some((left, right)) = split_at(" OR ") {
        return is_allowed(&left) || is_allowed(&right);
    }
    if let Some((left, right)) = split_at(" AND ") {
        return is_allowed(&left) && is_allowed(&right);
    }
    match text.strip_prefix('(').and_then(|text| text.strip_suffix(')')) {
        Some(inner) => is_allowed(inner),
        None => ALLOWED.contains(&text),
    }
}

#[cfg(test)]
mod tests {
    use super::is_allowed;

    #[test]
    fn expressions_are_read_as_spdx_means_them() {
        for good in
            ["MIT", "MIT/Apache-2.0", "GPL-3.0 OR MIT", "ISC AND (Apache-2.0 OR ISC)", "(MIT OR GPL-2.0) AND Zlib"]
        {
            assert!(is_allowed(good), "{good}");
        }
        for bad in ["GPL-3.0", "MIT AND GPL-3.0", "(GPL-2.0 OR AGPL-3.0) AND MIT", ""] {
            assert!(!is_allowed(bad), "{bad}");
        }
    }
}
