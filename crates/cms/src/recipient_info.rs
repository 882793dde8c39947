use asn1::{Encoding, Error as Asn1Error, Oid, Reader, Tag};
use crypto::{AlgorithmIdentifier, KeyTransportAlgorithm, PrivateKey};
use pki::Certificate;
use zeroize::Zeroizing;

use crate::kem::KemRecipientInfo;
use crate::key_agree::{self, KeyAgreeRecipientInfo};
use crate::shared_secret::{KekRecipientInfo, PasswordBudget, PasswordRecipientInfo};
use crate::{CertificateIdentifier, SharedKey, oids};

/// ```text
/// RecipientInfo ::= CHOICE {
///   ktri KeyTransRecipientInfo, kari [1] KeyAgreeRecipientInfo, kekri [2] KEKRecipientInfo,
///   pwri [3] PasswordRecipientInfo, ori [4] OtherRecipientInfo }
/// ```
/// RFC 5652 §6.2.
#[derive(Debug, Clone)]
pub struct RecipientInfo {
    recipients: Vec<CertificateIdentifier>,
    kind: RecipientKind,
    inner: Inner,
}

/// How a recipient gets the content key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are the standard's")]
pub enum RecipientKind {
    KeyTrans,
    KeyAgree,
    Kek,
    Password,
    Kem,
    Other,
}

#[derive(Debug, Clone)]
enum Inner {
    /// As it came: of many recipients only the one that is ours is read to its end.
    KeyTrans(Vec<u8>),
    /// The same.
    KeyAgree(Vec<u8>),
    Kem(Box<KemRecipientInfo>),
    Kek(KekRecipientInfo),
    Password(PasswordRecipientInfo),
    /// Recognised, not opened, with what it is.
    Unread(Unread),
}

#[derive(Debug, Clone, Copy)]
enum Unread {
    Kind(Oid),
    Unknown,
}

impl RecipientInfo {
    /// Reads one, and counts the recipients in it.
    pub(crate) fn parse(raw: &asn1::Element<'_>) -> Result<Self, Asn1Error> {
        let tag = raw.tag();
        if tag == Tag::SEQUENCE {
            let mut inside = raw.reader("KeyTransRecipientInfo")?;
            inside.integer()?;
            return Ok(Self {
                recipients: vec![CertificateIdentifier::parse(&mut inside)?],
                kind: RecipientKind::KeyTrans,
                inner: Inner::KeyTrans(raw.raw().to_vec()),
            });
        }
        let unnamed = |kind, inner| Self { recipients: Vec::new(), kind, inner };
        match tag {
            _ if tag == Tag::context_constructed(1) => Ok(Self {
                recipients: key_agree::parse_names(raw.reader("KeyAgreeRecipientInfo")?)?,
                kind: RecipientKind::KeyAgree,
                inner: Inner::KeyAgree(raw.raw().to_vec()),
            }),
            _ if tag == Tag::context_constructed(2) => {
                let info = KekRecipientInfo::parse(raw.reader("KEKRecipientInfo")?)?;
                Ok(unnamed(RecipientKind::Kek, Inner::Kek(info)))
            }
            _ if tag == Tag::context_constructed(3) => {
                let info = PasswordRecipientInfo::parse(raw.reader("PasswordRecipientInfo")?)?;
                Ok(unnamed(RecipientKind::Password, Inner::Password(info)))
            }
            _ if tag == Tag::context_constructed(4) => {
                // RFC 5652 §6.2.5: SEQUENCE { oriType OBJECT IDENTIFIER, oriValue ANY DEFINED BY oriType }
                let mut inside = raw.reader("OtherRecipientInfo")?;
                let kind = inside.oid()?;
                if kind != oids::ID_ORI_KEM {
                    return Ok(unnamed(RecipientKind::Other, Inner::Unread(Unread::Kind(kind))));
                }
                let info = KemRecipientInfo::parse(inside.sequence("KEMRecipientInfo")?)?;
                Ok(Self {
                    recipients: vec![info.recipient().clone()],
                    kind: RecipientKind::Kem,
                    inner: Inner::Kem(Box::new(info)),
                })
            }
            _ => Ok(unnamed(RecipientKind::Other, Inner::Unread(Unread::Unknown))),
        }
    }

    /// Whom it names.
    pub fn recipients(&self) -> &[CertificateIdentifier] {
        &self.recipients
    }

    /// How the content key travels.
    pub fn kind(&self) -> RecipientKind {
        self.kind
    }

