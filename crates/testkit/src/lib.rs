//! Test PKI and peers. Development only: nothing shipped depends on it.
//!
//! Everything here is made at [`now`], is valid for a year around it, and is trusted by nobody else.

#[cfg(feature = "acme")]
mod acme;
#[cfg(feature = "authenticator")]
pub mod authenticator;
mod der;
#[cfg(feature = "acme")]
mod dkim;
mod dovecot;
#[cfg(feature = "openid")]
mod openid;
mod postfix;
mod postgres;
mod softhsm;
mod tls;
mod vectors;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::OnceLock;
use std::time::Duration;

use asn1::{Time, TimeParts};
use crypto::{KeyKind, SoftwareKey};
use pki::{CertificateBuilder, Credential, EmailAddress, Issuer, Subject, TrustAnchors};

#[cfg(feature = "acme")]
pub use acme::{AcmeServer, Misbehaviour};
pub use der::{Der, Mutator};
#[cfg(feature = "acme")]
pub use dkim::DkimSigner;
pub use dovecot::Dovecot;
#[cfg(feature = "openid")]
pub use openid::{CLIENT_ID, CLIENT_SECRET, OpenIdProvider, TokenFault};
pub use postfix::{Postfix, free, user};
pub use postgres::Postgres;
pub use softhsm::SoftHsm;
pub use tls::TlsPki;
pub use vectors::VectorSet;

/// The moment at which tests happen: 2026-11-24T12:00:00Z.
pub fn now() -> Time {
    let parts = TimeParts { year: 2026, month: 11, day: 24, hour: 12, minute: 0, second: 0 };
    Time::from_parts(parts).unwrap_or(Time::EARLIEST)
}

/// The processor's time that this thread has had, in steps of 10 ms: how much work something is, on a busy machine too.
pub fn processor_time() -> Duration {
    let stat = must(std::fs::read_to_string("/proc/thread-self/stat"));
    // proc(5): behind the name in brackets, the 12th and 13th field are user and system time in hundredths of a second.
    let fields = stat.rsplit_once(')').map(|(_, fields)| fields.split_whitespace()).into_iter().flatten();
    let ticks: u64 = fields.skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}

/// A root, an issuing CA below it, and whoever is asked for.
#[derive(Debug, Clone)]
pub struct TestPki {
    root: Issuer,
    ca: Issuer,
    /// How long people's certificates are valid.
    validity: (Time, Time),
}

impl TestPki {
    /// A fresh one with P-256 keys.
    pub fn new() -> Self {
        Self::valid((now().plus_days(-365), now().plus_days(365)), (now().plus_days(-30), now().plus_days(300)))
    }

    /// One that is valid from 2020 to 2049, for peers that judge by their own clock.
    pub fn lasting() -> Self {
        let year = |year| TimeParts { year, month: 1, day: 1, hour: 0, minute: 0, second: 0 };
        let validity = (Time::from_parts(year(2020)), Time::from_parts(year(2049)));
        let (Some(from), Some(to)) = validity else { return Self::new() };
        Self::valid((from, to), (from, to))
    }

    fn valid((from, to): (Time, Time), validity: (Time, Time)) -> Self {
        let key = || Arc::new(generate(KeyKind::P256));
        let root = CertificateBuilder::authority(Subject::named("Test Root").of("Sealpost Test"), Some(1), from, to);
        let root = must(Issuer::new_root(key(), &root));
        let ca =
            CertificateBuilder::authority(Subject::named("Test Issuing CA").of("Sealpost Test"), Some(0), from, to);
        let ca = must(root.issue_authority(&ca, key()));
        Self { root, ca, validity }
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
            self.validity.0,
            self.validity.1,
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
        self.run_with_input(line, Stdio::null())
    }

