use asn1::{Encoding, Oid, Reader, Tag};
use zeroize::Zeroizing;

use super::derivation::{Pbkdf2, Pkcs12Purpose, pbkdf1, pkcs12, pkcs12_key_of_gnupg};
use super::legacy::{des_decrypt, rc2_decrypt, rc4_decrypt, triple_des_encrypt};
use super::{PasswordForm, PasswordWork};
use crate::{AlgorithmIdentifier, ContentCipher, DigestAlgorithm, Error, Opener, Sealer, oids, random};

type Secret = Zeroizing<Vec<u8>>;

/// Encryption under a password: PBES2, PBES1, or one of PKCS #12's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PasswordEncryption(Kind);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    Pbes1 { oid: Oid, digest: DigestAlgorithm, cipher: Legacy, salt: Vec<u8>, iterations: u32 },
    Pbes2 { derivation: Pbkdf2, cipher: Cipher },
    Pkcs12 { cipher: Legacy, salt: Vec<u8>, iterations: u32 },
}

/// A cipher of PBES2 with its initialization vector.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Cipher {
    Aes { cipher: ContentCipher, iv: Vec<u8> },
    Des { iv: Vec<u8> },
    DesEde3 { iv: Vec<u8> },
    Rc2 { effective_bits: usize, iv: Vec<u8> },
}

/// A cipher that is part of the scheme's own name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Legacy {
    Des,
    DesEde2,
    DesEde3,
    Rc2_40,
    Rc2_64,
    Rc2_128,
    Rc4_40,
    Rc4_128,
}

impl PasswordEncryption {
    /// Reads the algorithm and its parameters; nothing is derived yet.
    pub fn from_identifier(identifier: &AlgorithmIdentifier) -> Result<Self, Error> {
        if identifier.oid == oids::PBES2 {
            return pbes2(identifier);
        }
        let pbes1 = |digest, cipher| -> Result<Self, Error> {
            let (salt, iterations) = salt_and_iterations(identifier)?;
            Ok(Self(Kind::Pbes1 { oid: identifier.oid, digest, cipher, salt, iterations }))
        };
        let pkcs12 = |cipher| -> Result<Self, Error> {
            let (salt, iterations) = salt_and_iterations(identifier)?;
            Ok(Self(Kind::Pkcs12 { cipher, salt, iterations }))
        };
        match identifier.oid {
            PBE_MD5_DES => pbes1(DigestAlgorithm::Md5, Legacy::Des),
            PBE_MD5_RC2 => pbes1(DigestAlgorithm::Md5, Legacy::Rc2_64),
            PBE_SHA1_DES => pbes1(DigestAlgorithm::Sha1, Legacy::Des),
            PBE_SHA1_RC2 => pbes1(DigestAlgorithm::Sha1, Legacy::Rc2_64),
            PBE_RC4_128 => pkcs12(Legacy::Rc4_128),
            PBE_RC4_40 => pkcs12(Legacy::Rc4_40),
            PBE_3DES => pkcs12(Legacy::DesEde3),
            PBE_2DES => pkcs12(Legacy::DesEde2),
            PBE_RC2_128 => pkcs12(Legacy::Rc2_128),
            PBE_RC2_40 => pkcs12(Legacy::Rc2_40),
            oid => Err(Error::Unknown { oid }),
        }
    }

    /// A fresh PBES2: AES-256-CBC, PBKDF2 with HMAC-SHA-256.
    pub fn generate(iterations: u32) -> Result<Self, Error> {
        let (mut salt, mut iv) = (vec![0; 16], vec![0; 16]);
        random(&mut salt)?;
        random(&mut iv)?;
        let derivation = Pbkdf2 { salt, iterations, length: None, prf: DigestAlgorithm::Sha256 };
        Ok(Self(Kind::Pbes2 { derivation, cipher: Cipher::Aes { cipher: ContentCipher::Aes256Cbc, iv } }))
    }

