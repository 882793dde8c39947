use asn1::{Encoding, Reader, Tag};
use zeroize::Zeroizing;

use super::{PasswordWork, check_salt};
use crate::{AlgorithmIdentifier, DigestAlgorithm, Error, Hasher, oids, pbkdf2};

/// What derived octets are for, in PKCS #12's own derivation (RFC 7292 §B.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pkcs12Purpose {
    /// A key for a cipher.
    Key,
    /// An initialization vector.
    InitializationVector,
    /// A key for a MAC.
    MacKey,
}

/// PKCS #12's own key derivation (RFC 7292 §B.2). The caller has bounded `iterations`.
pub fn pkcs12_kdf(
    digest: DigestAlgorithm,
    purpose: Pkcs12Purpose,
    password: &[u8],
    salt: &[u8],
    iterations: u32,
    length: usize,
) -> Zeroizing<Vec<u8>> {
    derive(digest, purpose, password, salt, iterations, length, Addition::Exact).0
}

/// The key that GnuPG 2.2 derives instead, of all salts with one in 128.
///
/// It adds with big numbers, and of an I_j that begins with zero octets it writes only the others back, over the
/// beginning of what was there. Nobody else reads what it seals then, and it reads nobody else's.
pub(super) fn pkcs12_key_of_gnupg(
    password: &[u8],
    salt: &[u8],
    iterations: u32,
    length: usize,
    work: &mut PasswordWork,
) -> Result<Option<Zeroizing<Vec<u8>>>, Error> {
    let digest = DigestAlgorithm::Sha1;
    work.take(iterations, length.div_ceil(digest.length()))?;
    let (key, differs) = derive(digest, Pkcs12Purpose::Key, password, salt, iterations, length, Addition::OfGnupg);
    Ok(differs.then_some(key))
}

/// What is written back of I_j = (I_j + B + 1) mod 2^v.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Addition {
    Exact,
    OfGnupg,
}

/// Gives also whether the two additions differ somewhere.
fn derive(
    digest: DigestAlgorithm,
    purpose: Pkcs12Purpose,
    password: &[u8],
    salt: &[u8],
    iterations: u32,
    length: usize,
    addition: Addition,
) -> (Zeroizing<Vec<u8>>, bool) {
    let block = match digest {
        DigestAlgorithm::Sha384 | DigestAlgorithm::Sha512 => 128,
        _ => 64,
    };
    let id = match purpose {
        Pkcs12Purpose::Key => 1,
        Pkcs12Purpose::InitializationVector => 2,
        Pkcs12Purpose::MacKey => 3,
    };
    let filled = |octets: &[u8]| -> Vec<u8> {
        octets.iter().copied().cycle().take(octets.len().div_ceil(block) * block).collect()
    };
    let mut input = Zeroizing::new(filled(salt));
    input.extend_from_slice(&Zeroizing::new(filled(password)));
    let (mut out, mut differs) = (Zeroizing::new(Vec::with_capacity(length + digest.length())), false);
    while out.len() < length {
        let mut hasher = Hasher::new(digest);
        hasher.update(&vec![id; block]);
        hasher.update(&input);
        let mut value = hasher.finish();
        for _ in 1..iterations {
            value = digest.digest(value.octets());
        }
        out.extend_from_slice(value.octets());
        if out.len() >= length {
            break;
        }
        let addend = Zeroizing::new(value.octets().iter().copied().cycle().take(block).collect::<Vec<u8>>());
        for part in input.chunks_mut(block) {
            let before = Zeroizing::new(part.to_vec());
            let mut carry = 1u16;
            for (octet, add) in part.iter_mut().zip(addend.iter()).rev() {
                carry += u16::from(*octet) + u16::from(*add);
                *octet = carry.to_le_bytes()[0];
                carry >>= 8;
            }
            let zeros = part.iter().take_while(|octet| **octet == 0).count();
            differs |= zeros > 0;
            if addition == Addition::OfGnupg {
                part.rotate_left(zeros);
                for (octet, before) in part.iter_mut().zip(before.iter()).rev().take(zeros) {
                    *octet = *before;
                }
            }
        }
    }
    out.truncate(length);
    (out, differs)
}

