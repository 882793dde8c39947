//! The same work by our crates.

use std::io::{BufRead, Read as _, Write as _};
use std::sync::Arc;

use cms::{SignedDataReader, SignedDataWriter, SignerSettings, oids};
use crypto::ContentCipher;
use pki::{Certificate, Credential, PathCache, PathChecker, PathPolicy, TrustAnchors};
use smime::{Decryptor, Encryptor, Limits, Policy, Sender, SignatureForm, Signer, Verifier};

use crate::material::{Material, Person};

pub fn limits() -> Limits {
    Limits::in_folder(std::env::temp_dir())
}

pub fn policy(material: &Material, cache: bool) -> Policy {
    let mut policy = Policy::new(material.anchors(), material.now, limits());
    policy.cache = cache.then(|| Arc::new(PathCache::new()));
    policy
}

/// Opaque, in DER.
pub fn sign_der(person: &Person, material: &Material, entity: &[u8]) -> Vec<u8> {
    let settings = SignerSettings::new(&person.credential).expect("a signer").signing_time(material.now);
    let mut writer = SignedDataWriter::new(settings, Vec::new(), oids::ID_DATA, Vec::new());
    writer.write_all(entity).expect("memory");
    writer.finish().expect("a message")
}

pub fn sign_mail(person: &Person, material: &Material, mail: &[u8], form: SignatureForm) -> Vec<u8> {
    Signer::new(&person.credential).expect("a signer").at(material.now).form(form).sign(mail).expect("a message")
}

/// The signature alone, without a chain.
pub fn verify_der(message: &[u8]) {
    let mut reader = SignedDataReader::open(message).expect("a SignedData");
    let mut content = Vec::new();
    reader.read_to_end(&mut content).expect("content");
    let signed = reader.finish(None).expect("a SignedData");
    assert!(signed.verify(&[]).iter().all(|report| report.integrity == cms::Integrity::Intact));
    std::hint::black_box(content);
}

pub fn verify_mail(policy: &Policy, message: &[u8]) {
    let verification = Verifier::new(policy).verify_source(message).expect("a message");
    let mut content = verification.accept(&Sender::VisibleFrom).expect("accepted");
    read(&mut content.reader().expect("content"));
}

/// The path of `leaf` over one CA to a root, for signing mail.
pub fn check_path(
    anchors: &TrustAnchors,
    policy: &PathPolicy,
    cache: Option<&PathCache>,
    leaf: &Certificate,
    between: &Certificate,
) {
    let checker = PathChecker::new(anchors, policy).intermediates([between]);
    let checker = match cache {
        Some(cache) => checker.cache(cache),
        None => checker,
    };
    let path = checker.check(leaf).expect("a path");
    assert!(path.certificates().len() == 3);
}

pub fn encryptor(people: &[Person], gcm: bool) -> Encryptor {
    let mut all = people.iter();
    let mut encryptor = Encryptor::to(all.next().expect("somebody").certificate()).expect("a recipient");
    for person in all {
        encryptor = encryptor.and(person.certificate()).expect("a recipient");
    }
    encryptor.cipher(if gcm { ContentCipher::Aes256Gcm } else { ContentCipher::Aes256Cbc })
}

/// Decrypts a mail or DER, and reads it to its end.
pub fn decrypt(credentials: &[Credential], limits: &Limits, message: &[u8]) {
    let decrypted = Decryptor::new(credentials, limits).decrypt_source(message).expect("a message");
    match decrypted {
        Ok(mut content) => read(&mut content.reader().expect("content")),
        Err((_, content)) => read(&mut content.into_unprotected().reader().expect("content")),
    }
}

/// To its end, as it comes.
fn read(content: &mut dyn BufRead) {
    loop {
        let length = std::hint::black_box(content.fill_buf().expect("content")).len();
        if length == 0 {
            return;
        }
        content.consume(length);
    }
}
