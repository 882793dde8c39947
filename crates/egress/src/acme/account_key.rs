//! The account's key, and JWS as ACME has it (RFC 7515, RFC 7638, RFC 8555 §6.2): P-256 with SHA-256 alone.

use std::fmt;
use std::sync::Arc;

use asn1::{Encoding, Reader};
use base64_simd::URL_SAFE_NO_PAD as BASE64URL;
use crypto::{Curve, DigestAlgorithm, PrivateKey, PublicKey, PublicKeyKind, SignatureAlgorithm, Wiped};
use serde_json::{Value, json};

use crate::Error;

/// The key that an account is known by.
#[derive(Clone)]
pub struct AccountKey {
    key: Arc<dyn PrivateKey>,
    x: String,
    y: String,
}

/// A key that the CA gave to a customer, so that the account becomes theirs (RFC 8555 §7.3.4).
#[derive(Clone)]
pub struct ExternalBinding {
    key_id: String,
    /// For HMAC with SHA-256.
    key: Arc<Wiped>,
}

impl ExternalBinding {
    /// From what CAs hand out: a name, and a key in base64url.
    pub fn from_base64url(key_id: &str, key: &str) -> Result<Self, Error> {
        let malformed = |because: &str| Error::Malformed { what: "an external account key", because: because.into() };
        let octets =
            BASE64URL.decode_to_vec(key.trim().trim_end_matches('=')).map_err(|_| malformed("it is not base64url"))?;
        if octets.is_empty() || key_id.trim().is_empty() {
            return Err(malformed("it is empty"));
        }
        let mut key = Wiped::with_capacity(octets.len());
        key.extend_from_slice(&octets);
        Ok(Self { key_id: key_id.trim().to_owned(), key: Arc::new(key) })
    }

    /// RFC 8555 §7.3.4: the account key, signed with the CA's.
    fn jws(&self, account: &AccountKey, url: &str) -> Result<Value, Error> {
        let protected = encode(&json!({ "alg": "HS256", "kid": self.key_id, "url": url }));
        let payload = encode(&account.jwk());
        let tag = crypto::hmac(DigestAlgorithm::Sha256, &self.key, format!("{protected}.{payload}").as_bytes())
            .map_err(|error| cannot_sign(&error))?;
        Ok(json!({ "protected": protected, "payload": payload, "signature": BASE64URL.encode_to_string(tag) }))
    }
}

impl fmt::Debug for ExternalBinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ExternalBinding({})", self.key_id)
    }
}

/// Who signs a request: the key itself, before the account is known, or the account by its URL (RFC 8555 §6.2).
#[derive(Debug, Clone, Copy)]
pub(super) enum By<'a> {
    Key,
    Account(&'a str),
}

impl AccountKey {
    /// With a key on P-256.
    ///
    /// # Errors
    /// [`Error::Malformed`] when it is another kind.
    pub fn new(key: Arc<dyn PrivateKey>) -> Result<Self, Error> {
        let (x, y) = coordinates(key.public_key())?;
        Ok(Self { key, x, y })
    }

    /// What stands for the key in what a challenge is answered with (RFC 7638 §3).
    pub fn thumbprint(&self) -> String {
        // RFC 7638 §3.3: the required members alone, in the order of their names, without white space.
        let text = format!("{{\"crv\":\"P-256\",\"kty\":\"EC\",\"x\":\"{}\",\"y\":\"{}\"}}", self.x, self.y);
        BASE64URL.encode_to_string(DigestAlgorithm::Sha256.digest(text.as_bytes()).octets())
    }

    fn jwk(&self) -> Value {
        json!({ "kty": "EC", "crv": "P-256", "x": self.x, "y": self.y })
    }

    /// A request's body; no payload is a POST that only reads (RFC 8555 §6.3).
    pub(super) fn jws(&self, by: By<'_>, url: &str, nonce: &str, payload: Option<&Value>) -> Result<Vec<u8>, Error> {
        let protected = match by {
            By::Key => json!({ "alg": "ES256", "jwk": self.jwk(), "nonce": nonce, "url": url }),
            By::Account(account) => json!({ "alg": "ES256", "kid": account, "nonce": nonce, "url": url }),
        };
        let (protected, payload) = (encode(&protected), payload.map(encode).unwrap_or_default());
        let signed = format!("{protected}.{payload}");
        let algorithm = SignatureAlgorithm::Ecdsa(DigestAlgorithm::Sha256);
        let der = self.key.sign(&algorithm, signed.as_bytes()).map_err(|error| cannot_sign(&error))?;
        let signature = BASE64URL.encode_to_string(plain_signature(&der)?);
        Ok(json!({ "protected": protected, "payload": payload, "signature": signature }).to_string().into_bytes())
    }

