//! Answers about revocation that came along in the message.

use std::io::Write as _;

use asn1::{Encoding, Oid, Reader, Tag, Writer};
use cms::oids;
use crypto::KeyKind;
use pki::{OcspResponseBuilder, Revocation, RevocationReason};
use smime::{Limits, Policy, Sender, Verifier};
use testkit::{TestPki, now};

const MAIL: &[u8] = b"Content-Type: text/plain\r\n\r\nPay 100 to Bob.\r\n";

/// A SignedData with one more revocation information, which the signature does not cover.
fn stapled(der: &[u8], response: &[u8]) -> Vec<u8> {
    let mut info = Reader::new(der, Encoding::Ber).sequence("ContentInfo").unwrap();
    let content_type = info.element().unwrap().raw().to_vec();
    let mut explicit = info.context(0, "content").unwrap().unwrap();
    let mut signed = explicit.sequence("SignedData").unwrap();
    let mut parts = Vec::new();
    while !signed.is_empty() {
        parts.push(signed.element().unwrap().raw().to_vec());
    }
    let signers = parts.pop().unwrap();
    let mut writer = Writer::new();
    writer.sequence(|w| {
        w.raw(&content_type);
        w.context(0, |w| {
            w.sequence(|w| {
                parts.iter().for_each(|part| w.raw(part));
                w.constructed(Tag::context_constructed(1), |w| {
                    w.constructed(Tag::context_constructed(1), |w| {
                        w.oid(&Oid::new("1.3.6.1.5.5.7.16.2"));
                        w.raw(response);
                    });
                });
                w.raw(&signers);
            });
        });
    });
    writer.into_vec()
}

fn signed_by(credential: &pki::Credential) -> Vec<u8> {
    let settings = cms::SignerSettings::new(credential).unwrap().signing_time(now());
    let mut writer = cms::SignedDataWriter::new(settings, vec![], oids::ID_DATA, Vec::new());
    writer.write_all(MAIL).unwrap();
    writer.finish().unwrap()
}

fn in_mail(der: &[u8]) -> String {
    let mut base64 = mime::Base64Writer::new(Vec::new());
    base64.write_all(der).unwrap();
    format!(
        "From: alice@example.org\r\nMIME-Version: 1.0\r\nContent-Type: application/pkcs7-mime; \
         smime-type=signed-data; name=smime.p7m\r\nContent-Transfer-Encoding: base64\r\n\r\n{}",
        String::from_utf8(base64.finish().unwrap()).unwrap()
    )
}

#[test]
fn s_26_an_answer_in_the_message_counts_when_the_issuer_signed_it() {
    let pki = TestPki::shared();
    let alice = pki.person("alice@example.org", KeyKind::P256);
    let serial = || alice.certificate().serial().clone();
    let signed = signed_by(&alice.credential);
    let says = |issuer: &pki::Issuer| OcspResponseBuilder::new(issuer.certificate(), now(), now().plus_days(1));
    let ca = pki.ca();
    let good = says(ca).good(serial()).sign(ca.credential(), now()).unwrap();
    let revoked = says(ca)
        .revoked(serial(), now().plus_days(-1), RevocationReason::KeyCompromise)
        .sign(ca.credential(), now())
        .unwrap();
    // Alice vouches for herself.
    let forged = says(ca).good(serial()).sign(&alice.credential, now()).unwrap();
    // The issuing CA itself is the anchor, so that one answer tells everything.
    let mut policy = Policy::new(
        [ca.certificate().clone()].into_iter().collect::<pki::TrustAnchors>(),
        now(),
        Limits::in_folder(std::env::temp_dir()),
    );
    policy.revocation = Revocation::Required;
    for (what, response, accepted) in [
        ("none", None, false),
        ("good", Some(&good), true),
        ("revoked", Some(&revoked), false),
        ("forged", Some(&forged), false),
    ] {
        let der = response.map_or_else(|| signed.clone(), |response| stapled(&signed, response.der()));
        let mail = in_mail(&der);
        let verification = Verifier::new(&policy).verify(mail.as_bytes()).unwrap();
        assert_eq!(verification.accept(&Sender::VisibleFrom).is_ok(), accepted, "{what}");
    }
}

/// The lists of somebody who knows that a certificate was revoked, and has nothing to show for it.
#[derive(Debug)]
struct Hearsay;

impl smime::Revocations for Hearsay {
    fn about(&self, _: &pki::Certificate, _: &[pki::Certificate]) -> std::io::Result<smime::RevocationMaterial> {
        Ok(smime::RevocationMaterial { revoked: true, ..smime::RevocationMaterial::default() })
    }
}

#[test]
fn t_14_what_is_not_known_yet_is_told_from_what_is_wrong() {
    let pki = TestPki::shared();
    let alice = pki.person("alice@example.org", KeyKind::P256);
    let good = in_mail(&signed_by(&alice.credential));
    let ca = || pki.ca().certificate().clone();
    let limits = || Limits::in_folder(std::env::temp_dir());
    let policy = || {
        let mut policy = Policy::new([ca()].into_iter().collect::<pki::TrustAnchors>(), now(), limits());
        policy.revocation = Revocation::Required;
        policy
    };
    let not_known_yet = |policy: &Policy, mail: &str, sender: &Sender| {
        let rejected = Verifier::new(policy).verify(mail.as_bytes()).unwrap().accept(sender).unwrap_err();
        rejected.is_not_known_yet()
    };
    let visible = Sender::VisibleFrom;
    assert!(not_known_yet(&policy(), &good, &visible));
    // The same with anything else against it is no.
    let elsewhere = Sender::Address("bob@example.org".parse().unwrap());
    assert!(!not_known_yet(&policy(), &good, &elsewhere));
    assert!(!not_known_yet(&policy(), &good.replacen("From: alice", "From: bob", 1), &visible));
    let mut changed = signed_by(&alice.credential);
    let at = changed.windows(3).position(|window| window == b"100").unwrap();
    changed[at] = b'9';
    assert!(!not_known_yet(&policy(), &in_mail(&changed), &visible));
    let mut untrusting = Policy::new(pki::TrustAnchors::new(), now(), limits());
    untrusting.revocation = Revocation::Required;
    assert!(!not_known_yet(&untrusting, &good, &visible));
    let mut later = policy();
    later.at = now().plus_days(10_000);
    assert!(!not_known_yet(&later, &good, &visible));
    let mut warned = policy();
    warned.revocations = Some(std::sync::Arc::new(Hearsay));
    assert!(!not_known_yet(&warned, &good, &visible));
}
