//! Holds the crates' dependencies against the map in `ARCHITECTURE.md`.

use serde::Deserialize;

use crate::process::cargo_output;

/// Each crate and which of ours it may use, as on the map.
const MAP: &[(&str, &[&str])] = &[
    ("asn1", &[]),
    ("crypto", &["asn1"]),
    ("pki", &["crypto", "asn1"]),
    ("cms", &["pki", "crypto", "asn1"]),
    ("mime", &[]),
    ("smime", &["cms", "mime", "pki", "crypto", "asn1"]),
    ("directory", &["smime", "cms", "mime", "pki", "crypto", "asn1"]),
    // No arrow to `directory`: what talks to strangers' servers has no mail and no keys.
    ("egress", &["cms", "pki", "crypto", "asn1"]),
    // No arrows at all: packets of a protocol, and nothing about mail.
    ("milter", &[]),
    ("gateway", &["directory", "egress", "milter", "smime", "cms", "mime", "pki", "crypto", "asn1"]),
    // No arrow to `directory`: what browsers say about passkeys is judged without knowing anybody.
    ("webauthn", &["crypto", "asn1"]),
    ("portal", &["directory", "webauthn", "egress", "smime", "cms", "mime", "pki", "crypto", "asn1"]),
    ("sealpost", &["gateway", "portal", "directory", "egress", "smime", "cms", "mime", "pki", "crypto", "asn1"]),
];

/// Crates for development only: they may use everything, nothing shipped may use them.
const DEVELOPMENT: &[&str] = &["bench", "entries", "interop", "testkit", "xtask"];

/// These build without an async runtime.
const WITHOUT_RUNTIME: &[&str] = &["asn1", "crypto", "pki", "cms", "mime", "smime", "milter", "webauthn"];

const RUNTIMES: &[&str] = &["async-std", "futures", "smol", "sqlx", "tokio"];

/// Primitives, which only `crypto` may touch.
const PRIMITIVES: &[&str] = &[
    "aes",
    "aes-gcm",
    "aes-kw",
    "aws-lc-rs",
    "aws-lc-sys",
    "bp256",
    "bp384",
    "cbc",
    "ccm",
    "chacha20",
    "chacha20poly1305",
    "ctr",
    "des",
    "ghash",
    "hmac",
    "md-5",
    "p256",
    "pbkdf2",
    "poly1305",
    "rc2",
    "rc4",
    "ring",
    "rsa",
    "sha1",
    "sha2",
    "sha3",
    "slh-dsa",
];

/// Never, with the reason.
const BANNED: &[(&str, &str)] = &[
    ("indymilter", "GPL-3.0"),
    ("rusqlite", "links SQLite a second time beside sqlx"),
    ("openssl", "is the independent witness in tests, as a command; benchmarks only"),
    ("native-tls", "brings OpenSSL in"),
];

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    name: String,
    kind: Option<String>,
}

pub(crate) fn check() -> Result<String, String> {
    let json = cargo_output(&["metadata", "--format-version=1", "--no-deps"])?;
    let metadata: Metadata = serde_json::from_str(&json).map_err(|error| error.to_string())?;
    let ours: Vec<&str> = metadata.packages.iter().map(|package| package.name.as_str()).collect();
    let mut wrong = Vec::new();
    for package in &metadata.packages {
        let name = package.name.as_str();
        if DEVELOPMENT.contains(&name) {
            continue;
        }
        let Some((_, allowed)) = MAP.iter().find(|(on_map, _)| *on_map == name) else {
            wrong.push(format!("  {name} is not on the map"));
            continue;
        };
        for dependency in &package.dependencies {
            let (to, shipped) = (dependency.name.as_str(), dependency.kind.as_deref() != Some("dev"));
            if ours.contains(&to) && !allowed.contains(&to) && (shipped || !DEVELOPMENT.contains(&to)) {
                wrong.push(format!("  {name} -> {to}: there is no such arrow on the map"));
            }
            if shipped && WITHOUT_RUNTIME.contains(&name) && RUNTIMES.contains(&to) {
                wrong.push(format!("  {name} -> {to}: {name} builds without an async runtime"));
            }
            if shipped && name != "crypto" && PRIMITIVES.contains(&to) {
                wrong.push(format!("  {name} -> {to}: only crypto touches primitives"));
            }
            if let Some((_, why)) = BANNED.iter().find(|(banned, _)| *banned == to) {
                wrong.push(format!("  {name} -> {to}: {why}"));
            }
        }
    }
    if wrong.is_empty() { Ok(format!("{} crates", MAP.len())) } else { Err(wrong.join("\n")) }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::process::root;

    fn spawning(folder: &Path, found: &mut Vec<String>) {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                spawning(&path, found);
            } else if std::fs::read_to_string(&path).is_ok_and(|text| text.contains("process::Command")) {
                found.push(path.display().to_string());
            }
        }
    }

    #[test]
    fn t_109_nothing_shipped_starts_another_program() {
        let mut found = Vec::new();
        for (name, _) in MAP {
            spawning(&root().join("crates").join(name).join("src"), &mut found);
        }
        assert!(found.is_empty(), "{found:?}");
        spawning(&root().join("crates/xtask/src"), &mut found);
        assert!(found.len() > 1, "it is found where it is");
    }
}