    pub(super) fn external_binding(&self, binding: &ExternalBinding, url: &str) -> Result<Value, Error> {
        binding.jws(self, url)
    }
}

impl fmt::Debug for AccountKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AccountKey({})", self.thumbprint())
    }
}

/// What the mail that answers a challenge carries (RFC 8823 §3): the digest of the key authorization, for the token whose
/// first part came by mail and whose second part came over HTTPS.
pub fn key_authorization_digest(token_part1: &str, token_part2: &str, thumbprint: &str) -> String {
    let authorization = format!("{token_part1}{token_part2}.{thumbprint}");
    BASE64URL.encode_to_string(DigestAlgorithm::Sha256.digest(authorization.as_bytes()).octets())
}

fn encode(value: &Value) -> String {
    BASE64URL.encode_to_string(value.to_string())
}

/// The coordinates of a point on P-256 (RFC 7518 §6.2.1), which are of one length each.
fn coordinates(key: &PublicKey) -> Result<(String, String), Error> {
    let malformed = || Error::Malformed { what: "an account key", because: "it is not one on P-256".into() };
    let point = match key.kind() {
        PublicKeyKind::Ec(Curve::P256) => key.bits().strip_prefix(&[4]).filter(|point| point.len() == 64),
        _ => None,
    };
    let (x, y) = point.and_then(|point| point.split_at_checked(32)).ok_or_else(malformed)?;
    Ok((BASE64URL.encode_to_string(x), BASE64URL.encode_to_string(y)))
}

/// RFC 7518 §3.4: both numbers at their full length, one after the other, instead of a SEQUENCE.
fn plain_signature(der: &[u8]) -> Result<Vec<u8>, Error> {
    let malformed = |_: asn1::Error| Error::Malformed { what: "a signature", because: "it is not one of ECDSA".into() };
    let mut outer = Reader::new(der, Encoding::Der);
    let mut inside = outer.sequence("ECDSA-Sig-Value").map_err(malformed)?;
    let mut plain = Vec::with_capacity(64);
    for _ in 0..2 {
        let number = inside.integer().map_err(malformed)?;
        let octets = number.unsigned_bytes().unwrap_or_default();
        let zeros = 32_usize
            .checked_sub(octets.len())
            .ok_or_else(|| Error::Malformed { what: "a signature", because: "its numbers are too long".into() })?;
        plain.resize(plain.len() + zeros, 0);
        plain.extend_from_slice(octets);
    }
    Ok(plain)
}

fn cannot_sign(error: &crypto::Error) -> Error {
    Error::Malformed { what: "an account key", because: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_thumbprint_is_that_of_rfc_7638_for_a_key_of_rfc_7515() {
        // RFC 7515 §A.3: its key. The thumbprint was computed with Python's hashlib.
        let decode = |text: &str| BASE64URL.decode_to_vec(text).unwrap();
        let (x, y) = ("f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0");
        let point = [&[4][..], &decode(x), &decode(y)].concat();
        let public = PublicKey::from_ec_point(Curve::P256, &point).unwrap();
        assert_eq!(coordinates(&public).unwrap(), (x.to_owned(), y.to_owned()));
        #[derive(Debug)]
        struct Known(PublicKey);
        impl PrivateKey for Known {
            fn public_key(&self) -> &PublicKey {
                &self.0
            }
        }
        let key = AccountKey::new(Arc::new(Known(public))).unwrap();
        assert_eq!(key.thumbprint(), THUMBPRINT);
    }

    const THUMBPRINT: &str = "oKIywvGUpTVTyxMQ3bwIIeQUudfr_CkLMjCE19ECD-U";

    #[test]
    fn a_signature_has_its_full_length_whatever_its_numbers() {
        let number = |octets: &[u8]| {
            let mut writer = asn1::Writer::new();
            writer.sequence(|inside| {
                inside.unsigned_bytes(octets);
                inside.unsigned_bytes(&[1]);
            });
            writer.into_vec()
        };
        for octets in [&[7][..], &[0x80; 32], &[0x7f; 31]] {
            let plain = plain_signature(&number(octets)).unwrap();
            assert_eq!(plain.len(), 64);
            assert_eq!(&plain[32 - octets.len()..32], octets);
            assert_eq!(plain[63], 1);
        }
        assert!(plain_signature(&number(&[1; 33])).is_err());
        assert!(plain_signature(b"").is_err());
    }

    #[test]
    fn other_keys_are_no_account_keys() {
        for kind in [crypto::KeyKind::P384, crypto::KeyKind::Ed25519] {
            let key = crypto::SoftwareKey::generate(kind).unwrap();
            assert!(AccountKey::new(Arc::new(key)).is_err());
        }
    }
}
