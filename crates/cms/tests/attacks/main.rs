//! Forged messages, whose expected answer is "no". Each is made from a good one by one change.

mod forms;

use std::io::{Read as _, Write as _};
use std::sync::Arc;
use std::time::Duration;

use cms::{
    Content, DecryptionKeys, EncryptedDataReader, EncryptedDataWriter, Error, Integrity, IntegrityFailure, Recipient,
    SharedKey, SignedData, SignedDataReader, SignedDataWriter, SignerSettings, SpoolLimits, oids,
};
use crypto::{ContentCipher, KeyKind, KeyTransportAlgorithm, PrivateKey, SoftwareKey};
use pki::Credential;
use testkit::{Der, TestPki, processor_time};

const TEXT: &[u8] = b"Content-Type: text/plain\r\n\r\nPay 100 to Bob.\r\n";

/// Where things are in a SignedData with content and certificates.
const DIGEST_ALGORITHMS: [usize; 3] = [1, 0, 1];
const CONTENT_TYPE: [usize; 4] = [1, 0, 2, 0];
const CONTENT: [usize; 5] = [1, 0, 2, 1, 0];
const CERTIFICATES: [usize; 3] = [1, 0, 3];
const SIGNERS: [usize; 3] = [1, 0, 4];

fn alice() -> Credential {
    TestPki::shared().person("alice@example.org", KeyKind::P256).credential
}

fn sign(credential: &Credential, content: &[u8]) -> Der {
    let settings = SignerSettings::new(credential).unwrap();
    let mut writer = SignedDataWriter::new(settings, vec![], oids::ID_DATA, Vec::new());
    writer.write_all(content).unwrap();
    Der::parse(&writer.finish().unwrap())
}

fn read(der: &[u8]) -> Result<SignedData, Error> {
    let mut reader = SignedDataReader::open(der)?;
    std::io::copy(&mut reader, &mut std::io::sink())?;
    reader.finish(None)
}

fn failures(message: &Der) -> Vec<Option<IntegrityFailure>> {
    let reports = read(&message.encode()).unwrap().verify(&[]);
    let failure = |integrity| match integrity {
        Integrity::Intact => None,
        Integrity::Broken(failure) => Some(failure),
    };
    reports.into_iter().map(|report| failure(report.integrity)).collect()
}

/// Signs the attributes of the first signer again, after they were changed.
fn sign_again(message: &mut Der, credential: &Credential) {
    let signer = message.at(&SIGNERS).at(&[0]);
    let mut attributes = signer.at(&[3]).clone();
    attributes.tag = 0x31;
    let algorithm = credential.key().default_signature_algorithm().unwrap();
    signer.at(&[5]).content = credential.key().sign(&algorithm, &attributes.encode()).unwrap();
}

fn content_of(oid: asn1::Oid) -> Vec<u8> {
    let mut writer = asn1::Writer::new();
    writer.oid(&oid);
    writer.as_slice()[2..].to_vec()
}

fn position_of(message: &mut Der, oid: asn1::Oid) -> usize {
    let mut encoded = asn1::Writer::new();
    encoded.oid(&oid);
    let attributes = &message.at(&SIGNERS).at(&[0, 3]).children;
    attributes.iter().position(|attribute| attribute.children[0].encode() == encoded.as_slice()).unwrap()
}

#[test]
fn t_02_s_43_every_signer_stands_for_itself() {
    let (alice, mallory) = (alice(), TestPki::shared().person("mallory@example.org", KeyKind::P256).credential);
    let mut other = sign(&mallory, b"another text");
    let (signer, certificates) = (other.at(&SIGNERS).at(&[0]).clone(), other.at(&CERTIFICATES).children.clone());
    for first in [true, false] {
        let mut message = sign(&alice, TEXT);
        let at = if first { 0 } else { 1 };
        message.at(&SIGNERS).children.insert(at, signer.clone());
        message.at(&CERTIFICATES).children.extend(certificates.clone());
        let mut expected = vec![None];
        expected.insert(at, Some(IntegrityFailure::ContentChanged));
        assert_eq!(failures(&message), expected);
    }
}

#[test]
fn t_03_without_signers_nothing_is_signed() {
    let mut message = sign(&alice(), TEXT);
    message.at(&SIGNERS).children.clear();
    assert_eq!(failures(&message), []);
}

