//! CASES N-22, T-24: whatever is wrong with an encrypted mail, whoever sent it learns one and the same thing.

use std::collections::BTreeMap;
use std::io::Write as _;

use cms::{EncryptedDataWriter, Recipient, oids};
use crypto::{ContentCipher, KeyKind, KeyTransportAlgorithm, MlKemLevel};
use pki::Credential;
use smime::{Decryptor, Limits, Policy, Sender, Verifier};
use testkit::{Der, TestPki};

const ENTITY: &[u8] = b"Content-Type: text/plain\r\n\r\nPay 100 to Bob.\r\n";

/// Where things are in an EnvelopedData or AuthEnvelopedData.
const MESSAGE: [usize; 2] = [1, 0];
const RECIPIENTS: [usize; 3] = [1, 0, 1];
const CONTENT: [usize; 3] = [1, 0, 2];
const CIPHER: [usize; 4] = [1, 0, 2, 1];
const MAC: usize = 3;

fn limits() -> Limits {
    Limits::in_folder(std::env::temp_dir())
}

fn policy() -> Policy {
    Policy::new(TestPki::shared().anchors(), testkit::now(), limits())
}

fn encrypt(to: &Recipient, cipher: ContentCipher, content: &[u8]) -> Vec<u8> {
    let mut writer = EncryptedDataWriter::new(to, &[], cipher, oids::ID_DATA, Vec::new()).unwrap();
    writer.write_all(content).unwrap();
    writer.finish().unwrap()
}

fn seal(to: &Recipient, cipher: ContentCipher, content: &[u8]) -> Der {
    Der::parse(&encrypt(to, cipher, content))
}

fn mail(der: &[u8]) -> Vec<u8> {
    let mut writer = mime::Base64Writer::new(Vec::new());
    writer.write_all(der).unwrap();
    let mut mail = b"From: alice@example.org\r\nContent-Type: application/pkcs7-mime; smime-type=enveloped-data\r\n\
        Content-Transfer-Encoding: base64\r\n\r\n"
        .to_vec();
    mail.extend(writer.finish().unwrap());
    mail
}

/// All that a program above can see, and so all that could come back to whoever sent the mail.
fn visible(mail: &[u8], keys: &[Credential]) -> String {
    let (limits, policy) = (limits(), policy());
    let decrypted = match Decryptor::new(keys, &limits).decrypt(mail) {
        Ok(_) => "decrypted".to_owned(),
        Err(error) => format!("{error:?}: {error}"),
    };
    format!("{decrypted}; {}", verified(&policy, mail, keys))
}

fn verified(policy: &Policy, mail: &[u8], keys: &[Credential]) -> String {
    match Verifier::new(policy).with_keys(keys).verify(mail) {
        Err(error) => format!("{error:?}: {error}"),
        Ok(verification) => {
            let (failed, unopened) = (verification.has_failed_decryption(), verification.has_unopened_layer());
            let layers = verification.layers().len();
            let outcome = verification.accept(&Sender::VisibleFrom).map(|_| ()).map_err(|why| why.to_string());
            format!("{failed} {unopened} {layers} {outcome:?}")
        }
    }
}

struct Kinds(BTreeMap<String, Vec<String>>, usize);

impl Kinds {
    fn add(&mut self, kind: String, mail: &[u8], key: &Credential) {
        self.0.entry(visible(mail, std::slice::from_ref(key))).or_default().push(kind);
        self.1 += 1;
    }
}

