use std::fmt;

use asn1::Writer;
use cryptoki::mechanism::eddsa::{EddsaParams, EddsaSignatureScheme};
use cryptoki::mechanism::elliptic_curve::{EcKdf, Ecdh1DeriveParams};
use cryptoki::mechanism::rsa::{PkcsMgfType, PkcsOaepParams, PkcsOaepSource, PkcsPssParams};
use cryptoki::mechanism::{Mechanism, MechanismType};
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass};
use cryptoki::types::Ulong;
use zeroize::Zeroizing;

use super::failure::Failure;
use super::padding::{unpad_oaep, unpad_pkcs1, unpad_pkcs1_or};
use super::{Loaded, Pooled, Token, TokenReference};
use crate::{
    Curve, DigestAlgorithm, DigestValue, Error, KeyTransportAlgorithm, PrivateKey, PssParameters, PublicKey,
    PublicKeyKind, SharedSecret, SignatureAlgorithm, random,
};

/// A private key that stays in its token.
#[derive(Clone)]
pub struct TokenKey {
    token: Token,
    id: Vec<u8>,
    public: PublicKey,
}

impl TokenKey {
    pub(super) fn new(token: Token, id: Vec<u8>, public: PublicKey) -> Self {
        Self { token, id, public }
    }

    /// Its name.
    pub fn reference(&self) -> TokenReference {
        TokenReference { token: self.token.label().to_owned(), id: self.id.clone() }
    }

    fn with<T>(
        &self,
        mut work: impl FnMut(&Loaded, &mut Pooled, cryptoki::object::ObjectHandle) -> Result<T, Failure>,
    ) -> Result<T, Error> {
        self.token.with_key(ObjectClass::PRIVATE_KEY, &self.id, |loaded, pooled, key| work(loaded, pooled, key))
    }

    fn sign_with(&self, mechanism: &Mechanism<'_>, data: &[u8]) -> Result<Vec<u8>, Error> {
        self.with(|_, pooled, key| Ok(pooled.session.sign(mechanism, key, data)?))
    }

    /// What RSA makes of a ciphertext, padding and all; `None` where the token does not give that out.
    fn decrypt_bare(&self, ciphertext: &[u8]) -> Result<Option<Zeroizing<Vec<u8>>>, Error> {
        let PublicKeyKind::Rsa { pss: None, bits } = self.public.kind() else {
            return Err(Error::NotForThisKey { operation: "decrypt" });
        };
        let length = usize::try_from(bits.div_ceil(8)).map_err(|_| Error::BadValue)?;
        let (modulus, _) = self.public.rsa_components().ok_or(Error::BadValue)?;
        // RFC 8017 §5.1.2, §7.1.2: a ciphertext is as long as the modulus, and below it. What is not, some tokens
        // answer as if they were broken.
        if ciphertext.len() != length || ciphertext >= modulus {
            return Err(Error::BadValue);
        }
        self.with(|loaded, pooled, key| {
            if !has_mechanism(loaded, pooled, MechanismType::RSA_X_509)? {
                return Ok(None);
            }
            let mut bare = Zeroizing::new(pooled.session.decrypt(&Mechanism::RsaX509, key, ciphertext)?);
            // Seen in the wild: the number without its leading zeros.
            let missing = length.checked_sub(bare.len()).ok_or(Error::BadValue)?;
            bare.splice(0..0, std::iter::repeat_n(0, missing));
            Ok(Some(bare))
        })
    }

    /// Where the token takes off the padding itself.
    fn decrypt_in_token(
        &self,
        algorithm: &KeyTransportAlgorithm,
        mechanism: &Mechanism<'_>,
        ciphertext: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, Error> {
        let known = [7; 16];
        let good = algorithm.encrypt(&self.public, &known)?;
        self.with(|_, pooled, key| match pooled.session.decrypt(mechanism, key, ciphertext).map_err(Failure::from) {
            Ok(plain) => Ok(Zeroizing::new(plain)),
            // Many say for a wrong padding that something went wrong. Whoever then still decrypts, meant the padding.
            Err(Failure::Lost(because)) => match pooled.session.decrypt(mechanism, key, &good) {
                Ok(plain) if plain == known => Err(Error::BadValue.into()),
                _ => Err(Failure::Lost(because)),
            },
            Err(failure) => Err(failure),
        })
    }
}

impl PrivateKey for TokenKey {
    fn public_key(&self) -> &PublicKey {
        &self.public
    }

