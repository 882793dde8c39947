use asn1::{Error as Asn1Error, Reader, Tag, Writer};
use crypto::{
    AlgorithmIdentifier, DigestAlgorithm, EphemeralKey, KeyWrapAlgorithm, PrivateKey, PublicKey, PublicKeyKind,
    SharedSecret, oids as algorithms,
};
use pki::Certificate;
use zeroize::Zeroizing;

use crate::{CertificateIdentifier, Error, limits};

/// ```text
/// KeyAgreeRecipientInfo ::= SEQUENCE {
///   version CMSVersion,  -- always set to 3
///   originator [0] EXPLICIT OriginatorIdentifierOrKey,
///   ukm [1] EXPLICIT UserKeyingMaterial OPTIONAL,
///   keyEncryptionAlgorithm KeyEncryptionAlgorithmIdentifier,
///   recipientEncryptedKeys RecipientEncryptedKeys }
/// ```
/// RFC 5652 §6.2.2.
#[derive(Debug, Clone)]
pub(crate) struct KeyAgreeRecipientInfo {
    originator: Originator,
    ukm: Option<Vec<u8>>,
    scheme: AlgorithmIdentifier,
    keys: Vec<(CertificateIdentifier, Vec<u8>)>,
}

#[derive(Debug, Clone)]
enum Originator {
    /// The key's bits; the curve is the recipient's.
    Key(Vec<u8>),
    /// The key of a certificate: by issuer and serial number, or by its key identifier.
    Certificate(CertificateIdentifier),
}

/// A key derivation by its key agreement scheme (RFC 8418 §7): X9.63 (RFC 5753 §7.1.4, RFC 8418 §2.1) or HKDF
/// (RFC 8418 §2.2).
#[derive(Debug, Clone, Copy)]
enum Derivation {
    X963(DigestAlgorithm),
    Hkdf(DigestAlgorithm),
}

impl Derivation {
    fn from_scheme(scheme: &AlgorithmIdentifier) -> Result<Self, crypto::Error> {
        // RFC 5753 §7.1.4. The curves here have the cofactor 1, with which both schemes are the same.
        Ok(match scheme.oid {
            algorithms::DH_SINGLE_PASS_STD_DH_SHA1KDF | algorithms::DH_SINGLE_PASS_COFACTOR_DH_SHA1KDF => {
                Self::X963(DigestAlgorithm::Sha1)
            }
            algorithms::DH_SINGLE_PASS_STD_DH_SHA224KDF | algorithms::DH_SINGLE_PASS_COFACTOR_DH_SHA224KDF => {
                Self::X963(DigestAlgorithm::Sha224)
            }
            algorithms::DH_SINGLE_PASS_STD_DH_SHA256KDF | algorithms::DH_SINGLE_PASS_COFACTOR_DH_SHA256KDF => {
                Self::X963(DigestAlgorithm::Sha256)
            }
            algorithms::DH_SINGLE_PASS_STD_DH_SHA384KDF | algorithms::DH_SINGLE_PASS_COFACTOR_DH_SHA384KDF => {
                Self::X963(DigestAlgorithm::Sha384)
            }
            algorithms::DH_SINGLE_PASS_STD_DH_SHA512KDF | algorithms::DH_SINGLE_PASS_COFACTOR_DH_SHA512KDF => {
                Self::X963(DigestAlgorithm::Sha512)
            }
            algorithms::DH_SINGLE_PASS_STD_DH_HKDF_SHA256 => Self::Hkdf(DigestAlgorithm::Sha256),
            algorithms::DH_SINGLE_PASS_STD_DH_HKDF_SHA384 => Self::Hkdf(DigestAlgorithm::Sha384),
            algorithms::DH_SINGLE_PASS_STD_DH_HKDF_SHA512 => Self::Hkdf(DigestAlgorithm::Sha512),
            oid => return Err(crypto::Error::Unknown { oid }),
        })
    }

    fn key_encryption_key(
        self,
        secret: &SharedSecret,
        wrap: &AlgorithmIdentifier,
        ukm: Option<&[u8]>,
        length: usize,
    ) -> Result<Zeroizing<Vec<u8>>, crypto::Error> {
        let info = shared_info(wrap, ukm, length);
        match self {
            Self::X963(digest) => Ok(crypto::x963_kdf(digest, secret.octets(), &info, length)),
            // RFC 8418 §2.2: a ukm is the salt as well.
            Self::Hkdf(digest) => crypto::hkdf(digest, ukm.unwrap_or_default(), secret.octets(), &info, length),
        }
    }
}

