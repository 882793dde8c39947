//! OCSP responses.

use asn1::Oid;
use pki::{Certificate, KeyUsage, OcspRequest, OcspResponse, PathChecker, PathPolicy, Revocation, RevocationStatus};

use crate::support::{
    Answer, Crl, EMAIL_PROTECTION, Extension, Holder, ISSUING_POINT, KEY_USAGE, OCSP_SIGNING, blank, der, name,
    new_key, number, purposes, usage, validity,
};
use crate::{anchors, policy};

fn status(root: &Holder, leaf: &Certificate, responses: &[OcspResponse]) -> &'static str {
    let policy = PathPolicy { revocation: Revocation::IfAvailable, ..policy() };
    let trusted = anchors(&[root]);
    match PathChecker::new(&trusted, &policy).ocsp(responses).check(leaf) {
        Ok(path) if path.revocation() == RevocationStatus::Good => "good",
        Ok(_) => "unknown",
        Err(rejected) => rejected.reason().code(),
    }
}

#[test]
fn s_26_answers_of_the_issuer_and_its_delegate_count() {
    let root = Holder::root("Root", &[]);
    let alice = root.person("alice@example.org").certificate;
    let ask =
        |holder: &Holder, answer: &Answer| status(&root, &alice, &[holder.ocsp(&root.certificate, &alice, answer)]);
    assert_eq!(ask(&root, &Answer::good()), "good");
    assert_eq!(ask(&root, &Answer::revoked()), "revoked");
    assert_eq!(ask(&root, &Answer::unknown()), "unknown");
    let delegate = root.issue(&blank(name("Responder"), vec![purposes(&[OCSP_SIGNING])]));
    let with = |answer: Answer| Answer { with_certificate: true, ..answer };
    assert_eq!(ask(&delegate, &with(Answer::good())), "good");
    assert_eq!(ask(&delegate, &with(Answer::revoked())), "revoked");
    assert_eq!(ask(&delegate, &Answer::good()), "unknown");
}

#[test]
fn t_51_who_is_not_authorised_says_nothing() {
    let root = Holder::root("Root", &[]);
    let alice = root.person("alice@example.org");
    let with = Answer { with_certificate: true, ..Answer::good() };
    // CVE-2022-1343 and its kin: a person, another CA's delegate, a CA below, an expired delegate.
    let person = root.issue(&blank(name("Responder"), vec![purposes(&[EMAIL_PROTECTION])]));
    let plain = root.issue(&blank(name("Responder"), vec![]));
    let stranger = Holder::root("Other", &[]).issue(&blank(name("Responder"), vec![purposes(&[OCSP_SIGNING])]));
    let namesake = Holder::root("Root", &[]).issue(&blank(name("Responder"), vec![purposes(&[OCSP_SIGNING])]));
    let below = root.ca("Below", &[]).issue(&blank(name("Responder"), vec![purposes(&[OCSP_SIGNING])]));
    let mut old = blank(name("Responder"), vec![purposes(&[OCSP_SIGNING])]);
    old.validity = validity("2020-01-01", "2021-01-01");
    for responder in [person, plain, stranger, namesake, below, root.issue(&old), Holder::root("Root", &[])] {
        for answer in [with.clone(), Answer { with_certificate: true, ..Answer::revoked() }] {
            let response = responder.ocsp(&root.certificate, &alice.certificate, &answer);
            assert_eq!(status(&root, &alice.certificate, &[response]), "unknown", "{:?}", responder.certificate);
        }
    }
    let own = alice.ocsp(&root.certificate, &alice.certificate, &with);
    assert_eq!(status(&root, &alice.certificate, &[own]), "unknown");
}

