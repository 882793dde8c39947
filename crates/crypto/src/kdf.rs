use std::num::NonZeroU32;

use aws_lc_rs::{hkdf as aws_hkdf, hmac as aws_hmac, pbkdf2 as aws_pbkdf2};
use zeroize::Zeroizing;

use crate::{DigestAlgorithm, Error, Hasher};

/// The ANSI X9.63 key derivation function (RFC 5753 §7.1): digests of `secret ‖ counter ‖ shared_info`.
pub fn x963_kdf(digest: DigestAlgorithm, secret: &[u8], shared_info: &[u8], length: usize) -> Zeroizing<Vec<u8>> {
    let mut out = Zeroizing::new(Vec::with_capacity(length + 64));
    let mut counter = 1u32;
    while out.len() < length {
        let mut hasher = Hasher::new(digest);
        hasher.update(secret);
        hasher.update(&counter.to_be_bytes());
        hasher.update(shared_info);
        out.extend_from_slice(hasher.finish().octets());
        counter = counter.wrapping_add(1);
    }
    out.truncate(length);
    out
}

/// HKDF (RFC 5869 §2): extract with `salt`, expand with `info`.
pub fn hkdf(
    digest: DigestAlgorithm,
    salt: &[u8],
    secret: &[u8],
    info: &[u8],
    length: usize,
) -> Result<Zeroizing<Vec<u8>>, Error> {
    struct Length(usize);
    impl aws_hkdf::KeyType for Length {
        fn len(&self) -> usize {
            self.0
        }
    }
    let algorithm = match digest {
        DigestAlgorithm::Sha256 => aws_hkdf::HKDF_SHA256,
        DigestAlgorithm::Sha384 => aws_hkdf::HKDF_SHA384,
        DigestAlgorithm::Sha512 => aws_hkdf::HKDF_SHA512,
        other => return Err(Error::Unsupported { algorithm: format!("HKDF with {other}") }),
    };
    let key = aws_hkdf::Salt::new(algorithm, salt).extract(secret);
    let mut out = Zeroizing::new(vec![0; length]);
    key.expand(&[info], Length(length))?.fill(&mut out)?;
    Ok(out)
}

/// The content key that HKDF makes of the one that was transported: id-alg-cek-hkdf-sha256 (RFC 9709 §2).
///
/// `algorithm` is the DER of the cipher's own AlgorithmIdentifier, so that a key serves for that cipher alone.
pub fn cek_hkdf_sha256(key: &[u8], algorithm: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error> {
    hkdf(DigestAlgorithm::Sha256, b"The Cryptographic Message Syntax", key, algorithm, key.len())
}

/// PBKDF2 (RFC 8018 §5.2). The caller has bounded `iterations`.
pub fn pbkdf2(
    digest: DigestAlgorithm,
    password: &[u8],
    salt: &[u8],
    iterations: u32,
    length: usize,
) -> Result<Zeroizing<Vec<u8>>, Error> {
    let algorithm = match digest {
        DigestAlgorithm::Sha1 => aws_pbkdf2::PBKDF2_HMAC_SHA1,
        DigestAlgorithm::Sha256 => aws_pbkdf2::PBKDF2_HMAC_SHA256,
        DigestAlgorithm::Sha384 => aws_pbkdf2::PBKDF2_HMAC_SHA384,
        DigestAlgorithm::Sha512 => aws_pbkdf2::PBKDF2_HMAC_SHA512,
        other => return Err(Error::Unsupported { algorithm: format!("PBKDF2 with {other}") }),
    };
    let iterations = NonZeroU32::new(iterations).ok_or(Error::MalformedParameters { algorithm: "PBKDF2" })?;
    let mut out = Zeroizing::new(vec![0; length]);
    aws_pbkdf2::derive(algorithm, iterations, salt, password, &mut out);
    Ok(out)
}

/// HMAC (RFC 2104 §2).
pub fn hmac(digest: DigestAlgorithm, key: &[u8], data: &[u8]) -> Result<Vec<u8>, Error> {
    Ok(aws_hmac::sign(&aws_hmac::Key::new(hmac_algorithm(digest)?, key), data).as_ref().to_vec())
}

/// Whether `tag` is the HMAC of `data`, in constant time.
pub fn verify_hmac(digest: DigestAlgorithm, key: &[u8], data: &[u8], tag: &[u8]) -> Result<(), Error> {
    Ok(aws_hmac::verify(&aws_hmac::Key::new(hmac_algorithm(digest)?, key), data, tag)?)
}

fn hmac_algorithm(digest: DigestAlgorithm) -> Result<aws_hmac::Algorithm, Error> {
    Ok(match digest {
        DigestAlgorithm::Sha1 => aws_hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
        DigestAlgorithm::Sha224 => aws_hmac::HMAC_SHA224,
        DigestAlgorithm::Sha256 => aws_hmac::HMAC_SHA256,
        DigestAlgorithm::Sha384 => aws_hmac::HMAC_SHA384,
        DigestAlgorithm::Sha512 => aws_hmac::HMAC_SHA512,
        other => return Err(Error::Unsupported { algorithm: format!("HMAC with {other}") }),
    })
}