/// The same within a budget.
pub(super) fn pkcs12(
    digest: DigestAlgorithm,
    purpose: Pkcs12Purpose,
    password: &[u8],
    salt: &[u8],
    iterations: u32,
    length: usize,
    work: &mut PasswordWork,
) -> Result<Zeroizing<Vec<u8>>, Error> {
    check_salt(salt)?;
    if iterations == 0 {
        return Err(Error::MalformedParameters { algorithm: "PKCS #12 key derivation" });
    }
    work.take(iterations, length.div_ceil(digest.length()))?;
    Ok(pkcs12_kdf(digest, purpose, password, salt, iterations, length))
}

/// PBKDF1 (RFC 8018 §5.1): 16 octets, of which the first half is the key, the second the vector.
pub(super) fn pbkdf1(
    digest: DigestAlgorithm,
    password: &[u8],
    salt: &[u8],
    iterations: u32,
    work: &mut PasswordWork,
) -> Result<Zeroizing<Vec<u8>>, Error> {
    check_salt(salt)?;
    work.take(iterations, 1)?;
    let mut hasher = Hasher::new(digest);
    hasher.update(password);
    hasher.update(salt);
    let mut value = hasher.finish();
    for _ in 1..iterations {
        value = digest.digest(value.octets());
    }
    Ok(Zeroizing::new(value.octets().get(..16).unwrap_or_default().to_vec()))
}

/// PBKDF2's parameters.
///
/// ```text
/// PBKDF2-params ::= SEQUENCE { salt CHOICE { specified OCTET STRING, otherSource AlgorithmIdentifier },
///     iterationCount INTEGER, keyLength INTEGER OPTIONAL, prf AlgorithmIdentifier DEFAULT hmacWithSHA1 }
/// ```
/// RFC 8018 §A.2.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pbkdf2 {
    pub(super) salt: Vec<u8>,
    pub(super) iterations: u32,
    pub(super) length: Option<usize>,
    pub(super) prf: DigestAlgorithm,
}

impl Pbkdf2 {
    pub(super) fn from_identifier(identifier: &AlgorithmIdentifier) -> Result<Self, Error> {
        if identifier.oid != oids::PBKDF2 {
            return Err(Error::Unknown { oid: identifier.oid });
        }
        let malformed = |_| Error::MalformedParameters { algorithm: "PBKDF2" };
        let parameters = identifier.parameters.as_deref().unwrap_or_default();
        let mut outer = Reader::new(parameters, Encoding::Ber);
        let mut inside = outer.sequence("PBKDF2-params").map_err(malformed)?;
        let salt = inside.octet_string().map_err(malformed)?.into_owned();
        check_salt(&salt)?;
        let iterations = inside.small_integer().map_err(malformed)?;
        let length = match inside.peek() {
            Some(Tag::INTEGER) => Some(inside.small_integer().map_err(malformed)?),
            _ => None,
        };
        let prf = match inside.peek() {
            Some(_) => hmac_digest(&AlgorithmIdentifier::parse(&mut inside).map_err(malformed)?)?,
            None => DigestAlgorithm::Sha1,
        };
        inside.finish().map_err(malformed)?;
        let length = match length {
            None => None,
            // No key here is longer, so that no memory is taken and no work done for more.
            Some(length) => Some(
                usize::try_from(length)
                    .ok()
                    .filter(|length| (1..=64).contains(length))
                    .ok_or(Error::MalformedParameters { algorithm: "PBKDF2" })?,
            ),
        };
        Ok(Self { salt, iterations, length, prf })
    }

    pub(super) fn identifier(&self) -> AlgorithmIdentifier {
        AlgorithmIdentifier::with(oids::PBKDF2, |w| {
            w.sequence(|w| {
                w.octet_string(&self.salt);
                w.unsigned(u64::from(self.iterations));
                if let Some(length) = self.length {
                    w.unsigned(u64::try_from(length).unwrap_or(0));
                }
                if let (true, Some(oid)) = (self.prf != DigestAlgorithm::Sha1, hmac_oid(self.prf)) {
                    AlgorithmIdentifier::with_null(oid).encode(w);
                }
            });
        })
    }

