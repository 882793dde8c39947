//! Input made to hurt.

use asn1::{Oid, Tag};
use pki::{Budget, Certificate, KeyUsage, PathChecker};

use crate::support::{Holder, blank, der, email, general_name, name, name_constraints, new_key, sans, usage, validity};
use crate::{anchors, policy, verdict};

fn rsa_spki(modulus: &[u8], exponent: &[u8]) -> Vec<u8> {
    der(|w| {
        w.sequence(|w| {
            w.sequence(|w| {
                w.oid(&Oid::new("1.2.840.113549.1.1.1"));
                w.null();
            });
            let key = der(|w| {
                w.sequence(|w| {
                    w.unsigned_bytes(modulus);
                    w.unsigned_bytes(exponent);
                });
            });
            w.bit_string(0, &key);
        });
    })
}

fn with_key(root: &Holder, spki: Vec<u8>) -> Certificate {
    let mut blank = blank(name("A"), vec![email("a@example.org")]);
    blank.spki = Some(spki);
    root.issue(&blank).certificate
}

#[test]
fn t_43_giant_and_odd_rsa_keys_are_refused_before_arithmetic() {
    let root = Holder::root("Root", &[]);
    let verdict_of = |spki| verdict(&root, &[], &with_key(&root, spki), &policy());
    let modulus = |bits: usize| vec![0xC1; bits / 8];
    assert_eq!(verdict_of(rsa_spki(&modulus(2048), &[1, 0, 1])), "ok");
    assert_eq!(verdict_of(rsa_spki(&modulus(16_384), &[1, 0, 1])), "key-unsupported");
    assert_eq!(verdict_of(rsa_spki(&modulus(1_000_000), &[1, 0, 1])), "key-unsupported");
    assert_eq!(verdict_of(rsa_spki(&modulus(2048), &modulus(2040))), "key-unsupported");
    assert_eq!(verdict_of(rsa_spki(&modulus(2048), &[1])), "key-unsupported");
    assert_eq!(verdict_of(rsa_spki(&modulus(1024), &[1, 0, 1])), "key-too-short");
    assert_eq!(verdict_of(rsa_spki(&[], &[1, 0, 1])), "key-unsupported");
}

#[test]
fn t_44_signatures_of_odd_lengths_are_invalid() {
    let root = Holder::root("Root", &[]);
    for length in [0, 1, 7, 63, 73, 1_000, 65_536, 200_000] {
        let mut blank = blank(name("A"), vec![email("a@example.org")]);
        blank.signature = Some(vec![0x30; length]);
        assert_eq!(verdict(&root, &[], &root.issue(&blank).certificate, &policy()), "signature-invalid", "{length}");
    }
    let mut blank = blank(name("A"), vec![email("a@example.org")]);
    blank.signature = Some(vec![0x30; 2 << 20]);
    assert!(matches!(Certificate::from_der(&root.issue_der(&blank, &new_key())), Err(pki::Error::TooLarge { .. })));
}

#[test]
fn t_45_explicit_curves_and_points_off_the_curve_are_refused() {
    let root = Holder::root("Root", &[]);
    let ec = |parameters: &dyn Fn(&mut asn1::Writer), point: &[u8]| {
        der(|w| {
            w.sequence(|w| {
                w.sequence(|w| {
                    w.oid(&Oid::new("1.2.840.10045.2.1"));
                    parameters(w);
                });
                w.bit_string(0, point);
            });
        })
    };
    let p256 = |w: &mut asn1::Writer| w.oid(&Oid::new("1.2.840.10045.3.1.7"));
    // CVE-2020-0601: a curve with a generator of the attacker's choice.
    let explicit = |w: &mut asn1::Writer| {
        w.sequence(|w| {
            w.unsigned(1);
            w.sequence(|w| {
                w.oid(&Oid::new("1.2.840.10045.1.1"));
                w.unsigned_bytes(&[0xFF; 32]);
            });
        });
    };
    let off_curve = [&[4u8][..], &[1; 64]].concat();
    // With a key that is no key, nobody issues anything.
    let mut authority = blank(name("CA"), vec![crate::support::ca(None)]);
    authority.spki = Some(ec(&p256, &off_curve));
    let authority = root.issue(&authority);
    let below = authority.person("a@example.org").certificate;
    assert_ne!(verdict(&root, &[&authority], &below, &policy()), "ok");
    for spki in [ec(&explicit, &off_curve), ec(&p256, &[0]), ec(&p256, &[2; 33]), ec(&p256, &[])] {
        let got = verdict(&root, &[], &with_key(&root, spki), &policy());
        assert_eq!(got, "key-unsupported");
    }
}

#[test]
fn t_48_a_thousand_namesakes_are_too_complex() {
    let root = Holder::root("Root", &[]);
    let real = root.ca("Issuing", &[]);
    let alice = real.person("alice@example.org").certificate;
    let extensions = vec![crate::support::ca(None), usage(KeyUsage::KEY_CERT_SIGN)];
    let namesakes: Vec<Certificate> =
        (0..1_000).map(|_| root.issue(&blank(name("Issuing"), extensions.clone())).certificate).collect();
    let policy = policy();
    let budget = Budget::default();
    let trusted = anchors(&[&root]);
    let checker = PathChecker::new(&trusted, &policy).intermediates(&namesakes).budget(&budget);
    let before = testkit::processor_time();
    let rejected = checker.check(&alice).unwrap_err();
    assert_eq!(rejected.reason().code(), "chain-too-complex");
    assert!(budget.signatures_left() >= 100, "no more signatures than certificates");
    // The message's budget is gone: the next signer gets nothing more.
    assert!(checker.check(&alice).is_err());
    assert!((testkit::processor_time() - before).as_secs() < 5);
}

