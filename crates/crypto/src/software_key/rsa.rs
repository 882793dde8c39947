use aws_lc_rs::rsa::{OaepPrivateDecryptingKey, Pkcs1PrivateDecryptingKey, PrivateDecryptingKey};
use aws_lc_rs::signature as aws;
use zeroize::Zeroizing;

use super::{Operations, pkcs8};
use crate::{
    AlgorithmIdentifier, DigestAlgorithm, DigestValue, Error, KeyTransportAlgorithm, PssParameters, PublicKey,
    PublicKeyKind, SignatureAlgorithm, oids, rsa_fallback,
};

/// An RSA key, which signs and decrypts.
pub(super) struct RsaKey {
    strong: Option<Strong>,
    /// RSAPrivateKey, for what aws-lc does not do.
    private: Zeroizing<Vec<u8>>,
}

/// A key of 2048 bits or more, as aws-lc has it.
struct Strong {
    sign: aws::RsaKeyPair,
    oaep: OaepPrivateDecryptingKey,
    pkcs1: Pkcs1PrivateDecryptingKey,
}

pub(super) fn read(algorithm: &AlgorithmIdentifier, private: &[u8]) -> Result<(PublicKey, Operations), Error> {
    let public = rsa_fallback::public_half(private)?;
    let public = PublicKey::from_parts(algorithm, &public)?;
    let strong = if public.is_weak() {
        rsa_fallback::check(private)?;
        None
    } else {
        let sign = aws::RsaKeyPair::from_der(private)?;
        // aws-lc reads the key pair for decryption from PKCS #8 with the plain identifier only.
        let plain = pkcs8(&AlgorithmIdentifier::with_null(oids::RSA_ENCRYPTION), private);
        let decrypting = PrivateDecryptingKey::from_pkcs8(&plain)?;
        let oaep = OaepPrivateDecryptingKey::new(decrypting.clone())?;
        Some(Strong { sign, oaep, pkcs1: Pkcs1PrivateDecryptingKey::new(decrypting)? })
    };
    Ok((public, Operations::Rsa(RsaKey { strong, private: Zeroizing::new(private.to_vec()) })))
}

impl RsaKey {
    pub(super) fn sign(
        &self,
        public: &PublicKey,
        algorithm: &SignatureAlgorithm,
        digest: &DigestValue,
    ) -> Result<Vec<u8>, Error> {
        use DigestAlgorithm::{Sha256, Sha384, Sha512};
        let Some(strong) = &self.strong else {
            return Err(Error::Weak { algorithm: "RSA below 2048 bits" });
        };
        let restriction = match public.kind() {
            PublicKeyKind::Rsa { pss, .. } => pss,
            _ => None,
        };
        let encoding = match algorithm {
            // RFC 4055 §1.2: a key that is restricted to RSASSA-PSS makes no other signatures.
            SignatureAlgorithm::RsaPkcs1(_) if restriction.is_some() => {
                return Err(Error::NotForThisKey { operation: "sign with PKCS #1 v1.5" });
            }
            SignatureAlgorithm::RsaPss(parameters)
                if restriction.flatten().is_some_and(|own| !own.allows(parameters)) =>
            {
                return Err(Error::NotForThisKey { operation: "sign with these RSASSA-PSS parameters" });
            }
            SignatureAlgorithm::RsaPkcs1(Sha256) => &aws::RSA_PKCS1_SHA256,
            SignatureAlgorithm::RsaPkcs1(Sha384) => &aws::RSA_PKCS1_SHA384,
            SignatureAlgorithm::RsaPkcs1(Sha512) => &aws::RSA_PKCS1_SHA512,
            SignatureAlgorithm::RsaPss(p) if *p == PssParameters::standard(Sha256) => &aws::RSA_PSS_SHA256,
            SignatureAlgorithm::RsaPss(p) if *p == PssParameters::standard(Sha384) => &aws::RSA_PSS_SHA384,
            SignatureAlgorithm::RsaPss(p) if *p == PssParameters::standard(Sha512) => &aws::RSA_PSS_SHA512,
            _ => {
                let digest = digest.algorithm();
                return Err(Error::Unsupported { algorithm: format!("{} with {digest}", algorithm.name()) });
            }
        };
        let aws_digest = digest.algorithm().aws().ok_or(Error::NotForThisKey { operation: "sign" })?;
        let digest = aws_lc_rs::digest::Digest::import_less_safe(digest.octets(), aws_digest)?;
        let mut signature = vec![0; strong.sign.public_modulus_len()];
        strong.sign.sign_digest(encoding, &digest, &mut signature)?;
        Ok(signature)
    }

    pub(super) fn decrypt(
        &self,
        public: &PublicKey,
        algorithm: &KeyTransportAlgorithm,
        ciphertext: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, Error> {
        // RFC 4055 §1.2: a key that is restricted to signatures does not transport keys.
        if !matches!(public.kind(), PublicKeyKind::Rsa { pss: None, .. }) {
            return Err(Error::NotForThisKey { operation: "decrypt" });
        }
        let Some(Strong { oaep, pkcs1, .. }) = &self.strong else {
            return rsa_fallback::decrypt(&self.private, algorithm, ciphertext);
        };
        let mut out = Zeroizing::new(vec![0; oaep.min_output_size().max(pkcs1.min_output_size())]);
        let length = match algorithm {
            KeyTransportAlgorithm::RsaPkcs1 => pkcs1.decrypt(ciphertext, &mut out)?.len(),
            KeyTransportAlgorithm::RsaOaep { label, .. } => {
                let Some(aws_algorithm) = algorithm.aws_oaep() else {
                    return rsa_fallback::decrypt(&self.private, algorithm, ciphertext);
                };
                let label = if label.is_empty() { None } else { Some(&label[..]) };
                oaep.decrypt(aws_algorithm, ciphertext, &mut out, label)?.len()
            }
        };
        out.truncate(length);
        Ok(out)
    }
}
