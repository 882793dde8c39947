//! The floor: what the primitives alone take, called bare.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::cipher::{
    AES_256, DecryptionContext, EncryptionContext, StreamingDecryptingKey, StreamingEncryptingKey, UnboundCipherKey,
};
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{
    OAEP_SHA256_MGF1SHA256, OaepPrivateDecryptingKey, OaepPublicEncryptingKey, PrivateDecryptingKey,
    PublicEncryptingKey,
};
use aws_lc_rs::signature::{self, EcdsaKeyPair, KeyPair as _, RsaKeyPair};
use aws_lc_rs::{agreement, digest};

use crate::material::Person;

const STEP: usize = 16 * 1024;

pub fn sha256(content: &[u8]) {
    std::hint::black_box(digest::digest(&digest::SHA256, content));
}

/// Base64 in the lines of a mail, a cache-sized step at a time.
pub fn encode_base64(octets: usize) {
    let block = [0x5Au8; 57];
    let mut line = [0u8; 78];
    for _ in 0..octets.div_ceil(57) {
        let _ = base64_simd::STANDARD.encode(&block, base64_simd::Out::from_slice(&mut line[..76]));
        std::hint::black_box(&line);
    }
}

pub fn decode_base64(octets: usize) {
    let block = [b'Q'; STEP];
    let mut decoded = [0u8; STEP];
    let mut left = octets / 3 * 4;
    while left > 0 {
        let now = left.min(STEP) & !3;
        if now == 0 {
            break;
        }
        let _ = base64_simd::STANDARD.decode(&block[..now], base64_simd::Out::from_slice(&mut decoded));
        std::hint::black_box(&decoded);
        left -= now;
    }
}

pub struct RsaSigner(RsaKeyPair, Vec<u8>);

impl RsaSigner {
    pub fn new(person: &Person) -> Self {
        let pair = RsaKeyPair::from_pkcs8(&person.pkcs8).expect("a key");
        let room = vec![0; pair.public_modulus_len()];
        Self(pair, room)
    }

    pub fn sign(&mut self, message: &[u8]) {
        self.0.sign(&signature::RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut self.1).expect("a signature");
    }

    /// A public key and a signature to verify with it.
    pub fn verification(&mut self, message: &[u8]) -> impl FnMut() + use<> {
        self.sign(message);
        let public = self.0.public_key().as_ref().to_vec();
        let (message, signature) = (message.to_vec(), self.1.clone());
        move || {
            signature::UnparsedPublicKey::new(&signature::RSA_PKCS1_2048_8192_SHA256, &public)
                .verify(&message, &signature)
                .expect("a good signature");
        }
    }

    /// The same with a key that has verified before.
    pub fn verification_with_known_key(&mut self, message: &[u8]) -> impl FnMut() + use<> {
        self.sign(message);
        let public = self.0.public_key().as_ref().to_vec();
        let key = signature::ParsedPublicKey::new(&signature::RSA_PKCS1_2048_8192_SHA256, &public).expect("a key");
        let (message, signature) = (message.to_vec(), self.1.clone());
        move || key.verify_sig(&message, &signature).expect("a good signature")
    }
}

pub struct EcSigner(EcdsaKeyPair);

impl EcSigner {
    pub fn new(person: &Person) -> Self {
        Self(
            EcdsaKeyPair::from_pkcs8(&signature::ECDSA_P256_SHA256_ASN1_SIGNING, &person.pkcs8)
                .or_else(|_| {
                    EcdsaKeyPair::from_private_key_der(&signature::ECDSA_P256_SHA256_ASN1_SIGNING, &person.pkcs8)
                })
                .expect("a key"),
        )
    }

    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.0.sign(&SystemRandom::new(), message).expect("a signature").as_ref().to_vec()
    }

    pub fn verification(&self, message: &[u8]) -> impl FnMut() + use<> {
        let signature = self.sign(message);
        let public = self.0.public_key().as_ref().to_vec();
        let message = message.to_vec();
        move || {
            signature::UnparsedPublicKey::new(&signature::ECDSA_P256_SHA256_ASN1, &public)
                .verify(&message, &signature)
                .expect("a good signature");
        }
    }
}