#[test]
fn t_48_a_web_of_cross_certificates_ends() {
    // Twelve CAs, each certified by each other, none by an anchor: 12! paths.
    let web: Vec<Holder> = (0..12).map(|n| Holder::root(&format!("CA {n}"), &[])).collect();
    let mut crosses = Vec::new();
    for issuer in &web {
        for subject in &web {
            let mut cross = blank(subject.certificate.subject().as_der().to_vec(), vec![crate::support::ca(None)]);
            cross.spki = Some(subject.certificate.subject_public_key_info().to_vec());
            crosses.push(issuer.issue(&cross).certificate);
        }
    }
    let alice = web[0].person("alice@example.org").certificate;
    let root = Holder::root("Root", &[]);
    let before = testkit::processor_time();
    let trusted = anchors(&[&root]);
    let rejected = PathChecker::new(&trusted, &policy()).intermediates(&crosses).check(&alice).unwrap_err();
    assert_eq!(rejected.reason().code(), "chain-too-complex");
    assert!((testkit::processor_time() - before).as_secs() < 5);
}

#[test]
fn t_48_names_times_constraints_are_bounded() {
    let root = Holder::root("Root", &[]);
    let bases: Vec<Vec<u8>> = (0..4_000).map(|n| general_name(1, format!("h{n}.example").as_bytes())).collect();
    let issuing = root.ca("Issuing", &[name_constraints(&[], &bases)]);
    let names: Vec<Vec<u8>> = (0..4_000).map(|n| general_name(1, format!("a{n}@example.org").as_bytes())).collect();
    let alice = issuing.issue(&blank(name("A"), vec![sans(&names)])).certificate;
    let before = testkit::processor_time();
    assert_eq!(verdict(&root, &[&issuing], &alice, &policy()), "chain-too-complex");
    assert!((testkit::processor_time() - before).as_secs() < 5);
    let most: Vec<Vec<u8>> = (0..10_001).map(|_| general_name(2, b"a.b")).collect();
    let many = issuing.issue(&blank(name("A"), vec![sans(&most)])).certificate;
    assert_eq!(verdict(&root, &[&issuing], &many, &policy()), "extension-malformed");
}

#[test]
fn t_52_odd_dates_are_refused_or_defined() {
    let root = Holder::root("Root", &[]);
    let with = |from: (Tag, &[u8]), to: (Tag, &[u8])| {
        let mut blank = blank(name("A"), vec![email("a@example.org")]);
        blank.validity = der(|w| {
            w.sequence(|w| {
                w.primitive(from.0, from.1);
                w.primitive(to.0, to.1);
            });
        });
        Certificate::from_der(&root.issue_der(&blank, &new_key()))
    };
    let from = (Tag::UTC_TIME, &b"260101000000Z"[..]);
    let to = |text: &'static [u8]| (Tag::GENERALIZED_TIME, text);
    for odd in [
        &b"20270101000060Z"[..],
        b"202701010000Z",
        b"20270101000000+0100",
        b"20270101000000",
        b"20270101000000.5Z",
        b"20271301000000Z",
        b"20270230000000Z",
        b"",
    ] {
        assert!(with(from, to(odd)).is_err(), "{odd:?}");
    }
    let forever = with(from, to(b"99991231235959Z")).unwrap();
    assert_eq!(verdict(&root, &[], &forever, &policy()), "ok");
    let year_zero = with((Tag::GENERALIZED_TIME, b"00000101000000Z"), to(b"99991231235959Z")).unwrap();
    assert_eq!(verdict(&root, &[], &year_zero, &policy()), "ok");
    let old = with((Tag::UTC_TIME, b"500101000000Z"), (Tag::UTC_TIME, b"491231235959Z")).unwrap();
    assert_eq!(old.validity().not_before.to_string(), "1950-01-01T00:00:00Z");
    let mut reversed = blank(name("A"), vec![email("a@example.org")]);
    reversed.validity = validity("2027-01-01", "2026-01-01");
    assert_eq!(verdict(&root, &[], &root.issue(&reversed).certificate, &policy()), "odd");
}

#[test]
fn any_flipped_byte_is_refused() {
    let root = Holder::root("Root", &[]);
    let alice = root.person("alice@example.org").certificate;
    let policy = policy();
    let trusted = anchors(&[&root]);
    for index in 0..alice.der().len() {
        for flip in [0x01, 0x80] {
            let mut der = alice.der().to_vec();
            der[index] ^= flip;
            let accepted = Certificate::from_der(&der)
                .is_ok_and(|changed| PathChecker::new(&trusted, &policy).check(&changed).is_ok());
            assert!(!accepted, "byte {index}");
        }
    }
}

#[test]
fn nothing_panics_on_garbage() {
    let root = Holder::root("Root", &[]);
    let der = root.certificate.der();
    for length in 0..der.len() {
        assert!(Certificate::from_der(&der[..length]).is_err());
    }
    let crl = root.crl_der(&crate::support::Crl::of(&root.certificate));
    let ocsp = root.ocsp_der(&root.certificate, &root.certificate, &crate::support::Answer::revoked());
    for length in 0..crl.len() {
        assert!(pki::CertificateList::from_der(&crl[..length]).is_err());
    }
    for length in 0..ocsp.len() {
        assert!(pki::OcspResponse::from_der(&ocsp[..length]).is_err());
    }
    for index in 0..crl.len().max(ocsp.len()) {
        for (bytes, is_crl) in [(&crl, true), (&ocsp, false)] {
            let mut changed = bytes.clone();
            if let Some(byte) = changed.get_mut(index) {
                *byte ^= 0x21;
                if is_crl {
                    drop(pki::CertificateList::from_der(&changed))
                } else {
                    drop(pki::OcspResponse::from_der(&changed))
                }
            }
        }
    }
}