#[test]
fn t_04_nobody_relies_on_the_announced_digests() {
    let mut message = sign(&alice(), TEXT);
    message.at(&DIGEST_ALGORITHMS).children.clear();
    assert_eq!(failures(&message), [None]);
}

#[test]
fn t_05_s_41_content_type_and_message_digest_stand_there_once() {
    let alice = alice();
    for oid in [oids::ID_CONTENT_TYPE, oids::ID_MESSAGE_DIGEST] {
        let mut good = sign(&alice, TEXT);
        let at = position_of(&mut good, oid);
        for change in 0..4 {
            let mut message = good.clone();
            let attributes = &mut message.at(&SIGNERS).at(&[0, 3]).children;
            let attribute = attributes[at].clone();
            match change {
                0 => {
                    attributes.remove(at);
                }
                1 => attributes.insert(at, attribute),
                2 => attributes[at].children[1].children.clear(),
                _ => {
                    let value = attribute.children[1].children[0].clone();
                    attributes[at].children[1].children.push(value);
                }
            }
            sign_again(&mut message, &alice);
            let failures = failures(&message);
            assert!(
                matches!(failures[..], [Some(IntegrityFailure::AttributeCount { .. })]),
                "{oid} {change} {failures:?}"
            );
        }
    }
    let mut message = sign(&alice, TEXT);
    let at = position_of(&mut message, oids::ID_CONTENT_TYPE);
    message.at(&SIGNERS).at(&[0, 3, at, 1, 0]).content = content_of(oids::ID_SIGNED_DATA);
    sign_again(&mut message, &alice);
    assert_eq!(failures(&message), [Some(IntegrityFailure::WrongContentType)]);
}

#[test]
fn t_06_signed_attributes_are_no_content() {
    let mut message = sign(&alice(), TEXT);
    let signer = message.at(&SIGNERS).at(&[0]);
    let mut attributes = signer.children.remove(3);
    attributes.tag = 0x31;
    message.at(&CONTENT).content = attributes.encode();
    // Signature, key and "content" fit together: it is only that nobody meant them so.
    assert_eq!(failures(&message), [Some(IntegrityFailure::LooksLikeAttributes)]);
}

#[test]
fn t_15_t_44_odd_signatures_are_wrong() {
    let nothing = Der::constructed(0x30, vec![Der::primitive(2, [0]), Der::primitive(2, [0])]).encode();
    for value in [vec![], vec![0], nothing, vec![0xFF; 72], vec![0x30; 2 << 20]] {
        let mut message = sign(&alice(), TEXT);
        message.at(&SIGNERS).at(&[0, 5]).content = value;
        assert!(matches!(failures(&message)[..], [Some(_)]));
    }
}

#[test]
fn s_53_exchanged_algorithms_are_noticed() {
    let alice = alice();
    let mut message = sign(&alice, TEXT);
    let at = position_of(&mut message, oids::ID_AA_CMS_ALGORITHM_PROTECT);
    let digest = message.at(&SIGNERS).at(&[0, 3, at, 1, 0, 0, 0]);
    *digest.content.last_mut().unwrap() = 3;
    sign_again(&mut message, &alice);
    assert_eq!(failures(&message), [Some(IntegrityFailure::AlgorithmsExchanged)]);
}

#[test]
fn t_18_the_signing_certificate_decides_between_certificates_of_one_key() {
    let pki = TestPki::shared();
    let key: Arc<dyn PrivateKey> = Arc::new(SoftwareKey::generate(KeyKind::P256).unwrap());
    let issue = |address: &str| pki.ca().issue_credential(&pki.mailbox(address), Arc::clone(&key)).unwrap();
    let (alice, other) = (issue("alice@example.org"), issue("somebody@example.org"));
    let settings = SignerSettings::new(&alice).unwrap().by_key_identifier();
    let mut writer = SignedDataWriter::new(settings, vec![], oids::ID_DATA, Vec::new());
    writer.write_all(TEXT).unwrap();
    let mut message = Der::parse(&writer.finish().unwrap());
    message.at(&CERTIFICATES).children.insert(0, Der::parse(other.certificate().der()));
    let report = read(&message.encode()).unwrap().verify(&[]).remove(0);
    assert_eq!(report.integrity, Integrity::Intact);
    assert_eq!(report.certificate.unwrap(), *alice.certificate());
    let at = position_of(&mut message, oids::ID_AA_SIGNING_CERTIFICATE_V2);
    message.at(&SIGNERS).at(&[0, 3]).children.remove(at);
    sign_again(&mut message, &alice);
    assert_eq!(failures(&message), [Some(IntegrityFailure::Ambiguous)]);
}