    fn sign(&self, algorithm: &SignatureAlgorithm, message: &[u8]) -> Result<Vec<u8>, Error> {
        match (algorithm, self.public.kind()) {
            (SignatureAlgorithm::Ed25519, PublicKeyKind::Ed25519) => {
                self.sign_with(&Mechanism::Eddsa(EddsaParams::new(EddsaSignatureScheme::Ed25519)), message)
            }
            _ => match algorithm.digest() {
                Some(digest) => self.sign_digest(algorithm, &digest.digest(message)),
                None => Err(Error::NotForThisKey { operation: "sign" }),
            },
        }
    }

    fn sign_digest(&self, algorithm: &SignatureAlgorithm, digest: &DigestValue) -> Result<Vec<u8>, Error> {
        if algorithm.digest() != Some(digest.algorithm()) {
            return Err(Error::NotForThisKey { operation: "sign" });
        }
        // CASES T-15, RFC 8551 §4.2: what is never accepted is never made.
        if digest.algorithm().is_weak() {
            return Err(Error::Weak { algorithm: digest.algorithm().name() });
        }
        if self.public.is_weak() {
            return Err(Error::Weak { algorithm: "RSA below 2048 bits" });
        }
        match (algorithm, self.public.kind()) {
            (SignatureAlgorithm::RsaPkcs1(_), PublicKeyKind::Rsa { pss: None, .. }) => {
                self.sign_with(&Mechanism::RsaPkcs, &digest_info(digest))
            }
            (SignatureAlgorithm::RsaPss(parameters), PublicKeyKind::Rsa { pss: None, .. }) => {
                self.sign_with(&Mechanism::RsaPkcsPss(pss(parameters)?), digest.octets())
            }
            (SignatureAlgorithm::Ecdsa(_), PublicKeyKind::Ec(curve)) => {
                self.sign_with(&Mechanism::Ecdsa, &for_curve(curve, digest)?).and_then(|raw| ecdsa_value(&raw))
            }
            _ => Err(Error::NotForThisKey { operation: "sign" }),
        }
    }

    fn decrypt(&self, algorithm: &KeyTransportAlgorithm, ciphertext: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error> {
        let bare = self.decrypt_bare(ciphertext)?;
        match (algorithm, bare) {
            (KeyTransportAlgorithm::RsaPkcs1, Some(bare)) => unpad_pkcs1(&bare),
            (KeyTransportAlgorithm::RsaPkcs1, None) => {
                self.decrypt_in_token(algorithm, &Mechanism::RsaPkcs, ciphertext)
            }
            (KeyTransportAlgorithm::RsaOaep { digest, mgf_digest, label }, Some(bare)) => {
                unpad_oaep(&bare, *digest, *mgf_digest, label)
            }
            (KeyTransportAlgorithm::RsaOaep { digest, mgf_digest, label }, None) => {
                let source = PkcsOaepSource::data_specified(label);
                let parameters = PkcsOaepParams::new(mechanism(*digest)?, mgf(*mgf_digest)?, source);
                self.decrypt_in_token(algorithm, &Mechanism::RsaPkcsOaep(parameters), ciphertext)
            }
        }
    }

    fn decrypt_or_random(
        &self,
        algorithm: &KeyTransportAlgorithm,
        ciphertext: &[u8],
        length: usize,
    ) -> Result<Zeroizing<Vec<u8>>, Error> {
        let mut other = Zeroizing::new(vec![0; length]);
        random(&mut other)?;
        let decrypted = match algorithm {
            KeyTransportAlgorithm::RsaPkcs1 => match self.decrypt_bare(ciphertext) {
                Ok(Some(bare)) => return Ok(unpad_pkcs1_or(&bare, other)),
                Ok(None) => self.decrypt_in_token(algorithm, &Mechanism::RsaPkcs, ciphertext),
                Err(error) => Err(error),
            },
            KeyTransportAlgorithm::RsaOaep { .. } => self.decrypt(algorithm, ciphertext),
        };
        match decrypted {
            Ok(key) if key.len() == length => Ok(key),
            Ok(_) | Err(Error::BadValue) => Ok(other),
            Err(error) => Err(error),
        }
    }

    fn agree(&self, peer: &PublicKey) -> Result<SharedSecret, Error> {
        let PublicKeyKind::Ec(curve) = self.public.kind() else {
            return Err(Error::NotForThisKey { operation: "agree" });
        };
        // CASES T-45: the peer's point was checked to be on this curve when the key was read.
        if peer.kind() != self.public.kind() {
            return Err(Error::NotForThisKey { operation: "agree" });
        }
        let length = curve.coordinate_length();
        let value_length = Ulong::new(u64::try_from(length).map_err(|_| Error::BadValue)?);
        let secret = self.with(|_, pooled, key| {
            let template = [
                Attribute::Class(ObjectClass::SECRET_KEY),
                Attribute::KeyType(KeyType::GENERIC_SECRET),
                Attribute::Token(false),
                Attribute::Sensitive(false),
                Attribute::Extractable(true),
                Attribute::ValueLen(value_length),
            ];
            let parameters = Ecdh1DeriveParams::new(EcKdf::null(), peer.bits());
            let derived = pooled.session.derive_key(&Mechanism::Ecdh1Derive(parameters), key, &template)?;
            let value = pooled.session.get_attributes(derived, &[AttributeType::Value]);
            drop(pooled.session.destroy_object(derived));
            match value?.into_iter().next() {
                Some(Attribute::Value(secret)) => Ok(Zeroizing::new(secret)),
                _ => Err(Error::Unsupported { algorithm: "ECDH in this token".into() }.into()),
            }
        })?;
        // RFC 5753 §3.1.1: the x-coordinate as a whole field element. Seen in the wild: without its leading zeros.
        let missing = length.checked_sub(secret.len()).ok_or(Error::BadValue)?;
        let mut whole = vec![0; missing];
        whole.extend_from_slice(&secret);
        Ok(SharedSecret::new(whole))
    }
}

impl fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenKey({}, {})", self.reference(), self.public.describe())
    }
}