    /// The same with something on its standard input.
    pub fn run_with_input(&self, line: &str, input: Stdio) -> Result<Vec<u8>, String> {
        let mut words = line.split_whitespace();
        let program = words.next().unwrap_or_default();
        let output = Command::new(program)
            .args(words)
            .current_dir(&self.folder)
            .env("GNUPGHOME", self.folder.join("gnupg"))
            .stdin(input)
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

/// GnuPG's gpgsm with a home of its own in the peer's folder, whose trust is that of a [`TestPki`].
#[derive(Debug)]
pub struct Gpgsm {
    home: PathBuf,
}

impl Gpgsm {
    /// Makes the home and trusts the test root.
    pub fn start(peer: &Peer, pki: &TestPki) -> Self {
        let home = peer.folder().join("gnupg");
        must(std::fs::create_dir_all(&home));
        must(std::fs::set_permissions(&home, std::os::unix::fs::PermissionsExt::from_mode(0o700)));
        let fingerprint: Vec<String> =
            pki.root().certificate().sha1().iter().map(|octet| format!("{octet:02X}")).collect();
        must(std::fs::write(home.join("trustlist.txt"), format!("{} S relax\n", fingerprint.join(":"))));
        must(std::fs::write(
            home.join("gpgsm.conf"),
            "disable-crl-checks\nbatch\nyes\npinentry-mode loopback\nfaked-system-time 20261124T120000\n",
        ));
        must(std::fs::write(home.join("gpg-agent.conf"), "allow-loopback-pinentry\n"));
        let this = Self { home };
        peer.write("root.der", pki.root().certificate().der());
        peer.write("ca.der", pki.ca().certificate().der());
        must(peer.run(&format!("{this} --import root.der ca.der")));
        this
    }

    /// Imports a person's key and certificate.
    pub fn import(&self, peer: &Peer, name: &str, person: &Person) {
        peer.write_person(name, person);
        // With one salt in 64 GnuPG 2.2 derives another key than `openssl` did.
        let import = || {
            must(peer.run(&format!("openssl pkcs12 -export -in {name}.pem -out {name}.p12 -passout pass:x -keypbe PBE-SHA1-3DES -certpbe PBE-SHA1-3DES -macalg sha1")));
            self.import_pkcs12(peer, &format!("{name}.p12"), "x")
        };
        must(import().or_else(|_| import()).or_else(|_| import()));
    }

    /// Imports a PKCS #12 file of the peer's folder and gives the lines of its status.
    ///
    /// Its agent starts on the way, which can fail on a busy machine: what fails is tried again.
    pub fn import_pkcs12(&self, peer: &Peer, file: &str, passphrase: &str) -> Result<String, String> {
        const ATTEMPTS: usize = 5;
        let mut words = String::new();
        for _ in 0..ATTEMPTS {
            match self.run_with(peer, passphrase, &format!("--status-fd 1 --import {file}")) {
                Ok(status) => return Ok(String::from_utf8_lossy(&status).into_owned()),
                Err(said) => words = said,
            }
        }
        Err(words)
    }

    /// Runs it with the passphrase of the imported keys.
    pub fn run(&self, peer: &Peer, arguments: &str) -> Result<Vec<u8>, String> {
        self.run_with(peer, "x", arguments)
    }

    fn run_with(&self, peer: &Peer, passphrase: &str, arguments: &str) -> Result<Vec<u8>, String> {
        peer.write("passphrase", format!("{passphrase}\n"));
        let passphrase = must(std::fs::File::open(peer.folder().join("passphrase")));
        peer.run_with_input(&format!("{self} --passphrase-fd 0 {arguments}"), passphrase.into())
    }
}

impl std::fmt::Display for Gpgsm {
    /// The beginning of a command line.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "gpgsm --homedir {}", self.home.display())
    }
}

impl Drop for Gpgsm {
    fn drop(&mut self) {
        let _ = Command::new("gpgconf")
            .arg("--homedir")
            .arg(&self.home)
            .args(["--kill", "all"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
    }
}