    /// A fresh `pbeWithSHAAnd3-KeyTripleDES-CBC`, for programs that read nothing newer.
    ///
    /// The password, in UTF-16 as [`PasswordForm`] has it, decides with which salts GnuPG 2.2 opens what it seals: only
    /// such a salt is taken.
    pub fn generate_compatible(password: &[u8], iterations: u32) -> Result<Self, Error> {
        let mut salt = vec![0; 8];
        loop {
            random(&mut salt)?;
            let length = Legacy::DesEde3.key_length();
            if pkcs12_key_of_gnupg(password, &salt, iterations, length, &mut PasswordWork::new())?.is_none() {
                return Ok(Self(Kind::Pkcs12 { cipher: Legacy::DesEde3, salt, iterations }));
            }
        }
    }

    /// The identifier that goes with what [`Self::encrypt`] gives.
    pub fn identifier(&self) -> AlgorithmIdentifier {
        match &self.0 {
            Kind::Pbes1 { oid, salt, iterations, .. } => salted(*oid, salt, *iterations),
            Kind::Pkcs12 { cipher, salt, iterations } => salted(
                match cipher {
                    Legacy::Rc4_128 => PBE_RC4_128,
                    Legacy::Rc4_40 => PBE_RC4_40,
                    Legacy::DesEde2 => PBE_2DES,
                    Legacy::Rc2_128 => PBE_RC2_128,
                    Legacy::Rc2_40 | Legacy::Rc2_64 => PBE_RC2_40,
                    Legacy::DesEde3 | Legacy::Des => PBE_3DES,
                },
                salt,
                *iterations,
            ),
            Kind::Pbes2 { derivation, cipher } => AlgorithmIdentifier::with(oids::PBES2, |w| {
                w.sequence(|w| {
                    derivation.identifier().encode(w);
                    cipher.identifier().encode(w);
                });
            }),
        }
    }

    /// In which octets the password enters.
    pub fn form(&self) -> PasswordForm {
        match self.0 {
            Kind::Pkcs12 { .. } => PasswordForm::Utf16,
            Kind::Pbes1 { .. } | Kind::Pbes2 { .. } => PasswordForm::Utf8,
        }
    }

    /// Whether it is one that is read only for the sake of old files.
    pub fn is_legacy(&self) -> bool {
        !matches!(&self.0, Kind::Pbes2 { cipher: Cipher::Aes { .. }, .. })
    }

    /// Decrypts. A wrong password is [`Error::BadValue`], or goes unnoticed here: what comes out is then not ASN.1.
    pub fn decrypt(
        &self,
        password: &[u8],
        ciphertext: &[u8],
        work: &mut PasswordWork,
    ) -> Result<Zeroizing<Vec<u8>>, Error> {
        match &self.0 {
            Kind::Pbes1 { digest, cipher, salt, iterations, .. } => {
                let derived = pbkdf1(*digest, password, salt, *iterations, work)?;
                let (key, iv) = derived.split_at_checked(8).ok_or(Error::BadValue)?;
                cipher.decrypt(key, iv, ciphertext)
            }
            Kind::Pbes2 { derivation, cipher } => {
                let length = cipher.key_length().or(derivation.length).unwrap_or(16);
                let key = derivation.derive(password, length, work)?;
                cipher.decrypt(&key, ciphertext)
            }
            Kind::Pkcs12 { cipher, salt, iterations } => {
                let (key, iv) = cipher.derive(password, salt, *iterations, work)?;
                cipher.decrypt(&key, &iv, ciphertext)
            }
        }
    }

    /// Decrypts what GnuPG 2.2 sealed with a salt from which it derives another key than everybody else, and is
    /// [`Error::BadValue`] with any other salt.
    pub fn decrypt_of_gnupg(
        &self,
        password: &[u8],
        ciphertext: &[u8],
        work: &mut PasswordWork,
    ) -> Result<Zeroizing<Vec<u8>>, Error> {
        let Kind::Pkcs12 { cipher: cipher @ Legacy::DesEde3, salt, iterations } = &self.0 else {
            return Err(Error::BadValue);
        };
        let key = pkcs12_key_of_gnupg(password, salt, *iterations, cipher.key_length(), work)?;
        let key = key.ok_or(Error::BadValue)?;
        let (_, iv) = cipher.derive(password, salt, *iterations, work)?;
        cipher.decrypt(&key, &iv, ciphertext)
    }