#[test]
fn s_46_unsigned_attributes_that_must_be_signed_are_refused() {
    let mut message = sign(&alice(), TEXT);
    let at = position_of(&mut message, oids::ID_AA_SIGNING_CERTIFICATE_V2);
    let harmless = message.at(&SIGNERS).at(&[0, 3, at]).clone();
    message.at(&SIGNERS).at(&[0]).children.push(Der::constructed(0xA1, vec![harmless]));
    assert_eq!(failures(&message), [None]);
    let at = position_of(&mut message, oids::ID_MESSAGE_DIGEST);
    let misplaced = message.at(&SIGNERS).at(&[0, 3, at]).clone();
    message.at(&SIGNERS).at(&[0, 6]).children.push(misplaced);
    assert!(matches!(failures(&message)[..], [Some(IntegrityFailure::MisplacedAttribute { .. })]));
}

// ---- encryption

fn limits() -> SpoolLimits {
    SpoolLimits::in_folder(std::env::temp_dir())
}

fn seal(to: &[Recipient], cipher: ContentCipher) -> Der {
    let mut writer = EncryptedDataWriter::new(&to[0], &to[1..], cipher, oids::ID_DATA, Vec::new()).unwrap();
    writer.write_all(TEXT).unwrap();
    Der::parse(&writer.finish().unwrap())
}

fn open(der: &[u8], keys: DecryptionKeys<'_>) -> Result<Vec<u8>, Error> {
    let mut spool = match EncryptedDataReader::open(der)?.decrypt_with(keys, limits())?.content {
        Content::Authenticated(spool) => spool,
        Content::Unauthenticated(content) => content.into_unverified(),
    };
    let mut out = Vec::new();
    spool.reader()?.read_to_end(&mut out)?;
    Ok(out)
}

fn open_with(der: &Der, credential: &Credential) -> Result<Vec<u8>, Error> {
    let credentials = std::slice::from_ref(credential);
    open(&der.encode(), DecryptionKeys { credentials, ..DecryptionKeys::default() })
}

fn fails_alike(outcome: Result<Vec<u8>, Error>) -> bool {
    matches!(outcome, Err(Error::DecryptionFailed))
}

/// Where things are in an EnvelopedData or AuthEnvelopedData.
const RECIPIENTS: [usize; 3] = [1, 0, 1];
const CIPHER: [usize; 4] = [1, 0, 2, 1];
const MAC: [usize; 3] = [1, 0, 3];

#[test]
fn t_22_tags_and_nonces_have_their_length() {
    let key = SharedKey::new(b"k", &[1; 32]).unwrap();
    let keys = [key.clone()];
    let keys = DecryptionKeys { shared_keys: &keys, ..DecryptionKeys::default() };
    let good = seal(&[Recipient::shared_key(key)], ContentCipher::Aes256Gcm);
    assert_eq!(open(&good.encode(), keys).unwrap(), TEXT);
    for length in (0..=20).chain([64, 65_536]).filter(|&length| length != 16) {
        let mut message = good.clone();
        message.at(&MAC).content.resize(length, 0);
        assert!(fails_alike(open(&message.encode(), keys)), "mac of {length}");
        if (12..16).contains(&length) {
            continue;
        }
        // The announced length goes along.
        message.at(&CIPHER).at(&[1, 1]).content = length.to_be_bytes()[6..].to_vec();
        assert!(open(&message.encode(), keys).is_err(), "announced mac of {length}");
    }
    for length in [0, 1, 11, 13, 16, 65_536] {
        let mut message = good.clone();
        message.at(&CIPHER).at(&[1, 0]).content.resize(length, 0);
        assert!(fails_alike(open(&message.encode(), keys)), "nonce of {length}");
    }
}