    /// The algorithm's name.
    pub fn algorithm(&self) -> String {
        match &self.inner {
            Inner::KeyTrans(raw) => match parse_key_trans(raw) {
                Ok((algorithm, _)) => KeyTransportAlgorithm::from_identifier(&algorithm)
                    .map_or_else(|error| error.to_string(), |algorithm| algorithm.describe()),
                Err(error) => error.to_string(),
            },
            Inner::KeyAgree(raw) => parse_key_agree(raw).map_or_else(|error| error.to_string(), |info| info.describe()),
            Inner::Kem(info) => info.describe(),
            Inner::Kek(_) => "pre-shared key".into(),
            Inner::Password(_) => "password".into(),
            Inner::Unread(Unread::Kind(kind)) => kind.to_string(),
            Inner::Unread(Unread::Unknown) => "unknown".into(),
        }
    }

    /// Whether it names `certificate`.
    pub fn is_for(&self, certificate: &Certificate) -> bool {
        self.recipients.iter().any(|recipient| recipient.names(certificate))
    }

    /// Takes the content key out with the key of `certificate`, which it names.
    ///
    /// CASES T-24: for PKCS #1 v1.5 there is no failure here. What does not decrypt is replaced by a random key of
    /// `key_length` octets, and the content fails like any other.
    pub(crate) fn content_key(
        &self,
        certificate: &Certificate,
        key: &dyn PrivateKey,
        key_length: usize,
        originators: &[Certificate],
    ) -> Result<Zeroizing<Vec<u8>>, crypto::Error> {
        match &self.inner {
            // CASES T-46: one that is malformed is passed over like one that cannot be used.
            Inner::KeyTrans(raw) => {
                let (algorithm, encrypted_key) = parse_key_trans(raw).map_err(|_| crypto::Error::BadValue)?;
                key_trans_content_key(&algorithm, &encrypted_key, key, key_length)
            }
            Inner::KeyAgree(raw) => {
                let info = parse_key_agree(raw).map_err(|_| crypto::Error::BadValue)?;
                info.content_key(certificate, key, originators)
            }
            Inner::Kem(info) => info.content_key(key),
            Inner::Kek(_) | Inner::Password(_) | Inner::Unread(_) => {
                Err(crypto::Error::NotForThisKey { operation: "open this kind of recipient" })
            }
        }
    }

    /// The same with a key that both have; `None` when another is named.
    pub(crate) fn content_key_with(&self, key: &SharedKey) -> Option<Result<Zeroizing<Vec<u8>>, crypto::Error>> {
        match &self.inner {
            Inner::Kek(info) => info.content_key(key),
            _ => None,
        }
    }

    /// The same with a password; `None` when it takes none.
    pub(crate) fn content_key_by_password(
        &self,
        password: &str,
        budget: &mut PasswordBudget,
    ) -> Option<Result<Zeroizing<Vec<u8>>, crypto::Error>> {
        match &self.inner {
            Inner::Password(info) => Some(info.content_key(password, budget)),
            _ => None,
        }
    }
}

// KeyTransRecipientInfo ::= SEQUENCE { version, rid RecipientIdentifier, keyEncryptionAlgorithm, encryptedKey }
// RFC 5652 §6.2.1.
fn parse_key_trans(raw: &[u8]) -> Result<(AlgorithmIdentifier, Vec<u8>), Asn1Error> {
    let mut inside = Reader::new(raw, Encoding::Ber).sequence("KeyTransRecipientInfo")?;
    inside.integer()?;
    CertificateIdentifier::parse(&mut inside)?;
    let algorithm = AlgorithmIdentifier::parse(&mut inside)?;
    let encrypted_key = inside.octet_string()?.into_owned();
    inside.finish()?;
    Ok((algorithm, encrypted_key))
}

fn parse_key_agree(raw: &[u8]) -> Result<KeyAgreeRecipientInfo, Asn1Error> {
    KeyAgreeRecipientInfo::parse(Reader::new(raw, Encoding::Ber).element()?.reader("KeyAgreeRecipientInfo")?)
}

fn key_trans_content_key(
    algorithm: &AlgorithmIdentifier,
    encrypted_key: &[u8],
    key: &dyn PrivateKey,
    key_length: usize,
) -> Result<Zeroizing<Vec<u8>>, crypto::Error> {
    let algorithm = KeyTransportAlgorithm::from_identifier(algorithm)?;
    if algorithm == KeyTransportAlgorithm::RsaPkcs1 {
        return key.decrypt_or_random(&algorithm, encrypted_key, key_length);
    }
    let content_key = key.decrypt(&algorithm, encrypted_key)?;
    if content_key.len() == key_length { Ok(content_key) } else { Err(crypto::Error::BadValue) }
}