/// What may be wrong with the one RecipientInfo.
fn recipient_changes(kind: KeyKind, good: &Der) -> Vec<(&'static str, Der)> {
    let (key, algorithm): (&[usize], &[usize]) = match kind {
        KeyKind::Rsa2048 => (&[3], &[2]),
        KeyKind::MlKem(_) => (&[1, 7], &[1, 2]),
        _ => (&[3, 0, 1], &[2]),
    };
    let mut changes = Vec::new();
    let mut change = |name, edit: &dyn Fn(&mut Der)| {
        let mut message = good.clone();
        edit(message.at(&RECIPIENTS).at(&[0]));
        changes.push((name, message));
    };
    change("key flipped", &|info| info.at(key).content[5] ^= 1);
    change("key cut", &|info| info.at(key).content.truncate(16));
    change("key absent", &|info| info.at(key).content.clear());
    change("key too long", &|info| info.at(key).content.resize(4096, 1));
    change("key of zeros", &|info| info.at(key).content.fill(0));
    change("algorithm unknown", &|info| info.at(algorithm).at(&[0]).content = vec![0x2A, 3]);
    change("algorithm without parameters", &|info| info.at(algorithm).children.truncate(1));
    change("algorithm with odd parameters", &|info| {
        info.at(algorithm).children.truncate(1);
        info.at(algorithm).children.push(Der::primitive(0x0C, *b"odd"));
    });
    match kind {
        KeyKind::Rsa2048 => {}
        KeyKind::MlKem(_) => {
            change("ciphertext cut", &|info| info.at(&[1, 3]).content.truncate(100));
            change("ciphertext flipped", &|info| info.at(&[1, 3]).content[9] ^= 1);
            change("derivation unknown", &|info| info.at(&[1, 4, 0]).content = vec![0x2A, 3]);
            change("length of another wrap", &|info| info.at(&[1, 5]).content = vec![16]);
            change("giant length", &|info| info.at(&[1, 5]).content = vec![0x7F, 0xFF, 0xFF]);
            change("wrap unknown", &|info| info.at(&[1, 6, 0]).content = vec![0x2A, 3]);
        }
        _ => {
            change("point off the curve", &|info| info.at(&[1, 0, 1]).content[7] ^= 1);
            change("point cut", &|info| info.at(&[1, 0, 1]).content.truncate(9));
            change("point at infinity", &|info| info.at(&[1, 0, 1]).content = vec![0, 0]);
            change("originator elsewhere", &|info| {
                *info.at(&[1]) = Der::constructed(0xA0, vec![Der::primitive(0x80, [1, 2, 3])]);
            });
            change("wrap unknown", &|info| info.at(&[2, 1, 0]).content = vec![0x2A, 3]);
            change("keying material added", &|info| {
                info.children.insert(2, Der::constructed(0xA1, vec![Der::primitive(4, [1])]));
            });
        }
    }
    changes
}

/// What may be wrong with the content.
fn content_changes(cipher: ContentCipher, good: &Der) -> Vec<(&'static str, Der)> {
    let mut changes = Vec::new();
    let mut change = |name, edit: &dyn Fn(&mut Der)| {
        let mut message = good.clone();
        edit(&mut message);
        changes.push((name, message));
    };
    change("cipher unknown", &|message| message.at(&CIPHER).at(&[0]).content = vec![0x2A, 3]);
    change("cipher without parameters", &|message| message.at(&CIPHER).children.truncate(1));
    change("cipher of another length", &|message| *message.at(&CIPHER).at(&[0]).content.last_mut().unwrap() = 2);
    change("content absent", &|message| message.at(&CONTENT).children.truncate(2));
    change("content behind its end", &|message| {
        message.at(&CONTENT).children.push(Der::primitive(4, [1, 2]));
    });
    change("junk behind the content", &|message| message.at(&MESSAGE).children.push(Der::primitive(2, [1])));
    if cipher.is_authenticated() {
        change("content flipped", &|message| message.at(&CONTENT).at(&[2]).content[0] ^= 1);
        change("content cut", &|message| message.at(&CONTENT).at(&[2]).content.truncate(3));
        change("content empty", &|message| message.at(&CONTENT).at(&[2]).content.clear());
        change("tag flipped", &|message| message.at(&MESSAGE).at(&[MAC]).content[0] ^= 1);
        change("tag absent", &|message| message.at(&MESSAGE).children.truncate(3));
        change("tag no octets", &|message| *message.at(&MESSAGE).at(&[MAC]) = Der::primitive(2, [1]));
        for length in [0, 1, 4, 11, 12, 15, 17, 300] {
            change("tag of another length", &|message| message.at(&MESSAGE).at(&[MAC]).content.resize(length, 0));
        }
        change("attributes added", &|message| {
            message.at(&MESSAGE).children.insert(3, Der::constructed(0xA1, vec![Der::constructed(0x30, vec![])]));
        });
        change("made EnvelopedData", &|message| {
            message.at(&[0]).content = vec![0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 1, 7, 3];
            message.at(&MESSAGE).children.truncate(3);
        });
    } else {
        change("padding wrong", &|message| {
            let content = &mut message.at(&CONTENT).at(&[2]).content;
            let at = content.len() - 17;
            content[at] ^= 0x80;
        });
        change("half a block", &|message| {
            let content = &mut message.at(&CONTENT).at(&[2]).content;
            content.truncate(content.len() - 8);
        });
        change("content empty", &|message| message.at(&CONTENT).at(&[2]).content.clear());
        change("vector of another length", &|message| message.at(&CIPHER).at(&[1]).content.push(0));
    }
    changes
}

