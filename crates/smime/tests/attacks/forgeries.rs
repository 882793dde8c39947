//! Forged mails, whose expected answer is "no".

use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use cms::{CompressedDataWriter, oids};
use crypto::{ContentCipher, KeyKind};
use pki::{Certificate, Credential};
use smime::{Encryptor, LayerReport, Limits, Policy, Sender, SignatureForm, Signer, Verifier};
use testkit::{TestPki, processor_time};

const MAIL: &str = "From: alice@example.org\r\nTo: bob@example.org\r\nSubject: x\r\nMIME-Version: 1.0\r\n\
    Content-Type: text/plain\r\n\r\nPay 100 to Bob.\r\n";

fn policy() -> Policy {
    Policy::new(TestPki::shared().anchors(), testkit::now(), Limits::in_folder(std::env::temp_dir()))
}

fn person(address: &str) -> Credential {
    TestPki::shared().person(address, KeyKind::P256).credential
}

fn accept(mail: &[u8], keys: &[Credential]) -> Result<(), String> {
    let policy = policy();
    let verification = Verifier::new(&policy).with_keys(keys).verify(mail).map_err(|error| error.to_string())?;
    verification.accept(&Sender::VisibleFrom).map(|_| ()).map_err(|rejected| rejected.to_string())
}

fn sign(credential: &Credential, form: SignatureForm, mail: &[u8]) -> Vec<u8> {
    Signer::new(credential).unwrap().at(testkit::now()).form(form).sign(mail).unwrap()
}

fn base64(der: &[u8]) -> String {
    let mut writer = mime::Base64Writer::new(Vec::new());
    writer.write_all(der).unwrap();
    String::from_utf8(writer.finish().unwrap()).unwrap()
}

#[test]
fn t_01_a_signature_that_brings_its_own_content_does_not_cover_the_part_beside_it() {
    let opaque = String::from_utf8(sign(&person("alice@example.org"), SignatureForm::Opaque, MAIL.as_bytes())).unwrap();
    let (_, signature) = opaque.split_once("\r\n\r\n").unwrap();
    for (text, accepted) in [("Pay 999 to Mallory.", false), ("Pay 100 to Bob.\r\n", true)] {
        let mail = format!(
            "From: alice@example.org\r\nContent-Type: multipart/signed; protocol=\"application/pkcs7-signature\"; \
             micalg=sha-256; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\n{text}\r\n--b\r\n\
             Content-Type: application/pkcs7-signature\r\nContent-Transfer-Encoding: base64\r\n\r\n{signature}\r\n--b--\r\n"
        );
        // The digest is over the part; that the same is inside as well changes nothing.
        assert_eq!(accept(mail.as_bytes(), &[]).is_ok(), accepted, "{text}");
    }
}

