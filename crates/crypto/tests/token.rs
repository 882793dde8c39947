//! Keys in a PKCS #11 token, with SoftHSM 2 as the token and software keys as the witness.

use crypto::{
    DigestAlgorithm, EphemeralKey, Error, KeyKind, KeyTransportAlgorithm, PrivateKey as _, PssParameters,
    PublicKeyKind, SignatureAlgorithm, Token, TokenReference, TokenSettings,
};
use testkit::SoftHsm;

const KINDS: [KeyKind; 6] =
    [KeyKind::Rsa2048, KeyKind::Rsa3072, KeyKind::P256, KeyKind::P384, KeyKind::P521, KeyKind::Ed25519];

#[test]
fn a_token_does_what_software_does() {
    let Some(hsm) = SoftHsm::in_own_process("a_token_does_what_software_does") else { return };
    let token = hsm.token();
    for kind in KINDS {
        let made = token.generate(kind, "emma").unwrap();
        let key = token.find_key(&made.reference().id).unwrap();
        assert_eq!(key.public_key(), made.public_key());
        let mut algorithms = vec![key.default_signature_algorithm().unwrap()];
        match key.public_key().kind() {
            PublicKeyKind::Rsa { .. } => {
                for digest in [DigestAlgorithm::Sha256, DigestAlgorithm::Sha384, DigestAlgorithm::Sha512] {
                    algorithms.push(SignatureAlgorithm::RsaPkcs1(digest));
                    algorithms.push(SignatureAlgorithm::RsaPss(PssParameters::standard(digest)));
                }
                let oaep = |digest, mgf_digest, label: &[u8]| KeyTransportAlgorithm::RsaOaep {
                    digest,
                    mgf_digest,
                    label: label.to_vec(),
                };
                for transport in [
                    KeyTransportAlgorithm::RsaPkcs1,
                    KeyTransportAlgorithm::oaep(DigestAlgorithm::Sha1),
                    KeyTransportAlgorithm::oaep(DigestAlgorithm::Sha256),
                    oaep(DigestAlgorithm::Sha512, DigestAlgorithm::Sha1, b"label"),
                ] {
                    let ciphertext = transport.encrypt(key.public_key(), &[7; 32]).unwrap();
                    assert_eq!(&**key.decrypt(&transport, &ciphertext).unwrap(), &[7; 32], "{transport:?}");
                    assert_eq!(&**key.decrypt_or_random(&transport, &ciphertext, 32).unwrap(), &[7; 32]);
                    // CASES T-23: whatever is wrong, there is a key, and it is another one each time.
                    let mut changed = ciphertext.clone();
                    *changed.last_mut().unwrap() ^= 1;
                    for wrong in [&changed[..], &ciphertext[1..], &[0xFF; 512], &[]] {
                        assert_eq!(key.decrypt(&transport, wrong), Err(Error::BadValue), "{transport:?}");
                        let one = key.decrypt_or_random(&transport, wrong, 32).unwrap();
                        assert_ne!(one, key.decrypt_or_random(&transport, wrong, 32).unwrap());
                    }
                }
            }
            PublicKeyKind::Ec(_) => {
                let digests = [DigestAlgorithm::Sha256, DigestAlgorithm::Sha384, DigestAlgorithm::Sha512];
                algorithms.extend(digests.map(SignatureAlgorithm::Ecdsa));
                // Often enough for a secret that begins with a zero.
                for _ in 0..300 {
                    let ephemeral = EphemeralKey::for_peer(key.public_key()).unwrap();
                    let theirs = ephemeral.agree(key.public_key()).unwrap();
                    assert_eq!(key.agree(ephemeral.public_key()).unwrap().octets(), theirs.octets());
                }
            }
            _ => {}
        }
        for algorithm in algorithms {
            let signature = key.sign(&algorithm, b"text").unwrap();
            key.public_key().verify(&algorithm, b"text", &signature).unwrap();
            assert_eq!(key.public_key().verify(&algorithm, b"other", &signature), Err(Error::BadValue));
        }
        let weak = SignatureAlgorithm::RsaPkcs1(DigestAlgorithm::Sha1);
        assert!(key.sign(&weak, b"text").is_err());
    }
    let entries = token.keys().unwrap();
    assert_eq!(entries.len(), KINDS.len());
    assert!(entries.iter().all(|entry| entry.label == "emma" && entry.public_key.is_some()));
}

