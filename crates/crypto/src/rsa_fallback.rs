//! RSA for what aws-lc does not do: OAEP with two different digests, and keys below 2048 bits, which are only read.

use asn1::{Encoding, Reader, Writer};
use rsa::hazmat::rsa_decrypt;
use rsa::rand_core::{TryCryptoRng, TryRng};
use rsa::traits::PublicKeyParts as _;
use rsa::{BoxedUint, Oaep, Pkcs1v15Encrypt, PrivateKey, PublicKey as RsaPublicKey};
use zeroize::Zeroizing;

use crate::{DigestAlgorithm, Error, KeyTransportAlgorithm, constant_time_eq, random, random_array};

struct Components<'a> {
    modulus: &'a [u8],
    public_exponent: &'a [u8],
    private_exponent: &'a [u8],
    primes: [&'a [u8]; 2],
}

// RFC 8017 §A.1.2: RSAPrivateKey ::= SEQUENCE { version, n, e, d, p, q, … }
fn components(private: &[u8]) -> Result<Components<'_>, Error> {
    let because = "it is not an RSAPrivateKey";
    let malformed = |_: asn1::Error| Error::MalformedKey { because };
    let mut outer = Reader::new(private, Encoding::Der);
    let mut inside = outer.sequence("RSAPrivateKey").map_err(malformed)?;
    inside.small_integer().map_err(malformed)?;
    let mut next = || {
        let number = inside.integer().map_err(malformed)?;
        number.unsigned_bytes().ok_or(Error::MalformedKey { because: "an RSA number is negative" })
    };
    Ok(Components { modulus: next()?, public_exponent: next()?, private_exponent: next()?, primes: [next()?, next()?] })
}

/// The RSAPublicKey inside an RSAPrivateKey.
pub(crate) fn public_half(private: &[u8]) -> Result<Vec<u8>, Error> {
    let Components { modulus, public_exponent, .. } = components(private)?;
    let mut writer = Writer::new();
    writer.sequence(|w| {
        w.unsigned_bytes(modulus);
        w.unsigned_bytes(public_exponent);
    });
    Ok(writer.into_vec())
}

fn number(octets: &[u8]) -> Result<BoxedUint, Error> {
    let bits = u32::try_from(octets.len()).unwrap_or(u32::MAX).saturating_mul(8).max(64);
    BoxedUint::from_be_slice(octets, bits).map_err(|_| Error::MalformedKey { because: "it was rejected" })
}

fn private_key(private: &[u8]) -> Result<PrivateKey, Error> {
    let parts = components(private)?;
    let primes = parts.primes.into_iter().map(number).collect::<Result<_, _>>()?;
    let (n, e, d) = (number(parts.modulus)?, number(parts.public_exponent)?, number(parts.private_exponent)?);
    PrivateKey::from_components(n, e, d, primes).map_err(|_| Error::MalformedKey { because: "it was rejected" })
}

/// Whether the numbers belong together.
pub(crate) fn check(private: &[u8]) -> Result<(), Error> {
    private_key(private).map(|_| ())
}

/// Runs `$body` with `$type` standing for the digest.
macro_rules! with_digest {
    ($digest:expr, $algorithm:expr, $type:ident => $body:expr) => {
        match $digest {
            DigestAlgorithm::Sha1 => {
                type $type = sha1::Sha1;
                $body
            }
            DigestAlgorithm::Sha224 => {
                type $type = sha2::Sha224;
                $body
            }
            DigestAlgorithm::Sha256 => {
                type $type = sha2::Sha256;
                $body
            }
            DigestAlgorithm::Sha384 => {
                type $type = sha2::Sha384;
                $body
            }
            DigestAlgorithm::Sha512 => {
                type $type = sha2::Sha512;
                $body
            }
            _ => Err(Error::Unsupported { algorithm: $algorithm.describe() }),
        }
    };
}

/// Decrypts with a key that is read for it.
pub(crate) fn decrypt(
    private: &[u8],
    algorithm: &KeyTransportAlgorithm,
    ciphertext: &[u8],
) -> Result<Zeroizing<Vec<u8>>, Error> {
    let key = private_key(private)?;
    let wrong = |_| Error::BadValue;
    match algorithm {
        // The crate answers bad padding with a random text, which nobody can tell from a right one.
        KeyTransportAlgorithm::RsaPkcs1 => key.decrypt(Pkcs1v15Encrypt, ciphertext).map(Zeroizing::new).map_err(wrong),
        KeyTransportAlgorithm::RsaOaep { digest, mgf_digest, label } => {
            with_digest!(digest, algorithm, D => with_digest!(mgf_digest, algorithm, M => {
                let padding = Oaep::<D, M>::new_with_mgf_hash_and_label(label.clone());
                // Both are computed, whatever the first says, so that neither word nor time tells them apart (CASES T-24).
                let text = key.decrypt(padding, ciphertext).map(Zeroizing::new).map_err(wrong);
                let begins_with_zero = begins_with_zero(&key, ciphertext);
                text.and_then(|text| begins_with_zero.map(|()| text))
            }))
        }
    }
}

// RFC 8017 §7.1.2: the encoded message begins with a zero octet. The crate does not look at it.
fn begins_with_zero(key: &PrivateKey, ciphertext: &[u8]) -> Result<(), Error> {
    let modulus = key.n().as_ref();
    let number = BoxedUint::from_be_slice(ciphertext, modulus.bits_precision()).map_err(|_| Error::BadValue)?;
    let encoded = rsa_decrypt(Some(&mut SystemRandom), key, &number).map_err(|_| Error::BadValue)?;
    let encoded = Zeroizing::new(encoded.to_be_bytes().into_vec());
    let first = encoded.len().checked_sub(key.size()).and_then(|start| encoded.get(start)).ok_or(Error::BadValue)?;
    if constant_time_eq(&[*first], &[0]) { Ok(()) } else { Err(Error::BadValue) }
}

/// Encrypts with OAEP.
pub(crate) fn encrypt(
    modulus: &[u8],
    exponent: &[u8],
    algorithm: &KeyTransportAlgorithm,
    key: &[u8],
) -> Result<Vec<u8>, Error> {
    let public = RsaPublicKey::new(number(modulus)?, number(exponent)?)
        .map_err(|_| Error::MalformedKey { because: "it was rejected" })?;
    match algorithm {
        KeyTransportAlgorithm::RsaPkcs1 => Err(Error::Weak { algorithm: "RSA below 2048 bits" }),
        KeyTransportAlgorithm::RsaOaep { digest, mgf_digest, label } => {
            with_digest!(digest, algorithm, D => with_digest!(mgf_digest, algorithm, M => {
                let padding = Oaep::<D, M>::new_with_mgf_hash_and_label(label.clone());
                public.encrypt(&mut SystemRandom, padding, key).map_err(|_| Error::BadValue)
            }))
        }
    }
}

/// The one random generator of this crate, as the `rsa` crate wants it.
struct SystemRandom;

impl TryRng for SystemRandom {
    type Error = Error;

    fn try_next_u32(&mut self) -> Result<u32, Error> {
        random_array().map(u32::from_le_bytes)
    }

    fn try_next_u64(&mut self) -> Result<u64, Error> {
        random_array().map(u64::from_le_bytes)
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Error> {
        random(out)
    }
}

impl TryCryptoRng for SystemRandom {}
