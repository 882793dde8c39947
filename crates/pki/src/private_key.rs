//! Private keys as files have them: PKCS #8, encrypted or not, PKCS #1, SEC 1.

use asn1::{Encoding, Reader, Tag, Writer};
use crypto::{AlgorithmIdentifier, PasswordEncryption, PasswordForm, PasswordMac, PasswordWork, SoftwareKey};
use zeroize::Zeroizing;

use crate::CredentialError;

/// How a file is protected by its password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Protection {
    /// AES-256 and HMAC-SHA-256, keys derived in 600,000 rounds.
    #[default]
    Modern,
    /// 3DES and HMAC-SHA-1, for programs that read nothing newer.
    Compatible,
}

impl Protection {
    /// Rounds of the derivations, chosen for the password to be dear to guess.
    pub(crate) fn iterations(self) -> u32 {
        match self {
            Self::Modern => 600_000,
            Self::Compatible => 100_000,
        }
    }

    pub(crate) fn encryption(self, password: &str, iterations: u32) -> Result<PasswordEncryption, CredentialError> {
        match self {
            Self::Modern => PasswordEncryption::generate(iterations),
            Self::Compatible => {
                PasswordEncryption::generate_compatible(&PasswordForm::Utf16.octets(password), iterations)
            }
        }
        .map_err(CredentialError::from)
    }
}

/// Reads a private key from DER: PKCS #8, encrypted PKCS #8, PKCS #1 or SEC 1, told apart by their shapes.
///
/// # Errors
/// [`CredentialError::Encrypted`] without a password where one is needed, [`CredentialError::WrongPassword`] with
/// one that does not open it.
pub fn private_key_from_der(der: &[u8], password: Option<&str>) -> Result<SoftwareKey, CredentialError> {
    match shape(der).ok_or(CredentialError::NoKey)? {
        Shape::EncryptedPkcs8 => {
            let plain = decrypt_pkcs8(der, &mut Unlock::new(password))?;
            Ok(SoftwareKey::from_pkcs8(&plain)?)
        }
        Shape::Pkcs1 => Ok(SoftwareKey::from_pkcs1(der)?),
        Shape::Pkcs8 => Ok(SoftwareKey::from_pkcs8(der)?),
        Shape::Sec1 => Ok(SoftwareKey::from_sec1(der)?),
    }
}

/// The key as `EncryptedPrivateKeyInfo` (RFC 5958 §3), which PEM calls `ENCRYPTED PRIVATE KEY`.
pub fn encrypt_private_key(
    key: &SoftwareKey,
    password: &str,
    protection: Protection,
) -> Result<Vec<u8>, CredentialError> {
    encrypted_pkcs8(&key.to_pkcs8(), password, &protection.encryption(password, protection.iterations())?)
}

// EncryptedPrivateKeyInfo ::= SEQUENCE { encryptionAlgorithm AlgorithmIdentifier, encryptedData OCTET STRING }
pub(crate) fn encrypted_pkcs8(
    pkcs8: &[u8],
    password: &str,
    encryption: &PasswordEncryption,
) -> Result<Vec<u8>, CredentialError> {
    let sealed = encryption.encrypt(&encryption.form().octets(password), pkcs8)?;
    let mut writer = Writer::new();
    writer.sequence(|w| {
        encryption.identifier().encode(w);
        w.octet_string(&sealed);
    });
    Ok(writer.into_vec())
}

pub(crate) fn decrypt_pkcs8(der: &[u8], unlock: &mut Unlock<'_>) -> Result<Zeroizing<Vec<u8>>, CredentialError> {
    let mut outer = Reader::new(der, Encoding::Ber);
    let mut inside = outer.sequence("EncryptedPrivateKeyInfo")?;
    let algorithm = AlgorithmIdentifier::parse(&mut inside)?;
    let sealed = inside.octet_string()?;
    inside.finish()?;
    unlock.decrypt(&algorithm, &sealed)
}

/// Which form of private key this is, if any.
pub(crate) enum Shape {
    EncryptedPkcs8,
    Pkcs1,
    Pkcs8,
    Sec1,
}

// What follows the first element of the outermost SEQUENCE tells the four apart.
pub(crate) fn shape(der: &[u8]) -> Option<Shape> {
    let mut inside = Reader::new(der, Encoding::Ber).sequence("PrivateKey").ok()?;
    let first = inside.element().ok()?.tag();
    match (first, inside.peek()?) {
        (Tag::SEQUENCE, Tag::OCTET_STRING) => Some(Shape::EncryptedPkcs8),
        (Tag::INTEGER, Tag::SEQUENCE) => Some(Shape::Pkcs8),
        (Tag::INTEGER, Tag::INTEGER) => Some(Shape::Pkcs1),
        (Tag::INTEGER, Tag::OCTET_STRING) => Some(Shape::Sec1),
        _ => None,
    }
}

