//! OCSP from the responder's side, read by our own reader and by OpenSSL.

use pki::{OcspQuestion, OcspRefusal, OcspRequest, OcspResponse, OcspResponseBuilder, RevocationReason};
use testkit::{Peer, TestPki, now};

#[test]
fn what_a_responder_says_is_understood() {
    let pki = TestPki::shared();
    let (ca, from, to) = (pki.ca(), now(), now().plus_days(1));
    let people: Vec<_> = (0..3).map(|_| pki.person("alice@example.org", crypto::KeyKind::P256)).collect();
    let serial = |index: usize| people[index].certificate().serial().clone();
    let builder = OcspResponseBuilder::new(ca.certificate(), from, to)
        .good(serial(0))
        .revoked(serial(1), from.plus_days(-1), RevocationReason::KeyCompromise)
        .unknown(serial(2));
    let request = OcspRequest::new(people[0].certificate(), ca.certificate(), [7; 32]).unwrap();
    let question = OcspQuestion::from_der(request.der()).unwrap();
    assert_eq!(question.nonce(), Some(&[7; 32][..]));
    assert_eq!(question.certificates().len(), 1);
    assert!(question.certificates()[0].is_issued_by(ca.certificate()));
    assert!(!question.certificates()[0].is_issued_by(pki.root().certificate()));
    assert_eq!(question.certificates()[0].serial(), &serial(0));

    let with_nonce = builder.clone().nonce(&[7; 32]).sign(ca.credential(), from).unwrap();
    assert!(request.is_answered_by(&with_nonce));
    assert!(!request.is_answered_by(&builder.clone().nonce(&[8; 32]).sign(ca.credential(), from).unwrap()));
    let response = builder.sign(ca.credential(), from).unwrap();
    assert!(request.is_answered_by(&response), "signed in advance");
    assert_eq!(response.next_update(), Some(to));
    assert!(response.is_signed_for(ca.certificate(), now()));
    assert!(people.iter().all(|person| response.is_about(person.certificate(), ca.certificate())));

    // OpenSSL's opinion.
    let folder = tempfile::tempdir().unwrap();
    let peer = Peer::in_folder(folder.path());
    peer.write("response.der", response.der());
    peer.write("ca.pem", format!("{}{}", ca.certificate().to_pem(), pki.root().certificate().to_pem()));
    for (index, person) in people.iter().enumerate() {
        peer.write(&format!("{index}.pem"), person.certificate().to_pem());
    }
    peer.write("issuer.pem", ca.certificate().to_pem());
    // A reproducible moment: OpenSSL takes it as seconds.
    let said = peer
        .run(&format!(
            "openssl ocsp -respin response.der -issuer issuer.pem -cert 0.pem -cert 1.pem -cert 2.pem -CAfile ca.pem \
             -attime {} -validity_period 99999999",
            now().to_unix() + 60
        ))
        .unwrap();
    let said = String::from_utf8(said).unwrap();
    for expected in ["0.pem: good", "1.pem: revoked", "2.pem: unknown", "Reason: keyCompromise"] {
        assert!(said.contains(expected), "{expected} in {said}");
    }
}

#[test]
fn s_26_requests_of_others_are_read_and_odd_ones_refused() {
    let pki = TestPki::shared();
    let alice = pki.person("alice@example.org", crypto::KeyKind::P256);
    let folder = tempfile::tempdir().unwrap();
    let peer = Peer::in_folder(folder.path());
    peer.write("ca.pem", pki.ca().certificate().to_pem());
    peer.write("alice.pem", alice.certificate().to_pem());
    for (options, nonce) in [("", true), ("-no_nonce", false), ("-sha256", true)] {
        peer.run(&format!("openssl ocsp {options} -issuer ca.pem -cert alice.pem -reqout request.der")).unwrap();
        let question = OcspQuestion::from_der(&peer.read("request.der")).unwrap();
        assert_eq!(question.nonce().is_some(), nonce);
        let about = &question.certificates()[0];
        assert!(about.is_issued_by(pki.ca().certificate()) && about.serial() == alice.certificate().serial());
    }
    let good = peer.read("request.der");
    for at in 0..good.len() {
        assert!(OcspQuestion::from_der(&good[..at]).is_err(), "cut at {at}");
        let mut changed = good.clone();
        changed[at] ^= 0x80;
        // Whatever it is taken for, it is taken for something without a panic.
        drop(OcspQuestion::from_der(&changed));
    }
    assert!(OcspQuestion::from_der(&[0x30; 9_000]).is_err());
    let empty = OcspRequest::new(alice.certificate(), pki.ca().certificate(), [0; 32]).unwrap();
    // RFC 9654 §2.1: a nonce of no octets.
    let mut der = empty.der().to_vec();
    let start = der.windows(34).position(|window| window[..2] == [4, 32]).unwrap();
    der[start + 1] = 0;
    assert!(OcspQuestion::from_der(&der).is_err());
    for (refusal, number) in [(OcspRefusal::MalformedRequest, 1), (OcspRefusal::Unauthorized, 6)] {
        assert_eq!(refusal.to_der(), [0x30, 3, 0x0A, 1, number]);
        let read = OcspResponse::from_der(&refusal.to_der());
        assert!(matches!(read, Err(pki::Error::OcspRefused { refusal: found }) if found == refusal));
    }
}