    /// Encrypts, with what [`Self::generate`] or [`Self::generate_compatible`] made.
    pub fn encrypt(&self, password: &[u8], plaintext: &[u8]) -> Result<Vec<u8>, Error> {
        let mut work = PasswordWork::new();
        match &self.0 {
            Kind::Pbes2 { derivation, cipher: Cipher::Aes { cipher, iv } } => {
                let key = derivation.derive(password, cipher.key_length(), &mut work)?;
                let mut out = Vec::with_capacity(plaintext.len() + 16);
                let mut sealer = Sealer::new(*cipher, &key, iv, b"")?;
                sealer.update(plaintext, &mut out)?;
                sealer.finish(&mut out)?;
                Ok(out)
            }
            Kind::Pkcs12 { cipher: cipher @ Legacy::DesEde3, salt, iterations } => {
                let (key, iv) = cipher.derive(password, salt, *iterations, &mut work)?;
                triple_des_encrypt(&key, &iv, plaintext)
            }
            _ => Err(Error::Weak { algorithm: "this password-based encryption" }),
        }
    }
}

impl Legacy {
    fn key_length(self) -> usize {
        match self {
            Self::Rc2_40 | Self::Rc4_40 => 5,
            Self::Des | Self::Rc2_64 => 8,
            Self::DesEde2 | Self::Rc2_128 | Self::Rc4_128 => 16,
            Self::DesEde3 => 24,
        }
    }

    fn derive(
        self,
        password: &[u8],
        salt: &[u8],
        iterations: u32,
        work: &mut PasswordWork,
    ) -> Result<(Secret, Secret), Error> {
        let mut derive =
            |purpose, length| pkcs12(DigestAlgorithm::Sha1, purpose, password, salt, iterations, length, work);
        let key = derive(Pkcs12Purpose::Key, self.key_length())?;
        let iv_length = if matches!(self, Self::Rc4_40 | Self::Rc4_128) { 0 } else { 8 };
        Ok((key, derive(Pkcs12Purpose::InitializationVector, iv_length)?))
    }

    fn decrypt(self, key: &[u8], iv: &[u8], ciphertext: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error> {
        match self {
            Self::Des | Self::DesEde2 | Self::DesEde3 => des_decrypt(key, iv, ciphertext),
            Self::Rc2_40 | Self::Rc2_64 | Self::Rc2_128 => rc2_decrypt(key, key.len() * 8, iv, ciphertext),
            Self::Rc4_40 | Self::Rc4_128 => rc4_decrypt(key, ciphertext),
        }
    }
}

impl Cipher {
    fn from_identifier(identifier: &AlgorithmIdentifier) -> Result<Self, Error> {
        let malformed = |_| Error::MalformedParameters { algorithm: "PBES2" };
        let parameters = identifier.parameters.as_deref().unwrap_or_default();
        let mut reader = Reader::new(parameters, Encoding::Ber);
        if identifier.oid == oids::RC2_CBC {
            // RC2-CBC-Parameter ::= SEQUENCE { rc2ParameterVersion INTEGER OPTIONAL, iv OCTET STRING } (RFC 8018 §B.2.3)
            let mut inside = reader.sequence("RC2-CBC-Parameter").map_err(malformed)?;
            let version = match inside.peek() {
                Some(Tag::INTEGER) => Some(inside.small_integer().map_err(malformed)?),
                _ => None,
            };
            let iv = inside.octet_string().map_err(malformed)?.into_owned();
            let effective_bits = match version {
                None => 32,
                Some(160) => 40,
                Some(120) => 64,
                Some(58) => 128,
                Some(version @ 256..=1024) => usize::try_from(version).unwrap_or(1024),
                Some(_) => return Err(Error::MalformedParameters { algorithm: "RC2" }),
            };
            return Ok(Self::Rc2 { effective_bits, iv });
        }
        let iv = reader.octet_string().map_err(malformed)?.into_owned();
        reader.finish().map_err(malformed)?;
        match identifier.oid {
            oids::DES_CBC => Ok(Self::Des { iv }),
            oids::DES_EDE3_CBC => Ok(Self::DesEde3 { iv }),
            oid => match ContentCipher::from_oid(oid) {
                Some(cipher) if !cipher.is_authenticated() => Ok(Self::Aes { cipher, iv }),
                _ => Err(Error::Unknown { oid }),
            },
        }
    }

