//! The provider's keys: RFC 7517, as far as OpenID Connect uses it.

use asn1::Writer;
use crypto::{AlgorithmIdentifier, Curve, DigestAlgorithm, PssParameters, PublicKey, SignatureAlgorithm, oids};
use serde_json::Value;

/// A public key that ID tokens are signed with.
#[derive(Debug, Clone)]
pub(super) struct Key {
    pub(super) id: Option<String>,
    /// The one algorithm that the provider uses it with, where it says so.
    algorithm: Option<String>,
    public: PublicKey,
}

impl Key {
    /// The keys of a set; what is not for signatures, or of a kind that is not used here, is passed over.
    pub(super) fn read_set(document: &Value) -> Vec<Self> {
        let keys = document.get("keys").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        keys.iter().take(MOST_KEYS).filter_map(Self::read).collect()
    }

    fn read(jwk: &Value) -> Option<Self> {
        let text = |name: &str| jwk.get(name).and_then(Value::as_str);
        if text("use").is_some_and(|purpose| purpose != "sig") {
            return None;
        }
        let public = match text("kty")? {
            "RSA" => rsa(&octets(text("n")?)?, &octets(text("e")?)?)?,
            "EC" if text("crv") == Some("P-256") => {
                let (x, y) = (octets(text("x")?)?, octets(text("y")?)?);
                if x.len() != 32 || y.len() != 32 {
                    return None;
                }
                PublicKey::from_ec_point(Curve::P256, &[&[4], &x[..], &y[..]].concat()).ok()?
            }
            _ => return None,
        };
        Some(Self { id: text("kid").map(ToOwned::to_owned), algorithm: text("alg").map(ToOwned::to_owned), public })
    }

    /// Whether it is for signatures with `algorithm`.
    pub(super) fn fits(&self, algorithm: Algorithm) -> bool {
        let named = self.algorithm.as_deref().is_none_or(|name| name == algorithm.name());
        let elliptic = self.public.rsa_components().is_none();
        named && elliptic == (algorithm == Algorithm::Es256) && !self.public.is_weak()
    }

    pub(super) fn verify(&self, algorithm: Algorithm, signed: &[u8], signature: &[u8]) -> bool {
        let verified = match algorithm {
            Algorithm::Rs256 => {
                self.public.verify(&SignatureAlgorithm::RsaPkcs1(DigestAlgorithm::Sha256), signed, signature)
            }
            Algorithm::Ps256 => {
                let pss = SignatureAlgorithm::RsaPss(PssParameters::standard(DigestAlgorithm::Sha256));
                self.public.verify(&pss, signed, signature)
            }
            Algorithm::Es256 => {
                let Some((r, s)) = signature.split_at_checked(32).filter(|(_, s)| s.len() == 32) else { return false };
                // RFC 7518 §3.4: two numbers side by side; certificates have them as a SEQUENCE.
                let mut der = Writer::new();
                der.sequence(|w| {
                    w.unsigned_bytes(r);
                    w.unsigned_bytes(s);
                });
                let der = der.into_vec();
                self.public.verify(&SignatureAlgorithm::Ecdsa(DigestAlgorithm::Sha256), signed, &der)
            }
        };
        verified.is_ok()
    }
}

/// What an ID token may be signed with. There is no `none`, and nothing whose key is a shared secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Algorithm {
    Es256,
    Ps256,
    Rs256,
}

impl Algorithm {
    pub(super) fn from_name(name: &str) -> Option<Self> {
        [Self::Es256, Self::Ps256, Self::Rs256].into_iter().find(|algorithm| algorithm.name() == name)
    }

    fn name(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::Ps256 => "PS256",
            Self::Rs256 => "RS256",
        }
    }
}

fn octets(text: &str) -> Option<Vec<u8>> {
    base64_simd::URL_SAFE_NO_PAD.decode_to_vec(text).ok()
}

fn rsa(modulus: &[u8], exponent: &[u8]) -> Option<PublicKey> {
    let mut key = Writer::new();
    key.sequence(|w| {
        w.unsigned_bytes(modulus);
        w.unsigned_bytes(exponent);
    });
    PublicKey::from_parts(&AlgorithmIdentifier::with_null(oids::RSA_ENCRYPTION), key.as_slice()).ok()
}

const MOST_KEYS: usize = 50;