#[test]
fn t_23_another_content_type_around_the_same_recipients_fails_alike() {
    let bob = TestPki::shared().person("bob@example.org", KeyKind::P256).credential;
    let mut message = seal(&[Recipient::new(bob.certificate()).unwrap()], ContentCipher::Aes256Gcm);
    message.at(&[0]).content = content_of(oids::ID_ENVELOPED_DATA);
    message.at(&[1, 0]).children.truncate(3);
    assert!(fails_alike(open_with(&message, &bob)));
    message.at(&CIPHER).at(&[0]).content = content_of(crypto::oids::AES256_CBC);
    *message.at(&CIPHER).at(&[1]) = Der::primitive(4, [0; 16]);
    // A cipher without a tag in an AuthEnvelopedData, whose tag is then empty, must not count as authenticated.
    let key = SharedKey::new(b"k", &[1; 32]).unwrap();
    let keys = [key.clone()];
    let keys = DecryptionKeys { shared_keys: &keys, ..DecryptionKeys::default() };
    let mut plain = seal(&[Recipient::shared_key(key)], ContentCipher::Aes256Cbc);
    assert_eq!(open(&plain.encode(), keys).unwrap(), TEXT);
    plain.at(&[0]).content = content_of(oids::ID_CT_AUTH_ENVELOPED_DATA);
    plain.at(&[1, 0]).children.push(Der::primitive(4, []));
    assert!(fails_alike(open(&plain.encode(), keys)));
    // Whatever comes out of CBC is not the text, and never authenticated.
    assert!(open_with(&message, &bob).map_or(true, |content| content != TEXT));
}

#[test]
fn t_24_a_wrong_rsa_padding_is_one_failure_among_others() {
    let bob = TestPki::shared().person("bob@example.org", KeyKind::Rsa2048).credential;
    let to = Recipient::new(bob.certificate()).unwrap().transport(KeyTransportAlgorithm::RsaPkcs1);
    let good = seal(&[to], ContentCipher::Aes256Gcm);
    assert_eq!(open_with(&good, &bob).unwrap(), TEXT);
    let short = KeyTransportAlgorithm::RsaPkcs1.encrypt(bob.certificate().public_key().unwrap(), &[7; 5]).unwrap();
    let long = KeyTransportAlgorithm::RsaPkcs1.encrypt(bob.certificate().public_key().unwrap(), &[7; 64]).unwrap();
    for wrong in [vec![], vec![0; 256], vec![1; 256], vec![0xFF; 256], vec![1; 255], vec![1; 4096], short, long] {
        let mut message = good.clone();
        message.at(&RECIPIENTS).at(&[0, 3]).content = wrong;
        assert!(fails_alike(open_with(&message, &bob)));
    }
}

#[test]
fn t_25_t_46_a_recipient_info_that_cannot_be_used_is_passed_over() {
    let bob = TestPki::shared().person("bob@example.org", KeyKind::Rsa2048).credential;
    let to = Recipient::new(bob.certificate()).unwrap();
    let mut good = seal(&[to], ContentCipher::Aes256Gcm);
    let info = good.at(&RECIPIENTS).at(&[0]).clone();
    for change in 0..4 {
        let mut broken = info.clone();
        match change {
            0 => broken.at(&[3]).content = vec![1; 256],
            1 => broken.at(&[2]).children.truncate(1),
            2 => broken.at(&[3]).content.truncate(3),
            _ => broken.at(&[2, 0]).content = vec![0x2A, 3],
        }
        for first in [true, false] {
            let mut message = good.clone();
            message.at(&RECIPIENTS).children.insert(usize::from(!first), broken.clone());
            assert_eq!(open_with(&message, &bob).unwrap(), TEXT, "{change} {first}");
        }
        let mut message = good.clone();
        *message.at(&RECIPIENTS).at(&[0]) = broken;
        assert!(fails_alike(open_with(&message, &bob)), "{change}");
    }
}

#[test]
fn t_127_each_message_has_a_key_and_a_nonce_of_its_own() {
    // A key wrap has no randomness of its own: the same key wrapped again would look the same.
    let shared = SharedKey::new(b"name", &[5; 32]).unwrap();
    for cipher in [ContentCipher::Aes256Gcm, ContentCipher::Aes256Cbc, ContentCipher::ChaCha20Poly1305] {
        let draw = || {
            let mut message = seal(&[Recipient::shared_key(shared.clone())], cipher);
            (message.at(&RECIPIENTS).at(&[0, 3]).content.clone(), message.at(&CIPHER).encode())
        };
        let drawn: Vec<_> = (0..100).map(|_| draw()).collect();
        for (index, (key, nonce)) in drawn.iter().enumerate() {
            assert!(drawn[..index].iter().all(|(other, another)| other != key && another != nonce), "{cipher:?}");
        }
    }
}

