use asn1::{Encoding, Reader, Tag};
use crypto::{AlgorithmIdentifier, PasswordMac, SoftwareKey};

use super::{Integrity, Pkcs12, StoredCertificate, StoredKey, oids};
use crate::private_key::{Unlock, decrypt_pkcs8};
use crate::{Certificate, CredentialError};

/// Entries that one file may have.
const MOST_BAGS: usize = 1000;

// PFX ::= SEQUENCE { version INTEGER {v3(3)}, authSafe ContentInfo, macData MacData OPTIONAL } (RFC 7292 §4)
pub(super) fn parse(bytes: &[u8], password: Option<&str>) -> Result<Pkcs12, CredentialError> {
    let mut unlock = Unlock::new(password);
    let mut outer = Reader::new(bytes, Encoding::Ber);
    let mut inside = outer.sequence("PFX")?;
    outer.finish()?;
    if inside.small_integer()? != 3 {
        return Err(unsupported("this version of PKCS #12"));
    }
    let mut auth_safe = inside.sequence("ContentInfo")?;
    match auth_safe.oid()? {
        oids::DATA => {}
        oids::SIGNED_DATA => return Err(unsupported("a PKCS #12 file protected by a signature")),
        _ => return Err(unsupported("the content of this PKCS #12 file")),
    }
    let content = explicit(&mut auth_safe)?.octet_string()?;
    auth_safe.finish()?;
    let integrity = check_integrity(&mut inside, &content, &mut unlock)?;
    inside.finish()?;

    let mut file = Pkcs12 { keys: Vec::new(), certificates: Vec::new(), integrity, skipped: 0 };
    // AuthenticatedSafe ::= SEQUENCE OF ContentInfo
    let mut safe = Reader::new(&content, Encoding::Ber);
    let mut contents = safe.sequence("AuthenticatedSafe")?;
    safe.finish()?;
    while !contents.is_empty() {
        let mut content_info = contents.sequence("ContentInfo")?;
        let kind = content_info.oid()?;
        match kind {
            oids::DATA => file.read_safe_contents(&explicit(&mut content_info)?.octet_string()?, &mut unlock)?,
            oids::ENCRYPTED_DATA => {
                let plain = decrypt_encrypted_data(explicit(&mut content_info)?, &mut unlock)?;
                file.read_safe_contents(&plain, &mut unlock)?;
            }
            // Encrypted to a certificate: not for a password to open.
            _ => file.skipped += 1,
        }
    }
    Ok(file)
}

// MacData ::= SEQUENCE { mac DigestInfo, macSalt OCTET STRING, iterations INTEGER DEFAULT 1 }
fn check_integrity(
    inside: &mut Reader<'_>,
    content: &[u8],
    unlock: &mut Unlock<'_>,
) -> Result<Integrity, CredentialError> {
    if inside.is_empty() {
        return Ok(Integrity::None);
    }
    let mut mac_data = inside.sequence("MacData")?;
    let mut digest_info = mac_data.sequence("DigestInfo")?;
    let algorithm = AlgorithmIdentifier::parse(&mut digest_info)?;
    let tag = digest_info.octet_string()?;
    digest_info.finish()?;
    let salt = mac_data.octet_string()?;
    let iterations = if mac_data.is_empty() { 1 } else { mac_data.small_integer()? };
    mac_data.finish()?;
    let mac = PasswordMac::from_parts(&algorithm, &salt, iterations)?;
    unlock.verify(&mac, content, &tag)?;
    Ok(if mac.is_pbmac1() { Integrity::Pbmac1 } else { Integrity::Mac })
}

// EncryptedData ::= SEQUENCE { version INTEGER, encryptedContentInfo SEQUENCE { contentType OBJECT IDENTIFIER,
//   contentEncryptionAlgorithm AlgorithmIdentifier, encryptedContent [0] IMPLICIT OCTET STRING OPTIONAL }, … }
fn decrypt_encrypted_data(
    mut content: Reader<'_>,
    unlock: &mut Unlock<'_>,
) -> Result<zeroize::Zeroizing<Vec<u8>>, CredentialError> {
    let mut encrypted_data = content.sequence("EncryptedData")?;
    encrypted_data.small_integer()?;
    let mut info = encrypted_data.sequence("EncryptedContentInfo")?;
    if info.oid()? != oids::DATA {
        return Err(unsupported("the content of this PKCS #12 file"));
    }
    let algorithm = AlgorithmIdentifier::parse(&mut info)?;
    let sealed = info.expect(Tag::context(0))?.to_octets()?;
    info.finish()?;
    unlock.decrypt(&algorithm, &sealed)
}