#[test]
fn t_51_another_key_does_not_answer_in_the_name_of_who_may() {
    let root = Holder::root("Root", &[]);
    let alice = root.person("alice@example.org").certificate;
    let delegate = root.issue(&blank(name("Responder"), vec![purposes(&[OCSP_SIGNING])]));
    for genuine in [&root, &delegate] {
        let forger = Holder { key: new_key(), certificate: genuine.certificate.clone() };
        for answer in [Answer::good(), Answer::revoked()] {
            let answer = Answer { with_certificate: true, ..answer };
            assert_ne!(status(&root, &alice, &[genuine.ocsp(&root.certificate, &alice, &answer)]), "unknown");
            assert_eq!(status(&root, &alice, &[forger.ocsp(&root.certificate, &alice, &answer)]), "unknown");
        }
    }
}

#[test]
fn t_51_a_delegate_whose_certificate_is_refused_anywhere_else_says_nothing() {
    let root = Holder::root("Root", &[]);
    let alice = root.person("alice@example.org").certificate;
    let with = |extra: Vec<Extension>| {
        root.issue(&blank(name("Responder"), [vec![purposes(&[OCSP_SIGNING])], extra].concat()))
    };
    let said = |responder: &Holder| {
        let answer = Answer { with_certificate: true, ..Answer::good() };
        status(&root, &alice, &[responder.ocsp(&root.certificate, &alice, &answer)])
    };
    let no_check = |critical| (Oid::new("1.3.6.1.5.5.7.48.1.5"), critical, vec![5, 0]);
    assert_eq!(said(&with(vec![no_check(false)])), "good");
    assert_eq!(said(&with(vec![no_check(true)])), "good");
    assert_eq!(said(&with(vec![usage(KeyUsage::DIGITAL_SIGNATURE)])), "good");
    assert_eq!(said(&with(vec![(Oid::new("1.2.3.4"), false, vec![5, 0])])), "good");
    // RFC 5280 §4.2: an extension twice, one that cannot be parsed, a critical one that is not known.
    assert_eq!(said(&with(vec![purposes(&[OCSP_SIGNING])])), "unknown");
    assert_eq!(said(&with(vec![(KEY_USAGE, true, vec![0x42])])), "unknown");
    assert_eq!(said(&with(vec![(Oid::new("1.2.3.4"), true, vec![5, 0])])), "unknown");
    assert_eq!(said(&with(vec![usage(KeyUsage::KEY_ENCIPHERMENT)])), "unknown");
}

#[test]
fn t_51_an_answer_with_a_condition_that_is_not_understood_is_none() {
    let root = Holder::root("Root", &[]);
    let alice = root.person("alice@example.org").certificate;
    let ask = |answer| status(&root, &alice, &[root.ocsp(&root.certificate, &alice, &answer)]);
    let extensions = |critical| vec![(Oid::new("1.2.3.4"), critical, vec![5, 0])];
    for (critical, expected) in [(false, "good"), (true, "unknown")] {
        assert_eq!(ask(Answer { extensions: extensions(critical), ..Answer::good() }), expected);
        assert_eq!(ask(Answer { general_extensions: extensions(critical), ..Answer::good() }), expected);
    }
}

#[test]
fn t_51_old_future_and_foreign_answers_are_unknown() {
    let root = Holder::root("Root", &[]);
    let alice = root.person("alice@example.org").certificate;
    let ask = |answer: Answer| status(&root, &alice, &[root.ocsp(&root.certificate, &alice, &answer)]);
    assert_eq!(ask(Answer { this_update: "2026-08-01", next_update: Some("2026-08-02"), ..Answer::good() }), "unknown");
    assert_eq!(ask(Answer { this_update: "2026-09-02", next_update: Some("2026-09-03"), ..Answer::good() }), "unknown");
    assert_eq!(ask(Answer { next_update: None, ..Answer::good() }), "good");
    assert_eq!(ask(Answer { this_update: "2026-08-30", next_update: None, ..Answer::good() }), "unknown");
    assert_eq!(ask(Answer { serial: Some(vec![0x42]), ..Answer::good() }), "unknown");
    // Revoked stays revoked.
    assert_eq!(
        ask(Answer { this_update: "2026-08-02", next_update: Some("2026-08-03"), ..Answer::revoked() }),
        "revoked"
    );
    let other = Holder::root("Other", &[]);
    let foreign = root.ocsp(&other.certificate, &alice, &Answer::good());
    assert_eq!(status(&root, &alice, &[foreign]), "unknown");
    // About a certificate of the same number, of a CA of the same name with another key.
    let namesake = Holder::root("Root", &[]);
    let foreign = root.ocsp(&namesake.certificate, &alice, &Answer::good());
    assert_eq!(status(&root, &alice, &[foreign]), "unknown");
    // Good beside revoked is revoked.
    let both = [Answer::good(), Answer::revoked()].map(|answer| root.ocsp(&root.certificate, &alice, &answer));
    assert_eq!(status(&root, &alice, &both), "revoked");
}

