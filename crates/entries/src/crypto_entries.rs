use asn1::{Encoding, Reader};
use crypto::{
    AlgorithmIdentifier, ContentParameters, DigestAlgorithm, KeyTransportAlgorithm, KeyWrapAlgorithm, PrivateKey as _,
    PublicKey, SignatureAlgorithm, SoftwareKey,
};

use crate::keys;

pub(crate) fn public_key(bytes: &[u8]) {
    let Ok(key) = PublicKey::from_spki(bytes) else { return };
    assert_eq!(PublicKey::from_spki(key.spki()).as_ref(), Ok(&key));
    if let Some(algorithm) = key.default_signature_algorithm() {
        // Nobody has signed this.
        assert!(key.verify(&algorithm, b"text", &[1; 64]).is_err());
    }
    let _ = (key.describe(), key.rsa_components());
}

pub(crate) fn private_key(bytes: &[u8]) {
    for key in [SoftwareKey::from_pkcs8(bytes), SoftwareKey::from_pkcs1(bytes), SoftwareKey::from_sec1(bytes)]
        .into_iter()
        .flatten()
    {
        let Some(algorithm) = key.default_signature_algorithm() else { continue };
        // What such a key signs is its own, or it does not sign.
        if let Ok(signature) = key.sign(&algorithm, b"text") {
            assert_eq!(key.public_key().verify(&algorithm, b"text", &signature), Ok(()));
        }
    }
}

pub(crate) fn algorithms(bytes: &[u8]) {
    let Ok(identifier) = AlgorithmIdentifier::parse(&mut Reader::new(bytes, Encoding::Ber)) else { return };
    if let Ok(algorithm) = SignatureAlgorithm::from_identifier(&identifier) {
        assert_eq!(SignatureAlgorithm::from_identifier(&algorithm.identifier()), Ok(algorithm));
    }
    if let Ok(algorithm) = KeyTransportAlgorithm::from_identifier(&identifier) {
        assert_eq!(KeyTransportAlgorithm::from_identifier(&algorithm.identifier()), Ok(algorithm));
    }
    if let Ok(parameters) = ContentParameters::from_identifier(&identifier) {
        // CASES T-22.
        assert!(!parameters.cipher.is_authenticated() || (12..=16).contains(&parameters.tag_length));
        assert_eq!(ContentParameters::from_identifier(&parameters.identifier()), Ok(parameters));
    }
    let _ = (KeyWrapAlgorithm::from_identifier(&identifier), DigestAlgorithm::from_identifier(&identifier));
}

pub(crate) fn wrapped_keys(bytes: &[u8]) {
    for wrap in
        [KeyWrapAlgorithm::Aes128, KeyWrapAlgorithm::Aes192, KeyWrapAlgorithm::Aes256, KeyWrapAlgorithm::TripleDes]
    {
        let _ = wrap.unwrap(&vec![7; wrap.key_length()], bytes);
    }
    let rsa = keys::all().iter().find(|credential| credential.key().public_key().rsa_components().is_some()).unwrap();
    // Whatever it is, a key of the length that was asked for comes out (CASES T-24).
    let key = rsa.key().decrypt_or_random(&KeyTransportAlgorithm::RsaPkcs1, bytes, 32);
    assert_eq!(key.map(|key| key.len()), Ok(32));
}
