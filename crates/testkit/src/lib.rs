//! Test PKI and peers. Development only: nothing shipped depends on it.
//!
//! Everything here is made at [`NOW`], is valid for a year around it, and is trusted by nobody else.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::OnceLock;

use asn1::{Time, TimeParts};
use crypto::{KeyKind, SoftwareKey};
use pki::{CertificateBuilder, Credential, EmailAddress, Issuer, Subject, TrustAnchors};

/// The moment at which tests happen: 2026-11-24T12:00:00Z.
pub fn now() -> Time {
    let parts = TimeParts { year: 2026, month: 11, day: 24, hour: 12, minute: 0, second: 0 };
    Time::from_parts(parts).unwrap_or(Time::EARLIEST)
}

/// A root, an issuing CA below it, and whoever is asked for.
#[derive(Debug, Clone)]
pub struct TestPki {
    root: Issuer,
    ca: Issuer,
}

impl TestPki {
    /// A fresh one with P-256 keys.
    pub fn new() -> Self {
        let (from, to) = (now().plus_days(-365), now().plus_days(365));
        let key = || Arc::new(generate(KeyKind::P256));
        let root = CertificateBuilder::authority(Subject::named("Test Root").of("Sealpost Test"), Some(1), from, to);
        let root = must(Issuer::new_root(key(), &root));
        let ca =
            CertificateBuilder::authority(Subject::named("Test Issuing CA").of("Sealpost Test"), Some(0), from, to);
        let ca = must(root.issue_authority(&ca, key()));
        Self { root, ca }
    }

    /// The same one in every test of a process.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<TestPki> = OnceLock::new();
        SHARED.get_or_init(Self::new)
    }

    /// The root.
    pub fn root(&self) -> &Issuer {
        &self.root
    }

    /// The issuing CA.
    pub fn ca(&self) -> &Issuer {
        &self.ca
    }

    /// The root as the only trust anchor.
    pub fn anchors(&self) -> TrustAnchors {
        let mut anchors = TrustAnchors::new();
        anchors.add(self.root.certificate().clone());
        anchors
    }

    /// What the CA would write for `address`, to be changed before [`Self::issue`].
    pub fn mailbox(&self, address: &str) -> CertificateBuilder {
        let name = address.split('@').next().unwrap_or(address);
        CertificateBuilder::mailbox(
            Subject::named(name),
            must(EmailAddress::parse(address)),
            now().plus_days(-30),
            now().plus_days(300),
        )
    }

    /// Issues `certificate` for a key of this kind.
    pub fn issue(&self, certificate: &CertificateBuilder, kind: KeyKind) -> Person {
        let key = generate(kind);
        let pkcs8 = key.to_pkcs8().to_vec();
        Person { credential: must(self.ca.issue_credential(certificate, Arc::new(key))), pkcs8 }
    }

    /// Somebody with a key of this kind and a certificate for `address`.
    pub fn person(&self, address: &str, kind: KeyKind) -> Person {
        self.issue(&self.mailbox(address), kind)
    }
}

/// Somebody with a credential, whose key can also be given to a peer.
#[derive(Debug, Clone)]
pub struct Person {
    /// Key and certificate.
    pub credential: Credential,
    /// The key in PKCS #8.
    pub pkcs8: Vec<u8>,
}

impl Person {
    /// The certificate.
    pub fn certificate(&self) -> &pki::Certificate {
        self.credential.certificate()
    }
}

impl Default for TestPki {
    fn default() -> Self {
        Self::new()
    }
}

fn generate(kind: KeyKind) -> SoftwareKey {
    must(SoftwareKey::generate(kind))
}

#[allow(clippy::panic, reason = "a test that cannot be set up must not go on")]
fn must<T, E: std::fmt::Debug>(result: Result<T, E>) -> T {
    match result {
        Ok(value) => value,
        Err(error) => panic!("cannot set up the test: {error:?}"),
    }
}

/// A peer's command line. That it is not installed is an error, never a skip.
#[derive(Debug)]
pub struct Peer {
    folder: PathBuf,
}

impl Peer {
    /// Runs in `folder`, where the files lie.
    pub fn in_folder(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Writes a file there.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        must(std::fs::write(self.folder.join(name), content));
    }

    /// Reads a file from there.
    pub fn read(&self, name: &str) -> Vec<u8> {
        must(std::fs::read(self.folder.join(name)))
    }

    /// Runs a command given as one line; gives its output when it succeeds, and all it said when not.
    pub fn run(&self, line: &str) -> Result<Vec<u8>, String> {
        let mut words = line.split_whitespace();
        let program = words.next().unwrap_or_default();
        let output = Command::new(program)
            .args(words)
            .current_dir(&self.folder)
            .env("GNUPGHOME", self.folder.join("gnupg"))
            .stdin(Stdio::null())
            .output()
            .unwrap_or_else(|error| panic!("{program} must be installed for this test: {error}"));
        if output.status.success() {
            return Ok(output.stdout);
        }
        Err(format!("{line}\n{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr)))
    }

    /// Writes a person's credential as `NAME.pem` (certificate and key), and the chain as `NAME-chain.pem`.
    pub fn write_person(&self, name: &str, person: &Person) {
        let key = asn1::encode_pem("PRIVATE KEY", &person.pkcs8);
        self.write(&format!("{name}.pem"), format!("{}{key}", person.certificate().to_pem()));
        let chain: String = person.credential.chain().iter().map(pki::Certificate::to_pem).collect();
        self.write(&format!("{name}-chain.pem"), chain);
    }
}