/// A content key to an RSA key.
pub fn rsa_encryption(person: &Person) -> impl FnMut() + use<> {
    let spki = person.certificate().subject_public_key_info().to_vec();
    let key = OaepPublicEncryptingKey::new(PublicEncryptingKey::from_der(&spki).expect("a key")).expect("a key");
    let mut out = vec![0; key.ciphertext_size()];
    move || {
        key.encrypt(&OAEP_SHA256_MGF1SHA256, &[7; 32], &mut out, None).expect("a ciphertext");
    }
}

pub fn rsa_decryption(person: &Person) -> impl FnMut() + use<> {
    let key = PrivateDecryptingKey::from_pkcs8(&person.pkcs8).expect("a key");
    let public = OaepPublicEncryptingKey::new(key.public_key()).expect("a key");
    let mut ciphertext = vec![0; public.ciphertext_size()];
    public.encrypt(&OAEP_SHA256_MGF1SHA256, &[7; 32], &mut ciphertext, None).expect("a ciphertext");
    let key = OaepPrivateDecryptingKey::new(key).expect("a key");
    let mut out = vec![0; key.min_output_size()];
    move || {
        key.decrypt(&OAEP_SHA256_MGF1SHA256, &ciphertext, &mut out, None).expect("a content key");
    }
}

/// A fresh key and so many agreements on P-256.
pub fn agreements(count: usize) {
    let ours = agreement::PrivateKey::generate(&agreement::ECDH_P256).expect("a key");
    let point = ours.compute_public_key().expect("a point");
    for _ in 0..count {
        agree(&ours, point.as_ref());
    }
}

/// One agreement with a key that is at hand.
pub fn agreement_with_known_key() -> impl FnMut() {
    let ours = agreement::PrivateKey::generate(&agreement::ECDH_P256).expect("a key");
    let point = ours.compute_public_key().expect("a point");
    move || agree(&ours, point.as_ref())
}

fn agree(ours: &agreement::PrivateKey, point: &[u8]) {
    let peer = agreement::UnparsedPublicKey::new(&agreement::ECDH_P256, point);
    agreement::agree(ours, peer, (), |secret| {
        std::hint::black_box(secret);
        Ok(())
    })
    .expect("a secret");
}

/// AES-256-GCM over so many octets, a step at a time.
pub fn gcm(octets: usize) {
    let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &[7; 32]).expect("a key"));
    let mut block = vec![0u8; STEP.min(octets)];
    let mut left = octets;
    while left > 0 {
        let now = left.min(STEP);
        let tag =
            key.seal_in_place_separate_tag(Nonce::assume_unique_for_key([0; 12]), Aad::empty(), &mut block[..now]);
        std::hint::black_box(&tag);
        left -= now;
    }
}

pub fn cbc_encrypt(octets: usize) {
    let key = UnboundCipherKey::new(&AES_256, &[7; 32]).expect("a key");
    let context = EncryptionContext::Iv128(FixedLength::from([0; 16]));
    let mut key = StreamingEncryptingKey::less_safe_cbc_pkcs7(key, context).expect("a key");
    let (block, mut out) = (vec![0u8; STEP], vec![0u8; STEP + 32]);
    let mut left = octets;
    while left > 0 {
        let now = left.min(STEP);
        key.update(&block[..now], &mut out).expect("room");
        left -= now;
    }
}

pub fn cbc_decrypt(octets: usize) {
    let key = UnboundCipherKey::new(&AES_256, &[7; 32]).expect("a key");
    let context = DecryptionContext::Iv128(FixedLength::from([0; 16]));
    let mut key = StreamingDecryptingKey::cbc_pkcs7(key, context).expect("a key");
    let (block, mut out) = (vec![0u8; STEP], vec![0u8; STEP + 32]);
    let mut left = octets;
    while left > 0 {
        let now = left.min(STEP);
        key.update(&block[..now], &mut out).expect("room");
        left -= now;
    }
}