// ECC-CMS-SharedInfo ::= SEQUENCE { keyInfo AlgorithmIdentifier, entityUInfo [0] EXPLICIT OCTET STRING OPTIONAL,
//   suppPubInfo [2] EXPLICIT OCTET STRING }: the last is the KEK's length in bits (RFC 5753 §7.2, CASES S-48).
fn shared_info(wrap: &AlgorithmIdentifier, ukm: Option<&[u8]>, length: usize) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.sequence(|w| {
        wrap.encode(w);
        if let Some(ukm) = ukm {
            w.context(0, |w| w.octet_string(ukm));
        }
        let bits = u32::try_from(length * 8).unwrap_or(u32::MAX);
        w.context(2, |w| w.octet_string(&bits.to_be_bytes()));
    });
    writer.into_vec()
}

/// Whom a KeyAgreeRecipientInfo names. What else is in it is not looked at.
pub(crate) fn parse_names(mut inside: Reader<'_>) -> Result<Vec<CertificateIdentifier>, Asn1Error> {
    inside.integer()?;
    inside.expect(Tag::context_constructed(0))?;
    inside.optional(Tag::context_constructed(1))?;
    inside.expect(Tag::SEQUENCE)?;
    let mut list = inside.sequence("RecipientEncryptedKeys")?;
    let mut names = Vec::new();
    while !list.is_empty() {
        names.push(parse_name(&mut list, names.len())?.0);
    }
    Ok(names)
}

// RecipientEncryptedKey ::= SEQUENCE { rid KeyAgreeRecipientIdentifier, encryptedKey EncryptedKey }
fn parse_name<'a>(list: &mut Reader<'a>, before: usize) -> Result<(CertificateIdentifier, Reader<'a>), Asn1Error> {
    if before >= limits::RECIPIENTS {
        return Err(Asn1Error::TooMuch {
            what: "RecipientEncryptedKeys",
            offset: list.offset(),
            limit: limits::RECIPIENTS as u64,
            of: "keys",
        });
    }
    let mut key = list.sequence("RecipientEncryptedKey")?;
    let recipient = match key.context(0, "RecipientKeyIdentifier")? {
        // RFC 5652 §10.2.7: date and other attributes behind it name nothing more.
        Some(mut by_key) => CertificateIdentifier::SubjectKeyIdentifier(by_key.octet_string()?.into_owned()),
        None => CertificateIdentifier::parse_issuer_and_serial(&mut key)?,
    };
    Ok((recipient, key))
}

impl KeyAgreeRecipientInfo {
    pub(crate) fn parse(mut inside: Reader<'_>) -> Result<Self, Asn1Error> {
        inside.integer()?;
        let mut outer = inside.expect(Tag::context_constructed(0))?.reader("originator")?;
        let originator = if let Some(mut key) = outer.context(1, "OriginatorPublicKey")? {
            // CASES S-48: absent, NULL and curve parameters are all seen.
            AlgorithmIdentifier::parse(&mut key)?;
            Originator::Key(key.bit_string()?.octets.to_vec())
        } else {
            Originator::Certificate(CertificateIdentifier::parse(&mut outer)?)
        };
        outer.finish()?;
        // RFC 5652 §10.2.6: whatever the sender put there goes into the derivation.
        let ukm = match inside.context(1, "ukm")? {
            Some(mut ukm) => Some(ukm.octet_string()?.into_owned()),
            None => None,
        };
        let scheme = AlgorithmIdentifier::parse(&mut inside)?;
        let mut list = inside.sequence("RecipientEncryptedKeys")?;
        let mut keys = Vec::new();
        while !list.is_empty() {
            let (recipient, mut rest) = parse_name(&mut list, keys.len())?;
            keys.push((recipient, rest.octet_string()?.into_owned()));
        }
        inside.finish()?;
        Ok(Self { originator, ukm, scheme, keys })
    }

    pub(crate) fn describe(&self) -> String {
        match Derivation::from_scheme(&self.scheme) {
            Ok(Derivation::X963(digest)) => format!("ECDH with X9.63 KDF ({digest})"),
            Ok(Derivation::Hkdf(digest)) => format!("ECDH with HKDF ({digest})"),
            Err(error) => error.to_string(),
        }
    }

