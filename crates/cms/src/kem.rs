use asn1::{Error as Asn1Error, Reader, Tag, Writer};
use crypto::{
    AlgorithmIdentifier, DigestAlgorithm, KeyWrapAlgorithm, MlKemLevel, PrivateKey, PublicKey, PublicKeyKind,
    SharedSecret, oids as algorithms,
};
use pki::Certificate;
use zeroize::Zeroizing;

use crate::{CertificateIdentifier, Error, oids};

/// ```text
/// KEMRecipientInfo ::= SEQUENCE {
///   version CMSVersion,  -- always set to 0
///   rid RecipientIdentifier, kem KEMAlgorithmIdentifier, kemct OCTET STRING,
///   kdf KeyDerivationAlgorithmIdentifier, kekLength INTEGER (1..65535),
///   ukm [0] EXPLICIT UserKeyingMaterial OPTIONAL,
///   wrap KeyEncryptionAlgorithmIdentifier, encryptedKey EncryptedKey }
/// ```
/// RFC 9629 §3.
#[derive(Debug, Clone)]
pub(crate) struct KemRecipientInfo {
    recipient: CertificateIdentifier,
    kem: AlgorithmIdentifier,
    ciphertext: Vec<u8>,
    kdf: AlgorithmIdentifier,
    kek_length: u32,
    ukm: Option<Vec<u8>>,
    wrap: AlgorithmIdentifier,
    encrypted_key: Vec<u8>,
}

impl KemRecipientInfo {
    pub(crate) fn parse(mut inside: Reader<'_>) -> Result<Self, Asn1Error> {
        inside.integer()?;
        let recipient = CertificateIdentifier::parse(&mut inside)?;
        let kem = AlgorithmIdentifier::parse(&mut inside)?;
        let ciphertext = inside.octet_string()?.into_owned();
        let kdf = AlgorithmIdentifier::parse(&mut inside)?;
        let kek_length = inside.small_integer()?;
        let ukm = match inside.context(0, "ukm")? {
            Some(mut ukm) => Some(ukm.octet_string()?.into_owned()),
            None => None,
        };
        let wrap = AlgorithmIdentifier::parse(&mut inside)?;
        let encrypted_key = inside.octet_string()?.into_owned();
        inside.finish()?;
        Ok(Self { recipient, kem, ciphertext, kdf, kek_length, ukm, wrap, encrypted_key })
    }

    pub(crate) fn recipient(&self) -> &CertificateIdentifier {
        &self.recipient
    }

    pub(crate) fn describe(&self) -> String {
        match self.kem.oid {
            algorithms::ML_KEM_512 => "ML-KEM-512".into(),
            algorithms::ML_KEM_768 => "ML-KEM-768".into(),
            algorithms::ML_KEM_1024 => "ML-KEM-1024".into(),
            oid => oid.to_string(),
        }
    }

    /// RFC 9629 §2: decapsulate, derive, unwrap.
    pub(crate) fn content_key(&self, key: &dyn PrivateKey) -> Result<Zeroizing<Vec<u8>>, crypto::Error> {
        let wrap = KeyWrapAlgorithm::from_identifier(&self.wrap)?;
        // RFC 9629 §3: kekLength is the length of the wrapping algorithm's key.
        if usize::try_from(self.kek_length) != Ok(wrap.key_length()) {
            return Err(crypto::Error::MalformedParameters { algorithm: "KEMRecipientInfo" });
        }
        let digest = match self.kdf.oid {
            algorithms::HKDF_WITH_SHA256 => DigestAlgorithm::Sha256,
            algorithms::HKDF_WITH_SHA384 => DigestAlgorithm::Sha384,
            algorithms::HKDF_WITH_SHA512 => DigestAlgorithm::Sha512,
            oid => return Err(crypto::Error::Unknown { oid }),
        };
        // RFC 9936 §2.1, §3 and RFC 9629 §4: the algorithm is the key's own, without parameters.
        let PublicKeyKind::MlKem(level) = key.public_key().kind() else {
            return Err(crypto::Error::NotForThisKey { operation: "decapsulate" });
        };
        if self.kem != AlgorithmIdentifier::new(level.oid()) {
            return Err(crypto::Error::MalformedParameters { algorithm: "KEMRecipientInfo" });
        }
        let secret = key.decapsulate(&self.ciphertext)?;
        let kek = key_encryption_key(digest, &secret, &self.wrap, wrap.key_length(), self.ukm.as_deref())?;
        wrap.unwrap(&kek, &self.encrypted_key)
    }
}

// CMSORIforKEMOtherInfo ::= SEQUENCE { wrap, kekLength, ukm [0] EXPLICIT UserKeyingMaterial OPTIONAL } (RFC 9629 §5).
// RFC 9936 §2.2.1: without a salt.
fn key_encryption_key(
    digest: DigestAlgorithm,
    secret: &SharedSecret,
    wrap: &AlgorithmIdentifier,
    length: usize,
    ukm: Option<&[u8]>,
) -> Result<Zeroizing<Vec<u8>>, crypto::Error> {
    let mut info = Writer::new();
    info.sequence(|w| {
        wrap.encode(w);
        w.unsigned(length as u64);
        if let Some(ukm) = ukm {
            w.context(0, |w| w.octet_string(ukm));
        }
    });
    crypto::hkdf(digest, &[], secret.octets(), info.as_slice(), length)
}

/// RFC 9936 §2.1, §2.2: HKDF with SHA-256; AES-128 wrap with ML-KEM-512, AES-256 wrap with the others.
///
/// The wrap is never weaker than the content key, so a 256-bit key to ML-KEM-512 is wrapped with AES-256.
pub(crate) fn encode(certificate: &Certificate, public: &PublicKey, content_key: &[u8]) -> Result<Vec<u8>, Error> {
    let PublicKeyKind::MlKem(level) = public.kind() else {
        return Err(Error::NotARecipient { because: "its key is no ML-KEM key" });
    };
    let wrap = match level {
        MlKemLevel::MlKem512 if content_key.len() <= 16 => KeyWrapAlgorithm::Aes128,
        _ => KeyWrapAlgorithm::Aes256,
    };
    let (ciphertext, secret) = public.encapsulate()?;
    let wrap_identifier = wrap.identifier();
    let kek = key_encryption_key(DigestAlgorithm::Sha256, &secret, &wrap_identifier, wrap.key_length(), None)?;
    let encrypted_key = wrap.wrap(&kek, content_key)?;
    let kem = match level {
        MlKemLevel::MlKem512 => algorithms::ML_KEM_512,
        MlKemLevel::MlKem768 => algorithms::ML_KEM_768,
        MlKemLevel::MlKem1024 => algorithms::ML_KEM_1024,
    };
    let mut writer = Writer::new();
    writer.constructed(Tag::context_constructed(4), |w| {
        w.oid(&oids::ID_ORI_KEM);
        w.sequence(|w| {
            w.unsigned(0);
            CertificateIdentifier::of(certificate).encode(w);
            AlgorithmIdentifier::new(kem).encode(w);
            w.octet_string(&ciphertext);
            AlgorithmIdentifier::new(algorithms::HKDF_WITH_SHA256).encode(w);
            w.unsigned(wrap.key_length() as u64);
            wrap_identifier.encode(w);
            w.octet_string(&encrypted_key);
        });
    });
    Ok(writer.into_vec())
}