#[test]
fn t_23_a_token_that_takes_off_the_padding_itself_tells_no_more() {
    let test = "t_23_a_token_that_takes_off_the_padding_itself_tells_no_more";
    let Some(hsm) = SoftHsm::in_own_process_with(test, "slots.mechanisms = -,CKM_RSA_X_509") else { return };
    let key = hsm.token().generate(KeyKind::Rsa2048, "").unwrap();
    for transport in [KeyTransportAlgorithm::RsaPkcs1, KeyTransportAlgorithm::oaep(DigestAlgorithm::Sha1)] {
        let ciphertext = transport.encrypt(key.public_key(), &[7; 32]).unwrap();
        assert_eq!(&**key.decrypt_or_random(&transport, &ciphertext, 32).unwrap(), &[7; 32]);
        let mut changed = ciphertext.clone();
        changed[100] ^= 1;
        let one = key.decrypt_or_random(&transport, &changed, 32).unwrap();
        assert_ne!(one, key.decrypt_or_random(&transport, &changed, 32).unwrap());
        hsm.remove();
        for ciphertext in [&ciphertext, &changed] {
            let decrypted = key.decrypt_or_random(&transport, ciphertext, 32);
            assert!(matches!(decrypted, Err(Error::Unavailable { .. })), "{transport:?}: {decrypted:?}");
        }
        hsm.insert();
    }
    // SoftHSM knows OAEP with SHA-1 alone.
    let oaep = KeyTransportAlgorithm::oaep(DigestAlgorithm::Sha256);
    let ciphertext = oaep.encrypt(key.public_key(), &[7; 32]).unwrap();
    let decrypted = key.decrypt(&oaep, &ciphertext);
    assert!(matches!(decrypted, Err(Error::Unsupported { .. })), "{decrypted:?}");
}

#[test]
fn a_secret_seals_in_the_token() {
    let Some(hsm) = SoftHsm::in_own_process("a_secret_seals_in_the_token") else { return };
    let token = hsm.token();
    let secret = token.generate_secret("master").unwrap();
    assert!(token.generate_secret("master").is_err(), "a second one of the name");
    let sealed = secret.seal(b"here", b"data key").unwrap();
    assert_eq!(token.secret("master").open(b"here", &sealed).unwrap().as_slice(), b"data key");
    assert_eq!(secret.open(b"there", &sealed), Err(Error::BadValue));
    for at in 0..sealed.len() {
        let mut changed = sealed.clone();
        changed[at] ^= 1;
        assert_eq!(secret.open(b"here", &changed), Err(Error::BadValue), "octet {at}");
    }
    assert_eq!(secret.open(b"here", &sealed[..20]), Err(Error::BadValue));
    let other = token.generate_secret("other").unwrap();
    assert_eq!(other.open(b"here", &sealed), Err(Error::BadValue));
    assert!(matches!(token.secret("none").seal(b"", b""), Err(Error::Unavailable { .. })));
}

#[test]
fn t_129_a_token_that_was_gone_goes_on_by_itself() {
    let Some(hsm) = SoftHsm::in_own_process("t_129_a_token_that_was_gone_goes_on_by_itself") else { return };
    let token = hsm.token();
    let (rsa, ec) = (token.generate(KeyKind::Rsa2048, "").unwrap(), token.generate(KeyKind::P256, "").unwrap());
    let secret = token.generate_secret("master").unwrap();
    let sign = SignatureAlgorithm::RsaPkcs1(DigestAlgorithm::Sha256);
    let transport = KeyTransportAlgorithm::RsaPkcs1;
    let ciphertext = transport.encrypt(rsa.public_key(), &[7; 32]).unwrap();
    let peer = EphemeralKey::for_peer(ec.public_key()).unwrap();
    let sealed = secret.seal(b"", b"data key").unwrap();
    for round in 0..3 {
        rsa.sign(&sign, b"text").unwrap();
        assert_eq!(&**rsa.decrypt_or_random(&transport, &ciphertext, 32).unwrap(), &[7; 32], "{round}");
        ec.agree(peer.public_key()).unwrap();
        assert_eq!(secret.open(b"", &sealed).unwrap().as_slice(), b"data key");
        hsm.remove();
        for _ in 0..2 {
            assert!(matches!(rsa.sign(&sign, b"text"), Err(Error::Unavailable { .. })), "{round}");
            let decrypted = rsa.decrypt_or_random(&transport, &ciphertext, 32);
            assert!(matches!(decrypted, Err(Error::Unavailable { .. })), "never a random key for a token that is away");
            assert!(matches!(ec.agree(peer.public_key()), Err(Error::Unavailable { .. })));
            assert!(matches!(secret.open(b"", &sealed), Err(Error::Unavailable { .. })));
            assert!(matches!(token.check(), Err(Error::Unavailable { .. })));
        }
        hsm.insert();
    }
    token.check().unwrap();
}

