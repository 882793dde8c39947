//! Keys, certificates and mails, the same for us and for the peers.

use std::cell::Cell;
use std::path::Path;
use std::sync::Arc;

use asn1::Time;
use crypto::{KeyKind, SoftwareKey};
use pki::{Certificate, CertificateBuilder, Credential, EmailAddress, Issuer, Subject, TrustAnchors};

/// A root, an issuing CA, and people below it.
pub struct Material {
    pub root: Issuer,
    pub rsa2048: Person,
    pub rsa3072: Person,
    pub p256: Person,
    pub many_rsa: Vec<Person>,
    pub many_p256: Vec<Person>,
    pub now: Time,
}

/// Somebody with a key and a certificate.
#[derive(Clone)]
pub struct Person {
    pub address: String,
    pub credential: Credential,
    pub pkcs8: Vec<u8>,
}

impl Person {
    pub fn certificate(&self) -> &Certificate {
        self.credential.certificate()
    }
}

impl Material {
    /// Certificates are made anew, the keys are kept in a folder from run to run. Of the hundred recipients with RSA, each ten share a key: making keys takes long, and
    /// no side gains by it, since each certificate is read by itself.
    pub fn new(kept: &Path) -> Self {
        let now = Time::from_unix(
            std::time::SystemTime::now()
                .duration_since(std::time::UNIX_EPOCH)
                .map_or(0, |since| since.as_secs() as i64),
        );
        let (from, to) = (now.plus_days(-30), now.plus_days(300));
        let count = Cell::new(0);
        let fresh = |kind| {
            count.set(count.get() + 1);
            Arc::new(key(&kept.join(format!("{:03}-{kind:?}.key", count.get())), kind))
        };
        let key = || fresh(KeyKind::Rsa2048);
        let root = CertificateBuilder::authority(Subject::named("Bench Root").of("Sealpost Bench"), Some(1), from, to);
        let root = Issuer::new_root(key(), &root).expect("a root");
        let ca = CertificateBuilder::authority(Subject::named("Bench CA").of("Sealpost Bench"), Some(0), from, to);
        let ca = root.issue_authority(&ca, key()).expect("a CA");
        let person = |address: &str, key: Arc<SoftwareKey>| {
            let pkcs8 = key.to_pkcs8().to_vec();
            let address = address.to_owned();
            let certificate = CertificateBuilder::mailbox(
                Subject::named(&address),
                EmailAddress::parse(&address).expect("an address"),
                from,
                to,
            );
            let issued = ca.issue_credential(&certificate, key.clone()).expect("a certificate");
            let chain = [issued.certificate().clone(), ca.certificate().clone()];
            Person { address, credential: Credential::new(key, chain).expect("a credential"), pkcs8 }
        };
        let keys: Vec<_> = (0..10).map(|_| fresh(KeyKind::Rsa2048)).collect();
        let many_rsa = (0..100).map(|i| person(&format!("r{i}@example.org"), Arc::clone(&keys[i % 10]))).collect();
        let many_p256 = (0..100).map(|i| person(&format!("e{i}@example.org"), fresh(KeyKind::P256))).collect();
        Self {
            rsa2048: person("alice@example.org", fresh(KeyKind::Rsa2048)),
            rsa3072: person("carol@example.org", fresh(KeyKind::Rsa3072)),
            p256: person("bob@example.org", fresh(KeyKind::P256)),
            many_rsa,
            many_p256,
            root,
            now,
        }
    }

    pub fn anchors(&self) -> TrustAnchors {
        [self.root.certificate().clone()].into_iter().collect()
    }
}

fn key(file: &Path, kind: KeyKind) -> SoftwareKey {
    if let Some(key) = std::fs::read(file).ok().and_then(|pkcs8| SoftwareKey::from_pkcs8(&pkcs8).ok()) {
        return key;
    }
    let key = SoftwareKey::generate(kind).expect("a key");
    // Without the folder the key is made anew next time.
    let _ = std::fs::write(file, &*key.to_pkcs8());
    key
}

/// The fields that stay outside.
pub fn outer_fields(from: &str) -> String {
    format!(
        "Received: from mail.example.org by mx.example.org with ESMTPS; Tue, 24 Nov 2026 12:00:00 +0000\r\n\
         Date: Tue, 24 Nov 2026 12:00:00 +0000\r\nFrom: Somebody <{from}>\r\nTo: Somebody Else <to@example.org>\r\n\
         Subject: The figures of last week\r\nMessage-ID: <1234567890@example.org>\r\n"
    )
}

/// An entity of plain text with so many octets in its body.
pub fn text_entity(length: usize) -> Vec<u8> {
    let mut entity = b"Content-Type: text/plain; charset=us-ascii\r\nContent-Transfer-Encoding: 7bit\r\n\r\n".to_vec();
    let line = b"The quick brown fox jumps over the lazy dog, and then again, until it sleeps.\r\n";
    let end = entity.len() + length;
    while entity.len() + line.len() <= end {
        entity.extend_from_slice(line);
    }
    entity
}

/// An entity of mixed parts with an attachment of so many octets in base64.
pub fn attachment_entity(length: usize) -> Vec<u8> {
    let head = "Content-Type: multipart/mixed; boundary=\"part\"\r\n\r\n--part\r\nContent-Type: text/plain\r\n\r\n\
                See the attachment.\r\n--part\r\nContent-Type: application/octet-stream; name=\"data.bin\"\r\n\
                Content-Disposition: attachment; filename=\"data.bin\"\r\nContent-Transfer-Encoding: base64\r\n\r\n";
    let mut entity = Vec::with_capacity(length / 57 * 78 + 1000);
    entity.extend_from_slice(head.as_bytes());
    let mut state = 0x9E37_79B9_7F4A_7C15u64;
    let mut block = [0u8; 57];
    let mut line = [0u8; 76];
    for _ in 0..length / 57 {
        for octets in block.chunks_mut(8) {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let bytes = state.to_le_bytes();
            octets.copy_from_slice(&bytes[..octets.len()]);
        }
        let _ = base64_simd::STANDARD.encode(&block, base64_simd::Out::from_slice(&mut line));
        entity.extend_from_slice(&line);
        entity.extend_from_slice(b"\r\n");
    }
    entity.extend_from_slice(b"\r\n--part--\r\n");
    entity
}

/// A mail of the outer fields and an entity.
pub fn mail(from: &str, entity: &[u8]) -> Vec<u8> {
    let mut mail = outer_fields(from).into_bytes();
    mail.extend_from_slice(b"MIME-Version: 1.0\r\n");
    mail.extend_from_slice(entity);
    mail
}