    fn identifier(&self) -> AlgorithmIdentifier {
        let (oid, iv) = match self {
            Self::Aes { cipher, iv } => (cipher.oid(), iv),
            Self::Des { iv } => (oids::DES_CBC, iv),
            Self::DesEde3 { iv } => (oids::DES_EDE3_CBC, iv),
            Self::Rc2 { iv, .. } => (oids::RC2_CBC, iv),
        };
        AlgorithmIdentifier::with(oid, |w| w.octet_string(iv))
    }

    fn key_length(&self) -> Option<usize> {
        match self {
            Self::Aes { cipher, .. } => Some(cipher.key_length()),
            Self::Des { .. } => Some(8),
            Self::DesEde3 { .. } => Some(24),
            Self::Rc2 { .. } => None,
        }
    }

    fn decrypt(&self, key: &[u8], ciphertext: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error> {
        match self {
            Self::Aes { cipher, iv } => {
                let mut out = Zeroizing::new(Vec::with_capacity(ciphertext.len() + 32));
                let mut opener = Opener::new(*cipher, key, iv, b"")?;
                opener.update(ciphertext, &mut out)?;
                opener.finish(b"", &mut out)?;
                Ok(out)
            }
            Self::Des { iv } | Self::DesEde3 { iv } => des_decrypt(key, iv, ciphertext),
            Self::Rc2 { effective_bits, iv } => rc2_decrypt(key, *effective_bits, iv, ciphertext),
        }
    }
}

// PBES2-params ::= SEQUENCE { keyDerivationFunc AlgorithmIdentifier, encryptionScheme AlgorithmIdentifier }
// (RFC 8018 §A.4)
fn pbes2(identifier: &AlgorithmIdentifier) -> Result<PasswordEncryption, Error> {
    let malformed = |_| Error::MalformedParameters { algorithm: "PBES2" };
    let mut outer = Reader::new(identifier.parameters.as_deref().unwrap_or_default(), Encoding::Ber);
    let mut inside = outer.sequence("PBES2-params").map_err(malformed)?;
    let derivation = AlgorithmIdentifier::parse(&mut inside).map_err(malformed)?;
    if derivation.oid == SCRYPT {
        return Err(Error::Unsupported { algorithm: "scrypt".into() });
    }
    let derivation = Pbkdf2::from_identifier(&derivation)?;
    let cipher = Cipher::from_identifier(&AlgorithmIdentifier::parse(&mut inside).map_err(malformed)?)?;
    inside.finish().map_err(malformed)?;
    Ok(PasswordEncryption(Kind::Pbes2 { derivation, cipher }))
}

// PBEParameter ::= SEQUENCE { salt OCTET STRING, iterationCount INTEGER } (RFC 8018 §A.3, RFC 7292 §C)
fn salt_and_iterations(identifier: &AlgorithmIdentifier) -> Result<(Vec<u8>, u32), Error> {
    let malformed = |_| Error::MalformedParameters { algorithm: "password-based encryption" };
    let mut outer = Reader::new(identifier.parameters.as_deref().unwrap_or_default(), Encoding::Ber);
    let mut inside = outer.sequence("PBEParameter").map_err(malformed)?;
    let salt = inside.octet_string().map_err(malformed)?.into_owned();
    let iterations = inside.small_integer().map_err(malformed)?;
    inside.finish().map_err(malformed)?;
    Ok((salt, iterations))
}

fn salted(oid: Oid, salt: &[u8], iterations: u32) -> AlgorithmIdentifier {
    AlgorithmIdentifier::with(oid, |w| {
        w.sequence(|w| {
            w.octet_string(salt);
            w.unsigned(u64::from(iterations));
        });
    })
}

const PBE_MD5_DES: Oid = Oid::new("1.2.840.113549.1.5.3");
const PBE_MD5_RC2: Oid = Oid::new("1.2.840.113549.1.5.6");
const PBE_SHA1_DES: Oid = Oid::new("1.2.840.113549.1.5.10");
const PBE_SHA1_RC2: Oid = Oid::new("1.2.840.113549.1.5.11");
const PBE_RC4_128: Oid = Oid::new("1.2.840.113549.1.12.1.1");
const PBE_RC4_40: Oid = Oid::new("1.2.840.113549.1.12.1.2");
const PBE_3DES: Oid = Oid::new("1.2.840.113549.1.12.1.3");
const PBE_2DES: Oid = Oid::new("1.2.840.113549.1.12.1.4");
const PBE_RC2_128: Oid = Oid::new("1.2.840.113549.1.12.1.5");
const PBE_RC2_40: Oid = Oid::new("1.2.840.113549.1.12.1.6");
const SCRYPT: Oid = Oid::new("1.3.6.1.4.1.11591.4.11");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let utf16 = PasswordForm::Utf16.octets("geheim");
        for encryption in [PasswordEncryption::generate(10), PasswordEncryption::generate_compatible(&utf16, 10)] {
            let encryption = encryption.unwrap();
            let password = encryption.form().octets("geheim");
            let sealed = encryption.encrypt(&password, b"a private key").unwrap();
            let read = PasswordEncryption::from_identifier(&encryption.identifier()).unwrap();
            assert_eq!(read, encryption);
            let mut work = PasswordWork::new();
            assert_eq!(**read.decrypt(&password, &sealed, &mut work).unwrap(), *b"a private key");
            let other = encryption.form().octets("Geheim");
            assert_ne!(
                read.decrypt(&other, &sealed, &mut work).ok().as_deref().map(Vec::as_slice),
                Some(&b"a private key"[..])
            );
        }
    }

