//! Known attacks, whose expected answer is "no" (`vectors/attacks/expected.tsv`).

use std::io::Read as _;
use std::sync::Arc;

use asn1::Time;
use pki::{Certificate, Credential, TrustAnchors};
use smime::{Decryptor, LayerReport, Limits, Policy, Sender, Verifier};

fn vector(name: &str) -> Vec<u8> {
    let path = format!("{}/../../vectors/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn bob() -> Vec<Credential> {
    let (key, certificate) = (vector("rfc9216/bob.encrypt.key"), vector("rfc9216/bob.encrypt.crt"));
    vec![Credential::from_pem_or_der([&key[..], &certificate[..]]).unwrap()]
}

fn policy() -> Policy {
    let mut anchors = TrustAnchors::new();
    anchors.add(Certificate::from_pem(&vector("rfc9216/ca.rsa.crt")).unwrap());
    Policy::new(Arc::new(anchors), Time::parse_rfc3339("2026-11-24").unwrap(), Limits::in_folder(std::env::temp_dir()))
}

/// The content if it is accepted, otherwise the reason.
fn accept(name: &str) -> Result<Vec<u8>, String> {
    let (policy, keys) = (policy(), bob());
    let mail = vector(&format!("attacks/{name}"));
    let verification = Verifier::new(&policy).with_keys(&keys).verify(&mail[..]).map_err(|error| error.to_string())?;
    let mut content = verification.accept(&Sender::VisibleFrom).map_err(|rejected| rejected.to_string())?;
    let mut out = Vec::new();
    content.reader().unwrap().read_to_end(&mut out).unwrap();
    Ok(out)
}

#[test]
fn what_is_in_order_is_accepted() {
    assert!(!accept("signed-encrypted-ok.eml").unwrap().is_empty());
}

#[test]
fn t_05_a_flipped_bit_is_refused() {
    let reason = accept("signed-encrypted-bitflip.eml").unwrap_err();
    assert!(!reason.is_empty());
}

#[test]
fn t_07_a_signed_part_of_an_unsigned_mail_signs_nothing() {
    assert_eq!(accept("partially-signed.eml").unwrap_err(), "the message is not signed");
}

#[test]
fn t_08_the_signer_must_be_the_one_visible_sender() {
    assert!(accept("from-mismatch.eml").unwrap_err().contains("carol@smime.example"));
    assert!(accept("two-from-fields.eml").unwrap_err().contains("several From fields"));
}

#[test]
fn t_20_an_encrypted_part_among_others_is_not_opened() {
    let (policy, keys) = (policy(), bob());
    let mail = vector("attacks/direct-exfiltration.eml");
    let verification = Verifier::new(&policy).with_keys(&keys).verify(&mail[..]).unwrap();
    assert!(verification.layers().is_empty());
    assert!(Decryptor::new(&keys, &policy.limits).decrypt(&mail[..]).is_err());
}

#[test]
fn t_21_t_32_unsigned_cbc_content_has_a_type_of_its_own() {
    let (policy, keys) = (policy(), bob());
    for name in ["plain-encrypted.eml", "cbc-gadget.eml"] {
        let mail = vector(&format!("attacks/{name}"));
        let (decrypted, _) = Decryptor::new(&keys, &policy.limits).decrypt(&mail[..]).unwrap().unwrap_err();
        assert!(!decrypted.report.authenticated);
        assert_eq!(accept(name).unwrap_err(), "the message is not signed");
    }
}

#[test]
fn t_22_a_changed_tag_or_ciphertext_releases_nothing() {
    let (policy, keys) = (policy(), bob());
    let decrypt = |name: &str| Decryptor::new(&keys, &policy.limits).decrypt(&vector(&format!("attacks/{name}"))[..]);
    let mut content = Vec::new();
    decrypt("gcm-ok.eml").unwrap().unwrap().reader().unwrap().read_to_end(&mut content).unwrap();
    assert!(!content.is_empty());
    for name in ["gcm-bitflip.eml", "gcm-tag-bitflip.eml"] {
        assert!(matches!(decrypt(name), Err(smime::Error::Cms(cms::Error::DecryptionFailed))), "{name}");
    }
    // N-22: to whoever sent it, every failure is the same.
    let verification = Verifier::new(&policy).with_keys(&keys).verify(&vector("attacks/gcm-bitflip.eml")[..]).unwrap();
    assert!(matches!(verification.layers(), [LayerReport::Encrypted(report)] if !report.opened));
}
