//! Header protection, written and read (RFC 9788).

use std::io::Read as _;

use crypto::KeyKind;
use smime::{
    Encryptor, FieldProtection, HeaderConfidentiality, HeaderScheme, Limits, Policy, ProtectedHeader, Sender,
    SignatureForm, Signer, Verifier, danger,
};
use testkit::TestPki;

const MAIL: &str = "Received: from x\r\nFrom: Alice A. <alice@example.org>\r\nTo: Bob <bob@example.org>\r\n\
    Subject: The\r\n contract\r\nKeywords: money\r\nBcc: carol@example.org\r\nDate: Tue, 24 Nov 2026 12:00:00 +0100\r\n\
    MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nHello\r\n";

fn policy() -> Policy {
    Policy::new(TestPki::shared().anchors(), testkit::now(), Limits::in_folder(std::env::temp_dir()))
}

fn signer() -> Signer {
    let alice = TestPki::shared().person("alice@example.org", KeyKind::P256);
    Signer::new(&alice.credential).unwrap().at(testkit::now())
}

fn header_of(mail: &[u8], keys: &[pki::Credential]) -> ProtectedHeader {
    let policy = policy();
    let verification = Verifier::new(&policy).with_keys(keys).verify(mail).unwrap();
    let mut content = verification.accept(&Sender::VisibleFrom).unwrap();
    content.protected_header().unwrap().unwrap()
}

#[test]
fn a_signed_mail_shows_what_was_signed() {
    for form in [SignatureForm::Clear, SignatureForm::Opaque] {
        let signed = signer().form(form).protect_headers().sign(MAIL.as_bytes()).unwrap();
        let header = header_of(&signed, &[]);
        assert_eq!(header.scheme(), HeaderScheme::Rfc9788);
        assert_eq!(header.subject().unwrap(), "The contract");
        assert_eq!(header.protection("Subject", true, false), FieldProtection::SignedOnly);
        assert_eq!(header.differences(), []);
        assert!(header.header().get("Received").is_none() && header.header().get("Bcc").is_none());
        // What somebody changes outside is reported, and the protected subject stays what it was.
        let changed = String::from_utf8(signed).unwrap().replacen("The\r\n contract", "Pay now", 1);
        let header = header_of(changed.as_bytes(), &[]);
        let [difference] = &header.differences()[..] else { panic!("{:?}", header.differences()) };
        assert_eq!(difference.name, "Subject");
        assert_eq!(difference.received.as_deref(), Some("Pay now"));
        assert_eq!(header.subject().unwrap(), "The contract");
    }
}

#[test]
fn an_encrypted_mail_shows_outside_what_the_policy_leaves_there() {
    let bob = TestPki::shared().person("bob@example.org", KeyKind::P256);
    let keys = [bob.credential.clone()];
    for policy in
        [HeaderConfidentiality::NoConfidentiality, HeaderConfidentiality::Baseline, HeaderConfidentiality::Shy]
    {
        let signed = signer().protect_headers_confidentially(policy).sign(MAIL.as_bytes()).unwrap();
        let encrypted = Encryptor::to(bob.certificate()).unwrap().encrypt(&signed).unwrap();
        let text = String::from_utf8(encrypted).unwrap();
        let hidden = policy != HeaderConfidentiality::NoConfidentiality;
        assert_eq!(text.contains("Subject: [...]"), hidden, "{policy:?}");
        assert_eq!(text.contains("contract") || text.contains("money"), !hidden, "{policy:?}");
        assert_eq!(text.contains("Alice A."), policy != HeaderConfidentiality::Shy);
        assert_eq!(text.contains("11:00:00 +0000"), policy == HeaderConfidentiality::Shy);
        let header = header_of(text.as_bytes(), &keys);
        assert_eq!(header.subject().unwrap(), "The contract");
        assert_eq!(header.header().value("From").unwrap(), "Alice A. <alice@example.org>");
        assert_eq!(header.differences(), [], "{policy:?}");
        let expected = if hidden { FieldProtection::SignedAndEncrypted } else { FieldProtection::SignedOnly };
        assert_eq!(header.protection("Subject", true, true), expected);
    }
}

#[test]
fn an_unsigned_mail_hides_its_subject_too() {
    let bob = TestPki::shared().person("bob@example.org", KeyKind::P256);
    let encryptor = Encryptor::to(bob.certificate()).unwrap().protect_headers(HeaderConfidentiality::Baseline);
    let encrypted = encryptor.encrypt(MAIL.as_bytes()).unwrap();
    let (policy, keys) = (policy(), [bob.credential]);
    let verification = Verifier::new(&policy).with_keys(&keys).verify(&encrypted[..]).unwrap();
    let outer = verification.header().clone();
    assert_eq!(outer.value("Subject").unwrap(), "[...]");
    let mut content = danger::take_unverified(verification).content;
    let header = ProtectedHeader::read(&mut content.reader().unwrap(), &outer, true, &mime::Limits::default());
    let header = header.unwrap().unwrap();
    assert_eq!(header.subject().unwrap(), "The contract");
    assert_eq!(header.protection("Subject", false, true), FieldProtection::EncryptedOnly);
    let mut all = String::new();
    content.reader().unwrap().read_to_string(&mut all).unwrap();
    assert!(all.contains("HP-Outer: Subject: [...]\r\n"));
}

#[test]
fn s_56_another_sender_outside_is_a_difference_and_decides() {
    let signed = signer().protect_headers().sign(MAIL.as_bytes()).unwrap();
    let changed = String::from_utf8(signed).unwrap().replacen("Alice A. <alice@", "Alice A. <mallory@", 1);
    let policy = policy();
    let verification = Verifier::new(&policy).verify(changed.as_bytes()).unwrap();
    assert!(verification.accept(&Sender::VisibleFrom).unwrap_err().to_string().contains("mallory@example.org"));
}
