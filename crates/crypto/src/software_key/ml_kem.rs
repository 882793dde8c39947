use asn1::{Encoding, Reader, Tag};
use aws_lc_rs::kem;
#[allow(deprecated, reason = "aws-lc takes the expanded form only")]
use ml_kem::ExpandedKeyEncoding as _;
use zeroize::Zeroizing;

use super::Operations;
use crate::key_agreement::kem_algorithm;
use crate::{AlgorithmIdentifier, DigestAlgorithm, Error, MlKemLevel, PublicKey, constant_time_eq};

// RFC 9935 §6: `CHOICE { seed [0], expandedKey OCTET STRING, both SEQUENCE }`.
pub(super) fn read(level: MlKemLevel, private: &[u8]) -> Result<(PublicKey, Operations), Error> {
    let malformed = |_: asn1::Error| Error::MalformedKey { because: "it is not an ML-KEM private key" };
    let mut reader = Reader::new(private, Encoding::Der);
    let element = reader.element().map_err(malformed)?;
    reader.finish().map_err(malformed)?;
    let expanded = match element.tag() {
        Tag::OCTET_STRING => Zeroizing::new(element.content().to_vec()),
        Tag::SEQUENCE => {
            let mut both = element.reader("both").map_err(malformed)?;
            let seed = Zeroizing::new(both.octet_string().map_err(malformed)?.into_owned());
            let expanded = Zeroizing::new(both.octet_string().map_err(malformed)?.into_owned());
            both.finish().map_err(malformed)?;
            // RFC 9935 §8: a key whose two forms differ is refused.
            if !constant_time_eq(&expand(level, &seed)?, &expanded) {
                return Err(Error::MalformedKey { because: "its seed and its expanded form do not match" });
            }
            expanded
        }
        tag if tag == Tag::context(0) => expand(level, element.content())?,
        _ => return Err(Error::MalformedKey { because: "it is not an ML-KEM private key" }),
    };
    let public = check(level, &expanded)?;
    let key = kem::DecapsulationKey::new(kem_algorithm(level), &expanded)?;
    Ok((public, Operations::MlKem(key)))
}

// FIPS 203 §7.3: the expanded key ends with the public key, its digest, and 32 octets for implicit rejection.
fn check(level: MlKemLevel, expanded: &[u8]) -> Result<PublicKey, Error> {
    let wrong = Error::MalformedKey { because: "its length is wrong" };
    let length = level.public_key_length();
    let start = expanded.len().checked_sub(64 + length).ok_or(wrong.clone())?;
    let public = expanded.get(start..start + length).ok_or(wrong.clone())?;
    let digest = expanded.get(start + length..start + length + 32).ok_or(wrong)?;
    if DigestAlgorithm::Sha3_256.digest(public).octets() != digest {
        return Err(Error::MalformedKey { because: "its public key and the digest of that do not match" });
    }
    PublicKey::from_parts(&AlgorithmIdentifier::new(level.oid()), public)
}

// FIPS 203 §6.1 (algorithm 16), which aws-lc-rs does not offer.
#[allow(deprecated, reason = "aws-lc takes the expanded form only")]
fn expand(level: MlKemLevel, seed: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error> {
    let seed = ml_kem::Seed::try_from(seed).map_err(|_| Error::MalformedKey { because: "its length is wrong" })?;
    let seed = Zeroizing::new(seed);
    Ok(Zeroizing::new(match level {
        MlKemLevel::MlKem512 => ml_kem::DecapsulationKey512::from_seed(*seed).to_expanded_bytes().to_vec(),
        MlKemLevel::MlKem768 => ml_kem::DecapsulationKey768::from_seed(*seed).to_expanded_bytes().to_vec(),
        MlKemLevel::MlKem1024 => ml_kem::DecapsulationKey1024::from_seed(*seed).to_expanded_bytes().to_vec(),
    }))
}

#[cfg(test)]
mod tests {
    use asn1::Writer;

    use super::*;

    #[test]
    fn t_128_halves_of_a_key_that_do_not_match_are_no_key() {
        for level in [MlKemLevel::MlKem512, MlKemLevel::MlKem768, MlKemLevel::MlKem1024] {
            let seed = [7; 64];
            let expanded = expand(level, &seed).unwrap();
            let read_expanded = |expanded: &[u8]| {
                let mut writer = Writer::new();
                writer.octet_string(expanded);
                read(level, writer.as_slice()).is_ok()
            };
            let read_both = |seed: &[u8]| {
                let mut writer = Writer::new();
                writer.sequence(|w| {
                    w.octet_string(seed);
                    w.octet_string(&expanded);
                });
                read(level, writer.as_slice()).is_ok()
            };
            assert!(read_expanded(&expanded) && read_both(&seed));
            assert!(!read_both(&[8; 64]));
            // The last octet of the public key, and the first of its digest.
            for place in [expanded.len() - 65, expanded.len() - 64] {
                let mut other = expanded.to_vec();
                other[place] ^= 1;
                assert!(!read_expanded(&other), "{place}");
            }
        }
    }
}
