//! What is refused on import, and what is only noted.

use pki::lint::{Lint, lint};
use pki::{Certificate, KeyUsage};

use crate::support::{
    COMMON_NAME, EMAIL, Extension, Holder, SERVER_AUTH, blank, ca, der, email, general_name, name, name_of, now,
    purposes, sans, usage, validity,
};

fn refusals(certificate: &Certificate) -> Vec<&'static str> {
    let lint: Lint = lint(certificate, now());
    lint.refusals().iter().map(pki::Reason::code).collect()
}

fn with(root: &Holder, extensions: Vec<Extension>) -> Certificate {
    root.issue(&blank(name("A"), extensions)).certificate
}

#[test]
fn t_65_each_unsafe_certificate_is_refused_with_its_exact_reason() {
    let root = Holder::root("Root", &[]);
    let address = || email("a@example.org");
    assert!(refusals(&with(&root, vec![address()])).is_empty());
    assert_eq!(refusals(&with(&root, vec![])), ["address-missing"]);
    assert_eq!(refusals(&with(&root, vec![email(" a@example.org")])), ["address-missing", "address-malformed"]);
    let both = sans(&[general_name(1, b"a@example.org"), general_name(1, b"b@example.org\0")]);
    assert_eq!(refusals(&with(&root, vec![both])), ["address-malformed"]);
    let odd_subject = root.issue(&blank(name_of(&[(COMMON_NAME, "A"), (EMAIL, "<b@example.org>")]), vec![address()]));
    assert_eq!(refusals(&odd_subject.certificate), ["address-malformed"]);
    assert_eq!(refusals(&with(&root, vec![address(), purposes(&[SERVER_AUTH])])), ["extended-key-usage"]);
    assert_eq!(refusals(&with(&root, vec![address(), usage(KeyUsage::CRL_SIGN)])), ["key-usage"]);
    assert_eq!(refusals(&with(&root, vec![address(), ca(None)])), ["ca-as-leaf"]);
    let critical = (asn1::Oid::new("1.2.3.4"), true, vec![5, 0]);
    assert_eq!(refusals(&with(&root, vec![address(), critical])), ["critical-extension-unknown"]);
    assert_eq!(refusals(&with(&root, vec![address(), address()])), ["extension-duplicated"]);
    let mut old = blank(name("A"), vec![address()]);
    old.validity = validity("2020-01-01", "2021-01-01");
    assert_eq!(refusals(&root.issue(&old).certificate), ["expired"]);
    old.validity = validity("2030-01-01", "2031-01-01");
    assert_eq!(refusals(&root.issue(&old).certificate), ["not-yet-valid"]);
}

#[test]
fn t_65_weak_keys_are_refused() {
    let root = Holder::root("Root", &[]);
    let rsa = |modulus: &[u8]| {
        let mut blank = blank(name("A"), vec![email("a@example.org")]);
        blank.spki = Some(der(|w| {
            w.sequence(|w| {
                w.sequence(|w| {
                    w.oid(&asn1::Oid::new("1.2.840.113549.1.1.1"));
                    w.null();
                });
                let key = der(|w| {
                    w.sequence(|w| {
                        w.unsigned_bytes(modulus);
                        w.unsigned(65_537);
                    });
                });
                w.bit_string(0, &key);
            });
        }));
        refusals(&root.issue(&blank).certificate)
    };
    // 2^2048 - 105 has no factor below 168; 2^1024 - 105 is merely short.
    let large = |length: usize| [vec![0xFF; length - 1], vec![0x97]].concat();
    assert_eq!(rsa(&large(128)).first(), Some(&"key-too-short"));
    assert_eq!(rsa(&vec![0xFF; 256]), ["key-is-weak"]);
    // CVE-2017-15361: 65537^127 is a power of 65537 modulo every prime, and has no small factor.
    let mut power = vec![1u8];
    while power.len() < 257 {
        // Times 65537: the number itself, and again two octets further up.
        let shifted = [power.as_slice(), &[0, 0]].concat();
        let mut carry = 0u16;
        let mut sum = shifted.clone();
        for place in (0..shifted.len()).rev() {
            let own = (place + power.len()).checked_sub(shifted.len()).map_or(0, |at| power[at]);
            let total = u16::from(shifted[place]) + u16::from(own) + carry;
            sum[place] = total.to_le_bytes()[0];
            carry = total >> 8;
        }
        assert_eq!(carry, 0);
        power = sum;
    }
    assert_eq!(rsa(&power), ["key-is-weak"]);
}

#[test]
fn t_65_sample_keys_are_refused() {
    let mut seen = 0;
    for folder in ["rfc9216"] {
        let path = format!("{}/../../vectors/{folder}", env!("CARGO_MANIFEST_DIR"));
        for entry in std::fs::read_dir(path).unwrap() {
            let path = entry.unwrap().path();
            let Ok(certificate) =
                std::fs::read(&path).map_err(drop).and_then(|pem| Certificate::from_pem(&pem).map_err(drop))
            else {
                continue;
            };
            assert!(refusals(&certificate).contains(&"key-is-public"), "{}", path.display());
            seen += 1;
        }
    }
    assert!(seen >= 12);
}

#[test]
fn s_28_the_profile_is_recognised_and_departures_are_notes() {
    let read = |file: &str| {
        let path = format!("{}/../../vectors/zlint-smime/certs/{file}", env!("CARGO_MANIFEST_DIR"));
        lint(&Certificate::from_pem(&std::fs::read(path).unwrap()).unwrap(), now())
    };
    let strict = read("rsa_strict_digital_signature_ku.pem");
    assert_eq!(strict.profile().unwrap().to_string(), "mailbox-validated strict");
    let country = read("organizationValidatedWithInvalidCountry.pem");
    assert_eq!(country.profile().unwrap().to_string(), "organization-validated multipurpose");
    assert!(country.notes().iter().any(|rule| rule.id() == "subject-country-name"));
    assert!(country.refusals().iter().all(|reason| reason.code() != "nonconforming"));
    let root = Holder::root("Root", &[]);
    let unclaimed = lint(&root.person("a@example.org").certificate, now());
    assert!(unclaimed.profile().is_none() && unclaimed.notes().is_empty());
}