fn has_mechanism(loaded: &Loaded, pooled: &mut Pooled, wanted: MechanismType) -> Result<bool, Failure> {
    if pooled.mechanisms.is_none() {
        pooled.mechanisms = Some(loaded.pkcs11.get_mechanism_list(pooled.slot)?);
    }
    Ok(pooled.mechanisms.as_ref().is_some_and(|all| all.contains(&wanted)))
}

// RFC 8017 §9.2: DigestInfo ::= SEQUENCE { digestAlgorithm, digest OCTET STRING }, with NULL parameters.
fn digest_info(digest: &DigestValue) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.sequence(|w| {
        crate::AlgorithmIdentifier::with_null(digest.algorithm().oid()).encode(w);
        w.octet_string(digest.octets());
    });
    writer.into_vec()
}

// SEC 1 §4.1.3: the leftmost bits of the digest, as many as the curve's order has.
fn for_curve(curve: Curve, digest: &DigestValue) -> Result<Vec<u8>, Error> {
    let octets = digest.octets();
    Ok(octets.get(..octets.len().min(curve.coordinate_length())).ok_or(Error::BadValue)?.to_vec())
}

// RFC 3279 §2.2.3: Ecdsa-Sig-Value ::= SEQUENCE { r INTEGER, s INTEGER }; tokens give both in halves of one string.
fn ecdsa_value(raw: &[u8]) -> Result<Vec<u8>, Error> {
    if raw.is_empty() || !raw.len().is_multiple_of(2) {
        return Err(Error::Unavailable { because: "the token gives a signature of an odd length".into() });
    }
    let (r, s) = raw.split_at(raw.len() / 2);
    let mut writer = Writer::new();
    writer.sequence(|w| {
        w.unsigned_bytes(r);
        w.unsigned_bytes(s);
    });
    Ok(writer.into_vec())
}

fn pss(parameters: &PssParameters) -> Result<PkcsPssParams, Error> {
    Ok(PkcsPssParams {
        hash_alg: mechanism(parameters.digest)?,
        mgf: mgf(parameters.mgf_digest)?,
        s_len: Ulong::new(parameters.salt_length.into()),
    })
}

fn mechanism(digest: DigestAlgorithm) -> Result<MechanismType, Error> {
    Ok(match digest {
        DigestAlgorithm::Sha1 => MechanismType::SHA1,
        DigestAlgorithm::Sha224 => MechanismType::SHA224,
        DigestAlgorithm::Sha256 => MechanismType::SHA256,
        DigestAlgorithm::Sha384 => MechanismType::SHA384,
        DigestAlgorithm::Sha512 => MechanismType::SHA512,
        other => return Err(Error::Unsupported { algorithm: format!("{other} in a token") }),
    })
}

fn mgf(digest: DigestAlgorithm) -> Result<PkcsMgfType, Error> {
    Ok(match digest {
        DigestAlgorithm::Sha1 => PkcsMgfType::MGF1_SHA1,
        DigestAlgorithm::Sha224 => PkcsMgfType::MGF1_SHA224,
        DigestAlgorithm::Sha256 => PkcsMgfType::MGF1_SHA256,
        DigestAlgorithm::Sha384 => PkcsMgfType::MGF1_SHA384,
        DigestAlgorithm::Sha512 => PkcsMgfType::MGF1_SHA512,
        other => return Err(Error::Unsupported { algorithm: format!("{other} in a token") }),
    })
}