/// A password on one file, tried in the forms that programs have put passwords into, within one budget of work.
pub(crate) struct Unlock<'p> {
    password: Option<&'p str>,
    work: PasswordWork,
    /// The form that opened something in this file, tried first from then on.
    known: Option<Zeroizing<Vec<u8>>>,
}

impl<'p> Unlock<'p> {
    pub(crate) fn new(password: Option<&'p str>) -> Self {
        Self { password, work: PasswordWork::new(), known: None }
    }

    pub(crate) fn decrypt(
        &mut self,
        algorithm: &AlgorithmIdentifier,
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, CredentialError> {
        let encryption = PasswordEncryption::from_identifier(algorithm)?;
        // A wrong password leaves right padding once in 256 times, and RC4 has none: what comes out must be ASN.1.
        let whole = |plain: Zeroizing<Vec<u8>>| {
            let mut reader = Reader::new(&plain, Encoding::Ber);
            let whole = reader.sequence("plaintext").is_ok() && reader.is_empty();
            if whole { Ok(plain) } else { Err(crypto::Error::BadValue) }
        };
        self.attempt(encryption.form(), |octets, work| match encryption.decrypt(octets, sealed, work).and_then(whole) {
            Err(error @ crypto::Error::BadValue) => {
                encryption.decrypt_of_gnupg(octets, sealed, work).and_then(whole).map_err(|_| error)
            }
            opened => opened,
        })
    }

    pub(crate) fn verify(&mut self, mac: &PasswordMac, data: &[u8], tag: &[u8]) -> Result<(), CredentialError> {
        self.attempt(mac.form(), |octets, work| mac.verify(octets, data, tag, work))
    }

    fn attempt<T>(
        &mut self,
        form: PasswordForm,
        mut attempt: impl FnMut(&[u8], &mut PasswordWork) -> Result<T, crypto::Error>,
    ) -> Result<T, CredentialError> {
        let mut tried = false;
        for octets in self.candidates(form) {
            match attempt(&octets, &mut self.work) {
                Ok(value) => {
                    self.known = Some(octets);
                    return Ok(value);
                }
                Err(crypto::Error::BadValue) => tried = true,
                // The budget is for guessing the form, too: what was tried in full was tried.
                Err(crypto::Error::TooMuchWork { .. }) if tried => break,
                Err(error) => return Err(error.into()),
            }
        }
        Err(if self.password.is_some() { CredentialError::WrongPassword } else { CredentialError::Encrypted })
    }

    fn candidates(&self, form: PasswordForm) -> Vec<Zeroizing<Vec<u8>>> {
        let password = self.password.unwrap_or_default();
        let mut candidates = vec![form.octets(password)];
        let octets = |octets: Vec<u8>| Zeroizing::new(octets);
        match form {
            // Seen in the wild: no password is no octets at all, or an empty text with its two zero octets.
            PasswordForm::Utf16 if password.is_empty() => candidates.push(octets(Vec::new())),
            // Seen in the wild: older OpenSSL widens each octet of UTF-8 by itself.
            PasswordForm::Utf16 if !password.is_ascii() => {
                candidates.push(octets(password.bytes().chain([0]).flat_map(|octet| [0, octet]).collect()));
            }
            PasswordForm::Utf16 => {}
            // Seen in the wild: NSS takes UTF-16 for PBES2, too.
            PasswordForm::Utf8 => candidates.push(PasswordForm::Utf16.octets(password)),
        }
        if let Some(known) = &self.known
            && let Some(index) = candidates.iter().position(|candidate| candidate == known)
        {
            candidates.swap(0, index);
        }
        candidates
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crypto::{KeyKind, PrivateKey as _};

    #[test]
    fn an_encrypted_key_opens_with_its_password_only() {
        let key = SoftwareKey::generate(KeyKind::P256).unwrap();
        for protection in [Protection::Modern, Protection::Compatible] {
            let encryption = protection.encryption("grüße", 10).unwrap();
            let der = encrypted_pkcs8(&key.to_pkcs8(), "grüße", &encryption).unwrap();
            let read = private_key_from_der(&der, Some("grüße")).unwrap();
            assert_eq!(read.public_key(), key.public_key());
            for (password, error) in [
                (None, CredentialError::Encrypted),
                (Some(""), CredentialError::WrongPassword),
                (Some("grusse"), CredentialError::WrongPassword),
            ] {
                assert_eq!(private_key_from_der(&der, password).map(|_| ()), Err(error));
            }
        }
    }
}