#[test]
fn t_51_no_answer_and_too_much_answer_are_errors() {
    for refusal in [1u8, 2, 3, 5, 6, 7] {
        let response = der(|w| w.sequence(|w| w.primitive(asn1::Tag::ENUMERATED, &[refusal])));
        assert!(matches!(OcspResponse::from_der(&response), Err(pki::Error::OcspRefused { .. })));
    }
    assert!(matches!(OcspResponse::from_der(&vec![0x30; 10 << 20]), Err(pki::Error::TooLarge { .. })));
}

#[test]
fn t_51_the_nonce_must_be_ours() {
    let root = Holder::root("Root", &[]);
    let alice = root.person("alice@example.org").certificate;
    let nonce = [7; OcspRequest::NONCE_LENGTH];
    let request = OcspRequest::new(&alice, &root.certificate, nonce).unwrap();
    let answer = |nonce: Option<Vec<u8>>| root.ocsp(&root.certificate, &alice, &Answer { nonce, ..Answer::good() });
    assert!(request.is_answered_by(&answer(Some(nonce.to_vec()))));
    assert!(request.is_answered_by(&answer(None)));
    assert!(!request.is_answered_by(&answer(Some(vec![8; 32]))));
    assert!(!request.is_answered_by(&answer(Some(vec![7; 31]))));
    assert!(!request.is_answered_by(&answer(Some(vec![]))));
}

#[test]
fn t_51_a_revoked_delegate_says_nothing() {
    let root = Holder::root("Root", &[]);
    let alice = root.person("alice@example.org").certificate;
    let delegate = |extra: Vec<(asn1::Oid, bool, Vec<u8>)>| {
        let extensions = [vec![purposes(&[OCSP_SIGNING])], extra].concat();
        root.issue(&blank(name("Responder"), extensions))
    };
    let (plain, nocheck) =
        (delegate(vec![]), delegate(vec![(asn1::Oid::new("1.3.6.1.5.5.7.48.1.5"), false, vec![5, 0])]));
    for (responder, expected) in [(&plain, "revocation-unknown"), (&nocheck, "ok")] {
        let answer = Answer { with_certificate: true, ..Answer::good() };
        let response = responder.ocsp(&root.certificate, &alice, &answer);
        assert_eq!(status(&root, &alice, std::slice::from_ref(&response)), "good");
        // Nothing else is known of alice: the list covers the responder's reasons, and alice is not asked about by it.
        let list =
            root.crl(&Crl { extensions: vec![number(1), only_some_reasons()], ..Crl::of(&responder.certificate) });
        let policy = PathPolicy { revocation: Revocation::Required, ..policy() };
        let trusted = anchors(&[&root]);
        let (responses, lists) = ([response], [list]);
        let outcome = PathChecker::new(&trusted, &policy).ocsp(&responses).crls(&lists).check(&alice);
        assert_eq!(outcome.map_or_else(|rejected| rejected.reason().code(), |_| "ok"), expected);
    }
}

/// An issuing distribution point for key compromise alone, so that the list clears nobody.
fn only_some_reasons() -> (asn1::Oid, bool, Vec<u8>) {
    let inside = der(|w| w.primitive(asn1::Tag::context(3), &der(|w| w.named_bits(&[1]))[2..]));
    (ISSUING_POINT, true, der(|w| w.sequence(|w| w.raw(&inside))))
}
