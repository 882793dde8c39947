use std::time::Duration;

use crypto::{KeyKind, PrivateKey as _, SoftwareKey};
use pki::{
    Certificate, CertificateBuilder, Credential, CredentialError, Issuer, Pkcs12, Pkcs12Builder, Protection, Subject,
    private_key_from_der,
};

fn key_and_certificate() -> (SoftwareKey, Certificate) {
    let key = SoftwareKey::generate(KeyKind::P256).unwrap();
    let shared = std::sync::Arc::new(SoftwareKey::from_pkcs8(&key.to_pkcs8()).unwrap());
    let now = testkit::now();
    let builder = CertificateBuilder::authority(Subject::named("Root"), None, now, now.plus_days(1));
    let root = Issuer::new_root(shared, &builder).unwrap();
    (key, root.certificate().clone())
}

fn file(password: &str, iterations: u32) -> Vec<u8> {
    let (key, certificate) = key_and_certificate();
    let builder = Pkcs12Builder::new(Protection::Modern).key(&key, &certificate, Some("Schlüssel")).unwrap();
    builder.iterations(iterations).build(password).unwrap()
}

#[test]
fn what_is_exported_is_imported() {
    let (key, certificate) = key_and_certificate();
    for protection in [Protection::Modern, Protection::Compatible] {
        for password in ["", "geheim", "пароль 🔑"] {
            let builder = Pkcs12Builder::new(protection).key(&key, &certificate, Some("Schlüssel 🔑")).unwrap();
            let builder = builder.iterations(100);
            let bytes = builder.build(password).unwrap();
            let read = Pkcs12::from_der(&bytes, Some(password)).unwrap();
            assert_eq!(read.keys()[0].key().unwrap().public_key(), key.public_key());
            assert_eq!(read.keys()[0].friendly_name(), Some("Schlüssel 🔑"));
            assert_eq!(read.keys()[0].local_key_id(), read.certificates()[0].local_key_id());
            assert_eq!(read.certificates()[0].certificate(), &certificate);
            // Numbers of octets, as a derived `Debug` would print them.
            let shown = format!("{read:?} {:?} {builder:?} {key:?}", read.keys());
            let secret = key.to_pkcs8().iter().skip(30).take(4).map(|octet| format!("{octet}, ")).collect::<String>();
            assert!(!shown.contains(&secret), "{shown}");
        }
    }
}

#[test]
fn t_128_a_key_is_exported_with_its_own_certificate_only() {
    let (key, _) = key_and_certificate();
    let (_, other) = key_and_certificate();
    let mismatch = Pkcs12Builder::new(Protection::Modern).key(&key, &other, None).map(|_| ());
    assert_eq!(mismatch, Err(CredentialError::Mismatch));
}

#[test]
fn t_47_any_changed_octet_is_seen() {
    let bytes = file("geheim", 1);
    let plain = Pkcs12::from_der(&bytes, Some("geheim")).unwrap();
    for index in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[index] ^= 0x41;
        if let Ok(read) = Pkcs12::from_der(&changed, Some("geheim")) {
            // NULL or absent parameters, a longer length: another spelling of the same file.
            assert_eq!(read.keys().len(), plain.keys().len(), "octet {index}");
            assert_eq!(read.certificates()[0].certificate(), plain.certificates()[0].certificate(), "octet {index}");
        }
    }
    for length in 0..bytes.len() {
        assert!(Pkcs12::from_der(&bytes[..length], Some("geheim")).is_err(), "cut at {length}");
    }
}

/// Puts another number of the same length where the iterations of the MAC stand.
fn with_mac_iterations(from: [u8; 4], to: [u8; 4]) -> Vec<u8> {
    let mut bytes = file("geheim", u32::from_be_bytes([0, from[1], from[2], from[3]]));
    let at = bytes.len() - 3;
    assert_eq!(bytes[at..], from[1..]);
    bytes[at..].copy_from_slice(&to[1..]);
    bytes
}

#[test]
fn t_47_iterations_beyond_the_budget_are_refused_at_once() {
    // 8,388,607 rounds where 65,537 were.
    let bytes = with_mac_iterations([0, 1, 0, 1], [0, 0x7F, 0xFF, 0xFF]);
    let begun = testkit::processor_time();
    let outcome = Pkcs12::from_der(&bytes, Some("geheim")).map(|_| ());
    assert!(matches!(outcome, Err(CredentialError::Malformed { .. })), "{outcome:?}");
    assert!(testkit::processor_time() - begun < Duration::from_millis(500));
}

#[test]
fn a_pem_bundle_is_read_in_any_order() {
    let pki = testkit::TestPki::shared();
    let alice = pki.person("alice@example.org", KeyKind::P256);
    let mut blocks: Vec<String> = alice.credential.chain().iter().map(Certificate::to_pem).collect();
    blocks.push(pki.root().certificate().to_pem());
    blocks.push(alice.certificate().to_pem());
    blocks.push(asn1::encode_pem("PRIVATE KEY", &alice.pkcs8));
    for turn in 0..blocks.len() {
        blocks.rotate_left(1);
        let credential = Credential::load([blocks.concat().as_bytes()], None).unwrap();
        assert_eq!(credential.certificate(), alice.certificate(), "turn {turn}");
        assert_eq!(credential.chain()[0], alice.credential.chain()[0], "turn {turn}");
        assert_eq!(credential.chain()[1], *pki.root().certificate(), "turn {turn}");
    }
}

#[test]
fn of_two_certificates_for_one_key_the_later_one_is_used() {
    let pki = testkit::TestPki::shared();
    let alice = pki.person("alice@example.org", KeyKind::P256);
    let renewed = pki.mailbox("alice@example.org").valid(testkit::now(), testkit::now().plus_days(360));
    let renewed = pki.ca().issue(&renewed, alice.credential.key().public_key()).unwrap();
    let both = [alice.certificate().clone(), renewed.clone()];
    let credential = Credential::new(alice.credential.shared_key(), both).unwrap();
    assert_eq!(credential.certificate(), &renewed);
    assert!(credential.chain().is_empty());
}

#[test]
fn what_is_no_key_is_said_to_be_none() {
    for bytes in [&b""[..], b"no key", &[0x30, 0], &[0x30, 0x80], &[0x30, 3, 2, 1, 0]] {
        assert_eq!(private_key_from_der(bytes, None).map(|_| ()), Err(CredentialError::NoKey), "{bytes:?}");
        assert!(Pkcs12::from_der(bytes, Some("")).is_err());
    }
    let pki = testkit::TestPki::shared();
    let pem = pki.root().certificate().to_pem();
    assert_eq!(Credential::load([pem.as_bytes()], None).map(|_| ()), Err(CredentialError::NoKey));
}
