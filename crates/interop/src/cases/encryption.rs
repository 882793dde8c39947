use crypto::{ContentCipher, DigestAlgorithm};

use super::{Case, Work};
use crate::task::{Encrypting, Form, To, Way};

use ContentCipher::{Aes128Cbc, Aes256Cbc, Aes256Gcm};

fn person(name: &'static str, way: Way) -> To {
    To::Person(name, way)
}

/// To somebody with an elliptic curve key, as the curve suggests.
pub(super) fn to_p256() -> To {
    person("p256", Way::X963(DigestAlgorithm::Sha256))
}

pub(super) fn to_rsa() -> To {
    person("rsa", Way::RsaPkcs1)
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = key_management();
    cases.extend(ciphers());
    cases.extend(forms());
    cases.extend(recipients());
    cases
}

fn key_management() -> Vec<Case> {
    use DigestAlgorithm::{Sha1, Sha224, Sha256, Sha384, Sha512};
    const TABLE: &str = "Key management";
    // Row, recipient, whether we write it, too: what is weaker or unusual we only read.
    let rows = [
        ("RSA PKCS #1 v1.5", to_rsa(), true),
        ("RSA-3072 PKCS #1 v1.5", person("rsa3072", Way::RsaPkcs1), true),
        ("RSAES-OAEP, SHA-1", person("rsa", Way::Oaep(Sha1)), false),
        ("RSAES-OAEP, SHA-256", person("rsa", Way::Oaep(Sha256)), true),
        ("RSAES-OAEP, SHA-384", person("rsa", Way::Oaep(Sha384)), true),
        ("RSAES-OAEP, SHA-512", person("rsa", Way::Oaep(Sha512)), true),
        ("ECDH P-256, SHA-1 KDF", person("p256", Way::X963(Sha1)), false),
        ("ECDH P-256, SHA-224 KDF", person("p256", Way::X963(Sha224)), false),
        ("ECDH P-256, SHA-256 KDF", to_p256(), true),
        ("ECDH P-256, SHA-384 KDF", person("p256", Way::X963(Sha384)), false),
        ("ECDH P-256, SHA-512 KDF", person("p256", Way::X963(Sha512)), false),
        ("ECDH P-384, SHA-256 KDF", person("p384", Way::X963(Sha256)), false),
        ("ECDH P-384, SHA-384 KDF", person("p384", Way::X963(Sha384)), true),
        ("ECDH P-521, SHA-512 KDF", person("p521", Way::X963(Sha512)), true),
        ("ECDH brainpoolP256r1, SHA-256 KDF", person("bp256", Way::X963(Sha256)), true),
        ("ECDH brainpoolP384r1, SHA-384 KDF", person("bp384", Way::X963(Sha384)), true),
        ("X25519, HKDF SHA-256", person("x25519", Way::Hkdf(Sha256)), true),
        ("X25519, HKDF SHA-384", person("x25519", Way::Hkdf(Sha384)), false),
        ("X25519, HKDF SHA-512", person("x25519", Way::Hkdf(Sha512)), false),
        ("ML-KEM-512", person("mlkem512", Way::Default), true),
        ("ML-KEM-768", person("mlkem768", Way::Default), true),
        ("ML-KEM-1024", person("mlkem1024", Way::Default), true),
        ("password", To::Password, true),
        ("shared key, 128 bits", To::SharedKey(16), true),
        ("shared key, 192 bits", To::SharedKey(24), true),
        ("shared key, 256 bits", To::SharedKey(32), true),
    ];
    let mut cases = Vec::new();
    for (row, to, ours) in rows {
        for cipher in [Aes128Cbc, Aes256Cbc, Aes256Gcm] {
            let work = Work::Encrypt(Encrypting::to(to.clone(), cipher, Form::Der));
            let case = Case::new(TABLE, row, cipher.name(), work);
            cases.push(if ours { case } else { case.only_theirs() });
        }
    }
    for cipher in [Aes256Cbc, Aes256Gcm] {
        let encrypting = Encrypting { derived: true, ..Encrypting::to(to_rsa(), cipher, Form::Der) };
        cases.push(Case::new(TABLE, "RSA, derived content key", cipher.name(), Work::Encrypt(encrypting)).only_ours());
    }
    cases
}