#[test]
fn t_33_a_recipient_named_again_and_again_is_no_work_without_end() {
    let bob = TestPki::shared().person("bob@example.org", KeyKind::Rsa2048).credential;
    let good = seal(&[Recipient::new(bob.certificate()).unwrap()], ContentCipher::Aes256Gcm);
    let mut broken = good.clone().at(&RECIPIENTS).at(&[0]).clone();
    broken.at(&[3]).content = vec![1; 256];
    for (before, opens) in [(10, true), (19, true), (20, false), (1_000, false)] {
        let mut message = good.clone();
        for _ in 0..before {
            message.at(&RECIPIENTS).children.insert(0, broken.clone());
        }
        let opened = open_with(&message, &bob);
        assert!(if opens { opened.is_ok_and(|text| text == TEXT) } else { fails_alike(opened) }, "{before}");
    }
}

#[test]
fn t_26_ten_thousand_paddings_fail_alike() {
    let key = SharedKey::new(b"k", &[1; 32]).unwrap();
    let keys = [key.clone()];
    let keys = DecryptionKeys { shared_keys: &keys, ..DecryptionKeys::default() };
    let good = seal(&[Recipient::shared_key(key)], ContentCipher::Aes256Cbc);
    let mut mutator = testkit::Mutator::new(26);
    for _ in 0..10_000 {
        let mut message = good.clone();
        let ciphertext = &mut message.at(&[1, 0, 2, 2]).content;
        let at = ciphertext.len() - 1 - mutator.below(32);
        ciphertext[at] ^= 1 << mutator.below(8);
        // Either it fails as everything does, or it is content of the unauthenticated kind.
        match EncryptedDataReader::open(&message.encode()[..]).unwrap().decrypt_with(keys, limits()) {
            Err(Error::DecryptionFailed) => {}
            Ok(decrypted) => assert!(matches!(decrypted.content, Content::Unauthenticated(_))),
            Err(other) => panic!("{other}"),
        }
    }
}

#[test]
fn t_33_a_hundred_thousand_recipients_are_refused_and_the_five_hundredth_is_read() {
    let bob = TestPki::shared().person("bob@example.org", KeyKind::P256).credential;
    let carol = TestPki::shared().person("carol@example.org", KeyKind::P256).credential;
    let mut message = seal(&[Recipient::new(bob.certificate()).unwrap()], ContentCipher::Aes256Gcm);
    let mut other = seal(&[Recipient::new(carol.certificate()).unwrap()], ContentCipher::Aes256Gcm);
    let other = other.at(&RECIPIENTS).at(&[0]).clone();
    let list = &mut message.at(&RECIPIENTS).children;
    list.splice(0..0, std::iter::repeat_n(other.clone(), 499));
    assert_eq!(open_with(&message, &bob).unwrap(), TEXT);
    message.at(&RECIPIENTS).children.splice(0..0, std::iter::repeat_n(other, 20_000));
    let encoded = message.encode();
    let start = processor_time();
    assert!(matches!(EncryptedDataReader::open(&encoded[..]), Err(Error::TooMany { .. })));
    assert!(processor_time() - start < Duration::from_secs(5));
}

#[test]
fn t_40_t_41_t_42_hostile_encodings_end_in_an_error() {
    let deep: Vec<u8> = [0x30, 0x80].repeat(1_000_000);
    let mut prefix = Der::parse(&sign(&alice(), TEXT).encode()).encode();
    prefix.truncate(40);
    for bytes in [
        deep.clone(),
        [&prefix[..], &deep].concat(),
        vec![0x30, 0x84, 0xFF, 0xFF, 0xFF, 0xFF, 0x06, 0x01],
        vec![0x30, 0x88, 0x7F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF],
        vec![0x30, 0x80, 0x06, 0x82, 0xFF, 0xFF, 0x81, 0x81],
    ] {
        assert!(read(&bytes).is_err());
        assert!(EncryptedDataReader::open(&bytes[..]).is_err());
    }
    let mut message = sign(&alice(), TEXT);
    message.at(&[1, 0, 2, 0]).content = [vec![0x2A], vec![0xFF; 100_000], vec![1]].concat();
    assert!(read(&message.encode()).is_err());
}