    pub(crate) fn content_key(
        &self,
        certificate: &Certificate,
        key: &dyn PrivateKey,
        originators: &[Certificate],
    ) -> Result<Zeroizing<Vec<u8>>, crypto::Error> {
        let bits = match &self.originator {
            Originator::Key(bits) => bits.as_slice(),
            Originator::Certificate(named) => {
                let found = originators.iter().find(|certificate| named.names(certificate));
                let static_key = found.ok_or(crypto::Error::BadValue)?.public_key().map_err(Clone::clone)?;
                if static_key.kind() != key.public_key().kind() {
                    return Err(crypto::Error::BadValue);
                }
                static_key.bits()
            }
        };
        let peer = match key.public_key().kind() {
            PublicKeyKind::Ec(curve) => PublicKey::from_ec_point(curve, bits)?,
            PublicKeyKind::X25519 => PublicKey::from_x25519(bits)?,
            _ => return Err(crypto::Error::NotForThisKey { operation: "agree" }),
        };
        let derivation = Derivation::from_scheme(&self.scheme)?;
        let parameters = self
            .scheme
            .parameters
            .as_deref()
            .ok_or(crypto::Error::MalformedParameters { algorithm: "key agreement" })?;
        let wrap_identifier = AlgorithmIdentifier::parse(&mut Reader::new(parameters, asn1::Encoding::Ber))
            .map_err(|_| crypto::Error::MalformedParameters { algorithm: "key agreement" })?;
        let wrap = KeyWrapAlgorithm::from_identifier(&wrap_identifier)?;
        let secret = key.agree(&peer)?;
        let kek = derivation.key_encryption_key(&secret, &wrap_identifier, self.ukm.as_deref(), wrap.key_length())?;
        let wrapped = self.keys.iter().find(|(recipient, _)| recipient.names(certificate)).map(|(_, wrapped)| wrapped);
        wrap.unwrap(&kek, wrapped.ok_or(crypto::Error::BadValue)?)
    }
}

/// One KeyAgreeRecipientInfo for all of `recipients`, who are on the same curve: they share the ephemeral key, each has
/// a key-encryption key of its own (RFC 5753 §3.1.1; RFC 8418 §3.1, §3.2, §5.1, §5.2). The digest is as strong as the
/// curve (RFC 5753 §8).
pub(crate) fn encode(recipients: &[(&Certificate, &PublicKey)], content_key: &[u8]) -> Result<Vec<u8>, Error> {
    let (_, first) = recipients.first().ok_or(Error::NotARecipient { because: "there is none" })?;
    let ephemeral = EphemeralKey::for_peer(first)?;
    let wrap = KeyWrapAlgorithm::for_key_length(content_key.len()).ok_or(crypto::Error::BadValue)?;
    let (derivation, scheme, originator) = match first.kind() {
        PublicKeyKind::X25519 => (
            Derivation::Hkdf(DigestAlgorithm::Sha256),
            algorithms::DH_SINGLE_PASS_STD_DH_HKDF_SHA256,
            AlgorithmIdentifier::new(algorithms::X25519),
        ),
        PublicKeyKind::Ec(curve) => {
            let scheme = match curve.digest() {
                DigestAlgorithm::Sha384 => algorithms::DH_SINGLE_PASS_STD_DH_SHA384KDF,
                DigestAlgorithm::Sha512 => algorithms::DH_SINGLE_PASS_STD_DH_SHA512KDF,
                _ => algorithms::DH_SINGLE_PASS_STD_DH_SHA256KDF,
            };
            (Derivation::X963(curve.digest()), scheme, AlgorithmIdentifier::new(algorithms::EC_PUBLIC_KEY))
        }
        _ => return Err(Error::NotARecipient { because: "its key neither transports nor agrees on keys" }),
    };
    let wrap_identifier = wrap.identifier();
    let mut keys = Vec::with_capacity(recipients.len());
    for (certificate, public) in recipients {
        let secret = ephemeral.agree(public)?;
        let kek = derivation.key_encryption_key(&secret, &wrap_identifier, None, wrap.key_length())?;
        keys.push((CertificateIdentifier::of(certificate), wrap.wrap(&kek, content_key)?));
    }
    let mut writer = Writer::new();
    writer.constructed(Tag::context_constructed(1), |w| {
        w.unsigned(3);
        w.context(0, |w| {
            w.context(1, |w| {
                originator.encode(w);
                w.bit_string(0, ephemeral.public_key().bits());
            });
        });
        AlgorithmIdentifier::with(scheme, |w| wrap_identifier.encode(w)).encode(w);
        w.sequence(|w| {
            for (recipient, wrapped) in &keys {
                w.sequence(|w| {
                    recipient.encode(w);
                    w.octet_string(wrapped);
                });
            }
        });
    });
    Ok(writer.into_vec())
}