fn ciphers() -> Vec<Case> {
    let all = ContentCipher::ALL.into_iter().chain([
        ContentCipher::Rc2Cbc40,
        ContentCipher::Rc2Cbc64,
        ContentCipher::Rc2Cbc128,
    ]);
    let mut cases = Vec::new();
    for cipher in all {
        for (column, to) in [("RSA", to_rsa()), ("P-256", to_p256())] {
            // AES key wrap takes no key under 128 bits.
            let short = matches!(cipher, ContentCipher::Rc2Cbc40 | ContentCipher::Rc2Cbc64);
            if short && column == "P-256" {
                continue;
            }
            let work = Work::Encrypt(Encrypting::to(to, cipher, Form::Der));
            let case = Case::new("Content ciphers", cipher.name(), column, work);
            cases.push(if cipher.is_legacy() { case.only_theirs() } else { case });
        }
    }
    cases
}

fn forms() -> Vec<Case> {
    let mut cases = Vec::new();
    for form in [Form::Der, Form::Ber, Form::Pem, Form::Mail, Form::Base64] {
        for (who, to) in [("RSA", to_rsa()), ("P-256", to_p256())] {
            for cipher in [ContentCipher::DesEde3Cbc, Aes128Cbc, Aes256Cbc, Aes256Gcm] {
                let work = Work::Encrypt(Encrypting::to(to.clone(), cipher, form));
                let case =
                    Case::new("Forms of encrypted messages", form.name(), format!("{who}, {}", cipher.name()), work);
                let prompt = form == Form::Mail && !cipher.is_legacy();
                cases.push(match form {
                    Form::Base64 => case.only_theirs(),
                    _ if cipher.is_legacy() => case.only_theirs(),
                    _ => case.at_the_prompt(prompt),
                });
            }
        }
    }
    cases
}

fn recipients() -> Vec<Case> {
    const TABLE: &str = "Recipients";
    let several = [
        ("two with RSA", vec![to_rsa(), person("rsa3072", Way::RsaPkcs1)]),
        ("RSA and P-256", vec![to_rsa(), to_p256()]),
        ("two on one curve", vec![to_p256(), person("p256b", Way::X963(DigestAlgorithm::Sha256))]),
        ("P-256 and P-384", vec![to_p256(), person("p384", Way::X963(DigestAlgorithm::Sha384))]),
        (
            "RSA twice, P-256 twice, P-384",
            vec![
                to_rsa(),
                to_p256(),
                person("rsa3072", Way::RsaPkcs1),
                person("p256b", Way::X963(DigestAlgorithm::Sha256)),
                person("p384", Way::X963(DigestAlgorithm::Sha384)),
            ],
        ),
        ("RSA and a password", vec![to_rsa(), To::Password]),
    ];
    let mut cases = Vec::new();
    for (row, to) in several {
        for cipher in [ContentCipher::DesEde3Cbc, Aes128Cbc, Aes256Cbc, Aes256Gcm] {
            let work = Work::Encrypt(Encrypting { to: to.clone(), ..Encrypting::to(to_rsa(), cipher, Form::Der) });
            let case = Case::new(TABLE, row, cipher.name(), work);
            cases.push(if cipher.is_legacy() { case.only_theirs() } else { case });
        }
    }
    for (who, to) in [("RSA", to_rsa()), ("P-256", to_p256())] {
        for cipher in [Aes256Cbc, Aes256Gcm] {
            let work = Work::Encrypt(Encrypting { by_key: true, ..Encrypting::to(to.clone(), cipher, Form::Der) });
            let row = format!("{who}, by key identifier");
            cases.push(Case::new(TABLE, row, cipher.name(), work).only_theirs());
        }
        let work = Work::ChangedCiphertext(Encrypting::to(to.clone(), Aes256Gcm, Form::Der));
        let row = format!("{who}, changed on the way, is refused");
        cases.push(Case::new(TABLE, row, Aes256Gcm.name(), work));
    }
    cases
}
