//! Cargo.lock held against the advisories that this project knows of, and against the whole RustSec
//! database where `cargo audit` is installed and can reach it.

use std::process::Command;

use serde::Deserialize;

use crate::process::root;

#[derive(Deserialize)]
struct Advisories {
    advisory: Vec<Advisory>,
}

#[derive(Deserialize)]
struct Advisory {
    id: String,
    package: String,
    /// The first version without the flaw; without it every version is affected.
    patched: Option<String>,
    about: String,
    /// Why a flaw without a patched version may stay.
    accepted: Option<String>,
    /// The day, as `2026-12-24`, on which that must be looked at again.
    until: Option<String>,
}

#[derive(Deserialize)]
struct Lock {
    package: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    version: String,
}

pub(crate) fn check() -> Result<String, String> {
    let known: Advisories = read("crates/xtask/advisories.toml")?;
    let lock: Lock = read("Cargo.lock")?;
    let (mut wrong, mut accepted) = (Vec::new(), Vec::new());
    for package in &lock.package {
        for advisory in known.advisory.iter().filter(|advisory| advisory.package == package.name) {
            let safe = advisory.patched.as_deref().is_some_and(|patched| version(&package.version) >= version(patched));
            if let (false, Some(reason), Some(until)) = (safe, &advisory.accepted, &advisory.until) {
                accepted.push(format!("{} until {until}: {reason}", advisory.id));
            } else if !safe {
                wrong.push(format!("  {} {}: {} {}", package.name, package.version, advisory.id, advisory.about));
            }
        }
    }
    if !wrong.is_empty() {
        return Err(wrong.join("\n"));
    }
    accepted.sort();
    accepted.dedup();
    for line in &accepted {
        println!("accepted    {line}");
    }
    let audit = Command::new(env!("CARGO")).args(["audit", "--quiet"]).current_dir(root()).output();
    let database = match audit {
        Ok(output) if output.status.success() => "RustSec database clean",
        Ok(output) if String::from_utf8_lossy(&output.stdout).contains("ID: ") => {
            return Err(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        _ => "RustSec database NOT consulted: cargo-audit is missing or cannot reach it",
    };
    Ok(format!(
        "{} advisories of our own list against {} packages; {database}",
        known.advisory.len(),
        lock.package.len()
    ))
}

fn read<T: serde::de::DeserializeOwned>(path: &str) -> Result<T, String> {
    let text = std::fs::read_to_string(root().join(path)).map_err(|error| format!("{path}: {error}"))?;
    toml::from_str(&text).map_err(|error| format!("{path}: {error}"))
}

fn version(text: &str) -> Vec<u64> {
    let release = text.split(['-', '+']).next().unwrap_or_default();
    release.split('.').map(|part| part.parse().unwrap_or(0)).collect()
}

#[cfg(test)]
mod tests {
    use super::version;

    #[test]
    fn versions_compare_by_number() {
        assert!(version("0.26.10") > version("0.26.3"));
        assert!(version("1.0.0+sys") >= version("1.0.0"));
        assert!(version("0.8.0") < version("0.8.1"));
    }
}