impl Pkcs12 {
    fn read_safe_contents(&mut self, bytes: &[u8], unlock: &mut Unlock<'_>) -> Result<(), CredentialError> {
        let mut outer = Reader::new(bytes, Encoding::Ber);
        let bags = outer.sequence("SafeContents")?;
        outer.finish()?;
        self.read_bags(bags, unlock)
    }

    // SafeBag ::= SEQUENCE { bagId OBJECT IDENTIFIER, bagValue [0] EXPLICIT ANY, bagAttributes SET OPTIONAL }
    // The reader's own depth bounds the recursion.
    fn read_bags(&mut self, mut bags: Reader<'_>, unlock: &mut Unlock<'_>) -> Result<(), CredentialError> {
        while !bags.is_empty() {
            if self.keys.len() + self.certificates.len() + self.skipped >= MOST_BAGS {
                return Err(CredentialError::Malformed { because: format!("it has more than {MOST_BAGS} entries") });
            }
            let mut bag = bags.sequence("SafeBag")?;
            let kind = bag.oid()?;
            let mut value = explicit(&mut bag)?;
            let attributes = read_attributes(&mut bag)?;
            bag.finish()?;
            match kind {
                oids::KEY_BAG => {
                    let key = SoftwareKey::from_pkcs8(value.element()?.raw());
                    self.keys.push(attributes.key(key));
                }
                oids::SHROUDED_KEY_BAG => {
                    let plain = decrypt_pkcs8(value.element()?.raw(), unlock)?;
                    self.keys.push(attributes.key(SoftwareKey::from_pkcs8(&plain)));
                }
                oids::CERT_BAG => match read_certificate(value)? {
                    Some(certificate) => self.certificates.push(attributes.certificate(certificate)),
                    None => self.skipped += 1,
                },
                oids::SAFE_CONTENTS_BAG => {
                    let nested = value.sequence("SafeContents")?;
                    self.read_bags(nested, unlock)?;
                }
                // Revocation lists and secrets.
                _ => self.skipped += 1,
            }
        }
        Ok(())
    }
}

// CertBag ::= SEQUENCE { certId OBJECT IDENTIFIER, certValue [0] EXPLICIT OCTET STRING }
fn read_certificate(mut value: Reader<'_>) -> Result<Option<Certificate>, CredentialError> {
    let mut bag = value.sequence("CertBag")?;
    if bag.oid()? != oids::X509_CERTIFICATE {
        return Ok(None);
    }
    let der = explicit(&mut bag)?.octet_string()?;
    Ok(Certificate::from_der(&der).ok())
}

#[derive(Default)]
struct Attributes {
    friendly_name: Option<String>,
    local_key_id: Option<Vec<u8>>,
}

impl Attributes {
    fn key(self, key: Result<SoftwareKey, crypto::Error>) -> StoredKey {
        StoredKey { key, friendly_name: self.friendly_name, local_key_id: self.local_key_id }
    }

    fn certificate(self, certificate: Certificate) -> StoredCertificate {
        StoredCertificate { certificate, friendly_name: self.friendly_name, local_key_id: self.local_key_id }
    }
}

// PKCS12Attribute ::= SEQUENCE { attrId OBJECT IDENTIFIER, attrValues SET OF ANY }
fn read_attributes(bag: &mut Reader<'_>) -> Result<Attributes, CredentialError> {
    let mut read = Attributes::default();
    if bag.is_empty() {
        return Ok(read);
    }
    let mut attributes = bag.set("bagAttributes")?;
    while !attributes.is_empty() {
        let mut attribute = attributes.sequence("PKCS12Attribute")?;
        let kind = attribute.oid()?;
        let mut values = attribute.set("attrValues")?;
        // Names and identifiers are for people and for order: one that cannot be read is as good as none.
        match kind {
            oids::FRIENDLY_NAME if !values.is_empty() => {
                read.friendly_name = values.element()?.to_text().ok().map(|name| name.into_owned());
            }
            oids::LOCAL_KEY_ID if !values.is_empty() => {
                read.local_key_id = values.octet_string().ok().map(|id| id.into_owned());
            }
            _ => {}
        }
    }
    Ok(read)
}

fn explicit<'a>(reader: &mut Reader<'a>) -> Result<Reader<'a>, CredentialError> {
    let missing = reader.malformed(asn1::Because::Unexpected { found: reader.peek(), expected: None });
    Ok(reader.context(0, "content")?.ok_or(missing)?)
}

fn unsupported(what: &str) -> CredentialError {
    CredentialError::Unsupported { what: what.into() }
}