    pub(super) fn derive(
        &self,
        password: &[u8],
        length: usize,
        work: &mut PasswordWork,
    ) -> Result<Zeroizing<Vec<u8>>, Error> {
        if self.length.is_some_and(|said| said != length) {
            return Err(Error::MalformedParameters { algorithm: "PBKDF2" });
        }
        work.take(self.iterations, length.div_ceil(self.prf.length()))?;
        pbkdf2(self.prf, password, &self.salt, self.iterations, length)
    }
}

/// The digest inside an HMAC's identifier.
pub(super) fn hmac_digest(identifier: &AlgorithmIdentifier) -> Result<DigestAlgorithm, Error> {
    let digest = match identifier.oid {
        oids::HMAC_WITH_SHA1 => DigestAlgorithm::Sha1,
        oids::HMAC_WITH_SHA224 => DigestAlgorithm::Sha224,
        oids::HMAC_WITH_SHA256 => DigestAlgorithm::Sha256,
        oids::HMAC_WITH_SHA384 => DigestAlgorithm::Sha384,
        oids::HMAC_WITH_SHA512 => DigestAlgorithm::Sha512,
        oid => return Err(Error::Unknown { oid }),
    };
    if identifier.has_no_parameters() { Ok(digest) } else { Err(Error::MalformedParameters { algorithm: "HMAC" }) }
}

pub(super) fn hmac_oid(digest: DigestAlgorithm) -> Option<asn1::Oid> {
    Some(match digest {
        DigestAlgorithm::Sha1 => oids::HMAC_WITH_SHA1,
        DigestAlgorithm::Sha224 => oids::HMAC_WITH_SHA224,
        DigestAlgorithm::Sha256 => oids::HMAC_WITH_SHA256,
        DigestAlgorithm::Sha384 => oids::HMAC_WITH_SHA384,
        DigestAlgorithm::Sha512 => oids::HMAC_WITH_SHA512,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PasswordForm;

    // The values that implementations have shared since PKCS #12 v1.0; Botan's and Bouncy Castle's tests carry them.
    #[test]
    fn the_key_that_gnupg_derives_otherwise_is_known() {
        // `openssl pkcs12` had sealed with these salts; gpgsm 2.2.40 opened what was sealed with the last one only.
        let password = crate::PasswordForm::Utf16.octets("demo");
        let salts: [(u64, bool); 3] =
            [(0xd109_954c_3efb_cedd, true), (0x7627_4030_88fe_0199, true), (0x584d_06b8_4ec0_a3ba, false)];
        for (salt, differs) in salts {
            let salt = salt.to_be_bytes();
            let theirs = pkcs12_key_of_gnupg(&password, &salt, 2048, 24, &mut PasswordWork::new()).unwrap();
            assert_eq!(theirs.is_some(), differs);
            let ours = pkcs12_kdf(DigestAlgorithm::Sha1, Pkcs12Purpose::Key, &password, &salt, 2048, 24);
            assert_ne!(theirs, Some(ours));
        }
    }

    #[test]
    fn pkcs12_derivation_gives_the_known_values() {
        let sme = PasswordForm::Utf16.octets("smeg");
        let salt = [0x0A, 0x58, 0xCF, 0x64, 0x53, 0x0D, 0x82, 0x3F];
        let key = pkcs12_kdf(DigestAlgorithm::Sha1, Pkcs12Purpose::Key, &sme, &salt, 1, 24);
        assert_eq!(hex(&key), "8aaae6297b6cb04642ab5b077851284eb7128f1a2a7fbca3");
        let iv = pkcs12_kdf(DigestAlgorithm::Sha1, Pkcs12Purpose::InitializationVector, &sme, &salt, 1, 8);
        assert_eq!(hex(&iv), "79993dfe048d3b76");
        let queeg = PasswordForm::Utf16.octets("queeg");
        let salt = [0x05, 0xDE, 0xC9, 0x59, 0xAC, 0xFF, 0x72, 0xF7];
        let key = pkcs12_kdf(DigestAlgorithm::Sha1, Pkcs12Purpose::Key, &queeg, &salt, 1000, 24);
        assert_eq!(hex(&key), "ed2034e36328830ff09df1e1a07dd357185dac0d4f9eb3d4");
    }

    fn hex(octets: &[u8]) -> String {
        octets.iter().map(|octet| format!("{octet:02x}")).collect()
    }
}