#[test]
fn t_129_many_threads_lose_the_token_and_find_it_again() {
    let Some(hsm) = SoftHsm::in_own_process("t_129_many_threads_lose_the_token_and_find_it_again") else { return };
    let token = hsm.token();
    let key = token.generate(KeyKind::P256, "").unwrap();
    let algorithm = key.default_signature_algorithm().unwrap();
    let sign_all = || {
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|_| scope.spawn(|| (0..20).map(|_| key.sign(&algorithm, b"text")).collect::<Vec<_>>()))
                .collect();
            threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
        })
    };
    assert!(sign_all().iter().all(Result::is_ok));
    hsm.remove();
    assert!(sign_all().iter().all(|result| matches!(result, Err(Error::Unavailable { .. }))));
    hsm.insert();
    for signature in sign_all() {
        key.public_key().verify(&algorithm, b"text", &signature.unwrap()).unwrap();
    }
}

#[test]
fn a_wrong_pin_is_tried_once() {
    let Some(hsm) = SoftHsm::in_own_process("a_wrong_pin_is_tried_once") else { return };
    let wrong = Token::new(TokenSettings { pin: "654321".to_owned().into(), ..hsm.settings() }).unwrap();
    assert!(matches!(wrong.check(), Err(Error::Unavailable { because }) if because.contains("refuses the PIN")));
    // A card locks itself after a few wrong ones. That the answer is the same without the token shows it was not asked.
    hsm.remove();
    assert!(matches!(wrong.check(), Err(Error::Unavailable { because }) if because.contains("refuses the PIN")));
    hsm.insert();
    hsm.token().check().unwrap();
}

#[test]
fn what_is_not_there_is_unavailable() {
    let Some(hsm) = SoftHsm::in_own_process("what_is_not_there_is_unavailable") else { return };
    let elsewhere = Token::new(TokenSettings { label: "another".into(), ..hsm.settings() }).unwrap();
    assert!(matches!(elsewhere.check(), Err(Error::Unavailable { .. })));
    let no_module = Token::new(TokenSettings { module: "/nowhere/module.so".into(), ..hsm.settings() });
    assert!(matches!(no_module, Err(Error::Unavailable { .. })));
    let not_a_module = Token::new(TokenSettings { module: "/usr/bin/openssl".into(), ..hsm.settings() });
    assert!(matches!(not_a_module, Err(Error::Unavailable { .. })));
    let reference = TokenReference { token: SoftHsm::LABEL.into(), id: vec![1, 2, 3] };
    assert!(matches!(hsm.token().find_key(&reference.id), Err(Error::Unavailable { .. })));
}

#[test]
fn t_129_a_secret_that_is_away_is_not_a_wrong_one() {
    let Some(hsm) = SoftHsm::in_own_process("t_129_a_secret_that_is_away_is_not_a_wrong_one") else { return };
    let secret = hsm.token().generate_secret("master").unwrap();
    let sealed = secret.seal(b"", b"data key").unwrap();
    let mut changed = sealed.clone();
    changed[20] ^= 1;
    hsm.remove();
    // The session that is still open answers first.
    for sealed in [&sealed, &changed] {
        assert!(matches!(secret.open(b"", sealed), Err(Error::Unavailable { .. })));
    }
    hsm.insert();
    assert_eq!(secret.open(b"", &sealed).unwrap().as_slice(), b"data key");
    assert_eq!(secret.open(b"", &changed), Err(Error::BadValue));
}