    #[test]
    fn compatible_is_compatible_with_gnupg_whatever_chance_gives() {
        let password = PasswordForm::Utf16.octets("geheim");
        for _ in 0..2000 {
            let Kind::Pkcs12 { salt, .. } = PasswordEncryption::generate_compatible(&password, 1).unwrap().0 else {
                panic!("another scheme")
            };
            assert_eq!(pkcs12_key_of_gnupg(&password, &salt, 1, 24, &mut PasswordWork::new()), Ok(None));
        }
    }

    #[test]
    fn t_47_two_thousand_million_iterations_are_refused_unworked() {
        let identifier = salted(PBE_3DES, &[1; 8], 1 << 31);
        let encryption = PasswordEncryption::from_identifier(&identifier).unwrap();
        let opened = encryption.decrypt(b"", &[0; 16], &mut PasswordWork::new());
        assert_eq!(opened, Err(Error::TooMuchWork { limit: PasswordWork::ROUNDS }));
    }

    #[test]
    fn t_127_salts_and_vectors_are_fresh_each_time() {
        use super::super::PasswordMac;

        let parts = |encryption: PasswordEncryption| match encryption.0 {
            Kind::Pbes2 { derivation, cipher: Cipher::Aes { iv, .. } } => vec![derivation.salt, iv],
            Kind::Pkcs12 { salt, .. } => vec![salt],
            other => panic!("{other:?}"),
        };
        let once = || {
            let mut drawn = parts(PasswordEncryption::generate(1).unwrap());
            drawn.extend(parts(PasswordEncryption::generate_compatible(&[0, b'a', 0, 0], 1).unwrap()));
            drawn.push(PasswordMac::generate(DigestAlgorithm::Sha256, 1).unwrap().parts().1);
            drawn.push(PasswordMac::generate_pbmac1(1).unwrap().parts().0.parameters.unwrap());
            drawn
        };
        for (one, other) in once().into_iter().zip(once()) {
            assert_ne!(one, other);
        }
    }
}