#[test]
fn t_07_anything_beside_the_two_parts_makes_it_unsigned() {
    let signed = String::from_utf8(sign(&person("alice@example.org"), SignatureForm::Clear, MAIL.as_bytes())).unwrap();
    assert_eq!(accept(signed.as_bytes(), &[]), Ok(()));
    let boundary = signed.split("boundary=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let part = format!("--{boundary}\r\nContent-Type: text/plain\r\n\r\nAnd 900 to Mallory.\r\n");
    let (before, behind) = signed.split_at(signed.find(&format!("--{boundary}")).unwrap());
    assert!(accept(format!("{before}{part}{behind}").as_bytes(), &[]).is_err());
    let (before, behind) = signed.split_at(signed.rfind(&format!("--{boundary}--")).unwrap());
    assert!(accept(format!("{before}{part}{behind}").as_bytes(), &[]).is_err());
}

#[test]
fn t_17_the_weakest_layer_decides() {
    let (alice, bob, mallory) = (person("alice@example.org"), person("bob@example.org"), person("mallory@example.org"));
    let keys = [bob.clone()];
    let inner = sign(&alice, SignatureForm::Opaque, MAIL.as_bytes());
    let encrypted = Encryptor::to(bob.certificate()).unwrap().encrypt(&inner).unwrap();
    let triple = sign(&alice, SignatureForm::Clear, &encrypted);
    assert_eq!(accept(&triple, &keys), Ok(()));
    let policy = policy();
    let verification = Verifier::new(&policy).with_keys(&keys).verify(&triple[..]).unwrap();
    let [LayerReport::Signed(_), LayerReport::Encrypted(_), LayerReport::Signed(_)] = verification.layers() else {
        panic!("{:?}", verification.layers())
    };
    // Mallory signs around, or inside, what Alice wrote.
    for mail in [
        sign(&mallory, SignatureForm::Clear, &encrypted),
        sign(&alice, SignatureForm::Clear, &sign(&mallory, SignatureForm::Opaque, MAIL.as_bytes())),
    ] {
        assert!(accept(&mail, &keys).unwrap_err().contains("mallory@example.org"));
    }
}

#[test]
fn t_33_a_hundred_layers_are_not_opened() {
    let bob = person("bob@example.org");
    let keys = [bob.clone()];
    let encryptor = Encryptor::to(bob.certificate()).unwrap();
    let mut mail = sign(&person("alice@example.org"), SignatureForm::Clear, MAIL.as_bytes());
    for _ in 0..5 {
        mail = encryptor.encrypt(&mail).unwrap();
    }
    assert_eq!(accept(&mail, &keys), Ok(()));
    for _ in 0..10 {
        mail = encryptor.encrypt(&mail).unwrap();
    }
    let start = processor_time();
    assert!(accept(&mail, &keys).is_err());
    let policy = policy();
    let verification = Verifier::new(&policy).with_keys(&keys).verify(&mail[..]).unwrap();
    assert_eq!(verification.layers().len(), policy.limits.layers);
    assert!(processor_time() - start < Duration::from_secs(5));
}

#[test]
fn t_53_compressed_layers_are_read_and_bombs_are_not() {
    let compress = |mail: &[u8]| {
        let mut writer = CompressedDataWriter::new(oids::ID_DATA, Vec::new()).unwrap();
        writer.write_all(mail).unwrap();
        format!(
            "From: alice@example.org\r\nContent-Type: application/pkcs7-mime; smime-type=compressed-data\r\n\
             Content-Transfer-Encoding: base64\r\n\r\n{}",
            base64(&writer.finish().unwrap())
        )
    };
    let signed = sign(&person("alice@example.org"), SignatureForm::Clear, MAIL.as_bytes());
    let policy = policy();
    let mail = compress(&signed);
    let verification = Verifier::new(&policy).verify(mail.as_bytes()).unwrap();
    assert!(matches!(verification.layers(), [LayerReport::Compressed, LayerReport::Signed(_)]));
    verification.accept(&Sender::VisibleFrom).unwrap();
    let mut bomb = MAIL.as_bytes().to_vec();
    bomb.resize(32 << 20, b' ');
    assert!(accept(compress(&bomb).as_bytes(), &[]).unwrap_err().contains("more than 100 times"));
}

#[test]
fn t_53_nothing_is_decompressed_twice() {
    let compress = |mail: &[u8]| {
        let mut compressed = Vec::new();
        smime::compress(&mut &mail[..], &mut compressed).unwrap();
        compressed
    };
    let once = compress(MAIL.as_bytes());
    assert_eq!(accept(&once, &[]).unwrap_err(), "the message is not signed");
    let twice = compress(&once);
    assert!(accept(&twice, &[]).unwrap_err().contains("100 times"));
}

#[test]
fn t_20_t_21_a_signature_around_a_cipher_without_a_tag_covers_nothing() {
    let (mallory, bob) = (person("mallory@example.org"), person("bob@example.org"));
    let keys = [bob.clone()];
    let mail = MAIL.replace("alice@", "mallory@");
    let encrypt =
        |inside: &[u8], cipher| Encryptor::to(bob.certificate()).unwrap().cipher(cipher).encrypt(inside).unwrap();
    // What Mallory found on the way, changed, and signed as her own.
    let bare = encrypt(mail.as_bytes(), ContentCipher::Aes256Cbc);
    let why = accept(&sign(&mallory, SignatureForm::Clear, &bare), &keys).unwrap_err();
    assert!(why.contains("nothing protects what was decrypted"), "{why}");
    // Who signs inside as well, or whose cipher has a tag, is heard.
    let inner = sign(&mallory, SignatureForm::Opaque, mail.as_bytes());
    let signed_inside = encrypt(&inner, ContentCipher::Aes256Cbc);
    assert_eq!(accept(&sign(&mallory, SignatureForm::Clear, &signed_inside), &keys), Ok(()));
    let with_tag = encrypt(mail.as_bytes(), ContentCipher::Aes256Gcm);
    assert_eq!(accept(&sign(&mallory, SignatureForm::Clear, &with_tag), &keys), Ok(()));
}

#[derive(Debug)]
struct Known(Certificate);

impl smime::Revocations for Known {
    fn about(&self, signer: &Certificate, _: &[Certificate]) -> std::io::Result<smime::RevocationMaterial> {
        Ok(smime::RevocationMaterial { revoked: *signer == self.0, ..Default::default() })
    }
}

#[test]
fn t_14_what_is_known_elsewhere_about_revocation_counts() {
    let alice = person("alice@example.org");
    let signed = sign(&alice, SignatureForm::Clear, MAIL.as_bytes());
    for (known, good) in [(person("alice@example.org"), true), (alice, false)] {
        let mut policy = policy();
        policy.revocations = Some(Arc::new(Known(known.certificate().clone())));
        let verification = Verifier::new(&policy).verify(&signed[..]).unwrap();
        match verification.accept(&Sender::VisibleFrom) {
            Ok(_) => assert!(good),
            Err(rejected) => assert!(!good && rejected.reason().contains("revoked"), "{rejected}"),
        }
    }
}

#[test]
fn t_54_ambiguous_structures_are_no_layers() {
    let signed = String::from_utf8(sign(&person("alice@example.org"), SignatureForm::Opaque, MAIL.as_bytes())).unwrap();
    assert_eq!(accept(signed.as_bytes(), &[]), Ok(()));
    let second = signed.replacen("MIME-Version", "Content-Type: text/html\r\nMIME-Version", 1);
    assert_eq!(accept(second.as_bytes(), &[]).unwrap_err(), "the message is not signed");
    // The label lies; the ASN.1 decides (CASES S-09).
    let lies = signed.replace("smime-type=signed-data", "smime-type=enveloped-data");
    assert_eq!(accept(lies.as_bytes(), &[]), Ok(()));
}
