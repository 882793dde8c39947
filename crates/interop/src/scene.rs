use std::collections::BTreeMap;
use std::path::Path;

use crypto::{KeyKind, MlDsaLevel, MlKemLevel};
use pki::{Certificate, Credential};
use testkit::{Person, TestPki};

/// Everybody in the matrix, each named after their key.
const PEOPLE: &[(&str, KeyKind)] = &[
    ("rsa", KeyKind::Rsa2048),
    ("rsa3072", KeyKind::Rsa3072),
    ("p256", KeyKind::P256),
    ("p256b", KeyKind::P256),
    ("p384", KeyKind::P384),
    ("p521", KeyKind::P521),
    ("bp256", KeyKind::BrainpoolP256r1),
    ("bp384", KeyKind::BrainpoolP384r1),
    ("ed25519", KeyKind::Ed25519),
    ("x25519", KeyKind::X25519),
    ("mldsa44", KeyKind::MlDsa(MlDsaLevel::MlDsa44)),
    ("mldsa65", KeyKind::MlDsa(MlDsaLevel::MlDsa65)),
    ("mldsa87", KeyKind::MlDsa(MlDsaLevel::MlDsa87)),
    ("mlkem512", KeyKind::MlKem(MlKemLevel::MlKem512)),
    ("mlkem768", KeyKind::MlKem(MlKemLevel::MlKem768)),
    ("mlkem1024", KeyKind::MlKem(MlKemLevel::MlKem1024)),
];

/// The people, their issuer, and a folder.
#[derive(Debug)]
pub(crate) struct Scene {
    pub(crate) pki: TestPki,
    people: BTreeMap<&'static str, Person>,
    folder: tempfile::TempDir,
}

impl Scene {
    pub(crate) fn new() -> Self {
        let pki = TestPki::lasting();
        let people = PEOPLE.iter().map(|&(name, kind)| (name, pki.person(&address(name), kind))).collect();
        let folder = tempfile::tempdir().unwrap_or_else(|error| panic!("no temporary folder: {error}"));
        Self { pki, people, folder }
    }

    /// A folder of this name, made on first use.
    pub(crate) fn folder(&self, name: &str) -> std::path::PathBuf {
        let folder = self.folder.path().join(name);
        std::fs::create_dir_all(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        folder
    }

    pub(crate) fn root_folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn person(&self, name: &str) -> &Person {
        self.people.get(name).unwrap_or_else(|| panic!("there is no {name}"))
    }

    pub(crate) fn people(&self) -> impl Iterator<Item = (&'static str, &Person)> {
        self.people.iter().map(|(name, person)| (*name, person))
    }

    pub(crate) fn credential(&self, name: &str) -> &Credential {
        &self.person(name).credential
    }

    pub(crate) fn certificate(&self, name: &str) -> &Certificate {
        self.person(name).certificate()
    }

    /// Writes `NAME.key` (PKCS #8), `NAME.cer`, `NAME.pem` (both), `root` and `ca` into a folder.
    pub(crate) fn write_files(&self, folder: &Path) {
        let write = |name: String, bytes: &[u8]| {
            std::fs::write(folder.join(&name), bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
        };
        for (name, certificate) in [("root", self.pki.root().certificate()), ("ca", self.pki.ca().certificate())] {
            write(format!("{name}.cer"), certificate.der());
            write(format!("{name}.pem"), certificate.to_pem().as_bytes());
        }
        for (name, person) in self.people() {
            let certificate = person.certificate();
            write(format!("{name}.cer"), certificate.der());
            write(format!("{name}.key"), &person.pkcs8);
            write(format!("{name}-cert.pem"), certificate.to_pem().as_bytes());
            let key = asn1::encode_pem("PRIVATE KEY", &person.pkcs8);
            write(format!("{name}.pem"), format!("{}{key}", certificate.to_pem()).as_bytes());
        }
    }
}

pub(crate) fn address(name: &str) -> String {
    format!("{name}@example.org")
}
