use std::collections::HashSet;
use std::io::Read as _;

use asn1::Time;
use smime::{
    Capabilities, Decryptor, Encryptor, Limits, Policy, ProtectedHeader, Sender, SignatureForm, Signer, Verifier,
};

use crate::{Entry, keys, seeds};

fn limits() -> Limits {
    let mut limits = Limits::in_folder(std::env::temp_dir());
    limits.spool.total = 4 << 20;
    limits
}

fn policy() -> Policy {
    Policy::new(keys::anchors(), Time::parse_rfc3339("2026-11-24").unwrap(), limits())
}

fn accepted(bytes: &[u8]) -> Option<Vec<u8>> {
    let policy = policy();
    let verification = Verifier::new(&policy).with_keys(keys::all()).verify(bytes).ok()?;
    let failed = verification.has_failed_decryption();
    let mut content = verification.accept(&Sender::VisibleFrom).ok()?;
    assert!(!failed && content.signers().count() > 0);
    let (_, mut out) = (content.protected_header(), Vec::new());
    content.reader().unwrap().read_to_end(&mut out).unwrap();
    Some(out)
}

/// The payloads of all samples that are accepted as they are.
pub(crate) fn accepted_samples() -> HashSet<Vec<u8>> {
    ["smime_verify", "smime_decrypt", "smime_inspect"]
        .into_iter()
        .filter_map(Entry::named)
        .flat_map(Entry::seeds)
        .filter_map(|sample| accepted(&sample))
        .collect()
}

pub(crate) fn verify(bytes: &[u8]) {
    if let Some(content) = accepted(bytes) {
        // CASES N-05: what those people signed is in the samples, and nothing else.
        assert!(seeds::was_signed(&content), "accepted: {}", String::from_utf8_lossy(&content));
    }
}

pub(crate) fn decrypt(bytes: &[u8]) {
    let limits = limits();
    match Decryptor::new(keys::all(), &limits).decrypt(bytes) {
        Ok(Ok(content)) => assert!(content.report.authenticated),
        Ok(Err((content, _))) => assert!(!content.report.authenticated),
        Err(_) => {}
    }
}

pub(crate) fn inspect(bytes: &[u8]) {
    let _ = smime::inspect(bytes, &limits());
    let mut source = bytes;
    let _ = ProtectedHeader::read(&mut source, &mime::Header::default(), true, &mime::Limits::default());
}

pub(crate) fn produce(bytes: &[u8]) {
    let alice = keys::signer();
    let policy = policy();
    let sender = Sender::Address("alice@smime.example".parse().unwrap());
    for form in [SignatureForm::Clear, SignatureForm::Opaque] {
        let Ok(signed) = Signer::new(alice).unwrap().form(form).sign(bytes) else { continue };
        // What we sign ourselves is accepted, unless it has several senders.
        match Verifier::new(&policy).verify(&signed[..]).unwrap().accept(&sender) {
            Ok(content) => assert_eq!(content.signers().count(), 1),
            Err(rejected) => assert!(is_excused(&rejected.to_string(), bytes), "{rejected}"),
        }
        let Ok(encrypted) = Encryptor::to(keys::all()[0].certificate()).unwrap().encrypt(&signed) else { continue };
        let limits = limits();
        let mut content = Decryptor::new(keys::all(), &limits).decrypt(&encrypted[..]).unwrap().unwrap();
        let mut out = Vec::new();
        content.reader().unwrap().read_to_end(&mut out).unwrap();
        assert!(!out.is_empty());
    }
}

/// A mail that is itself S/MIME, or has several senders, is judged for what it is.
fn is_excused(reason: &str, bytes: &[u8]) -> bool {
    reason.contains("several From") || String::from_utf8_lossy(bytes).to_ascii_lowercase().contains("pkcs7") || {
        smime::recognise(bytes) == smime::Form::Mail && reason != "the content was changed after it was signed"
    }
}

pub(crate) fn capabilities(bytes: &[u8]) {
    if let Some(capabilities) = Capabilities::from_der(bytes) {
        assert_eq!(capabilities.der(), bytes);
        // CASES T-69: nothing lowers the floor.
        assert!(!smime::Profile::Modern.cipher([Some(&capabilities)]).is_legacy());
    }
}