#[test]
fn n_22_t_24_every_failed_decryption_is_one_outcome() {
    let mut kinds = Kinds(BTreeMap::new(), 0);
    let pki = TestPki::shared();
    for (kind, transport) in [
        (KeyKind::Rsa2048, KeyTransportAlgorithm::RsaPkcs1),
        (KeyKind::Rsa2048, KeyTransportAlgorithm::oaep(crypto::DigestAlgorithm::Sha256)),
        (KeyKind::P256, KeyTransportAlgorithm::RsaPkcs1),
        (KeyKind::X25519, KeyTransportAlgorithm::RsaPkcs1),
        (KeyKind::MlKem(MlKemLevel::MlKem768), KeyTransportAlgorithm::RsaPkcs1),
    ] {
        let bob = pki.person("bob@example.org", kind).credential;
        let to = Recipient::new(bob.certificate()).unwrap().transport(transport.clone());
        let good = seal(&to, ContentCipher::Aes256Gcm, ENTITY);
        assert!(visible(&mail(&good.encode()), std::slice::from_ref(&bob)).starts_with("decrypted"));
        for (name, message) in recipient_changes(kind, &good) {
            // What RSAES-PKCS1-v1_5 says of its parameters matters to nobody, and ML-KEM has none.
            let bare = transport == KeyTransportAlgorithm::RsaPkcs1 && kind == KeyKind::Rsa2048;
            let harmless = (bare || matches!(kind, KeyKind::MlKem(_))) && name == "algorithm without parameters";
            // X25519 takes any octets for a point.
            let shorter = kind == KeyKind::X25519 && name == "point at infinity";
            if !harmless && !shorter {
                kinds.add(format!("{kind:?} {name}"), &mail(&message.encode()), &bob);
            }
        }
    }
    let bob = pki.person("bob@example.org", KeyKind::P256).credential;
    for cipher in [ContentCipher::Aes256Gcm, ContentCipher::Aes256Cbc, ContentCipher::ChaCha20Poly1305] {
        let good = seal(&Recipient::new(bob.certificate()).unwrap(), cipher, ENTITY);
        for (name, message) in content_changes(cipher, &good) {
            kinds.add(format!("{cipher} {name}"), &mail(&message.encode()), &bob);
        }
        // The transport: cut anywhere behind what names the recipient, or no base64.
        let whole = mail(&good.encode());
        for cut in [whole.len() - 8, whole.len() - 40, whole.len() * 9 / 10] {
            kinds.add(format!("{cipher} cut at {cut}"), &whole[..cut], &bob);
        }
        let mut spoilt = whole.clone();
        let at = spoilt.len() - 20;
        spoilt[at..at + 4].fill(b'*');
        kinds.add(format!("{cipher} no base64"), &spoilt, &bob);
    }
    let Kinds(outcomes, count) = kinds;
    assert!(count >= 50, "{count}");
    assert_eq!(outcomes.len(), 1, "{outcomes:#?}");
}

#[test]
fn n_22_t_21_what_comes_out_of_cbc_and_cannot_be_read_is_the_same_failure() {
    let (policy, pki) = (policy(), TestPki::shared());
    let bob = pki.person("bob@example.org", KeyKind::P256).credential;
    let keys = [bob.clone()];
    let to = Recipient::new(bob.certificate()).unwrap();
    let mut broken = seal(&to, ContentCipher::Aes256Cbc, ENTITY);
    let content = &mut broken.at(&CONTENT).at(&[2]).content;
    let at = content.len() - 17;
    content[at] ^= 0x80;
    let expected = verified(&policy, &mail(&broken.encode()), &keys);
    let endless = [b"X: ".to_vec(), vec![b'x'; 8 << 20]].concat();
    for inside in [
        &b"Content-Type: application/pkcs7-mime\r\nContent-Transfer-Encoding: base64\r\n\r\nMIAGCSqGSIb3DQEHAqCA\r\n"[..],
        b"Content-Type: multipart/signed; boundary=b\r\n\r\n--b\r\n\r\nx\r\n--b\r\nContent-Type: application/pkcs7-signature\r\n\r\n0\x80\x06\x09*\x86H\x86\xF7\r\x01\x07\x02\xA0\x80\r\n--b--\r\n",
        &endless,
    ] {
        let message = encrypt(&to, ContentCipher::Aes256Cbc, inside);
        assert_eq!(verified(&policy, &mail(&message), &keys), expected);
        // A tag says that it was sent like that: it is content that nobody signed.
        let message = encrypt(&to, ContentCipher::Aes256Gcm, inside);
        let outcome = verified(&policy, &mail(&message), &keys);
        assert!(outcome.ends_with("Err(\"the message is not signed\")"), "{outcome}");
    }
}
